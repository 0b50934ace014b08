"""Readings of the exchange: sequences of requests, written as generators; and the listing's.

A reading yields requests, is sent their answers (`None` where none came in time), and returns
events. It fails with `ReadingError` or `Malformed`, whose message is a sentence for the log.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import Annotated, Any, TypeAlias, TypeVar

import msgspec

from mmbot.kalshi import messages as wire
from mmbot.kalshi.http import BASE_PATH, HttpAnswer, HttpRequest
from mmbot.trading.commands import ReadListing
from mmbot.trading.events import InputEvent, LimitsRead, ListingRead, MarketSettled
from mmbot.trading.values import ListedEvent
from mmbot.tsa.calendar import Week
from mmbot.units import Milliseconds

_T = TypeVar("_T")
_Query: TypeAlias = tuple[tuple[str, str], ...]
Steps: TypeAlias = Generator[HttpRequest, HttpAnswer | None, _T]
Reading: TypeAlias = Generator[HttpRequest, HttpAnswer | None, list[InputEvent]]

ORDERS = "/portfolio/events/orders"
PAGE_SIZE = "1000"
_EVENT_PAGE_SIZE = "200"
_MOST_PAGES = 50

# The one kind of fee under which a resting order pays nothing.
FREE_FOR_MAKERS = "quadratic"


class ReadingError(Exception):
    """A reading failed; `transient` if the same request may succeed later."""

    def __init__(self, reason: str, *, transient: bool = False) -> None:
        super().__init__(reason)
        self.transient = transient


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
    cursor = ""
    for _ in range(_MOST_PAGES):
        page_query = (*query, ("cursor", cursor)) if cursor else query
        page = yield from get(path, dict[str, Any], page_query)
        if not isinstance(page.get(field), list):
            raise wire.Malformed(f"GET {path}: no list of {field}")
        rows += [wire.convert(row, kind) for row in page[field]]
        cursor = str(page.get("cursor") or "")
        if not cursor:
            return rows
    raise ReadingError(f"GET {path}: more than {_MOST_PAGES} pages")


def read(answer: HttpAnswer | None, path: str, kind: type[_T]) -> _T:
    """Decode the answer to `GET path`.

    Raises:
        ReadingError: There is no answer, or its status is not 200.
        Malformed: Its body is not of that kind.
    """
    if answer is None or answer.status != 200:
        transient = answer is None or answer.status >= 500 or answer.status == 429
        raise ReadingError(f"GET {path}: {refusal_text(answer)}", transient=transient)
    return wire.decode(answer.body, kind)


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
    shut = yield from closed_reason(series, open_)
    held: list[wire.RestEvent] = []
    for ticker in sorted(set(command.held) - {event.event_ticker for event in open_}):
        event = yield from held_event(ticker)
        if event is not None:
            held.append(event)
    events = tuple(listed_event(event) for event in (*open_, *held) if event.markets)
    settlements = [settled for event in held for settled in _settlements(event)]
    return [limits, ListingRead(shut, events), *settlements]


def rate_limits() -> Steps[LimitsRead]:
    """Read the account's rate limits and what the calls cost."""
    limits = yield from get("/account/limits", _Limits)
    costs = yield from get("/account/endpoint_costs", _Costs)
    return LimitsRead(
        read_refill=limits.read.refill_rate,
        read_capacity=limits.read.bucket_capacity,
        refill=limits.write.refill_rate,
        capacity=limits.write.bucket_capacity,
        place_cost=costs.of("POST", ORDERS),
        cancel_cost=costs.of("DELETE", f"{ORDERS}/{{order_id}}"),
        renew_cost=costs.of("POST", f"{ORDERS}/{{order_id}}/amend"),
        decrease_cost=costs.of("POST", f"{ORDERS}/{{order_id}}/decrease"),
    )


