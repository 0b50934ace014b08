"""What fills were worth once their markets were settled, around releases and apart from them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from mmbot.simulator.facts import Filled
from mmbot.simulator.timetable import Release
from mmbot.tsa.calendar import EASTERN, Week, to_milliseconds
from mmbot.units import Count, Money, Price

# After so many milliseconds everybody has read a count.
_NEWS_LASTS: Final = 30 * 60_000


class Tally(msgspec.Struct, frozen=True):
    """Some fills, and their P&L: what was bought at its settled value, less price and fee."""

    fills: int = 0
    contracts: Count = 0
    pnl: Money = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.fills + other.fills, self.contracts + other.contracts, self.pnl + other.pnl
        )


class Earned(msgspec.Struct, frozen=True):
    """The fills around releases, and all others."""

    around: Tally = Tally()
    apart: Tally = Tally()

    def __add__(self, other: Earned) -> Earned:
        return Earned(self.around + other.around, self.apart + other.apart)

    @property
    def total(self) -> Tally:
        """All fills."""
        return self.around + self.apart


def release_spans(
    week: Week, planned: Iterable[Release], gate: dt.time
) -> tuple[tuple[int, int], ...]:
    """Return the hours around the releases of a week's own days, in true milliseconds.

    They begin at `gate`, from when a count may be out, or with a count that is earlier still, and
    end half an hour after the count is out.
    """
    spans = []
    for release in planned:
        if not set(release.days).isdisjoint(week.days):
            shut = dt.datetime.combine(release.at.date(), gate, EASTERN)
            out = to_milliseconds(release.at)
            spans.append((min(to_milliseconds(shut), out), out + _NEWS_LASTS))
    return tuple(spans)


def tally(
    fills: Iterable[Filled], values: Mapping[str, Price], planned: Iterable[Release], gate: dt.time
) -> Earned:
    """Add up fills of settled markets.

    Args:
        fills: The fills.
        values: What YES paid in each market.
        planned: When the counts came out.
        gate: From when on they might have.
    """
    releases, earned = tuple(planned), Earned()
    spans: dict[str, tuple[tuple[int, int], ...]] = {}
    for fill in fills:
        event = fill.ticker.rpartition("-")[0]
        if event not in spans:
            spans[event] = release_spans(Week.from_event_ticker(event), releases, gate)
        signed = fill.count if fill.side == "bid" else -fill.count
        one = Tally(1, fill.count, (values[fill.ticker] - fill.price) * signed - fill.fee)
        around = any(start <= fill.at < end for start, end in spans[event])
        earned += Earned(around=one) if around else Earned(apart=one)
    return earned
