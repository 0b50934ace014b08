"""When an event is priced again: on a belief, a fee, a fill, or a mid that moved.

A belief, new settings and another fee take effect at once. Fills, cash and mids change in bursts
and are collected for a moment; until then each market is quoted on the limits that it has.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from mmbot.forecast.belief import Belief
from mmbot.trading.book import Top
from mmbot.trading.command_buffer import CommandBuffer
from mmbot.trading.commands import RecordPnlMark
from mmbot.trading.fair import pool
from mmbot.trading.pricing import price_event
from mmbot.trading.state import Calm, EventState, MarketState, PricingInputs, TradingState
from mmbot.units import MONEY_PER_DOLLAR, Milliseconds

# The least time between two pricings of an event.
_INTERVAL_MS = 250
# A mid that has moved by less, in dollars, counts as unchanged.
_MID_TOLERANCE = 0.005
_FOREVER: Final[Milliseconds] = 2**62
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
    deep: dict[str, Top] = {}
    changed = [ticker for ticker in affected if _read_book(state, ticker, deep, now)]
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
        for ticker in read:
            _set_calm(state, event_state, event_state.markets[ticker], deep[ticker], now)
    return list(dict.fromkeys((*(changed if books_only else affected), *priced)))


def _read_book(state: TradingState, ticker: str, deep: dict[str, Top], now: Milliseconds) -> bool:
    """Update a market's best prices and mid; return whether the best prices changed.

    The prices that the mid was taken from are added to `deep`.
    """
    market = state.market(ticker)
    book, before = market.book, market.top
    ours = state.orders.levels(ticker)
    market.top = book.top(*ours) if book else None
    deep[ticker] = market.market_mid.update(book, ours, state.settings.quoting.mid_depth, now)
    return market.top != before


def _set_calm(
    state: TradingState,
    event_state: EventState,
    market: MarketState,
    deep: Top,
    now: Milliseconds,
) -> None:
    """Set where the book of a market that was just read may change without consequence.

    An event that is settled, or has one market, is marked at every change of a book.
    """
    bid, ask = deep
    marked = market.settled is not None or len(event_state.markets) == 1
    if bid is None or ask is None or marked or state.service.stopping:
        market.calm = None
        return
    priced, until = event_state.priced, _FOREVER
    if priced is not None and _has_changed(state, event_state, priced, [market.ticker], now):
        # Whatever was to be asked for until it is priced again has been asked for.
        until = priced.at + _INTERVAL_MS
    forgotten_at = market.market_mid.forgotten_at
    if forgotten_at is not None and forgotten_at > now:
        until = min(until, forgotten_at)
    market.calm = Calm(bid, ask, until, priced, len(event_state.portfolio))


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
    if not _has_changed(state, event_state, priced, read, now):
        return False
    if now < priced.at + _INTERVAL_MS:
        buffer.wake_by(priced.at + _INTERVAL_MS)
        return False
    return True


def _has_changed(
    state: TradingState,
    event_state: EventState,
    priced: PricingInputs,
    read: list[str],
    now: Milliseconds,
) -> bool:
    """Return whether fills, cash or these markets' mids differ from those of the last pricing."""
    markets, cash = event_state.markets, state.assigned_cash()
    return (
        len(event_state.portfolio) != priced.fills
        or abs(cash - priced.cash) > _CASH_TOLERANCE * priced.cash
        or not all(_same_mid(markets[t].market_mid.at(now), priced.mids[t]) for t in read)
    )


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
