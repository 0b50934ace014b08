"""Reads the listing: the events that are open or held, the fees, the exchange's state.

An event or market that cannot be read is left out and reported.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from mmbot.kalshi import messages as wire
from mmbot.kalshi.fees import (
    event_changes,
    fee_terms,
    series_changes,
    series_terms,
    with_changes,
)
from mmbot.kalshi.http import HttpRequest
from mmbot.kalshi.readings import (
    MOST_PAGES,
    PAGE_SIZE,
    Reading,
    ReadingError,
    Steps,
    first_pages,
    get,
    pages,
    rate_limits,
    read,
)
from mmbot.trading.commands import ReadListing
from mmbot.trading.events import FeeTypeRead, InputEvent, ListingRead, MarketSettled
from mmbot.trading.fees import FeeChange, FeeTerms
from mmbot.trading.values import ListedEvent, Market, Unreadable
from mmbot.underlying.calendar import Week
from mmbot.units import Milliseconds

_EVENT_PAGE_SIZE = "200"

# The most unreadable events and markets that are reported; a listing with more is malformed.
_MOST_UNREADABLE = 1_000


def read_listing(command: ReadListing, series: str, now: Milliseconds) -> Reading:
    """Read limits, fees, the exchange's state and the events that have not closed by `now`.

    The results of the events in `command.held` that have closed are read as well.
    """
    limits = yield from rate_limits()
    open_ = yield from open_events(series, now)
    fees = yield from series_fees(series)
    shut = yield from closed_reason(open_)
    held: list[wire.RestEvent] = []
    for ticker in sorted(set(command.held) - {wire.word(event.event_ticker) for event in open_}):
        event = yield from held_event(ticker)
        if event is not None:
            held.append(event)
    events, unreadable = listed_events((*open_, *held), series)
    settlements = [settled for event in held for settled in _settlements(event)]
    listed = tuple(fees.of(event, now) for event in events)
    if fees.unread:
        unreadable = (*unreadable, Unreadable(series, fees.unread))
    reading = ListingRead(shut, listed, unreadable, fees.usual, fees.changes)
    return [limits, reading, *settlements]


def read_fee_type(series: str) -> Reading:
    """Read only the series' fee."""
    return [FeeTypeRead((yield from _usual_fee(series)))]


