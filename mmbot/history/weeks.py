"""One week of the past as a stream: its trades, candles and releases in the order of time."""

from __future__ import annotations

import datetime as dt
import heapq
from collections.abc import Iterable, Iterator
from typing import TypeAlias

import msgspec

from mmbot.errors import BadInput
from mmbot.history.manifest import Source
from mmbot.history.rows import Candle, EventRecord, FeeChange, MarketRecord, Period, Trade
from mmbot.history.store import HOW_TO_FETCH, HistoryStore, series_of
from mmbot.underlying.calendar import CalendarClock, Week
from mmbot.underlying.counts import Counts
from mmbot.units import Milliseconds


class Release(msgspec.Struct, frozen=True):
    """A day's count was published or revised; on the exchange's clock, like all times here."""

    at_ms: Milliseconds
    day: dt.date
    count: int


PastEvent: TypeAlias = Trade | Candle | Release


class PastWeek(msgspec.Struct, frozen=True):
    """A past week.

    Attributes:
        event: Its event.
        markets: Its markets, in ascending order of strike; markets without a strike come last.
        missing: What is missing of markets, by ticker; a week with any of it is incomplete.
        fees: The series' fees over time.
        clock: The calendar as a function of the exchange's time: the identity but for a simulated
            exchange.
    """

    event: EventRecord
    markets: tuple[MarketRecord, ...]
    missing: dict[str, tuple[str, ...]]
    fees: tuple[FeeChange, ...]
    clock: CalendarClock

    @property
    def week(self) -> Week:
        """Its days."""
        return self.event.week


def load_week(store: HistoryStore, event_ticker: str) -> PastWeek:
    """Return a week without its trades and candles.

    Raises:
        BadInput: It is not in the directory.
    """
    series = series_of(event_ticker)
    event = next((e for e in store.events(series) if e.event_ticker == event_ticker), None)
    entries = store.manifest(event_ticker).markets
    if event is None or not entries:
        raise BadInput(f"{store.directory} has nothing of {event_ticker}; {HOW_TO_FETCH}")
    last = 2**63
    markets = sorted(
        (market for market in store.markets(series, event_ticker) if market.ticker in entries),
        key=lambda market: (last if market.strike is None else market.strike, market.ticker),
    )
    return PastWeek(
        event=event,
        markets=tuple(markets),
        missing={ticker: entry.missing for ticker, entry in entries.items() if entry.missing},
        fees=store.fees(series),
        clock=(store.source() or Source("")).clock,
    )


def releases(counts: Counts, week: Week, clock: CalendarClock) -> tuple[Release, ...]:
    """Return the releases of a week's days and their revisions, in the order of time.

    An archived count of a day that was also published is not a release, as nobody could trade on
    it.
    """
    found = [
        Release(clock.wall_time(vintage.seen), day, vintage.count)
        for day in counts.published_days(week)
        for vintage in counts.vintages[day]
        if counts.is_archived(day) or not vintage.archived
    ]
    return tuple(sorted(found, key=lambda release: (release.at_ms, release.day)))


def stream(
    store: HistoryStore, week: PastWeek, counts: Counts, period: Period = 1
) -> Iterator[PastEvent]:
    """Yield what happened in a week in the order in which it was known.

    A candle is known at its end. Within one millisecond trades come first, then candles, then
    releases, so that no count is acted on before it was published.
    """
    rows: Iterable[tuple[Milliseconds, PastEvent]] = (
        (row.at_ms if isinstance(row, Trade) else row.end_ms, row)
        for row in store.stream(week.event.event_ticker, period)
    )
    out: Iterable[tuple[Milliseconds, PastEvent]] = (
        (release.at_ms, release) for release in releases(counts, week.week, week.clock)
    )
    for _, event in heapq.merge(rows, out, key=lambda pair: pair[0]):
        yield event
