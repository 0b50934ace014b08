"""Reading the exchange: several requests in a row, written as generators.

Each yields requests and is sent their answers, `None` where none came in time, and returns the
events that it comes to. Whatever goes wrong ends a reading with `ReadingError` or `Malformed`,
whose message is a sentence for the log.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Annotated, Any, TypeAlias, TypeVar

import msgspec

from mmbot.kalshi import messages as wire
from mmbot.kalshi.http import BASE_PATH, HttpAnswer, HttpRequest
from mmbot.trading.commands import LookUp, ReadAccount, ReadListing
from mmbot.trading.events import (
    BudgetRead,
    Event,
    Fill,
    ListedEvent,
    ListingRead,
    MarketSettled,
    OrderAbsent,
    OrderReported,
    Reconciled,
)
from mmbot.tsa.calendar import Week
from mmbot.units import MONEY_PER_CENT, Count, Money, format_count, parse_count

_T = TypeVar("_T")
_Query: TypeAlias = tuple[tuple[str, str], ...]
_Steps: TypeAlias = Generator[HttpRequest, HttpAnswer | None, _T]
Reading: TypeAlias = Generator[HttpRequest, HttpAnswer | None, list[Event]]

ORDERS = "/portfolio/events/orders"
_PAGE_SIZE = "1000"
_EVENT_PAGE_SIZE = "200"
_MOST_PAGES = 50

# The one kind of fee under which a resting order pays nothing.
_FREE_FOR_MAKERS = "quadratic"


class ReadingError(Exception):
    """A reading cannot go on."""


def look_up(command: LookUp, subaccount: int) -> Reading:
    """Ask what became of one order."""
    if command.order_id:
        path = f"/portfolio/orders/{command.order_id}"
        answer = yield HttpRequest("GET", path)
        if answer is not None and answer.status == 404:
            return [OrderAbsent(command.client_id)]
        order = _read(answer, path, _OrderAnswer).order
        return [OrderReported(wire.rest_order(order), looked_up=True)]
    query = (
        ("ticker", command.ticker),
        ("min_ts", str(command.since // 1000 - 60)),
        ("limit", _PAGE_SIZE),
        _own(subaccount),
    )
    orders = yield from _pages("/portfolio/orders", query, "orders", wire.RestOrder)
    for order in orders:
        if order.client_order_id == command.client_id:
            return [OrderReported(wire.rest_order(order), looked_up=True)]
    return [OrderAbsent(command.client_id)]


def read_account(command: ReadAccount, subaccount: int) -> Reading:
    """Read resting orders, fills, positions and balance; positions must be the fills' sums."""
    own = _own(subaccount)
    resting = (("status", "resting"), ("limit", _PAGE_SIZE), own)
    orders = yield from _pages("/portfolio/orders", resting, "orders", wire.RestOrder)
    contradiction = ""
    # What changed between two readings is no contradiction: read both again.
    for _ in range(3):
        fills = yield from _fills(command.tickers, own)
        positions = yield from _positions(own)
        contradiction = _contradiction(command.tickers, fills, positions)
        if not contradiction:
            break
    else:
        raise ReadingError(contradiction)
    reports = tuple(wire.rest_order(order) for order in orders)
    return [Reconciled(reports, fills, (yield from _balance(own)))]