def open_events(series: str, now: Milliseconds) -> Steps[list[wire.RestEvent]]:
    """Read the series' events that have not closed by `now`, with their markets undecoded."""
    query = (
        ("series_ticker", series),
        ("min_close_ts", str(now // 1000)),
        ("with_nested_markets", "true"),
        ("limit", _EVENT_PAGE_SIZE),
    )
    rows = yield from pages("/events", query, "events", Any)
    return [_event(row) for row in rows]


def _event(row: Any) -> wire.RestEvent:
    return wire.convert(row, wire.RestEvent) if isinstance(row, dict) else wire.RestEvent()


def held_event(ticker: str) -> Steps[wire.RestEvent | None]:
    """Read an event that may have closed; `None` if the exchange does not know the ticker.

    If nothing of the answer can be read, the event has no readable markets.
    """
    path = f"/events/{ticker}"
    answer = yield HttpRequest("GET", path, (("with_nested_markets", "true"),))
    if answer is not None and answer.status == 404:
        return None
    found: Any = None
    try:
        found = read(answer, path, _EventAnswer).event
    except wire.Malformed:
        pass
    except ReadingError as error:
        if error.transient:
            raise
    if not isinstance(found, dict):
        return wire.RestEvent(ticker, None)
    event = _event(found)
    return msgspec.structs.replace(event, event_ticker=event.event_ticker or ticker)


def listed_events(
    events: Iterable[wire.RestEvent], series: str
) -> tuple[tuple[ListedEvent, ...], tuple[Unreadable, ...]]:
    """Convert the events of the series; also return the unreadable events and markets.

    Raises:
        Malformed: There are more unreadable ones than are reported.
    """
    listed: list[ListedEvent] = []
    unreadable: list[Unreadable] = []
    for event in events:
        ticker = wire.word(event.event_ticker)
        if ticker and not ticker.startswith(f"{series}-"):
            continue
        if event.markets in ((), []) and ticker:
            continue
        markets, unread = _markets(event, ticker)
        unreadable += unread
        try:
            week = Week.from_event_ticker(ticker)
        except ValueError as error:
            unreadable.append(Unreadable(ticker, str(error)))
        else:
            if not markets:
                unreadable.append(Unreadable(ticker, f"{ticker} has no market that can be read"))
                continue
            fee = fee_terms(event.fee_type_override, event.fee_multiplier_override)
            listed.append(ListedEvent(ticker, week, tuple(markets), fee))
    if len(unreadable) > _MOST_UNREADABLE:
        raise wire.Malformed(f"more than {_MOST_UNREADABLE} events and markets cannot be read")
    return tuple(listed), tuple(unreadable)


def _markets(event: wire.RestEvent, ticker: str) -> tuple[list[Market], list[Unreadable]]:
    """Convert an event's markets, sorted by strike; also return those that cannot be read."""
    markets: list[Market] = []
    unreadable: list[Unreadable] = []
    for row in _rows(event):
        named = wire.word(row.get("ticker")) or ticker
        try:
            markets.append(wire.market(wire.convert(row, wire.RestMarket)))
        except wire.Malformed as error:
            unreadable.append(Unreadable(named, str(error)))
    markets, doubled = _without_doubles(markets)
    return sorted(markets, key=lambda market: market.strike), [*unreadable, *doubled]


def _without_doubles(markets: list[Market]) -> tuple[list[Market], list[Unreadable]]:
    """Separate markets that share a strike or a ticker but differ."""
    different = list(dict.fromkeys(markets))
    strikes = Counter(market.strike for market in different)
    tickers = Counter(market.ticker for market in different)
    clear = [m for m in different if strikes[m.strike] == 1 == tickers[m.ticker]]
    doubled = (market for market in different if market not in clear)
    reason = "another market has its ticker, or its strike of"
    return clear, [Unreadable(each.ticker, f"{reason} {each.strike:,}") for each in doubled]


def _rows(event: wire.RestEvent) -> Iterator[dict[str, Any]]:
    """Iterate over an event's undecoded markets."""
    for row in event.markets if isinstance(event.markets, list) else ():
        yield row if isinstance(row, dict) else {}


class SeriesFees(msgspec.Struct, frozen=True):
    """The fee of a series with its changes, and those of its events by their tickers.

    `unread` says which changes stay unknown until they apply; it is empty if all are known.
    """

    usual: FeeTerms
    changes: tuple[FeeChange, ...]
    of_events: dict[str, tuple[FeeChange, ...]]
    unread: str = ""

    def of(self, event: ListedEvent, now: Milliseconds) -> ListedEvent:
        """Return an event with the changes of its own fee."""
        return with_changes(event, self.of_events.get(event.ticker, ()), now)


def series_fees(series: str) -> Steps[SeriesFees]:
    """Read the fees of a series and of its events, readable or not."""
    usual = yield from _usual_fee(series)
    query = (("series_ticker", series),)
    rows = (yield from get("/series/fee_changes", _FeeChanges, query)).series_fee_change_arr
    # The exchange has no filter by series here. Changes beyond these pages are seen in the event's
    # row and by `event_fee_update` once they apply.
    path, field = "/events/fee_changes", "event_fee_changes"
    own, whole = yield from first_pages(path, (("limit", PAGE_SIZE),), field)
    of_events = event_changes([wire.tree(row) for row in own], series)
    changes = (*series_changes(rows, series), *of_events.pop("", ()))
    unread = (
        "" if whole else f"GET {path} has more than {MOST_PAGES} pages; the others are not read"
    )
    return SeriesFees(usual, changes, of_events, unread)


def _usual_fee(series: str) -> Steps[FeeTerms]:
    stated = (yield from get(f"/series/{series}", _SeriesAnswer)).series
    return series_terms(stated.fee_type, stated.fee_multiplier)


def closed_reason(listed: list[wire.RestEvent]) -> Steps[str]:
    """Return why nothing may be quoted (the exchange or a shard in use is paused), or ""."""
    status = yield from get("/exchange/status", ExchangeStatus)
    return "" if status.trades(listed) else "exchange_paused"


def _settlements(event: wire.RestEvent) -> Iterator[InputEvent]:
    """Iterate over the results of an event's markets, even if their terms are unreadable."""
    for row in _rows(event):
        ticker, result = row.get("ticker"), row.get("result")
        if isinstance(ticker, str) and result not in (None, ""):
            value = wire.settlement_value(result, row.get("settlement_value_dollars"))
            final = row.get("status") == "finalized"
            yield MarketSettled(ticker, value, final=final, read=True)


def decided(events: Iterable[wire.RestEvent]) -> set[str]:
    """Return the markets with a result, readable or not."""
    rows = (row for event in events for row in _rows(event))
    return {wire.word(row.get("ticker")) for row in rows if row.get("result") not in (None, "")}


# Answers


class _EventAnswer(msgspec.Struct, frozen=True):
    event: Any


class _Series(msgspec.Struct, frozen=True):
    fee_type: wire.Word = None
    fee_multiplier: wire.Word = None


class _SeriesAnswer(msgspec.Struct, frozen=True):
    series: _Series


class _FeeChanges(msgspec.Struct, frozen=True):
    series_fee_change_arr: tuple[Any, ...] = ()


class Activity(msgspec.Struct, frozen=True):
    """Whether the exchange, or a shard, is up and accepts orders: only if both are true."""

    exchange_active: wire.Word = None
    trading_active: wire.Word = None

    @property
    def trading(self) -> bool:
        """Whether orders are certainly accepted."""
        return self.exchange_active is True and self.trading_active is True


class ShardActivity(Activity, frozen=True):
    """The activity of one shard."""

    exchange_index: wire.Word = None


class ExchangeStatus(Activity, frozen=True):
    """The answer of `/exchange/status`."""

    exchange_index_statuses: tuple[ShardActivity, ...] = ()

    def trades(self, listed: Iterable[wire.RestEvent]) -> bool:
        """Return whether the exchange and every shard with one of these events accept orders."""
        shards = [row.get("exchange_index") or 0 for event in listed for row in _rows(event)]
        # A shard whose index is no number may be any shard.
        used = (
            shard
            for shard in self.exchange_index_statuses
            if shard.exchange_index in shards or not isinstance(shard.exchange_index, int)
        )
        return all(state.trading for state in (self, *used))
