"""When to price a ladder anew: on a belief, a fill, or a midpoint that moved.

A belief and new settings take effect at once. Fills, cash and midpoints come in flurries, and are
waited for together; until then each market is quoted on the terms there are.
"""

from __future__ import annotations

from collections.abc import Iterable

from mmbot.forecast.belief import Belief
from mmbot.trading.command_buffer import CommandBuffer
from mmbot.trading.fair import pool
from mmbot.trading.pricing import price_ladder
from mmbot.trading.state import EventState, PricingInputs, TradingState
from mmbot.units import MONEY_PER_DOLLAR

# Milliseconds.
_PAUSE = 250
# A midpoint that has moved by less, in dollars, is the same.
_MID_TOLERANCE = 0.005
# Cash that differs by less than this share is the same.
_CASH_TOLERANCE = 0.01
# Where an outcome has used the assigned cash up, this share of it is left for the logarithm.
_LEAST_WEALTH = 0.01


def refresh(
    state: TradingState, out: CommandBuffer, tickers: Iterable[str], *, books_only: bool = False
) -> list[str]:
    """Look at the books of some markets and price anew what needs it.

    Args:
        state: What is known.
        out: Where wishes and marks go; its time is now.
        tickers: The markets that something happened to.
        books_only: Whether nothing but their books may have changed.

    Returns:
        The markets to review: those given, unless nothing that matters changed in their books, and
        all of each ladder that was priced.
    """
    affected = list(dict.fromkeys(tickers))
    ladders = {
        state.event_of_market[ticker].ticker: state.event_of_market[ticker] for ticker in affected
    }
    changed = [ticker for ticker in affected if _look(state, ticker, out.now)]
    priced: list[str] = []
    for ladder in ladders.values():
        looked = [ticker for ticker in affected if ticker in ladder.markets]
        belief, due = ladder.belief, False
        if belief is not None and _is_due(state, ladder, belief, looked, out):
            due = True
            _price(state, ladder, belief, out.now)
            priced += ladder.markets
        # On a waking, when a day may have begun, a whole ladder is looked at.
        if due or ladder.settled or len(looked) == len(ladder.markets):
            state.mark(ladder, out)
            ladder.reduce_only = state.may_only_reduce(ladder, out.now)
    return list(dict.fromkeys((*(changed if books_only else affected), *priced)))


def _look(state: TradingState, ticker: str, now: int) -> bool:
    """Look at a market's book; say whether the others rest elsewhere than before."""
    listing = state.event_of_market[ticker].markets[ticker]
    book, before = listing.book, listing.top
    ours = state.orders.levels(ticker)
    listing.top = book.top(*ours) if book else None
    listing.market_mid.look(book, ours, state.settings.quoting.mid_depth, now)
    return listing.top != before


def _is_due(
    state: TradingState, ladder: EventState, belief: Belief, looked: list[str], out: CommandBuffer
) -> bool:
    priced = ladder.priced
    if priced is None or belief is not priced.belief or state.settings is not priced.settings:
        return True
    cash = state.assigned_cash()
    same = (
        len(ladder.portfolio) == priced.fills
        and abs(cash - priced.cash) <= _CASH_TOLERANCE * priced.cash
        and all(_same_mid(ladder.markets[t].market_mid.at(out.now), priced.mids[t]) for t in looked)
    )
    if same:
        return False
    if out.now < priced.at + _PAUSE:
        out.wake_by(priced.at + _PAUSE)
        return False
    return True


def _same_mid(now: float | None, before: float | None) -> bool:
    if now is None or before is None:
        return now is before
    return abs(now - before) < _MID_TOLERANCE


def _mids(ladder: EventState, now: int) -> dict[str, float | None]:
    return {ticker: listing.market_mid.at(now) for ticker, listing in ladder.markets.items()}


def _price(state: TradingState, ladder: EventState, belief: Belief, now: int) -> None:
    quoting, cash, mids = state.settings.quoting, state.assigned_cash(), _mids(ladder, now)
    wealth = ladder.portfolio.wealth()
    least = max(_LEAST_WEALTH * cash, 1)
    dollars = [max(cash + money, least) / MONEY_PER_DOLLAR for money in wealth]
    pooled = pool(
        belief.above, list(mids.values()), quoting.belief_weight_at(belief.days_published)
    )
    terms = price_ladder(pooled, dollars, belief.days_published, quoting)
    for listing, each in zip(ladder.markets.values(), terms, strict=True):
        listing.quote_limits = each
    ladder.priced = PricingInputs(now, belief, state.settings, len(ladder.portfolio), cash, mids)