def read_listing(command: ReadListing, series: str, now: int) -> Reading:
    """Read limits, fees, the exchange's state and the events that have not closed by `now`."""
    budget = yield from _budget()
    query = (
        ("series_ticker", series),
        ("min_close_ts", str(now // 1000)),
        ("with_nested_markets", "true"),
        ("limit", _EVENT_PAGE_SIZE),
    )
    listed = yield from _pages("/events", query, "events", wire.RestEvent)
    shut = yield from _shut(series, listed)
    events = tuple(_listed(event) for event in listed if event.markets)
    settlements: list[Event] = []
    for ticker in sorted(set(command.held) - {event.ticker for event in events}):
        nested = (("with_nested_markets", "true"),)
        answer = yield from _get(f"/events/{ticker}", _EventAnswer, nested)
        settlements += _settlements(answer.event)
    return [budget, ListingRead(shut, events), *settlements]


def _balance(own: tuple[str, str]) -> _Steps[Money | None]:
    """Return the balance, or `None` when it was asked for too often: it has a bucket of its own."""
    path = "/portfolio/balance"
    answer = yield HttpRequest("GET", path, (own,))
    if answer is not None and answer.status == 429:
        return None
    return _read(answer, path, _BalanceAnswer).balance * MONEY_PER_CENT


def _fills(tickers: tuple[str, ...], own: tuple[str, str]) -> _Steps[tuple[Fill, ...]]:
    if not tickers:
        return ()
    query = (("ticker", ",".join(tickers)), ("limit", _PAGE_SIZE), own)
    fills = yield from _pages("/portfolio/fills", query, "fills", wire.RestFill)
    return tuple(wire.rest_fill(fill) for fill in fills)


def _positions(own: tuple[str, str]) -> _Steps[dict[str, Count]]:
    query = (("count_filter", "position"), ("limit", _PAGE_SIZE), own)
    path = "/portfolio/positions"
    positions = yield from _pages(path, query, "market_positions", wire.RestPosition)
    try:
        return {position.ticker: parse_count(position.position_fp) for position in positions}
    except ValueError as error:
        raise wire.Malformed(f"GET {path}: {error}") from None


def _contradiction(
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


def _budget() -> _Steps[BudgetRead]:
    limits = yield from _get("/account/limits", _Limits)
    costs = yield from _get("/account/endpoint_costs", _Costs)
    return BudgetRead(
        refill=limits.write.refill_rate,
        capacity=limits.write.bucket_capacity,
        place_cost=costs.of("POST", ORDERS),
        cancel_cost=costs.of("DELETE", f"{ORDERS}/{{order_id}}"),
        renew_cost=costs.of("POST", f"{ORDERS}/{{order_id}}/amend"),
    )


def _shut(series: str, listed: list[wire.RestEvent]) -> _Steps[str]:
    """Say why nothing may be quoted: a fee for makers, or a pause of any shard in use."""
    answer = yield from _get(f"/series/{series}", _SeriesAnswer)
    for fee_type in (answer.series.fee_type, *(event.fee_type_override for event in listed)):
        if fee_type and fee_type != _FREE_FOR_MAKERS:
            return f"fee_type_{fee_type}"
    status = yield from _get("/exchange/status", _Status)
    shards = {market.exchange_index for event in listed for market in event.markets}
    used = (shard for shard in status.exchange_index_statuses if shard.exchange_index in shards)
    for state in (status, *used):
        if not (state.exchange_active and state.trading_active):
            return "exchange_paused"
    return ""


def _listed(event: wire.RestEvent) -> ListedEvent:
    """Return an event with its strikes in order; raise `Malformed` if it is of another kind."""
    try:
        week = Week.from_event_ticker(event.event_ticker)
    except ValueError as error:
        raise wire.Malformed(str(error)) from None
    markets = sorted((wire.market(market) for market in event.markets), key=lambda m: m.strike)
    if len({market.strike for market in markets}) < len(markets):
        raise wire.Malformed(f"{event.event_ticker} has two markets at one strike")
    return ListedEvent(event.event_ticker, week, tuple(markets))


def _settlements(event: wire.RestEvent) -> list[Event]:
    values = ((market.ticker, wire.settlement_value(market.result)) for market in event.markets)
    return [MarketSettled(ticker, value) for ticker, value in values if value is not None]


# Steps


def _own(subaccount: int) -> tuple[str, str]:
    # Left out, it would mean all subaccounts.
    return "subaccount", str(subaccount)


def _get(path: str, kind: type[_T], query: _Query = ()) -> _Steps[_T]:
    answer = yield HttpRequest("GET", path, query)
    return _read(answer, path, kind)


def _pages(path: str, query: _Query, field: str, kind: type[_T]) -> _Steps[list[_T]]:
    rows: list[_T] = []
    cursor = ""
    for _ in range(_MOST_PAGES):
        page_query = (*query, ("cursor", cursor)) if cursor else query
        page = yield from _get(path, dict[str, Any], page_query)
        if not isinstance(page.get(field), list):
            raise wire.Malformed(f"GET {path}: no list of {field}")
        rows += [wire.convert(row, kind) for row in page[field]]
        cursor = str(page.get("cursor") or "")
        if not cursor:
            return rows
    raise ReadingError(f"GET {path}: more than {_MOST_PAGES} pages")


def _read(answer: HttpAnswer | None, path: str, kind: type[_T]) -> _T:
    if answer is None:
        raise ReadingError(f"GET {path}: no answer")
    if answer.status != 200:
        error = wire.error_body(answer.body)
        raise ReadingError(f"GET {path}: {answer.status} {error.code} {error.text}".rstrip())
    return wire.decode(answer.body, kind)


class _OrderAnswer(msgspec.Struct, frozen=True):
    order: wire.RestOrder


class _EventAnswer(msgspec.Struct, frozen=True):
    event: wire.RestEvent


class _BalanceAnswer(msgspec.Struct, frozen=True):
    balance: int


class _Series(msgspec.Struct, frozen=True):
    fee_type: str


class _SeriesAnswer(msgspec.Struct, frozen=True):
    series: _Series


class _Activity(msgspec.Struct, frozen=True):
    exchange_active: bool
    trading_active: bool


class _ShardActivity(_Activity, frozen=True):
    exchange_index: int


class _Status(_Activity, frozen=True):
    exchange_index_statuses: tuple[_ShardActivity, ...] = ()


_Rate: TypeAlias = Annotated[float, msgspec.Meta(gt=0.0)]


class _Bucket(msgspec.Struct, frozen=True):
    refill_rate: _Rate
    bucket_capacity: _Rate


class _Limits(msgspec.Struct, frozen=True):
    write: _Bucket


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
