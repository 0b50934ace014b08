"""Placing, changing, cancelling and listing orders."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from mmbot.exchange.order_types import (
    ExchangeOrder,
    NewOrder,
    OrderAmendment,
    RequestRefused,
    SelfTradePrevention,
    TimeInForce,
)
from mmbot.exchange.render import Json, order_json
from mmbot.exchange.rest.rest_call import Reply, RestCall, read_count, read_price
from mmbot.exchange.rest.rest_errors import error_body
from mmbot.trading.values import Side
from mmbot.units import (
    MONEY_PER_DOLLAR,
    ONE_CONTRACT,
    Count,
    Milliseconds,
    Money,
    format_count,
    format_money,
    total,
)

_CLIENT_ORDER_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}\Z", re.ASCII)


class CreateOrder(msgspec.Struct, frozen=True):
    """The body of a create."""

    ticker: str
    side: Side
    count: str
    price: str
    time_in_force: TimeInForce
    self_trade_prevention_type: SelfTradePrevention
    client_order_id: str | None = None
    post_only: bool | None = None
    reduce_only: bool | None = None
    cancel_order_on_pause: bool | None = None
    expiration_time: int | None = None
    order_group_id: str | None = None
    subaccount: int | None = None
    exchange_index: int | None = None


class CreateBatch(msgspec.Struct, frozen=True):
    """The body of a batched create; the items are read one by one."""

    orders: list[msgspec.Raw]


class CancelItem(msgspec.Struct, frozen=True):
    """One order of a batched cancel."""

    order_id: str
    market_ticker: str | None = None
    subaccount: int | None = None
    exchange_index: int | None = None


class CancelBatch(msgspec.Struct, frozen=True):
    """The body of a batched cancel."""

    orders: list[CancelItem]


class AmendOrder(msgspec.Struct, frozen=True):
    """The body of an amend; an absent expiry is kept, zero removes it."""

    ticker: str
    side: Side
    price: str
    count: str
    client_order_id: str | None = None
    updated_client_order_id: str | None = None
    expiration_time: int | None = None
    exchange_index: int | None = None


class DecreaseOrder(msgspec.Struct, frozen=True):
    """The body of a decrease: exactly one of the two amounts."""

    reduce_by: str | None = None
    reduce_to: str | None = None
    market_ticker: str | None = None
    exchange_index: int | None = None


def create(call: RestCall) -> Reply:
    """Place one order."""
    return Reply(201, _create(call, call.decode(CreateOrder)))


def create_batch(call: RestCall) -> Reply:
    """Place several orders; each succeeds or fails by itself."""
    return Reply(201, {"orders": [_create_item(call, r) for r in call.decode(CreateBatch).orders]})


def _create_item(call: RestCall, raw: msgspec.Raw) -> Json:
    client_order_id = None
    try:
        body = msgspec.json.decode(raw, type=CreateOrder)
        client_order_id = body.client_order_id
        return _create(call, body)
    except RequestRefused as refusal:
        return {"client_order_id": client_order_id, "error": error_body(refusal)}
    except msgspec.MsgspecError as error:
        malformed = RequestRefused("invalid_parameters", str(error))
        return {"client_order_id": client_order_id, "error": error_body(malformed)}


def _create(call: RestCall, body: CreateOrder) -> Json:
    account = call.account(body.subaccount)
    if body.client_order_id:
        _check_client_order_id(body.client_order_id)
    request = NewOrder(
        ticker=body.ticker,
        side=body.side,
        price=read_price(body.price),
        count=read_count(body.count),
        time_in_force=body.time_in_force,
        self_trade_prevention=body.self_trade_prevention_type,
        client_order_id=body.client_order_id or "",
        post_only=bool(body.post_only),
        reduce_only=bool(body.reduce_only),
        cancel_on_pause=bool(body.cancel_order_on_pause),
        expires_ms=None if body.expiration_time is None else body.expiration_time * 1000,
        group_id=body.order_group_id or None,
    )
    call.exchange.market(body.ticker, body.exchange_index)
    engine = call.exchange.engine
    order = engine.place(account, request, call.now)
    answer = _state(order, call.now)
    cancelling = call.now < call.exchange.cancelling_until.get(call.user_id, 0)
    if cancelling and order.status == "resting":
        engine.withdraw(order, call.now, "")
    return answer


def _state(order: ExchangeOrder, now: Milliseconds) -> Json:
    return {
        "order_id": order.order_id,
        "client_order_id": order.client_order_id,
        "fill_count": format_count(order.filled),
        "remaining_count": format_count(order.remaining),
        **_averages(order),
        "ts_ms": now,
    }


def _check_client_order_id(client_order_id: str) -> None:
    if not _CLIENT_ORDER_ID.match(client_order_id):
        raise RequestRefused("invalid_parameters", "client_order_id")


def _averages(order: ExchangeOrder) -> Json:
    if not order.filled:
        return {}
    # Fill costs are for the order's own side, YES or NO; prices on the wire are YES prices.
    cost = _per_contract(total(order.fill_cost), order.filled)
    return {
        "average_fill_price": format_money(
            cost if order.side == "bid" else Money(MONEY_PER_DOLLAR - cost)
        ),
        "average_fee_paid": format_money(_per_contract(total(order.fees), order.filled)),
    }


def _per_contract(amount: Money, count: Count) -> Money:
    """Return the amount per contract, rounded to the nearest unit."""
    return Money((2 * amount * ONE_CONTRACT + count) // (2 * count))


def cancel(call: RestCall) -> Reply:
    """Cancel one order."""
    item = CancelItem(
        call.path["order_id"],
        call.text("market_ticker"),
        call.integer("subaccount"),
        call.integer("exchange_index", least=-1),
    )
    return Reply(200, _cancel(call, item))


def cancel_batch(call: RestCall) -> Reply:
    """Cancel several orders; each succeeds or fails by itself."""
    return Reply(200, {"orders": [_cancel_item(call, i) for i in call.decode(CancelBatch).orders]})


def _cancel_item(call: RestCall, item: CancelItem) -> Json:
    try:
        return _cancel(call, item)
    except RequestRefused as refusal:
        return {
            "order_id": item.order_id,
            "reduced_by": format_count(Count(0)),
            "error": error_body(refusal),
        }


def _cancel(call: RestCall, item: CancelItem) -> Json:
    order = _find(call, item.order_id, item.subaccount, item.market_ticker, item.exchange_index)
    left = call.exchange.engine.cancel(order, call.now)
    return {
        "order_id": order.order_id,
        "client_order_id": order.client_order_id,
        "reduced_by": format_count(left),
        "ts_ms": call.now,
    }


def cancel_all(call: RestCall) -> Reply:
    """Cancel every resting order; those placed within the next minute may be cancelled too."""
    engine = call.exchange.engine
    for account in call.accounts():
        for order in engine.resting(account):
            engine.cancel(order, call.now)
    reach = call.exchange.settings.cancel_all_reach_ms
    call.exchange.cancelling_until[call.user_id] = call.now + reach
    return Reply(204, None)


def amend(call: RestCall) -> Reply:
    """Change an order's price, size, expiry or client id."""
    body = call.decode(AmendOrder)
    order = _find(
        call,
        call.path["order_id"],
        call.integer("subaccount"),
        body.ticker,
        body.exchange_index,
    )
    if body.ticker != order.ticker or body.side != order.side:
        raise RequestRefused("invalid_parameters", "ticker and side must be the order's own")
    if body.client_order_id and body.client_order_id != order.client_order_id:
        raise RequestRefused("invalid_parameters", "client_order_id must be the order's own")
    if body.updated_client_order_id:
        _check_client_order_id(body.updated_client_order_id)
    expires = order.expires_ms
    if body.expiration_time is not None:
        expires = body.expiration_time * 1000 or None
    change = OrderAmendment(
        price=read_price(body.price),
        total=read_count(body.count),
        expires_ms=expires,
        client_order_id=body.updated_client_order_id or order.client_order_id,
    )
    call.exchange.engine.amend(order, change, call.now)
    return Reply(200, _state(order, call.now))


