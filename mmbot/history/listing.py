"""Which events and markets there are, from both tiers, and what fees the series had."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial

import msgspec

from mmbot.history import wire
from mmbot.history.doubts import Doubts
from mmbot.history.rows import EVENTS, MARKETS, EventRecord, FeeChange, MarketRecord
from mmbot.history.steps import Refused, Steps, get, pages
from mmbot.history.store import merge
from mmbot.history.wire_listing import (
    RestFeeChange,
    RestPastEvent,
    RestPastMarket,
    multiplier,
    read_event,
    read_fee_change,
    read_market,
)
from mmbot.kalshi.messages import Instant, Malformed, Word, decode, word
from mmbot.tsa.calendar import CalendarClock, Week, to_milliseconds
from mmbot.units import Milliseconds

# An event has some forty kilobytes, a market two.
_EVENTS_A_PAGE = "50"
_MARKETS_A_PAGE = "1000"
# So near to a boundary between the tiers either may have a row, as the boundaries move.
NEAR_MS: Milliseconds = 2 * 86_400_000


class Cutoff(msgspec.Struct, frozen=True):
    """The boundaries between the tiers: what is older is in the historical one alone."""

    settled_ms: Milliseconds = 0
    trades_ms: Milliseconds = 0


class Listing(msgspec.Struct, frozen=True):
    """Events and markets as the exchange lists them now.

    Attributes:
        events: Those of the weeks that were asked for.
        markets: Their markets.
        is_whole: Whether no other can be missing.
        archived: The markets that the historical tier has.
        doubts: What could not be used, each as a clause.
    """

    events: tuple[EventRecord, ...]
    markets: tuple[MarketRecord, ...]
    is_whole: bool
    archived: frozenset[str] = frozenset()
    doubts: tuple[str, ...] = ()


class _CutoffAnswer(msgspec.Struct, frozen=True):
    market_settled_ts: Instant | None = None
    trades_created_ts: Instant | None = None


def read_cutoff(doubts: Doubts) -> Steps[Cutoff]:
    """Read the boundaries; an exchange without a historical tier has none."""
    try:
        answer = yield from get("/historical/cutoff")
        told = decode(answer.body, _CutoffAnswer)
    except (Refused, Malformed) as error:
        doubts.add("the boundaries of the tiers cannot be read", str(error))
        return Cutoff()
    markets, trades = told.market_settled_ts, told.trades_created_ts
    return Cutoff(
        to_milliseconds(markets) if markets else 0, to_milliseconds(trades) if trades else 0
    )


def list_weeks(
    series: str, weeks: Collection[Week], cutoff: Cutoff, clock: CalendarClock
) -> Steps[Listing]:
    """List the events and markets of some weeks.

    Raises:
        Refused: The exchange lets nobody list them.
    """
    doubts = Doubts()
    first = min(weeks)
    query = (
        ("series_ticker", series),
        ("with_nested_markets", "true"),
        ("min_close_ts", str(clock.wall_time(first.opens) // 1000)),
        ("limit", _EVENTS_A_PAGE),
    )
    listed = yield from pages("/events", query, "events", doubts)
    events: list[EventRecord] = []
    markets: list[MarketRecord] = []
    read = partial(_event_with_markets, series)
    for event, rows in wire.usable(listed.rows, RestPastEvent, read, "an event", doubts):
        if event.week in weeks:
            events.append(event)
            markets += _markets(rows, series, {event.event_ticker}, doubts)
    is_whole = listed.is_whole
    archived: list[MarketRecord] = []
    if clock.wall_time(first.opens) < cutoff.settled_ms + NEAR_MS:
        past = yield from _list_archived(series, weeks, doubts)
        is_whole &= past.is_whole
        archived = list(past.markets)
    held = {event.event_ticker for event in events}
    for ticker in sorted({market.event_ticker for market in archived} - held):
        # The historical tier has no events, only their markets.
        sunday = Week.from_event_ticker(ticker).sunday
        events.append(EventRecord(ticker, series, sunday, "", None, None))
    return Listing(
        tuple(merge(EVENTS, (), events)),
        # What the live tier says of a market in both is at least as new.
        tuple(merge(MARKETS, archived, markets)),
        is_whole,
        frozenset(market.ticker for market in archived),
        doubts.told(),
    )


def _list_archived(series: str, weeks: Collection[Week], doubts: Doubts) -> Steps[Listing]:
    wanted = {week.event_ticker(series) for week in weeks}
    query = (("series_ticker", series), ("limit", _MARKETS_A_PAGE))
    listed = yield from pages("/historical/markets", query, "markets", doubts)
    found = _markets(listed.rows, series, wanted, doubts)
    return Listing((), tuple(found), listed.is_whole)


def _event_with_markets(series: str, row: RestPastEvent) -> tuple[EventRecord, list[msgspec.Raw]]:
    return read_event(row, series), row.markets


def _markets(
    rows: list[msgspec.Raw], series: str, events: Collection[str], doubts: Doubts
) -> list[MarketRecord]:
    read = partial(read_market, series=series, doubts=doubts)
    found = wire.usable(rows, RestPastMarket, read, "a market", doubts)
    return [market for market in found if market.event_ticker in events]


# Fees


class _Series(msgspec.Struct, frozen=True):
    fee_type: Word = None
    fee_multiplier: Word = None


class _SeriesAnswer(msgspec.Struct, frozen=True):
    series: _Series


def read_fees(
    series: str, held: Collection[FeeChange], now: Milliseconds, doubts: Doubts
) -> Steps[list[FeeChange]]:
    """Read the series' changes of fees, and the fees that it shows now if they are not known.

    Raises:
        Refused: The exchange does not know the series.
    """
    answer = yield from get(f"/series/{series}")
    query = (("series_ticker", series), ("show_historical", "true"))
    path = "/series/fee_changes"
    listed = yield from pages(path, query, "series_fee_change_arr", doubts)
    read = partial(read_fee_change, series=series)
    found = list(wire.usable(listed.rows, RestFeeChange, read, "a change of fees", doubts))
    try:
        told = decode(answer.body, _SeriesAnswer).series
    except Malformed as error:
        doubts.add("the series' fees cannot be read", str(error))
        return found
    reading = FeeChange(now, series, word(told.fee_type), _factor(told), "", is_reading=True)
    # In force now is the last change before now; a reading that says the same is not news.
    before = [each for each in (*held, *found) if each.at_ms <= now]
    last = max(before, key=lambda each: each.at_ms, default=None)
    same = last is not None and (last.fee_type, last.multiplier) == (
        reading.fee_type,
        reading.multiplier,
    )
    return found if same else [*found, reading]


def _factor(told: _Series) -> int | None:
    try:
        return multiplier(told.fee_multiplier)
    except (ValueError, TypeError):
        return None
