"""The maker fee of each event: from the series' fee, the event's own, and scheduled changes.

Where several terms may apply, the highest fee counts. If one of them is not understood, the event
is not quoted; the cost of its live orders is then still reckoned with the last known fee.
"""

from __future__ import annotations

from typing import Final

from mmbot.trading.command_buffer import CommandBuffer
from mmbot.trading.event_state import EventState
from mmbot.trading.events import ListingRead
from mmbot.trading.fees import FEE_STEP, FeeTerms
from mmbot.trading.state import TradingState
from mmbot.trading.stated_fee import OLDEST_COPY_MS
from mmbot.trading.values import Fill
from mmbot.units import Milliseconds, format_count, format_money, format_price

# An older fill may have been charged under terms that no longer apply.
_CHECKED_WITHIN_MS: Final[Milliseconds] = 60_000
# How far rounding of fee and balance, and rebates, may move the fee of one fill.
_ROUNDING: Final = 2 * FEE_STEP


class FeeWatch:
    """Keeps every event's fee; call `update` after any of the `apply` methods."""

    def __init__(self, state: TradingState, buffer: CommandBuffer) -> None:
        self._state = state
        self._buffer = buffer

    def apply_reading(self, reading: ListingRead, now: Milliseconds) -> Milliseconds | None:
        """Apply a reading of the listing, whose events are known by now.

        Returns:
            When to read it again to see the next scheduled change in force; `None` without one.
        """
        series = self._state.stated_fee
        series.state(reading.fee, now)
        series.schedule(reading.fee_changes, now)
        seen = [change.at for change in series.changes]
        for listed in reading.events:
            stated = self._state.events[listed.ticker].stated_fee
            stated.state(listed.fee, now)
            stated.schedule(listed.fee_changes, now)
            seen += [change.at for change in stated.changes]
        return min((at + OLDEST_COPY_MS for at in seen if at + OLDEST_COPY_MS > now), default=None)

    def apply_series(self, terms: FeeTerms, now: Milliseconds) -> bool:
        """Apply the series' fee terms; return whether they have changed."""
        return self._state.stated_fee.state(terms, now)

    def apply_event(self, ticker: str, terms: FeeTerms, now: Milliseconds) -> tuple[str, ...]:
        """Apply an event's own fee terms, from the stream; return its markets."""
        event_state = self._state.events.get(ticker)
        if event_state is None:
            return ()
        event_state.stated_fee.state(terms, now)
        return tuple(event_state.markets)

    def update(self, now: Milliseconds) -> None:
        """Set the maker fees of each event as of `now`, and log changes."""
        usual = self._state.stated_fee.possible(now)
        for event_state in self._state.events.values():
            own = event_state.stated_fee.possible(now) or (FeeTerms(),)
            terms = tuple(dict.fromkeys(mine.over(each) for mine in own for each in usual))
            self._set(event_state, terms)

    def next_change(self, now: Milliseconds) -> Milliseconds | None:
        """Return the next time at which the clock alone changes a fee."""
        stated = [each.stated_fee for each in self._state.events.values()]
        changes = (each.next_change(now) for each in (self._state.stated_fee, *stated))
        return min((at for at in changes if at is not None), default=None)

    def _set(self, event_state: EventState, terms: tuple[FeeTerms, ...]) -> None:
        before = event_state.fee, event_state.unknown_fee
        fees = [each.fee for each in terms]
        event_state.unknown_fee = next((each.text for each in terms if each.fee is None), "")
        known = sorted((fee for fee in fees if fee), key=lambda fee: -fee.coefficient)
        if known and not event_state.unknown_fee:
            event_state.fees = tuple(known)
        if before == (event_state.fee, event_state.unknown_fee):
            return
        self._buffer.log(
            "fee.changed",
            "warning" if event_state.unknown_fee else "info",
            event_ticker=event_state.ticker,
            terms=event_state.unknown_fee or event_state.fee.text,
            terms_before=before[1] or before[0].text,
        )


def check_fee(
    buffer: CommandBuffer, event_state: EventState, fill: Fill, now: Milliseconds
) -> None:
    """Log, once for each event, a fill of ours that was charged an unexpected fee.

    The fee that was charged is booked; it is the expected cost of the next fills that may be wrong.
    """
    old = abs(now - fill.at) > _CHECKED_WITHIN_MS
    if old or event_state.unknown_fee or event_state.fee_differs:
        return
    expected = [fee.of(fill.count, fill.price) for fee in event_state.fees]
    if any(abs(fill.fee - each) <= _ROUNDING for each in expected):
        return
    event_state.fee_differs = True
    buffer.log(
        "fee.differs",
        "warning",
        event_ticker=event_state.ticker,
        market=fill.ticker,
        trade_id=fill.trade_id,
        order_id=fill.order_id,
        price=format_price(fill.price),
        count=format_count(fill.count),
        fee=format_money(fill.fee),
        expected_fee=format_money(expected[0]),
        terms=event_state.fee.text,
    )
