"""Compares three records of a position: booked, listed and held.

Booked is the portfolio's, as in the ledger; the account's list of fills and its positions are the
exchange's two statements. A market may be traded if all agree.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from mmbot.trading.fill_reports import FillReports, ReportedFill, agree
from mmbot.trading.values import Fill
from mmbot.units import Count, Milliseconds, format_count, format_price

# The exchange's lists may be older than what the stream has reported by this much.
LISTS_BEHIND_MS = 5_000


class PositionReading(msgspec.Struct, frozen=True):
    """One market's position in each record, and the fills in which they differ.

    Attributes:
        booked: The sum of all reported fills, without those that may be too recent for the list.
        listed: The sum of the account's list of fills.
        held: The account's position.
        unlisted: The booked fills that the list should have but lacks.
        misstated: The booked fills that the list states differently, each with the listed fill.
    """

    ticker: str
    booked: Count
    listed: Count
    held: Count
    unlisted: tuple[ReportedFill, ...]
    misstated: tuple[tuple[ReportedFill, Fill], ...] = ()

    @property
    def contradiction(self) -> str:
        """The trade and figures that disagree; empty if all agree."""
        if self.booked == self.listed == self.held and not (self.unlisted or self.misstated):
            return ""
        figures = (
            f"{format_count(self.booked)} contracts of {self.ticker} are booked, "
            f"{format_count(self.held)} are held, and the listed fills sum to "
            f"{format_count(self.listed)}"
        )
        if self.misstated:
            told, listed = self.misstated[0]
            return f"the account lists {_shown(listed)}, booked as {_shown(told.fill)}: {figures}"
        trades = ", ".join(_shown(each.fill) for each in self.unlisted[:3])
        return f"the account does not list {trades}: {figures}" if trades else figures

    @property
    def invented(self) -> tuple[ReportedFill, ...]:
        """The fills that only the stream reported, if voiding them makes all records agree."""
        told = Count(sum(each.fill.signed_count for each in self.unlisted))
        explained = self.listed == self.held == self.booked - told
        stream_only = all(each.ids.keys() == {"stream"} for each in self.unlisted)
        return self.unlisted if explained and stream_only else ()


def read_positions(
    reports: FillReports,
    listed: Sequence[Fill],
    held: Mapping[str, Count],
    listed_from: Milliseconds,
) -> list[PositionReading]:
    """Compare the records of each market in `held`.

    Args:
        reports: Every fill of the event, those in `listed` included.
        listed: The account's list of the event's fills.
        held: The account's positions, zero included, in the markets to compare.
        listed_from: Fills reported since then may be missing from the list.
    """
    found = [(reports.find(fill), fill) for fill in listed]
    known = {id(reported) for reported, _ in found}
    misstated = [(r, fill) for r, fill in found if r is not None and not agree(r.fill, fill)]
    absent = [each for each in reports if id(each) not in known]
    recent = [each.fill for each in absent if each.reported_at >= listed_from]
    missing = [each for each in absent if each.reported_at < listed_from]
    booked = _sums([each.fill for each in reports])
    too_recent, in_list = _sums(recent), _sums({fill.key: fill for fill in listed}.values())
    return [
        PositionReading(
            ticker,
            Count(booked.get(ticker, 0) - too_recent.get(ticker, 0)),
            in_list.get(ticker, Count(0)),
            position,
            tuple(each for each in missing if each.fill.ticker == ticker),
            tuple((r, f) for r, f in misstated if ticker in (r.fill.ticker, f.ticker)),
        )
        for ticker, position in held.items()
    ]


def contradiction_at_start(
    recorded: Iterable[Fill], listed: Sequence[Fill], held: Mapping[str, Count]
) -> str:
    """Return how ledger and account disagree in the markets of `held`, or ""."""
    reports = FillReports()
    for fill in recorded:
        reports.add(fill, "ledger", 0)
    for fill in known_first(listed, reports):
        reports.add(fill, "list", 0)
    readings = read_positions(reports, listed, held, listed_from=1)
    return next((each.contradiction for each in readings if each.contradiction), "")


def known_first(listed: Iterable[Fill], reports: FillReports) -> list[Fill]:
    """Return listed fills in the order in which to add them: those with a known id first."""
    return sorted(listed, key=lambda fill: reports.find(fill) is None)


def _sums(fills: Iterable[Fill]) -> dict[str, Count]:
    sums: dict[str, Count] = {}
    for fill in fills:
        sums[fill.ticker] = Count(sums.get(fill.ticker, 0) + fill.signed_count)
    return sums


def _shown(fill: Fill) -> str:
    what = "+" if fill.side == "bid" else "-"
    return f"trade {fill.trade_id} ({what}{format_count(fill.count)} at {format_price(fill.price)})"