def open_events(series: str, now: Milliseconds) -> Steps[list[wire.RestEvent]]:
    """Read the series' events that have not closed by `now`, with their markets."""
    query = (
        ("series_ticker", series),
        ("min_close_ts", str(now // 1000)),
        ("with_nested_markets", "true"),
        ("limit", _EVENT_PAGE_SIZE),
    )
    return (yield from pages("/events", query, "events", wire.RestEvent))


def held_event(ticker: str) -> Steps[wire.RestEvent | None]:
    """Read an event that may have closed; `None` if the exchange does not know the ticker."""
    path = f"/events/{ticker}"
    answer = yield HttpRequest("GET", path, (("with_nested_markets", "true"),))
    if answer is not None and answer.status == 404:
        return None
    return read(answer, path, _EventAnswer).event


def listed_event(event: wire.RestEvent) -> ListedEvent:
    """Convert an event, its markets sorted by strike; raise `Malformed` for another kind."""
    try:
        week = Week.from_event_ticker(event.event_ticker)
    except ValueError as error:
        raise wire.Malformed(str(error)) from None
    markets = sorted((wire.market(market) for market in event.markets), key=lambda m: m.strike)
    if len({market.strike for market in markets}) < len(markets):
        raise wire.Malformed(f"{event.event_ticker} has two markets at one strike")
    return ListedEvent(event.event_ticker, week, tuple(markets))


def closed_reason(series: str, listed: list[wire.RestEvent]) -> Steps[str]:
    """Return why nothing may be quoted (a fee for makers, a pause of a shard in use), or ""."""
    answer = yield from get(f"/series/{series}", SeriesAnswer)
    for fee_type in (answer.series.fee_type, *(event.fee_type_override for event in listed)):
        if fee_type and fee_type != FREE_FOR_MAKERS:
            return f"fee_type_{fee_type}"
    status = yield from get("/exchange/status", ExchangeStatus)
    return "" if status.trades(listed) else "exchange_paused"


def _settlements(event: wire.RestEvent) -> list[InputEvent]:
    return [
        MarketSettled(market.ticker, value, final=market.status == "finalized", read=True)
        for market in event.markets
        if (value := wire.settlement_value(market.result)) is not None
    ]


# Answers


class _EventAnswer(msgspec.Struct, frozen=True):
    event: wire.RestEvent


class Series(msgspec.Struct, frozen=True):
    """The fee type of a series."""

    fee_type: str


class SeriesAnswer(msgspec.Struct, frozen=True):
    """The answer of `/series/{series_ticker}`."""

    series: Series


class Activity(msgspec.Struct, frozen=True):
    """Whether the exchange, or a shard, is up and takes orders."""

    exchange_active: bool
    trading_active: bool


class ShardActivity(Activity, frozen=True):
    """The activity of one shard."""

    exchange_index: wire.Integer


class ExchangeStatus(Activity, frozen=True):
    """The answer of `/exchange/status`."""

    exchange_index_statuses: tuple[ShardActivity, ...] = ()

    def trades(self, listed: Iterable[wire.RestEvent]) -> bool:
        """Return whether the exchange and every shard with one of these events take orders."""
        shards = {market.exchange_index for event in listed for market in event.markets}
        used = (s for s in self.exchange_index_statuses if s.exchange_index in shards)
        return all(state.exchange_active and state.trading_active for state in (self, *used))


_Rate: TypeAlias = Annotated[float, msgspec.Meta(gt=0.0, le=1e12)]


class _Bucket(msgspec.Struct, frozen=True):
    """A token bucket; `refill_rate` is in tokens a second."""

    refill_rate: _Rate
    bucket_capacity: _Rate


class _Limits(msgspec.Struct, frozen=True):
    """The answer of `/account/limits`."""

    write: _Bucket
    read: _Bucket = _Bucket(200.0, 200.0)


class _Cost(msgspec.Struct, frozen=True):
    method: str
    path: str
    cost: wire.Real


class _Costs(msgspec.Struct, frozen=True):
    """The answer of `/account/endpoint_costs`, in tokens."""

    default_cost: wire.Real
    endpoint_costs: tuple[_Cost, ...] = ()

    def of(self, method: str, path: str) -> float:
        for row in self.endpoint_costs:
            if row.method == method and row.path in {path, BASE_PATH + path}:
                return row.cost
        return self.default_cost
