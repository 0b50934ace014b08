"""Measures how long quotes rested at prices that a new belief made wrong, in cent-seconds.

A quote on the wrong side of its new fair value loses money to whoever takes it. Its distance in
cents times its contracts times the seconds until the exchange has cancelled it, summed over all
quotes that one belief made wrong, measures what reacting late put at risk.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from mmbot.forecast.belief import Belief
from mmbot.trading.commands import Note
from mmbot.trading.event_state import EventState
from mmbot.trading.quoting import danger
from mmbot.trading.state import TradingState
from mmbot.units import ONE_CENT, ONE_CONTRACT, Milliseconds


class _Episode(msgspec.Struct):
    """The quotes that one belief made wrong: `wrong` has cents times contracts by client id."""

    belief: Belief
    began: Milliseconds
    wrong: dict[str, float]
    orders: int = 0
    cent_seconds: float = 0.0


class StaleQuoteExposure:
    """Follows every event's quotes from one belief to the next."""

    def __init__(self, state: TradingState) -> None:
        self._state = state
        self._episodes: dict[str, _Episode] = {}

    def update(self, now: Milliseconds) -> Iterator[Note]:
        """Add up the quotes that are off by now, and start on those that a new belief made wrong.

        Yields:
            A line for the log for each belief whose last wrong quote is off.
        """
        for ticker in self._episodes.keys() - self._state.events.keys():
            del self._episodes[ticker]
        for event_state in self._state.events.values():
            episode = self._episodes.get(event_state.ticker)
            belief = event_state.priced.belief if event_state.priced else None
            is_new = belief is not None and (episode is None or episode.belief is not belief)
            if episode is not None and episode.wrong:
                seconds = (now - episode.began) / 1000
                self._count(episode, seconds, superseded=is_new)
                if not episode.wrong:
                    yield _summary(event_state.ticker, episode, seconds)
            if belief is not None and is_new:
                wrong = self._wrong(event_state)
                self._episodes[event_state.ticker] = _Episode(belief, now, wrong, len(wrong))

    def _wrong(self, event_state: EventState) -> dict[str, float]:
        wrong = {}
        for ticker, market in event_state.markets.items():
            for order in self._state.orders.of(ticker):
                distance = danger(order.side, order.price, market.fair or 0.0)
                if distance > 0 and order.remaining:
                    wrong[order.client_id] = distance / ONE_CENT * order.remaining / ONE_CONTRACT
        return wrong

    def _count(self, episode: _Episode, seconds: float, *, superseded: bool) -> None:
        """Count the quotes that are off or, if there is a newer belief, all of them."""
        for client_id in tuple(episode.wrong):
            order = self._state.orders.get(client_id)
            if superseded or order is None or not order.remaining:
                episode.cent_seconds += episode.wrong.pop(client_id) * seconds


def _summary(ticker: str, episode: _Episode, seconds: float) -> Note:
    fields = {
        "event_ticker": ticker,
        "known": episode.belief.days_published,
        "orders": episode.orders,
        "cent_seconds": round(episode.cent_seconds, 3),
        "seconds": round(seconds, 3),
    }
    return Note("belief.exposure", fields)
