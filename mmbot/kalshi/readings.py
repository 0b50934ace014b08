"""Readings of the exchange: sequences of requests, written as generators; and the listing's.

A reading yields requests, is sent their answers (`None` where none came in time), and returns
events. It fails with `ReadingError` or `Malformed`, whose message is a sentence for the log.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Generator, Iterable, Iterator
from typing import Annotated, Any, TypeAlias, TypeVar

import msgspec

from mmbot.kalshi import messages as wire
from mmbot.kalshi.fees import (
    event_changes,
    fee_terms,
    series_changes,
    series_terms,
    with_changes,
)
from mmbot.kalshi.http import BASE_PATH, HttpAnswer, HttpRequest, is_passing
from mmbot.texts import plain
from mmbot.trading.commands import ReadListing
from mmbot.trading.events import FeeTypeRead, InputEvent, LimitsRead, ListingRead, MarketSettled
from mmbot.trading.fees import FeeChange, FeeTerms
from mmbot.trading.values import ListedEvent, Market, Unreadable
from mmbot.underlying.calendar import Week
from mmbot.units import Milliseconds

_T = TypeVar("_T")

# Refusals of the moment, not of the request, whatever their status.
_PASSING_CODES = frozenset(
    {
        "exchange_is_paused",
        "exchange_paused",
        "exchange_unavailable",
        "internal_error",
        "too_many_requests",
        "trading_is_paused",
    }
)
_Query: TypeAlias = tuple[tuple[str, str], ...]
Steps: TypeAlias = Generator[HttpRequest, HttpAnswer | None, _T]
Reading: TypeAlias = Generator[HttpRequest, HttpAnswer | None, list[InputEvent]]

ORDERS = "/portfolio/events/orders"
PAGE_SIZE = "1000"
_EVENT_PAGE_SIZE = "200"
_MOST_PAGES = 50

# Events and markets that cannot be read, each named; a listing with more is none.
_MOST_UNREADABLE = 1_000


class ReadingError(Exception):
    """A reading failed; `transient` if the same request may succeed later.

    One that is `rate_limited` was refused because the read bucket is empty.
    """

    def __init__(self, reason: str, *, transient: bool = False, rate_limited: bool = False) -> None:
        super().__init__(reason)
        self.transient = transient
        self.rate_limited = rate_limited


# Requests


def own_subaccount(subaccount: int) -> tuple[str, str]:
    """Return the query parameter that selects the subaccount."""
    # Without it the exchange means all subaccounts.
    return "subaccount", str(subaccount)


def get(path: str, kind: type[_T], query: _Query = ()) -> Steps[_T]:
    """Request one object."""
    answer = yield HttpRequest("GET", path, query)
    return read(answer, path, kind)


def pages(path: str, query: _Query, field: str, kind: type[_T]) -> Steps[list[_T]]:
    """Request a list, page by page; its rows are in the answers' `field`."""
    rows: list[_T] = []
    cursor, before = "", set[str]()
    for _ in range(_MOST_PAGES):
        page_query = (*query, ("cursor", cursor)) if cursor else query
        page = yield from get(path, dict[str, Any], page_query)
        if not isinstance(page.get(field), list):
            raise wire.Malformed(f"GET {path}: no list of {field}")
        rows += [wire.convert(row, kind) for row in page[field]]
        cursor = plain(page.get("cursor") or "")
        if not cursor:
            return rows
        if cursor in before:
            raise ReadingError(f"GET {path}: its pages come again and again", transient=True)
        before.add(cursor)
    raise ReadingError(f"GET {path}: more than {_MOST_PAGES} pages")


def read(answer: HttpAnswer | None, path: str, kind: type[_T]) -> _T:
    """Decode the answer to `GET path`.

    Raises:
        ReadingError: There is no answer, or its status is not 200.
        Malformed: Its body is not of that kind.
    """
    if answer is None or answer.status != 200:
        limited = answer is not None and answer.status == 429
        reason = f"GET {path}: {refusal_text(answer)}"
        raise ReadingError(reason, transient=_is_transient(answer), rate_limited=limited)
    return wire.decode(answer.body, kind)


