"""The quotes under other settings, beside the present ones: a copy of the engine decides.

The copy gets the settings, and every write that it requests is applied at once, against books and
mids that do not move, with unlimited write tokens and every order past its minimum rest. The quotes
on which it settles are the plan. The engine that trades is not changed.
"""

from __future__ import annotations

import copy

from mmbot.config import Settings
from mmbot.daemon_api import Offer, PlannedMarket, QuotedMarket
from mmbot.trading.commands import Cancel, Command, Decrease, EnsureGroup, Place, Renew
from mmbot.trading.engine import Engine
from mmbot.trading.events import (
    BookChanged,
    GroupReady,
    InputEvent,
    OrderCancelled,
    OrderDecreased,
    OrderPlaced,
    OrderRenewed,
    OrderReported,
    Woken,
)
from mmbot.trading.operator_events import SettingsChanged
from mmbot.trading.order import Order
from mmbot.trading.values import OrderReport, Side
from mmbot.units import Count, Milliseconds, Price, format_count, format_price

# A quote moves by one cancel and one place; headroom that a cancel frees may allow other places.
_MOST_ROUNDS = 20
_PLENTY = 1e9


def plan(engine: Engine, settings: Settings, now: Milliseconds) -> tuple[PlannedMarket, ...]:
    """Return every market's quotes under the settings in force and under `settings`.

    Args:
        engine: The engine that trades; it is left as it is.
        settings: The settings to try; equal ones give the same quotes.
        now: The time.
    """
    present = _settled(engine, [], now)
    planned = _settled(engine, [SettingsChanged(settings)], now)
    return tuple(_compared(ticker, present, planned) for ticker in engine.state.event_of_market)


def _compared(ticker: str, present: Engine, planned: Engine) -> PlannedMarket:
    now, then = _shown(present, ticker), _shown(planned, ticker)
    differs = (now.bid, now.ask, now.gate) != (then.bid, then.ask, then.gate)
    return PlannedMarket(ticker, now, then, differs)


def _settled(engine: Engine, inputs: list[InputEvent], now: Milliseconds) -> Engine:
    """Return a copy of the engine after some events and every write that follows from them."""
    shadow = _copied(engine)
    budget = shadow.state.budget
    budget.refill = budget.capacity = budget.level = _PLENTY
    for order in shadow.state.orders:
        order.placed_at = 0
    events = inputs
    for _ in range(_MOST_ROUNDS):
        commands = [c for event in (*events, Woken()) for c in shadow.handle(event, now)]
        events = [event for command in commands for event in _applied(command, shadow)]
        if not events:
            break
    return shadow


def _copied(engine: Engine) -> Engine:
    """Copy everything but the fills, of which there may be thousands and which never change."""
    fills = (fill for each in engine.state.events.values() for fill in each.portfolio.fills)
    return copy.deepcopy(engine, {id(fill): fill for fill in fills})


def _applied(command: Command, shadow: Engine) -> list[InputEvent]:
    """Return the exchange's answer to a command, and the change of the book."""
    match command:
        case Place():
            return [
                OrderPlaced(command.client_id, f"planned {command.client_id}", Count(0)),
                BookChanged(command.ticker, command.side, command.price, command.count),
            ]
        case Cancel():
            return _reduced(command.client_id, Count(0), shadow)
        case Decrease():
            return _reduced(command.client_id, command.remaining, shadow)
        case Renew():
            return [OrderRenewed(command.client_id, command.expires)]
        case EnsureGroup():
            return [GroupReady(command.shard, "planned", command.contracts)]
    return []


def _reduced(client_id: str, remaining: Count, shadow: Engine) -> list[InputEvent]:
    """Return the events by which an order is reduced to `remaining`, and the book with it."""
    order = shadow.state.orders.get(client_id)
    if order is None:
        return []
    gone = min(order.remaining - remaining, _in_book(shadow, order.ticker, order.side, order.price))
    in_book = BookChanged(order.ticker, order.side, order.price, Count(-gone))
    if not remaining:
        return [in_book, OrderCancelled(client_id, order.remaining)]
    report = OrderReport(
        client_id,
        order.order_id,
        order.ticker,
        order.side,
        order.price,
        order.filled,
        remaining,
        "resting",
        order.expires,
    )
    return [in_book, OrderReported(report), OrderDecreased(client_id, remaining)]


def _in_book(shadow: Engine, ticker: str, side: Side, price: Price) -> Count:
    book = shadow.state.market(ticker).book
    return dict(book.levels(side)).get(price, Count(0)) if book else Count(0)


def _shown(engine: Engine, ticker: str) -> QuotedMarket:
    market = engine.state.market(ticker)
    offers: dict[Side, Offer] = {}
    for order in engine.state.orders.of(ticker):
        if order.remaining:
            offers.setdefault(order.side, _offer(order))
    bid, ask, limits = offers.get("bid"), offers.get("ask"), market.quote_limits
    if limits is None:
        return QuotedMarket(None, bid, ask, market.reason)
    yes_edge, no_edge = (round(edge * 100, 2) for edge in (limits.yes_edge, limits.no_edge))
    fee = engine.state.event_of_market[ticker].fee
    terms = "" if fee.is_free else fee.text
    return QuotedMarket(round(limits.fair, 4), bid, ask, market.reason, yes_edge, no_edge, terms)


def _offer(order: Order) -> Offer:
    return Offer(format_price(order.price), format_count(order.remaining))
