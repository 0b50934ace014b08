"""Summarises what a directory holds and lacks, week by week, for `mmbot history status`."""

from __future__ import annotations

import datetime as dt

import msgspec

from mmbot.history.manifest import WeekManifest
from mmbot.history.rows import PERIODS
from mmbot.history.store import HistoryStore, week_of
from mmbot.underlying.calendar import from_milliseconds

_MEGABYTE = 1_000_000


class WeekSummary(msgspec.Struct, frozen=True):
    """One week of a series.

    Attributes:
        event: Its event.
        week: The Sunday that ends it.
        state: `complete`, `no event`, `trading` (complete up to the last fetch) or `incomplete`.
        markets: Its markets.
        complete: How many of them are complete.
        trades: The number of their trades.
        candles: The number of their candles, by minutes.
        megabytes: The size of their files.
        missing: What is missing, by market; of one that trades, everything after the last fetch.
        doubts: What could not be used of the exchange's answers, by market.
    """

    event: str
    week: dt.date
    state: str
    markets: int
    complete: int
    trades: int
    candles: dict[int, int]
    megabytes: float
    missing: dict[str, tuple[str, ...]]
    doubts: dict[str, tuple[str, ...]]


class CountsSummary(msgspec.Struct, frozen=True):
    """The counts: numbers of days and sightings, and when a page was last read."""

    days: int
    sightings: int
    first: dt.date | None = None
    last: dt.date | None = None
    read: dt.datetime | None = None


class StatusSummary(msgspec.Struct, frozen=True):
    """The whole directory."""

    directory: str
    exchange: str
    counts: CountsSummary
    series: dict[str, list[WeekSummary]]
    fee_changes: dict[str, int]


def summarise(store: HistoryStore) -> StatusSummary:
    """Summarise a directory."""
    source = store.source()
    series = store.series()
    return StatusSummary(
        directory=str(store.directory),
        exchange=source.exchange if source else "",
        counts=_counts(store),
        series={name: [_week(each) for each in store.manifests(name)] for name in series},
        fee_changes={name: len(store.fees(name)) for name in series},
    )


def _counts(store: HistoryStore) -> CountsSummary:
    held = store.sightings()
    read = max((page.read_ms for page in store.pages().values()), default=None)
    if not held:
        return CountsSummary(0, 0)
    days = {each.day for each in held}
    at = None if read is None else from_milliseconds(read)
    return CountsSummary(len(days), len(held), min(days), max(days), at)


def _week(held: WeekManifest) -> WeekSummary:
    entries = held.markets
    missing = {ticker: entry.missing for ticker, entry in entries.items() if entry.missing}
    complete = sum(entry.is_final and not entry.missing for entry in entries.values())
    state = "complete" if complete == len(entries) else "incomplete" if missing else "trading"
    imported = entries and all(entry.is_imported for entry in entries.values())
    return WeekSummary(
        event=held.event_ticker,
        week=week_of(held.event_ticker).sunday,
        state="no event" if held.has_no_event else "imported" if imported else state,
        markets=len(entries),
        complete=complete,
        trades=sum(entry.trades.rows for entry in entries.values() if entry.trades),
        candles={p: sum(e.periods.get(p, 0) for e in entries.values()) for p in PERIODS},
        megabytes=round(sum(entry.bytes for entry in entries.values()) / _MEGABYTE, 3),
        missing=missing,
        doubts={ticker: entry.doubts for ticker, entry in entries.items() if entry.doubts},
    )