def decrease(call: RestCall) -> Reply:
    """Decrease an order; it keeps its queue position."""
    body = call.decode(DecreaseOrder)
    if (body.reduce_by is None) == (body.reduce_to is None):
        raise RequestRefused("invalid_parameters", "exactly one of reduce_by and reduce_to")
    order = _find(
        call,
        call.path["order_id"],
        call.integer("subaccount"),
        body.market_ticker,
        body.exchange_index,
    )
    if body.reduce_to is not None:
        target = read_count(body.reduce_to, "reduce_to")
    else:
        by = read_count(body.reduce_by or "", "reduce_by")
        if by <= 0:
            raise RequestRefused("invalid_parameters", "reduce_by must be positive")
        target = Count(max(order.remaining - by, 0))
    call.exchange.engine.decrease(order, target, call.now)
    return Reply(
        200,
        {
            "order_id": order.order_id,
            "client_order_id": order.client_order_id,
            "remaining_count": format_count(order.remaining),
            "ts_ms": call.now,
        },
    )


def _find(
    call: RestCall,
    order_id: str,
    subaccount: int | None,
    market_ticker: str | None,
    exchange_index: int | None,
) -> ExchangeOrder:
    """Return the caller's resting order, if the request names the shard it is on.

    A request without a ticker, and without a shard or with -1, goes to shard 0.
    """
    order = call.exchange.engine.orders.get(order_id)
    wanted = call.subaccount(subaccount, None)
    if (
        order is None
        or order.account.user_id != call.user_id
        or wanted not in (None, order.account.subaccount)
    ):
        raise RequestRefused("not_found", "order not found")
    shard = call.exchange.settings.exchange_index
    routed = exchange_index if exchange_index not in (None, -1) else None
    if routed is None:
        routed = shard if market_ticker else 0
    if routed != shard or market_ticker not in (None, order.ticker):
        raise RequestRefused("not_found", "order not found")
    return order


