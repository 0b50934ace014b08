"""When an event is priced again: on a belief, a fee, a fill, or a mid that moved.

A belief, new settings and another fee take effect at once. Fills, cash and mids change in bursts
and are collected for a moment; until then each market is quoted on the limits that it has.
"""

from __future__ import annotations

from collections.abc import Iterable

from mmbot.forecast.belief import Belief
from mmbot.trading.command_buffer import CommandBuffer
from mmbot.trading.commands import RecordPnlMark
from mmbot.trading.fair import pool
from mmbot.trading.pricing import price_event
from mmbot.trading.state import EventState, PricingInputs, TradingState
from mmbot.units import MONEY_PER_DOLLAR, Milliseconds

# The least time between two pricings of an event.
_INTERVAL_MS = 250
# A mid that has moved by less, in dollars, counts as unchanged.
_MID_TOLERANCE = 0.005
# Cash that differs by less than this share counts as unchanged.
_CASH_TOLERANCE = 0.01
# In a cell whose wealth is used up, this share of the assigned cash is left for the logarithm.
_LEAST_WEALTH = 0.01


def reprice(
    state: TradingState,
    buffer: CommandBuffer,
    tickers: Iterable[str],
    now: Milliseconds,
    *,
    books_only: bool = False,
) -> list[str]:
    """Update the best prices and mids of some markets, and price the events that need it.

    Args:
        state: The engine's state.
        buffer: Where P&L marks and the times to wake at go.
        tickers: The markets that the engine's input affected.
        now: The time.
        books_only: Whether nothing but their books may have changed.

    Returns:
        The markets to review: those given, but with `books_only` only those whose best prices
        changed, and all of each event that was priced.
    """
    affected = list(dict.fromkeys(tickers))
    events = {
        state.event_of_market[ticker].ticker: state.event_of_market[ticker] for ticker in affected
    }
    changed = [ticker for ticker in affected if _read_book(state, ticker, now)]
    priced: list[str] = []
    for event_state in events.values():
        read = [ticker for ticker in affected if ticker in event_state.markets]
        belief, due = event_state.belief, False
        if belief is not None and _is_due(state, event_state, belief, read, buffer, now):
            due = True
            _price(state, event_state, belief, now)
            priced += event_state.markets
        # When the engine is woken, which is when a day may have begun, all of an event is read.
        if due or event_state.settled or len(read) == len(event_state.markets):
            mark = state.mark_pnl(event_state, now)
            if mark is not None:
                buffer.add(RecordPnlMark(mark))
            event_state.reduce_only = state.may_only_reduce(event_state, now)
    return list(dict.fromkeys((*(changed if books_only else affected), *priced)))


def _read_book(state: TradingState, ticker: str, now: Milliseconds) -> bool:
    """Update a market's best prices and mid; return whether the best prices changed."""
    market = state.market(ticker)
    book, before = market.book, market.top
    ours = state.orders.levels(ticker)
    market.top = book.top(*ours) if book else None
    market.market_mid.update(book, ours, state.settings.quoting.mid_depth, now)
    return market.top != before


def _is_due(
    state: TradingState,
    event_state: EventState,
    belief: Belief,
    read: list[str],
    buffer: CommandBuffer,
    now: Milliseconds,
) -> bool:
    priced = event_state.priced
    if priced is None or belief is not priced.belief or state.settings is not priced.settings:
        return True
    if event_state.fee != priced.fee:
        return True
    markets, cash = event_state.markets, state.assigned_cash()
    unchanged = (
        len(event_state.portfolio) == priced.fills
        and abs(cash - priced.cash) <= _CASH_TOLERANCE * priced.cash
        and all(_same_mid(markets[t].market_mid.at(now), priced.mids[t]) for t in read)
    )
    if unchanged:
        return False
    if now < priced.at + _INTERVAL_MS:
        buffer.wake_by(priced.at + _INTERVAL_MS)
        return False
    return True


def _same_mid(now: float | None, before: float | None) -> bool:
    if now is None or before is None:
        return now is before
    return abs(now - before) < _MID_TOLERANCE


def _price(state: TradingState, event_state: EventState, belief: Belief, now: Milliseconds) -> None:
    quoting, cash = state.settings.quoting, state.assigned_cash()
    mids = {ticker: market.market_mid.at(now) for ticker, market in event_state.markets.items()}
    least = max(_LEAST_WEALTH * cash, 1)
    wealth = [
        max(cash + money, least) / MONEY_PER_DOLLAR for money in event_state.portfolio.wealth()
    ]
    weight = quoting.belief_weight_at(belief.days_published)
    pooled = pool(belief.above, list(mids.values()), weight, quoting.market_sharpness)
    limits = price_event(pooled, wealth, belief.days_published, quoting, event_state.fee)
    for market, each in zip(event_state.markets.values(), limits, strict=True):
        market.quote_limits = each
    event_state.priced = PricingInputs(
        now, belief, state.settings, len(event_state.portfolio), cash, mids, event_state.fee
    )
