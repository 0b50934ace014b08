"""What fills were worth once their markets were settled: before a release, after it, and apart.

While a count is *awaited*, it may be out any minute; for half an hour it is *news*, which some
have read and others have not.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from mmbot.exchange.facts import AccountFilled
from mmbot.exchange.timetable import Release
from mmbot.tsa.calendar import EASTERN, Week, to_milliseconds
from mmbot.units import Count, Money, Price

# After so many milliseconds everybody has read a count.
_NEWS_LASTS: Final = 30 * 60_000


class PnlTotals(msgspec.Struct, frozen=True):
    """Some fills, and their P&L: what was bought at its settled value, less price and fee."""

    fills: int = 0
    contracts: Count = 0
    pnl: Money = 0

    def __add__(self, other: PnlTotals) -> PnlTotals:
        return PnlTotals(
            self.fills + other.fills, self.contracts + other.contracts, self.pnl + other.pnl
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


class _Span(msgspec.Struct, frozen=True):
    """The hours around one release, in true milliseconds."""

    gate: int
    out: int
    old: int


def pnl_by_window(
    fills: Iterable[AccountFilled],
    values: Mapping[str, Price],
    planned: Iterable[Release],
    gate: dt.time,
) -> PnlByWindow:
    """Add up fills of settled markets.

    Args:
        fills: The fills.
        values: What YES paid in each market.
        planned: When the counts came out.
        gate: From when on they might have.
    """
    releases, earned = tuple(planned), PnlByWindow()
    spans: dict[str, list[_Span]] = {}
    for fill in fills:
        event = fill.ticker.rpartition("-")[0]
        if event not in spans:
            spans[event] = _spans(Week.from_event_ticker(event), releases, gate)
        signed = fill.count if fill.side == "bid" else -fill.count
        one = PnlTotals(1, fill.count, (values[fill.ticker] - fill.price) * signed - fill.fee)
        earned += _placed(one, fill.at, spans[event])
    return earned


def _placed(one: PnlTotals, at: int, spans: Iterable[_Span]) -> PnlByWindow:
    for span in spans:
        if span.out <= at < span.old:
            return PnlByWindow(news=one)
        if span.gate <= at < span.out:
            return PnlByWindow(awaited=one)
    return PnlByWindow(apart=one)


def _spans(week: Week, planned: Iterable[Release], gate: dt.time) -> list[_Span]:
    """Return the hours around the releases of a week's own days."""
    spans = []
    for release in planned:
        if not set(release.days).isdisjoint(week.days):
            shut = dt.datetime.combine(release.at.date(), gate, EASTERN)
            out = to_milliseconds(release.at)
            spans.append(_Span(to_milliseconds(shut), out, out + _NEWS_LASTS))
    return spans
