"""Reads the account: one order, resting orders, fills, positions and balances."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

import msgspec

from mmbot.kalshi import messages as wire
from mmbot.kalshi.account_messages import (
    RestOrder,
    listed_fill,
    listed_order,
    listed_position,
    rest_order,
)
from mmbot.kalshi.http import HttpRequest
from mmbot.kalshi.readings import (
    PAGE_SIZE,
    Reading,
    ReadingError,
    Steps,
    own_subaccount,
    pages,
    raw_pages,
    read,
    says_not_found,
)
from mmbot.trading.commands import QueryOrder, ReadAccount
from mmbot.trading.events import (
    InputEvent,
    OrderAbsent,
    OrderReported,
    OrdersListed,
    OrderUnreadable,
    ReadingFailed,
    Reconciled,
)
from mmbot.trading.values import Fill, OrderReport, Unreadable
from mmbot.units import MONEY_PER_CENT, Count, Money

_ORDERS = "/portfolio/orders"
# Orders are listed from this long before the placement: the exchange's clock may be behind.
_CLOCK_SLACK_SECONDS = 60
# The most markets named in one request, as servers limit the length of a URL.
_TICKERS_NAMED = 200
# Fills and positions that disagree are read again: a fill may have come between the two reads.
_ATTEMPTS = 3
# Each reading lists every fill of an event again; this many decoded rows are cached.
_FILLS_REMEMBERED = 16_384


def query_order(command: QueryOrder, subaccount: int) -> Reading:
    """Query one order: by the exchange's id if that is known, else by its client id."""
    if command.order_id:
        path = f"{_ORDERS}/{command.order_id}"
        answer = yield HttpRequest("GET", path)
        if says_not_found(answer):
            return [OrderAbsent(command.client_id)]
        order = wire.convert(read(answer, path, _OrderAnswer).order, RestOrder)
        return [_found(order, command)]
    query = (
        ("ticker", command.ticker),
        ("min_ts", str(command.since // 1000 - _CLOCK_SLACK_SECONDS)),
        ("limit", PAGE_SIZE),
        own_subaccount(subaccount),
    )
    rows = yield from pages(_ORDERS, query, "orders", Any)
    for row in rows:
        if isinstance(row, dict) and row.get("client_order_id") == command.client_id:
            return [_found(wire.convert(row, RestOrder), command)]
    return [OrderAbsent(command.client_id)]


def _found(order: RestOrder, command: QueryOrder) -> InputEvent:
    """Return the report of a queried order; it may omit our client id, but not differ in it."""
    if (
        order.client_order_id not in {"", command.client_id}
        or order.ticker != command.ticker
        or (command.order_id and order.order_id != command.order_id)
    ):
        other = order.client_order_id or order.order_id
        raise wire.Malformed(f"the answer is about {other}, not the order queried")
    named = msgspec.structs.replace(order, client_order_id=command.client_id)
    return OrderReported(rest_order(named), queried=True)


def read_account(command: ReadAccount, series: str, subaccount: int) -> Reading:
    """Read resting orders, fills, positions and the balances of the shards in use.

    If anything but the orders cannot be read, the reading fails and returns the list of orders
    with the failure.

    Raises:
        ReadingError: The request for the orders failed.
        Malformed: The list of orders cannot be read.
    """
    own = own_subaccount(subaccount)
    orders = yield from resting_orders(own)
    try:
        return [(yield from _read_all(command, series, own, orders))]
    except (ReadingError, wire.Malformed) as error:
        listed = OrdersListed(orders.reports, orders.unreadable)
        return [listed, ReadingFailed("account", str(error))]


def _read_all(
    command: ReadAccount, series: str, own: tuple[str, str], orders: RestingOrders
) -> Steps[Reconciled]:
    for _ in range(_ATTEMPTS):
        fills, unread = yield from fills_of(series, command.tickers + command.decided, own)
        held, unread_positions = yield from positions_of(series, own)
        unreadable = (*unread, *unread_positions)
        unsure = {each.ticker for each in unreadable}
        positions = positions_in((t for t in command.tickers if t not in unsure), held)
        if positions == _sums(positions, fills):
            break
    balances = yield from balances_of(command.shards, own)
    return Reconciled(
        orders=orders.reports,
        fills=fills,
        balances=balances,
        positions=positions,
        requested_at=command.at,
        unreadable=unreadable,
        unreadable_orders=orders.unreadable,
    )


class RestingOrders(msgspec.Struct, frozen=True):
    """The account's resting orders: our own, and the number of others."""

    reports: tuple[OrderReport, ...]
    unreadable: tuple[OrderUnreadable, ...]
    others: int


def resting_orders(own: tuple[str, str]) -> Steps[RestingOrders]:
    """Read every resting order of the account."""
    resting = (("status", "resting"), ("limit", PAGE_SIZE), own)
    rows = [listed_order(row) for row in (yield from pages(_ORDERS, resting, "orders", Any))]
    return RestingOrders(
        tuple(row for row in rows if isinstance(row, OrderReport)),
        tuple(row for row in rows if isinstance(row, OrderUnreadable)),
        sum(row is None for row in rows),
    )


def balances_of(shards: tuple[int, ...], own: tuple[str, str]) -> Steps[dict[int, Money] | None]:
    """Read each shard's balance; `None` if rate limited, as balances have a bucket of their own."""
    path = "/portfolio/balance"
    balances: dict[int, Money] = {}
    for shard in shards:
        answer = yield HttpRequest("GET", path, (own, ("exchange_index", str(shard))))
        if answer is not None and answer.status == 429:
            return None
        balances[shard] = Money(read(answer, path, _Balance).balance * MONEY_PER_CENT)
    return balances


def fills_of(
    series: str, tickers: tuple[str, ...], own: tuple[str, str]
) -> Steps[tuple[tuple[Fill, ...], tuple[Unreadable, ...]]]:
    """Read every fill in these markets of the series; also return which cannot be read."""
    listed: list[bytes] = []
    for first in range(0, len(tickers), _TICKERS_NAMED):
        named = ",".join(tickers[first : first + _TICKERS_NAMED])
        query = (("ticker", named), ("limit", PAGE_SIZE), own)
        listed += yield from raw_pages("/portfolio/fills", query, "fills")
    rows = [_listed_fill(row, f"{series}-") for row in listed]
    fills = tuple(row for row in rows if isinstance(row, Fill))
    return fills, tuple(row for row in rows if isinstance(row, Unreadable))


@lru_cache(_FILLS_REMEMBERED)
def _listed_fill(row: bytes, prefix: str) -> Fill | Unreadable | None:
    return listed_fill(wire.tree(row), prefix)


def positions_of(
    series: str, own: tuple[str, str]
) -> Steps[tuple[dict[str, Count], tuple[Unreadable, ...]]]:
    """Read the signed position in every market of the series that is not settled.

    Also return which cannot be read.
    """
    query = (("count_filter", "position"), ("limit", PAGE_SIZE), own)
    listed = yield from pages("/portfolio/positions", query, "market_positions", Any)
    rows = [listed_position(row, f"{series}-") for row in listed]
    unreadable = [row for row in rows if isinstance(row, Unreadable)]
    positions: dict[str, Count] = {}
    for ticker, held in (row for row in rows if isinstance(row, tuple)):
        if positions.setdefault(ticker, held) != held:
            unreadable.append(Unreadable(ticker, "position: it is listed with two sizes"))
    return positions, tuple(unreadable)


def positions_in(tickers: Iterable[str], positions: Mapping[str, Count]) -> dict[str, Count]:
    """Return the position in each of these markets; zero if it is not listed."""
    return {ticker: positions.get(ticker, Count(0)) for ticker in tickers}


def _sums(tickers: Iterable[str], fills: Iterable[Fill]) -> dict[str, Count]:
    sums = dict.fromkeys(tickers, Count(0))
    for fill in {fill.key: fill for fill in fills}.values():
        if fill.ticker in sums:
            sums[fill.ticker] = Count(sums[fill.ticker] + fill.signed_count)
    return sums


class _OrderAnswer(msgspec.Struct, frozen=True):
    order: Any


class _Balance(msgspec.Struct, frozen=True):
    """The answer of `/portfolio/balance`, in cents."""

    balance: wire.Integer