def _is_transient(answer: HttpAnswer | None) -> bool:
    """Return whether the same request may succeed later, for all that the answer says."""
    if answer is None or is_passing(answer.status):
        return True
    return wire.error_body(answer.body).code.lower() in _PASSING_CODES


def says_not_found(answer: HttpAnswer | None) -> bool:
    """Return whether the exchange itself says that there is no such thing.

    What stands before it may answer 404 as well, in words of its own.
    """
    if answer is None or answer.status != 404:
        return False
    error = wire.error_body(answer.body)
    return "not found" in f"{error.code} {error.text}".lower().replace("_", " ")


def refusal_text(answer: HttpAnswer | None) -> str:
    """Return the status, code and text of an answer that is an error, or that there is none."""
    if answer is None:
        return "no answer"
    error = wire.error_body(answer.body)
    return f"{answer.status} {error.code} {error.text}".rstrip()


# The listing


def read_listing(command: ReadListing, series: str, now: Milliseconds) -> Reading:
    """Read limits, fees, the exchange's state and the events that have not closed by `now`.

    Of the events in `command.held` that have closed, the results are read as well.
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
    reading = ListingRead(shut, listed, unreadable, fees.usual, fees.changes)
    return [limits, reading, *settlements]


def read_fee_type(series: str) -> Reading:
    """Read the series' fee alone."""
    return [FeeTypeRead((yield from _usual_fee(series)))]


def rate_limits() -> Steps[LimitsRead]:
    """Read the account's rate limits and what the calls cost."""
    limits = yield from get("/account/limits", _Limits)
    costs = yield from get("/account/endpoint_costs", Costs)
    cancel_cost = costs.of("DELETE", f"{ORDERS}/{{order_id}}")
    if cancel_cost > limits.write.bucket_capacity:
        raise wire.Malformed("a cancel costs more tokens than there can be")
    return LimitsRead(
        read_refill=limits.read.refill_rate,
        read_capacity=limits.read.bucket_capacity,
        refill=limits.write.refill_rate,
        capacity=limits.write.bucket_capacity,
        place_cost=costs.of("POST", ORDERS),
        cancel_cost=cancel_cost,
        renew_cost=costs.of("POST", f"{ORDERS}/{{order_id}}/amend"),
        decrease_cost=costs.of("POST", f"{ORDERS}/{{order_id}}/decrease"),
    )


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

    One of which the exchange gives nothing that can be read has no markets that can.
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
    """Convert the events of the series; return also those, and the markets, that cannot be read.

    Raises:
        Malformed: More of them cannot be read than could be named.
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
    """Convert an event's markets, sorted by strike; return also those that cannot be read."""
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
    """Take out the markets of which there are two at one strike, or by one name, that differ."""
    different = list(dict.fromkeys(markets))
    strikes = Counter(market.strike for market in different)
    tickers = Counter(market.ticker for market in different)
    clear = [m for m in different if strikes[m.strike] == 1 == tickers[m.ticker]]
    doubled = (market for market in different if market not in clear)
    reason = "there is another by its name, or at its strike of"
    return clear, [Unreadable(each.ticker, f"{reason} {each.strike:,}") for each in doubled]


def _rows(event: wire.RestEvent) -> Iterator[dict[str, Any]]:
    """Iterate over an event's markets, whatever they hold."""
    for row in event.markets if isinstance(event.markets, list) else ():
        yield row if isinstance(row, dict) else {}


class SeriesFees(msgspec.Struct, frozen=True):
    """The fee of a series, the changes of it to come, and those of its events by their tickers."""

    usual: FeeTerms
    changes: tuple[FeeChange, ...]
    of_events: dict[str, tuple[FeeChange, ...]]

    def of(self, event: ListedEvent, now: Milliseconds) -> ListedEvent:
        """Return an event with the changes of its own fee."""
        return with_changes(event, self.of_events.get(event.ticker, ()), now)


