"""Reading the account: one order, resting orders, fills, positions and balances."""

from __future__ import annotations

import msgspec

from mmbot.kalshi import messages as wire
from mmbot.kalshi.account_messages import RestFill, RestOrder, RestPosition, rest_fill, rest_order
from mmbot.kalshi.http import HttpRequest
from mmbot.kalshi.readings import (
    PAGE_SIZE,
    Reading,
    ReadingError,
    Steps,
    own_subaccount,
    pages,
    read,
)
from mmbot.trading.commands import QueryOrder, ReadAccount
from mmbot.trading.events import OrderAbsent, OrderReported, Reconciled
from mmbot.trading.values import Fill, OrderReport
from mmbot.units import MONEY_PER_CENT, Count, Money, format_count, parse_count

_ORDERS = "/portfolio/orders"
# Orders are listed from this long before the placement: the exchange's clock may be behind.
_CLOCK_SLACK_SECONDS = 60
# A fill between the two reads looks like a contradiction: fills and positions are read again.
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
        ReadingError: A request failed, or a position is not the sum of its fills.
        Malformed: An answer cannot be read.
    """
    own = own_subaccount(subaccount)
    reports = yield from resting_orders(own)
    contradiction = ""
    for _ in range(_ATTEMPTS):
        fills = yield from fills_of(command.tickers + command.decided, own)
        positions = yield from positions_of(own)
        contradiction = contradiction_of(command.tickers, fills, positions)
        if not contradiction:
            break
    else:
        raise ReadingError(contradiction)
    return [Reconciled(reports, fills, (yield from balances_of(command.shards, own)))]


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


def contradiction_of(
    tickers: tuple[str, ...], fills: tuple[Fill, ...], positions: dict[str, Count]
) -> str:
    """Name a market whose position is not the sum of its fills; empty if there is none."""
    sums = dict.fromkeys(tickers, Count(0))
    for fill in {fill.key: fill for fill in fills}.values():
        sums[fill.ticker] = Count(sums.get(fill.ticker, 0) + fill.signed_count)
    for ticker in tickers:
        position = positions.get(ticker, Count(0))
        if position != sums[ticker]:
            return (
                f"the position in {ticker} is {format_count(position)} and its fills sum to "
                f"{format_count(sums[ticker])}"
            )
    return ""


class _OrderAnswer(msgspec.Struct, frozen=True):
    order: RestOrder


class _Balance(msgspec.Struct, frozen=True):
    """The answer of `/portfolio/balance`, in cents."""

    balance: wire.Integer
