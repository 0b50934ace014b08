"""Reading the exchange: several requests in a row, written as generators.

Each yields requests and is sent their answers, `None` where none came in time, and returns the
events that it comes to. Whatever goes wrong ends a reading with `ReadingError` or `Malformed`,
whose message is a sentence for the log.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import Annotated, Any, TypeAlias, TypeVar

import msgspec

from mmbot.kalshi import messages as wire
from mmbot.kalshi.http import BASE_PATH, HttpAnswer, HttpRequest
from mmbot.trading.commands import QueryOrder, ReadAccount, ReadListing
from mmbot.trading.events import (
    InputEvent,
    LimitsRead,
    ListingRead,
    MarketSettled,
    OrderAbsent,
    OrderReported,
    Reconciled,
)
from mmbot.trading.values import Fill, ListedEvent, OrderReport
from mmbot.tsa.calendar import Week
from mmbot.units import MONEY_PER_CENT, Count, Money, format_count, parse_count

_T = TypeVar("_T")
_Query: TypeAlias = tuple[tuple[str, str], ...]
Steps: TypeAlias = Generator[HttpRequest, HttpAnswer | None, _T]
Reading: TypeAlias = Generator[HttpRequest, HttpAnswer | None, list[InputEvent]]

ORDERS = "/portfolio/events/orders"
_PAGE_SIZE = "1000"
_EVENT_PAGE_SIZE = "200"
_MOST_PAGES = 50

# The one kind of fee under which a resting order pays nothing.
FREE_FOR_MAKERS = "quadratic"


class ReadingError(Exception):
    """A reading cannot go on; `passing` says that it may well another time."""

    def __init__(self, reason: str, *, passing: bool = False) -> None:
        super().__init__(reason)
        self.passing = passing


def look_up(command: QueryOrder, subaccount: int) -> Reading:
    """Ask what became of one order."""
    if command.order_id:
        path = f"/portfolio/orders/{command.order_id}"
        answer = yield HttpRequest("GET", path)
        if answer is not None and answer.status == 404:
            return [OrderAbsent(command.client_id)]
        order = read(answer, path, _OrderAnswer).order
        return [OrderReported(wire.rest_order(order), looked_up=True)]
    query = (
        ("ticker", command.ticker),
        ("min_ts", str(command.since // 1000 - 60)),
        ("limit", _PAGE_SIZE),
        own_subaccount(subaccount),
    )
    orders = yield from pages("/portfolio/orders", query, "orders", wire.RestOrder)
    for order in orders:
        if order.client_order_id == command.client_id:
            return [OrderReported(wire.rest_order(order), looked_up=True)]
    return [OrderAbsent(command.client_id)]


def read_account(command: ReadAccount, subaccount: int) -> Reading:
    """Read resting orders, fills, positions and balance; positions must be the fills' sums.

    The balances are those of the shards in use; they are no part of what must be right.
    """
    own = own_subaccount(subaccount)
    reports = yield from resting_orders(own)
    contradiction = ""
    # What changed between two readings is no contradiction: read both again.
    for _ in range(3):
        fills = yield from fills_of(command.tickers + command.decided, own)
        positions = yield from positions_of(own)
        contradiction = contradiction_of(command.tickers, fills, positions)
        if not contradiction:
            break
    else:
        raise ReadingError(contradiction)
    return [Reconciled(reports, fills, (yield from balances_of(command.shards, own)))]


def read_listing(command: ReadListing, series: str, now: int) -> Reading:
    """Read limits, fees, the exchange's state and the events that have not closed by `now`."""
    buckets = yield from budget()
    open_ = yield from open_events(series, now)
    shut = yield from _shut(series, open_)
    held: list[wire.RestEvent] = []
    for ticker in sorted(set(command.held) - {event.event_ticker for event in open_}):
        event = yield from held_event(ticker)
        if event is not None:
            held.append(event)
    events = tuple(listed_event(event) for event in (*open_, *held) if event.markets)
    settlements = [settled for event in held for settled in _settlements(event)]
    return [buckets, ListingRead(shut, events), *settlements]


