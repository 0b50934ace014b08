"""Reading the account: one order, resting orders, fills, positions and balances."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from mmbot.kalshi import messages as wire
from mmbot.kalshi.account_messages import RestFill, RestOrder, RestPosition, rest_fill, rest_order
from mmbot.kalshi.http import HttpRequest
from mmbot.kalshi.readings import (
    PAGE_SIZE,
    Reading,
    Steps,
    own_subaccount,
    pages,
    read,
)
from mmbot.trading.commands import QueryOrder, ReadAccount
from mmbot.trading.events import OrderAbsent, OrderReported, Reconciled
from mmbot.trading.values import Fill, OrderReport
from mmbot.units import MONEY_PER_CENT, Count, Money, parse_count

_ORDERS = "/portfolio/orders"
# Orders are listed from this long before the placement: the exchange's clock may be behind.
_CLOCK_SLACK_SECONDS = 60
# A fill between the two reads makes them differ: then both are read again.
_ATTEMPTS = 3


def query_order(command: QueryOrder, subaccount: int) -> Reading:
    """Query one order: by the exchange's id where that is known, else by its client id."""
    if command.order_id:
        path = f"{_ORDERS}/{command.order_id}"
        answer = yield HttpRequest("GET", path)
        if answer is not None and answer.status == 404:
            return [OrderAbsent(command.client_id)]
        order = read(answer, path, _OrderAnswer).order
        return [OrderReported(rest_order(order), queried=True)]
    query = (
        ("ticker", command.ticker),
        ("min_ts", str(command.since // 1000 - _CLOCK_SLACK_SECONDS)),
        ("limit", PAGE_SIZE),
        own_subaccount(subaccount),
    )
    orders = yield from pages(_ORDERS, query, "orders", RestOrder)
    for order in orders:
        if order.client_order_id == command.client_id:
            return [OrderReported(rest_order(order), queried=True)]
    return [OrderAbsent(command.client_id)]


def read_account(command: ReadAccount, subaccount: int) -> Reading:
    """Read resting orders, fills, positions and the balances of the shards in use.

    Raises:
        ReadingError: A request failed.
        Malformed: An answer cannot be read.
    """
    own = own_subaccount(subaccount)
    reports = yield from resting_orders(own)
    for _ in range(_ATTEMPTS):
        fills = yield from fills_of(command.tickers + command.decided, own)
        positions = positions_in(command.tickers, (yield from positions_of(own)))
        if positions == _sums(command.tickers, fills):
            break
    balances = yield from balances_of(command.shards, own)
    return [Reconciled(reports, fills, balances, positions, command.at)]


def resting_orders(own: tuple[str, str]) -> Steps[tuple[OrderReport, ...]]:
    """Read every resting order of the account, whoever placed it."""
    resting = (("status", "resting"), ("limit", PAGE_SIZE), own)
    orders = yield from pages(_ORDERS, resting, "orders", RestOrder)
    return tuple(rest_order(order) for order in orders)


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


def fills_of(tickers: tuple[str, ...], own: tuple[str, str]) -> Steps[tuple[Fill, ...]]:
    """Read every fill of these markets."""
    if not tickers:
        return ()
    query = (("ticker", ",".join(tickers)), ("limit", PAGE_SIZE), own)
    fills = yield from pages("/portfolio/fills", query, "fills", RestFill)
    return tuple(rest_fill(fill) for fill in fills)


def positions_of(own: tuple[str, str]) -> Steps[dict[str, Count]]:
    """Read the signed position in every market that is not settled."""
    query = (("count_filter", "position"), ("limit", PAGE_SIZE), own)
    path = "/portfolio/positions"
    positions = yield from pages(path, query, "market_positions", RestPosition)
    try:
        return {position.ticker: parse_count(position.position_fp) for position in positions}
    except ValueError as error:
        raise wire.Malformed(f"GET {path}: {error}") from None


def positions_in(tickers: Iterable[str], positions: Mapping[str, Count]) -> dict[str, Count]:
    """Return the position in each of these markets; one that is not listed is none."""
    return {ticker: positions.get(ticker, Count(0)) for ticker in tickers}


def _sums(tickers: Iterable[str], fills: Iterable[Fill]) -> dict[str, Count]:
    sums = dict.fromkeys(tickers, Count(0))
    for fill in {fill.key: fill for fill in fills}.values():
        if fill.ticker in sums:
            sums[fill.ticker] = Count(sums[fill.ticker] + fill.signed_count)
    return sums


class _OrderAnswer(msgspec.Struct, frozen=True):
    order: RestOrder


class _Balance(msgspec.Struct, frozen=True):
    """The answer of `/portfolio/balance`, in cents."""

    balance: int
