"""P&L of settled fills by their time: while a count was awaited, while it was news, or apart.

A count is *awaited* from when its release is possible until it is out; then it is *news* for half
an hour, in which some traders have read it and others have not.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from mmbot.exchange.facts import AccountFilled
from mmbot.exchange.timetable import Release
from mmbot.underlying.calendar import EASTERN, Week, to_milliseconds
from mmbot.units import Count, Milliseconds, Money, Price

# After this time, everybody has read a count.
_NEWS_MS: Final = 30 * 60_000


class PnlTotals(msgspec.Struct, frozen=True):
    """A number of fills with their P&L: the settled value less price and fee."""

    fills: int = 0
    contracts: Count = Count(0)
    pnl: Money = Money(0)

    def __add__(self, other: PnlTotals) -> PnlTotals:
        return PnlTotals(
            self.fills + other.fills,
            Count(self.contracts + other.contracts),
            Money(self.pnl + other.pnl),
        )


class PnlByWindow(msgspec.Struct, frozen=True):
    """The fills while a count was awaited, while it was news, and all others."""

    awaited: PnlTotals = PnlTotals()
    news: PnlTotals = PnlTotals()
    apart: PnlTotals = PnlTotals()

    def __add__(self, other: PnlByWindow) -> PnlByWindow:
        return PnlByWindow(
            self.awaited + other.awaited, self.news + other.news, self.apart + other.apart
        )

    @property
    def total(self) -> PnlTotals:
        """All fills."""
        return self.awaited + self.news + self.apart


class _ReleaseTimes(msgspec.Struct, frozen=True):
    """When a release became possible, came, and ceased to be news, in true milliseconds."""

    gate: Milliseconds
    out: Milliseconds
    old: Milliseconds


def pnl_by_window(
    fills: Iterable[AccountFilled],
    values: Mapping[str, Price],
    planned: Iterable[Release],
    gate: dt.time,
) -> PnlByWindow:
    """Add up the fills of settled markets.

    Args:
        fills: The fills.
        values: What YES paid in each market, by ticker.
        planned: When the counts were released.
        gate: The time of day from which a release was possible.
    """
    releases, earned = tuple(planned), PnlByWindow()
    times: dict[str, list[_ReleaseTimes]] = {}
    for fill in fills:
        event = fill.ticker.rpartition("-")[0]
        if event not in times:
            times[event] = _release_times(Week.from_event_ticker(event), releases, gate)
        earned += _of_one(fill, values[fill.ticker], times[event])
    return earned


def _of_one(fill: AccountFilled, value: Price, releases: Iterable[_ReleaseTimes]) -> PnlByWindow:
    signed = fill.count if fill.side == "bid" else -fill.count
    totals = PnlTotals(1, fill.count, Money((value - fill.price) * signed - fill.fee))
    for release in releases:
        if release.out <= fill.at < release.old:
            return PnlByWindow(news=totals)
        if release.gate <= fill.at < release.out:
            return PnlByWindow(awaited=totals)
    return PnlByWindow(apart=totals)


def _release_times(week: Week, planned: Iterable[Release], gate: dt.time) -> list[_ReleaseTimes]:
    """Return the times around the releases of a week's own days."""
    times = []
    for release in planned:
        if not set(release.days).isdisjoint(week.days):
            shut = dt.datetime.combine(release.at.date(), gate, EASTERN)
            out = to_milliseconds(release.at)
            times.append(_ReleaseTimes(to_milliseconds(shut), out, out + _NEWS_MS))
    return times