def series_fees(series: str) -> Steps[SeriesFees]:
    """Read the fees of a series and of its events, whatever stands there."""
    usual = yield from _usual_fee(series)
    query = (("series_ticker", series),)
    rows = (yield from get("/series/fee_changes", _FeeChanges, query)).series_fee_change_arr
    own = yield from pages("/events/fee_changes", (("limit", PAGE_SIZE),), "event_fee_changes", Any)
    of_events = event_changes(own, series)
    changes = (*series_changes(rows, series), *of_events.pop("", ()))
    return SeriesFees(usual, changes, of_events)


def _usual_fee(series: str) -> Steps[FeeTerms]:
    stated = (yield from get(f"/series/{series}", _SeriesAnswer)).series
    return series_terms(stated.fee_type, stated.fee_multiplier)


def closed_reason(listed: list[wire.RestEvent]) -> Steps[str]:
    """Return why nothing may be quoted (a pause of the exchange, or of a shard in use), or ""."""
    status = yield from get("/exchange/status", ExchangeStatus)
    return "" if status.trades(listed) else "exchange_paused"


def _settlements(event: wire.RestEvent) -> Iterator[InputEvent]:
    """Iterate over the results of an event's markets, also of those whose terms are unreadable."""
    for row in _rows(event):
        ticker, result = row.get("ticker"), row.get("result")
        if isinstance(ticker, str) and result not in (None, ""):
            value = wire.settlement_value(result, row.get("settlement_value_dollars"))
            final = row.get("status") == "finalized"
            yield MarketSettled(ticker, value, final=final, read=True)


def decided(events: Iterable[wire.RestEvent]) -> set[str]:
    """Return the markets with a result, whether or not that can be read."""
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
    """Whether the exchange, or a shard, is up and takes orders: only if both are true."""

    exchange_active: wire.Word = None
    trading_active: wire.Word = None

    @property
    def trading(self) -> bool:
        """Whether orders are taken, for all that is known."""
        return self.exchange_active is True and self.trading_active is True


class ShardActivity(Activity, frozen=True):
    """The activity of one shard."""

    exchange_index: wire.Word = None


class ExchangeStatus(Activity, frozen=True):
    """The answer of `/exchange/status`."""

    exchange_index_statuses: tuple[ShardActivity, ...] = ()

    def trades(self, listed: Iterable[wire.RestEvent]) -> bool:
        """Return whether the exchange and every shard with one of these events take orders."""
        shards = [row.get("exchange_index") or 0 for event in listed for row in _rows(event)]
        # A shard whose index is no number may be any.
        used = (
            shard
            for shard in self.exchange_index_statuses
            if shard.exchange_index in shards or not isinstance(shard.exchange_index, int)
        )
        return all(state.trading for state in (self, *used))


_Rate: TypeAlias = Annotated[float, msgspec.Meta(gt=0.0, le=1e12)]


class _Bucket(msgspec.Struct, frozen=True):
    """A token bucket; `refill_rate` is in tokens a second."""

    refill_rate: _Rate
    bucket_capacity: _Rate


class _Limits(msgspec.Struct, frozen=True):
    """The answer of `/account/limits`."""

    write: _Bucket
    read: _Bucket = _Bucket(200.0, 200.0)


_Tokens: TypeAlias = Annotated[float, msgspec.Meta(ge=0.0, le=1e9)]


class _Cost(msgspec.Struct, frozen=True):
    method: str
    path: str
    cost: _Tokens


class Costs(msgspec.Struct, frozen=True):
    """The answer of `/account/endpoint_costs`, in tokens."""

    default_cost: _Tokens
    endpoint_costs: wire.Word = None

    def of(self, method: str, path: str) -> float:
        """Return what a call costs, by its path template, as far as that can be read."""
        for row in self.endpoint_costs if isinstance(self.endpoint_costs, list) else ():
            with contextlib.suppress(wire.Malformed):
                stated = wire.convert(row, _Cost)
                if stated.method == method and stated.path in {path, BASE_PATH + path}:
                    return stated.cost
        return self.default_cost