# Reading orders back


def list_orders(call: RestCall) -> Reply:
    """List the caller's orders, newest first."""
    status = call.choice("status", ("resting", "canceled", "executed"))
    ticker, events = call.text("ticker"), call.listed("event_ticker")
    owners = set(call.accounts())
    markets, history = call.exchange.engine.markets, call.exchange.history
    listed = history.resting if status == "resting" else history.orders
    span = call.span()
    found = (
        (number, order)
        for number, order in reversed(listed.values())
        if order.account in owners
        and (status is None or order.status == status)
        and (ticker is None or order.ticker == ticker)
        and (not events or markets[order.ticker].terms.event_ticker in events)
        and span.holds(order.created_ms)
        and not call.other_shard()
    )
    page, cursor = call.page(found)
    shard = call.exchange.settings.exchange_index
    rows = [order_json(order, shard) for order in page]
    if not cursor and status == "resting":
        rows += call.exchange.oddities.orders
    return Reply(200, {"orders": rows, "cursor": cursor})


def get_order(call: RestCall) -> Reply:
    """Return one of the caller's orders."""
    _, order = call.exchange.history.orders.get(call.path["order_id"], (0, None))
    if order is None or order.account not in call.accounts():
        raise RequestRefused("not_found", "order not found")
    return Reply(200, {"order": order_json(order, call.exchange.settings.exchange_index)})


def queue_position(call: RestCall) -> Reply:
    """Return how many contracts are ahead of one of the caller's orders."""
    order = call.exchange.engine.orders.get(call.path["order_id"])
    if order is None or order.account not in call.accounts():
        raise RequestRefused("not_found", "order not found")
    return Reply(200, {"queue_position_fp": format_count(call.exchange.engine.queue_ahead(order))})


def queue_positions(call: RestCall) -> Reply:
    """Return the queue positions of a subaccount's resting orders."""
    tickers, event = call.listed("market_tickers"), call.text("event_ticker")
    if not tickers and event is None:
        raise RequestRefused("invalid_parameters", "market_tickers or event_ticker is required")
    engine = call.exchange.engine
    return Reply(
        200,
        {
            "queue_positions": [
                {
                    "order_id": order.order_id,
                    "market_ticker": order.ticker,
                    "queue_position_fp": format_count(engine.queue_ahead(order)),
                }
                for account in call.accounts(default=0)
                for order in engine.resting(account)
                if (not tickers or order.ticker in tickers)
                and event in (None, engine.markets[order.ticker].terms.event_ticker)
            ]
        },
    )


def batch_size(call: RestCall) -> int:
    """Return the number of orders in a batch, each of which costs tokens."""
    return max(len(call.decode(CreateBatch).orders), 1)
