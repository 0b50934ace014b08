"""Lists the events and markets of both tiers, and the fees of the series."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from functools import partial

import msgspec

from mmbot.history import wire
from mmbot.history.doubts import Doubts
from mmbot.history.rows import EVENTS, MARKETS, EventRecord, FeeChange, MarketRecord
from mmbot.history.steps import Query, Refused, Steps, get, pages
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
from mmbot.underlying.calendar import CalendarClock, Week, to_milliseconds
from mmbot.units import Milliseconds

# An event has some forty kilobytes, a market two.
_EVENTS_A_PAGE = "50"
_MARKETS_A_PAGE = "1000"
# An event is listed no later than this after its week.
_OVER = dt.timedelta(days=14)
# This close to a boundary between the tiers, either may have a row, as the boundaries move.
NEAR_MS: Milliseconds = 2 * 86_400_000


class Cutoff(msgspec.Struct, frozen=True):
    """The boundaries between the tiers: older rows are only in the historical one.

    Near a boundary, or if it is not known, either tier may have a row.
    """

    settled_ms: Milliseconds | None = None
    trades_ms: Milliseconds | None = None

    def may_have_settled(self, at: Milliseconds) -> bool:
        """Return whether the historical tier may have a market that was settled after `at`."""
        return self.settled_ms is None or at < self.settled_ms + NEAR_MS

    def may_have_traded(self, since: Milliseconds) -> bool:
        """Return whether the historical tier may have trades from `since` on."""
        return self.trades_ms is None or since < self.trades_ms + NEAR_MS

    def may_be_live(self, until: Milliseconds) -> bool:
        """Return whether the live tier may have trades up to `until`."""
        return self.trades_ms is None or until > self.trades_ms - NEAR_MS


class Listing(msgspec.Struct, frozen=True):
    """Events and markets as the exchange lists them now.

    Attributes:
        events: The events of the requested weeks.
        markets: Their markets.
        is_whole: Whether the lists are complete: their pages did not loop.
        absent: The past weeks that neither tier has.
        archived: The markets that the historical tier has.
        doubts: What could not be used, each as a clause.
    """

    events: tuple[EventRecord, ...]
    markets: tuple[MarketRecord, ...]
    is_whole: bool
    absent: frozenset[Week] = frozenset()
    archived: frozenset[str] = frozenset()
    doubts: tuple[str, ...] = ()


class _CutoffAnswer(msgspec.Struct, frozen=True):
    market_settled_ts: Instant | None = None
    trades_created_ts: Instant | None = None


def read_cutoff(doubts: Doubts) -> Steps[Cutoff]:
    """Read the boundaries between the tiers."""
    try:
        answer = yield from get("/historical/cutoff")
        told = decode(answer.body, _CutoffAnswer)
    except (Refused, Malformed) as error:
        doubts.add("the boundaries of the tiers cannot be read", str(error))
        return Cutoff()
    instants = (told.market_settled_ts, told.trades_created_ts)
    return Cutoff(*(None if at is None else to_milliseconds(at) for at in instants))


def list_weeks(
    series: str, weeks: Collection[Week], cutoff: Cutoff, clock: CalendarClock, at: dt.datetime
) -> Steps[Listing]:
    """List the events and markets of some weeks.

    A past week that is not in the lists is requested separately.

    Args:
        series: The series.
        weeks: The weeks.
        cutoff: The boundaries between the tiers.
        clock: The calendar as a function of the exchange's time.
        at: The calendar's time.

    Raises:
        Refused: The exchange does not allow the listing.
    """
    doubts = Doubts()
    first = min(weeks)
    query: Query = (
        ("series_ticker", series),
        ("with_nested_markets", "true"),
        ("min_close_ts", str(clock.wall_time(first.opens) // 1000)),
        ("limit", _EVENTS_A_PAGE),
    )
    live = yield from _list_live(query, series, weeks, doubts)
    found = [live]
    if cutoff.may_have_settled(clock.wall_time(first.opens)):
        query = (("series_ticker", series), ("limit", _MARKETS_A_PAGE))
        found.append((yield from _list_archived(query, series, weeks, doubts)))
    absent: set[Week] = set()
    listed = {event.week for listing in found for event in listing.events}
    for week in sorted(week for week in weeks if week not in listed and week.settles + _OVER < at):
        ticker = week.event_ticker(series)
        query = (("series_ticker", series), ("tickers", ticker), ("with_nested_markets", "true"))
        found.append((yield from _list_live(query, series, [week], doubts)))
        query = (("event_ticker", ticker), ("limit", _MARKETS_A_PAGE))
        found.append((yield from _list_archived(query, series, [week], doubts)))
        if all(listing.is_whole and not listing.events for listing in found[-2:]):
            absent.add(week)
    # For an event or market in both tiers, the live one is at least as new.
    found.sort(key=lambda listing: not listing.archived)
    return Listing(
        tuple(merge(EVENTS, (), (event for listing in found for event in listing.events))),
        tuple(merge(MARKETS, (), (market for listing in found for market in listing.markets))),
        is_whole=all(listing.is_whole for listing in found),
        absent=frozenset(absent),
        archived=frozenset(ticker for listing in found for ticker in listing.archived),
        doubts=doubts.told(),
    )


def _list_live(
    query: Query, series: str, weeks: Collection[Week], doubts: Doubts
) -> Steps[Listing]:
    listed = yield from pages("/events", query, "events", doubts)
    read = partial(_event_with_markets, series)
    events: list[EventRecord] = []
    markets: list[MarketRecord] = []
    for event, rows in wire.usable(listed.rows, RestPastEvent, read, "an event", doubts):
        if event.week in weeks:
            events.append(event)
            markets += _markets(rows, series, {event.event_ticker}, doubts)
    return Listing(tuple(events), tuple(markets), listed.is_whole)


def _list_archived(
    query: Query, series: str, weeks: Collection[Week], doubts: Doubts
) -> Steps[Listing]:
    """List markets of the historical tier, which lists no events."""
    listed = yield from pages("/historical/markets", query, "markets", doubts)
    wanted = {week.event_ticker(series): week for week in weeks}
    markets = _markets(listed.rows, series, wanted.keys(), doubts)
    events = {market.event_ticker for market in markets}
    return Listing(
        tuple(EventRecord(e, series, wanted[e].sunday, "", None, None) for e in sorted(events)),
        tuple(markets),
        listed.is_whole,
        archived=frozenset(market.ticker for market in markets),
    )


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
    """Read the series' fee changes, and its present fees unless they follow from the changes.

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
    # The last change before now is in force; a reading that agrees with it adds nothing.
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
