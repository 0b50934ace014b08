"""How long quotes stood at prices that a new belief had made wrong, in cent-seconds.

A quote on the wrong side of its new fair value is a gift until it is off: its distance in cents
times its contracts times the seconds until the exchange has taken it off, summed over all quotes
that one belief made wrong, is what reacting late put at risk.
"""

from __future__ import annotations

import msgspec

from mmbot.forecast.belief import Belief
from mmbot.trading.command_buffer import CommandBuffer
from mmbot.trading.quoting import danger
from mmbot.trading.state import EventState, TradingState
from mmbot.units import ONE_CENT, ONE_CONTRACT


class _Episode(msgspec.Struct):
    """What one belief made wrong; `wrong` has cents times contracts by client id."""

    belief: Belief
    began: int
    wrong: dict[str, float]
    orders: int = 0
    cent_seconds: float = 0.0


class StaleQuoteExposure:
    """Follows every event's quotes from one belief to the next."""

    def __init__(self, state: TradingState, outbox: CommandBuffer) -> None:
        self._state = state
        self._out = outbox
        self._episodes: dict[str, _Episode] = {}

    def follow(self) -> None:
        """Look which quotes are off by now, and what a new belief made wrong."""
        for event in self._episodes.keys() - self._state.events.keys():
            del self._episodes[event]
        for ladder in self._state.events.values():
            episode = self._episodes.get(ladder.ticker)
            belief = ladder.priced.belief if ladder.priced else None
            fresh = belief is not None and (episode is None or episode.belief is not belief)
            if episode is not None and episode.wrong:
                self._count(ladder, episode, superseded=fresh)
            if belief is not None and fresh:
                wrong = self._wrong(ladder)
                self._episodes[ladder.ticker] = _Episode(belief, self._out.now, wrong, len(wrong))

    def _wrong(self, ladder: EventState) -> dict[str, float]:
        wrong = {}
        for ticker, listing in ladder.markets.items():
            for order in self._state.orders.of(ticker):
                distance = danger(order.side, order.price, listing.fair or 0.0)
                if distance > 0 and order.remaining:
                    wrong[order.client_id] = distance / ONE_CENT * order.remaining / ONE_CONTRACT
        return wrong

    def _count(self, ladder: EventState, episode: _Episode, *, superseded: bool) -> None:
        """Count what is off, and with the last of it, or the next belief, say what it came to."""
        seconds = (self._out.now - episode.began) / 1000
        for client_id in tuple(episode.wrong):
            order = self._state.orders.get(client_id)
            if superseded or order is None or not order.remaining:
                episode.cent_seconds += episode.wrong.pop(client_id) * seconds
        if not episode.wrong:
            self._out.note(
                "belief.exposure",
                event_ticker=ladder.ticker,
                known=episode.belief.days_published,
                orders=episode.orders,
                cent_seconds=round(episode.cent_seconds, 3),
                seconds=round(seconds, 3),
            )