def open_events(series: str, now: int) -> Steps[list[wire.RestEvent]]:
    """Read the series' events that have not closed by `now`, with their markets."""
    query = (
        ("series_ticker", series),
        ("min_close_ts", str(now // 1000)),
        ("with_nested_markets", "true"),
        ("limit", _EVENT_PAGE_SIZE),
    )
    return (yield from pages("/events", query, "events", wire.RestEvent))


def held_event(ticker: str) -> Steps[wire.RestEvent | None]:
    """Read an event that may have closed; `None` if the exchange knows none by that ticker."""
    path = f"/events/{ticker}"
    answer = yield HttpRequest("GET", path, (("with_nested_markets", "true"),))
    if answer is not None and answer.status == 404:
        return None
    return read(answer, path, _EventAnswer).event


def resting_orders(own: tuple[str, str]) -> Steps[tuple[OrderReport, ...]]:
    """Read every resting order of the account, whoever placed it."""
    resting = (("status", "resting"), ("limit", _PAGE_SIZE), own)
    orders = yield from pages("/portfolio/orders", resting, "orders", wire.RestOrder)
    return tuple(wire.rest_order(order) for order in orders)


def balances_of(shards: tuple[int, ...], own: tuple[str, str]) -> Steps[dict[int, Money] | None]:
    """Return each shard's balance, or `None` if that was asked too often: it has its own bucket."""
    path, balances = "/portfolio/balance", {}
    for shard in shards:
        answer = yield HttpRequest("GET", path, (own, ("exchange_index", str(shard))))
        if answer is not None and answer.status == 429:
            return None
        balances[shard] = read(answer, path, Balance).balance * MONEY_PER_CENT
    return balances


def fills_of(tickers: tuple[str, ...], own: tuple[str, str]) -> Steps[tuple[Fill, ...]]:
    """Read every fill of these markets."""
    if not tickers:
        return ()
    query = (("ticker", ",".join(tickers)), ("limit", _PAGE_SIZE), own)
    fills = yield from pages("/portfolio/fills", query, "fills", wire.RestFill)
    return tuple(wire.rest_fill(fill) for fill in fills)


def positions_of(own: tuple[str, str]) -> Steps[dict[str, Count]]:
    """Read the signed position in every market that is not settled."""
    query = (("count_filter", "position"), ("limit", _PAGE_SIZE), own)
    path = "/portfolio/positions"
    positions = yield from pages(path, query, "market_positions", wire.RestPosition)
    try:
        return {position.ticker: parse_count(position.position_fp) for position in positions}
    except ValueError as error:
        raise wire.Malformed(f"GET {path}: {error}") from None


def contradiction_of(
    tickers: tuple[str, ...], fills: tuple[Fill, ...], positions: dict[str, Count]
) -> str:
    """Say in which market the position is not the sum of the fills, or nothing."""
    sums: dict[str, Count] = {}
    for fill in {fill.key: fill for fill in fills}.values():
        sums[fill.ticker] = sums.get(fill.ticker, 0) + fill.signed_count
    for ticker in tickers:
        position, total = positions.get(ticker, 0), sums.get(ticker, 0)
        if position != total:
            return (
                f"the position in {ticker} is {format_count(position)} and its fills sum to "
                f"{format_count(total)}"
            )
    return ""


def budget() -> Steps[LimitsRead]:
    """Read the account's buckets and what the calls cost."""
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


def _shut(series: str, listed: list[wire.RestEvent]) -> Steps[str]:
    """Say why nothing may be quoted: a fee for makers, or a pause of any shard in use."""
    answer = yield from get(f"/series/{series}", SeriesAnswer)
    for fee_type in (answer.series.fee_type, *(event.fee_type_override for event in listed)):
        if fee_type and fee_type != FREE_FOR_MAKERS:
            return f"fee_type_{fee_type}"
    status = yield from get("/exchange/status", ExchangeStatus)
    return "" if status.trades(listed) else "exchange_paused"


def listed_event(event: wire.RestEvent) -> ListedEvent:
    """Return an event with its strikes in order; raise `Malformed` if it is of another kind."""
    try:
        week = Week.from_event_ticker(event.event_ticker)
    except ValueError as error:
        raise wire.Malformed(str(error)) from None
    markets = sorted((wire.market(market) for market in event.markets), key=lambda m: m.strike)
    if len({market.strike for market in markets}) < len(markets):
        raise wire.Malformed(f"{event.event_ticker} has two markets at one strike")
    return ListedEvent(event.event_ticker, week, tuple(markets))


def _settlements(event: wire.RestEvent) -> list[InputEvent]:
    return [
        MarketSettled(market.ticker, value, final=market.status == "finalized", read=True)
        for market in event.markets
        if (value := wire.settlement_value(market.result)) is not None
    ]


# Steps


def own_subaccount(subaccount: int) -> tuple[str, str]:
    """Return the parameter that names the account."""
    # Left out, it would mean all subaccounts.
    return "subaccount", str(subaccount)


def get(path: str, kind: type[_T], query: _Query = ()) -> Steps[_T]:
    """Ask for one object."""
    answer = yield HttpRequest("GET", path, query)
    return read(answer, path, kind)


def pages(path: str, query: _Query, field: str, kind: type[_T]) -> Steps[list[_T]]:
    """Ask for a list, page by page."""
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
    """Read an answer, or raise what is wrong with it."""
    if answer is None or answer.status != 200:
        passing = answer is None or answer.status >= 500 or answer.status == 429
        raise ReadingError(f"GET {path}: {refusal_text(answer)}", passing=passing)
    return wire.decode(answer.body, kind)


def refusal_text(answer: HttpAnswer | None) -> str:
    """Say in a few words what came instead of what was wanted."""
    if answer is None:
        return "no answer"
    error = wire.error_body(answer.body)
    return f"{answer.status} {error.code} {error.text}".rstrip()


class _OrderAnswer(msgspec.Struct, frozen=True):
    order: wire.RestOrder


class _EventAnswer(msgspec.Struct, frozen=True):
    event: wire.RestEvent


class Balance(msgspec.Struct, frozen=True):
    """The answer of `/portfolio/balance`, in cents."""

    balance: int


class Series(msgspec.Struct, frozen=True):
    """What matters of a series."""

    fee_type: str


class SeriesAnswer(msgspec.Struct, frozen=True):
    """The answer of `/series/{series_ticker}`."""

    series: Series


class Activity(msgspec.Struct, frozen=True):
    """Whether an exchange is up and takes orders."""

    exchange_active: bool
    trading_active: bool


class ShardActivity(Activity, frozen=True):
    """The same for one shard."""

    exchange_index: int


class ExchangeStatus(Activity, frozen=True):
    """The answer of `/exchange/status`."""

    exchange_index_statuses: tuple[ShardActivity, ...] = ()

    def trades(self, listed: Iterable[wire.RestEvent]) -> bool:
        """Say whether the exchange and every shard that these events are on take orders."""
        shards = {market.exchange_index for event in listed for market in event.markets}
        used = (s for s in self.exchange_index_statuses if s.exchange_index in shards)
        return all(state.exchange_active and state.trading_active for state in (self, *used))


_Rate: TypeAlias = Annotated[float, msgspec.Meta(gt=0.0)]


class _Bucket(msgspec.Struct, frozen=True):
    refill_rate: _Rate
    bucket_capacity: _Rate


class _Limits(msgspec.Struct, frozen=True):
    write: _Bucket
    read: _Bucket = _Bucket(200.0, 200.0)


class _Cost(msgspec.Struct, frozen=True):
    method: str
    path: str
    cost: float


class _Costs(msgspec.Struct, frozen=True):
    default_cost: float
    endpoint_costs: tuple[_Cost, ...] = ()

    def of(self, method: str, path: str) -> float:
        for row in self.endpoint_costs:
            if row.method == method and row.path in {path, BASE_PATH + path}:
                return row.cost
        return self.default_cost
