"""Agreement of the bot's fills, positions, orders and books with the exchange's, when quiet.

Every function raises `InvariantBroken` if they differ.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from mmbot.exchange.facts import AccountFilled
from mmbot.exchange.market import ExchangeMarket
from mmbot.exchange.order_types import ExchangeOrder
from mmbot.faultlab.holdings import Holding
from mmbot.trading.orders import OwnOrders
from mmbot.trading.portfolio import Portfolio
from mmbot.trading.state import TradingState
from mmbot.trading.values import Fill, Side
from mmbot.underlying.counts import Counts
from mmbot.units import Count, Money, Price

_SIDES: Final[tuple[Side, Side]] = ("bid", "ask")


class InvariantBroken(Exception):
    """An invariant does not hold."""

    def __init__(self, invariant: str, what: str) -> None:
        super().__init__(invariant, what)
        self.invariant = invariant
        self.what = what


def check_fills(
    booked: Iterable[Fill],
    true_key: Callable[[Fill], tuple[str, str] | None],
    filled: Mapping[tuple[str, str], AccountFilled],
) -> None:
    """Check that the ledger has the exchange's fills, each once."""
    kept = {true_key(fill): _essence(fill) for fill in booked}
    true: dict[tuple[str, str] | None, Any] = {key: _essence(f) for key, f in filled.items()}
    if kept != true:
        missing = [key for key in true if kept.get(key) != true[key]]
        raise InvariantBroken(
            "ledger", f"{len(true)} fills, {len(kept)} in the ledger; {missing[:2]}"
        )


def check_portfolio(portfolio: Portfolio, holding: Holding) -> None:
    """Check positions and cash of one event."""
    for ticker, held in holding.positions.items():
        known = ticker in portfolio.tickers
        if held and not known:
            raise InvariantBroken("recovery", f"after the calm {ticker} is not known")
        position = portfolio.position(ticker) if known else Count(0)
        if position != held:
            raise InvariantBroken("positions", f"{ticker}: {position} where {held} are held")
    if portfolio.cash != holding.cash:
        raise InvariantBroken("cash", f"{portfolio.cash} where {holding.cash} is right")


def check_orders(orders: OwnOrders, live: Iterable[ExchangeOrder]) -> None:
    """Check that the bot's orders are those that rest at the exchange."""
    ours = {order.client_id: order.remaining for order in orders if order.remaining}
    theirs = {order.client_order_id: order.remaining for order in live}
    if ours != theirs:
        raise InvariantBroken("orders", f"the bot has {ours} where {theirs} rest")


def check_books(state: TradingState, markets: Mapping[str, ExchangeMarket]) -> None:
    """Check the book of every active market, level by level."""
    for ticker in state.event_of_market:
        if markets[ticker].status != "active":
            continue
        book = state.market(ticker).book
        if book is None:
            raise InvariantBroken("recovery", f"after the calm there is no book of {ticker}")
        for side in _SIDES:
            if dict(book.levels(side)) != markets[ticker].sides[side].totals:
                raise InvariantBroken("book", f"the {side}s of {ticker} differ from the exchange's")


def check_page(readable: Mapping[dt.date, int], counts: Counts) -> None:
    """Check that the readable counts of a page are known after reading it."""
    for day, count in readable.items():
        known = counts.latest(day) if day in counts else None
        if known != count:
            raise InvariantBroken("page", f"{day} has {count} on the page and {known} with the bot")


def check_settled_counts(counts: Counts, history: Counts) -> None:
    """Check that no page of another year has changed a settled count."""
    if history.vintages.items() <= counts.vintages.items():
        return
    for day, vintages in history.vintages.items():
        if counts.vintages.get(day) != vintages:
            raise InvariantBroken("page", f"the settled count of {day} was replaced")


def check_recorded_counts(counts: Counts, recorded: Counts) -> None:
    """Check that a session that began now would know the counts that the running one does."""
    for day, vintages in counts.vintages.items():
        if recorded.vintages.get(day) != vintages:
            raise InvariantBroken("counts", f"{day} is not in the ledger as it was seen")


def _essence(fill: Fill | AccountFilled) -> tuple[str, str, Price, Count, Money]:
    return fill.ticker, fill.side, fill.price, fill.count, fill.fee
