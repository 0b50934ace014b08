"""What other settings would quote, beside what is quoted: the engine itself decides, on a copy.

The copy is told the settings, and every write that it asks for is applied at once, against books
and midpoints that stand still, with tokens for everything and every order rested. The quotes at
which it comes to rest are the plan. Nothing of it reaches the engine that trades.
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
    SettingsChanged,
    Woken,
)
from mmbot.trading.orders import Order
from mmbot.trading.values import OrderReport, Side
from mmbot.units import Count, Price, format_count, format_price

# A quote moves by one cancel and one place; room that a cancel frees may let others follow.
_MOST_ROUNDS = 20
_PLENTY = 1e9


def plan(engine: Engine, settings: Settings, now: int) -> tuple[PlannedMarket, ...]:
    """Return every market's quotes under the settings in force and under `settings`.

    Args:
        engine: The engine that trades; it is left as it is.
        settings: Those to try; equal ones give the same quotes.
        now: The time, in milliseconds.
    """
    present = _come_to_rest(engine, [], now)
    planned = _come_to_rest(engine, [SettingsChanged(settings)], now)
    return tuple(_compared(ticker, present, planned) for ticker in engine.state.event_of_market)


def _compared(ticker: str, present: Engine, planned: Engine) -> PlannedMarket:
    now, then = _shown(present, ticker), _shown(planned, ticker)
    differs = (now.bid, now.ask, now.gate) != (then.bid, then.ask, then.gate)
    return PlannedMarket(ticker, now, then, differs)


def _come_to_rest(engine: Engine, news: list[InputEvent], now: int) -> Engine:
    """Return a copy of the engine after some news and every write that follows from them."""
    shadow = _copied(engine)
    budget = shadow.state.budget
    budget.refill = budget.capacity = budget.level = _PLENTY
    for order in shadow.state.orders:
        order.placed_at = 0
    events = news
    for _ in range(_MOST_ROUNDS):
        commands = [c for event in (*events, Woken()) for c in shadow.handle(event, now)]
        events = [event for command in commands for event in _applied(command, shadow)]
        if not events:
            break
    return shadow


def _copied(engine: Engine) -> Engine:
    """Copy everything that changes; fills, of which there may be thousands, never do."""
    fills = (fill for ladder in engine.state.events.values() for fill in ladder.portfolio.fills)
    return copy.deepcopy(engine, {id(fill): fill for fill in fills})


def _applied(command: Command, shadow: Engine) -> list[InputEvent]:
    """Return what the exchange would say to a command, and what it would do to the book."""
    match command:
        case Place():
            return [
                OrderPlaced(command.client_id, f"planned {command.client_id}", 0),
                BookChanged(command.ticker, command.side, command.price, command.count),
            ]
        case Cancel():
            return _reduced(command.client_id, 0, shadow)
        case Decrease():
            return _reduced(command.client_id, command.remaining, shadow)
        case Renew():
            return [OrderRenewed(command.client_id, command.expires)]
        case EnsureGroup():
            return [GroupReady(command.shard, "planned", command.contracts)]
    return []


def _reduced(client_id: str, remaining: Count, shadow: Engine) -> list[InputEvent]:
    """Return what is said of an order of which so much rests from now on."""
    order = shadow.state.orders.get(client_id)
    if order is None:
        return []
    gone = min(order.remaining - remaining, _in_book(shadow, order.ticker, order.side, order.price))
    in_book = BookChanged(order.ticker, order.side, order.price, -gone)
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
    listing = shadow.state.market(ticker)
    book = listing.book if listing else None
    return dict(book.levels(side)).get(price, 0) if book else 0


def _shown(engine: Engine, ticker: str) -> QuotedMarket:
    listing = engine.state.event_of_market[ticker].markets[ticker]
    offers: dict[Side, Offer] = {}
    for order in engine.state.orders.of(ticker):
        if order.remaining:
            offers.setdefault(order.side, _offer(order))
    fair = None if listing.fair is None else round(listing.fair, 4)
    return QuotedMarket(fair, offers.get("bid"), offers.get("ask"), listing.reason)


def _offer(order: Order) -> Offer:
    return Offer(format_price(order.price), format_count(order.remaining))
