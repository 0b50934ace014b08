"""Plans what a fetch requests: the incomplete weeks, and the incomplete markets in them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterator, Sequence

from mmbot.history.listing import Listing
from mmbot.history.manifest import MarketEntry, WeekManifest
from mmbot.history.market_fetch import Held, MarketToFetch
from mmbot.history.rows import MarketRecord, Period
from mmbot.history.store import HistoryStore
from mmbot.underlying.calendar import Week

NOT_FETCHED = "not fetched yet"


def weeks_between(first: dt.date, last: dt.date) -> list[Week]:
    """Return the weeks from that of `first` to that of `last`."""
    week, end = Week.of(first), Week.of(last)
    found = []
    while week <= end:
        found.append(week)
        week = week.following
    return found


def unfinished(
    store: HistoryStore, series: str, weeks: Sequence[Week], periods: tuple[Period, ...]
) -> list[Week]:
    """Return the weeks that are not completely fetched."""
    return [week for week in weeks if not _is_finished(store, week.event_ticker(series), periods)]


def _is_finished(store: HistoryStore, event: str, periods: tuple[Period, ...]) -> bool:
    held = store.manifest(event)
    return held.is_complete(periods) and all(
        store.is_there(event, ticker, entry) for ticker, entry in held.markets.items()
    )


def take_listing(
    store: HistoryStore,
    series: str,
    weeks: Collection[Week],
    listing: Listing,
    periods: tuple[Period, ...],
) -> list[MarketToFetch]:
    """Store what is listed, note in the manifests what is missing, and return what to fetch.

    Args:
        store: The directory.
        series: The series.
        weeks: The requested weeks.
        listing: What the exchange lists of them.
        periods: The candles that are wanted.
    """
    store.put_listing(series, listing.events, listing.markets)
    jobs: list[MarketToFetch] = []
    for event in sorted({week.event_ticker(series) for week in weeks}):
        markets = [market for market in listing.markets if market.event_ticker == event]
        held = store.manifest(event)
        wanted = list(_wanted(store, held, markets, periods))
        jobs += [MarketToFetch(market, market.ticker in listing.archived) for market in wanted]
        noted = held.markets | {
            market.ticker: held.markets.get(market.ticker, MarketEntry(missing=(NOT_FETCHED,)))
            for market in markets
        }
        absent = not noted and Week.from_event_ticker(event) in listing.absent
        renewed = WeekManifest(event, noted, has_no_event=absent)
        if renewed != held:
            store.put_manifest(renewed)
    return jobs


def _wanted(
    store: HistoryStore,
    held: WeekManifest,
    markets: Sequence[MarketRecord],
    periods: tuple[Period, ...],
) -> Iterator[MarketRecord]:
    for market in markets:
        entry = held.markets.get(market.ticker)
        whole = (
            entry is not None
            and entry.has(periods)
            and store.is_there(held.event_ticker, market.ticker, entry)
        )
        if not whole:
            yield market


def held_of(store: HistoryStore, market: MarketRecord) -> Held:
    """Return what the directory has of a market: nothing if a file is missing or changed."""
    event, ticker = market.event_ticker, market.ticker
    entry = store.manifest(event).markets.get(ticker)
    if entry is None or not store.is_there(event, ticker, entry):
        return Held()
    return Held(entry, store.market_trades(event, ticker), store.market_candles(event, ticker))
