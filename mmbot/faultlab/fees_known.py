"""The fees that the bot may assume: those recently in force, by the exchange's own records.

The stream announces a change of an event's fee. A change of the series' fee shows only in readings,
which may fail or be old copies.
"""

from __future__ import annotations

from typing import Final

from mmbot.exchange.exchange_state import ExchangeState
from mmbot.exchange.fees import FeeSchedule, rounded_fee
from mmbot.units import Count, Milliseconds, Money, Price

# How long a change of fees may go unnoticed.
_UNNOTICED_MS: Final[Milliseconds] = 150_000


def reckoned_with(exchange: ExchangeState, event: str, now: Milliseconds) -> list[FeeSchedule]:
    """Return the schedules of an event that the bot may assume to be in force."""
    usual, own, found = exchange.settings.fees, None, []
    for change in sorted(exchange.fee_changes, key=lambda change: change.at):
        if change.at > now or change.event_ticker not in (None, event):
            continue
        if change.at > now - _UNNOTICED_MS:
            found.append(own or usual)
        if change.event_ticker is None:
            usual = change.fees or usual
        else:
            own = change.fees
    return [*found, own or usual]


def least_fee(schedules: list[FeeSchedule], price: Price, count: Count) -> Money:
    """Return the maker fee of an order under the cheapest of these schedules."""
    return min(rounded_fee(each.raw(price, count, is_taker=False)) for each in schedules)
