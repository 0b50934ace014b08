"""Reprices an event: on a new belief, fee or settings, a fill, a change of cash, or a moved mid.

Belief, settings and fee take effect at once. Fills, cash and mids change in bursts and are batched
for a moment; until then each market is quoted on its present limits.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Final

import msgspec

from mmbot.forecast.belief import Belief
from mmbot.trading.book import Top
from mmbot.trading.command_buffer import EVERY_EVENT, ONLY_VIEWS, CommandBuffer
from mmbot.trading.commands import RecordPnlMark
from mmbot.trading.event_state import EventState
from mmbot.trading.fair import EMPTY, pool
from mmbot.trading.market_state import Calm, MarketState, PricingInputs
from mmbot.trading.markouts import SAMPLING_INTERVAL_MS
from mmbot.trading.state import TradingState
from mmbot.units import MONEY_PER_DOLLAR, Milliseconds

# The least time between two pricings of an event.
_INTERVAL_MS = 250
# A mid that moved by less than this, in dollars, counts as unchanged.
_MID_TOLERANCE = 0.005
_FOREVER: Final[Milliseconds] = 2**62
# Cash that changed by less than this share counts as unchanged.
_CASH_TOLERANCE = 0.01
# The least wealth in a cell, as a share of the assigned cash: the logarithm needs some.
_LEAST_WEALTH = 0.01


class _Reading(msgspec.Struct):
    """A market whose book was read, with the prices behind its mid.

    `ours_until` is when the clock alone changes our part of the book, if it does. `pending` says
    that a pricing is needed but not due yet.
    """

    market: MarketState
    top_changed: bool
    deep: Top
    ours_until: Milliseconds | None
    pending: bool = False


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
        buffer: Takes P&L marks and wakes.
        tickers: The markets that the engine's input affected.
        now: The time.
        books_only: Whether only their books may have changed.

    Returns:
        The markets to review: those given, but with `books_only` only those whose best prices
        changed, and all of each event that was priced.
    """
    affected = list(dict.fromkeys(tickers))
    changed: list[str] = []
    readings: dict[str, list[_Reading]] = {}
    for ticker in affected:
        event_state = state.event_of_market[ticker]
        reading = _read_book(state, buffer, event_state, event_state.markets[ticker], now)
        if reading.top_changed:
            changed.append(ticker)
        readings.setdefault(event_state.ticker, []).append(reading)
    priced: list[str] = []
    for event_ticker, read in readings.items():
        priced += _reprice_event(state, buffer, state.events[event_ticker], read, now)
    return list(dict.fromkeys((*(changed if books_only else affected), *priced)))


def reprice_market(
    state: TradingState,
    buffer: CommandBuffer,
    event_state: EventState,
    market: MarketState,
    now: Milliseconds,
) -> Collection[str]:
    """Do the same as `reprice` for one market of which only the book may have changed."""
    reading = _read_book(state, buffer, event_state, market, now)
    priced = _reprice_event(state, buffer, event_state, (reading,), now)
    ticker = market.terms.ticker
    if priced:
        return dict.fromkeys((ticker, *priced)) if reading.top_changed else priced
    return (ticker,) if reading.top_changed else ()


def _reprice_event(
    state: TradingState,
    buffer: CommandBuffer,
    event_state: EventState,
    read: Sequence[_Reading],
    now: Milliseconds,
) -> Collection[str]:
    """Price an event if that is due; return the markets that have a new price."""
    belief = event_state.belief
    due = belief is not None and _is_due(state, buffer, event_state, belief, read, now)
    if belief is not None and due:
        _price(state, event_state, belief, now)
    # A new day begins with a wake, at which all markets of an event are read.
    settled = read[0].market.settled is not None and event_state.settled
    if due or settled or len(read) == len(event_state.markets):
        mark = state.mark_pnl(event_state, now)
        if mark is not None:
            buffer.add(RecordPnlMark(mark))
        event_state.reduce_only = state.may_only_reduce(event_state, now)
    for reading in read:
        _set_calm(state, event_state, reading, now)
    return event_state.markets if due else ()


def _is_due(
    state: TradingState,
    buffer: CommandBuffer,
    event_state: EventState,
    belief: Belief,
    read: Sequence[_Reading],
    now: Milliseconds,
) -> bool:
    """Return whether to price an event now; a need that is not due yet is left pending."""
    priced = event_state.priced
    if (
        priced is None
        or belief is not priced.belief
        or state.settings is not priced.settings
        or event_state.fee != priced.fee
    ):
        return True
    account, asked = _account_changed(state, event_state, priced), False
    for reading in read:
        if account or _mid_moved(reading.market, priced, now):
            reading.pending = asked = True
    if not asked:
        return False
    due_at = priced.at + _INTERVAL_MS
    if now >= due_at:
        for reading in read:
            reading.pending = False
        return True
    # Fills and cash concern other events as well.
    buffer.wake_by(due_at, EVERY_EVENT if account else event_state.ticker)
    return False


def _read_book(
    state: TradingState,
    buffer: CommandBuffer,
    event_state: EventState,
    market: MarketState,
    now: Milliseconds,
) -> _Reading:
    """Update a market's best prices and mid, and request wakes for a new or ending mid."""
    ticker = market.terms.ticker
    book, before = market.book, market.top
    if book is None:
        top, deep = None, EMPTY
    else:
        our_bids, our_asks = state.orders.levels(ticker)
        top, deep = book.top_and_deep(our_bids, our_asks, state.settings.quoting.mid_depth)
    market.top = top
    mid, was_live = market.market_mid, market.market_mid.live
    mid.update_from(deep, now)
    if mid.live and not was_live:
        buffer.wake_by(now + SAMPLING_INTERVAL_MS, ONLY_VIEWS)
    elif not mid.live and mid.forgotten_at is not None and mid.forgotten_at > now:
        buffer.wake_by(mid.forgotten_at, event_state.ticker)
    ours_until = state.orders.levels_change_at(ticker)
    if ours_until is not None:
        buffer.wake_by(ours_until, event_state.ticker)
    return _Reading(market, top != before, deep, ours_until)


def _set_calm(
    state: TradingState,
    event_state: EventState,
    reading: _Reading,
    now: Milliseconds,
) -> None:
    """Set where the book of a market that was just read may change without consequence.

    A settled event, or one with a single market, marks its P&L at every change of a book. While a
    pricing is pending, the wake for it has been requested.
    """
    market, bid, ask = reading.market, reading.deep.bid, reading.deep.ask
    marked = market.settled is not None or len(event_state.markets) == 1
    if bid is None or ask is None or marked or state.service.stopping:
        market.calm = None
        return
    priced = event_state.priced
    until = priced.at + _INTERVAL_MS if reading.pending and priced is not None else _FOREVER
    if reading.ours_until is not None:
        until = min(until, reading.ours_until)
    mid = market.market_mid
    if not mid.live and mid.forgotten_at is not None and mid.forgotten_at > now:
        until = min(until, mid.forgotten_at)
    market.calm = Calm(bid, ask, until, priced, event_state.portfolio.changes)


def _account_changed(state: TradingState, event_state: EventState, priced: PricingInputs) -> bool:
    """Return whether fills or cash differ from those of the last pricing."""
    if event_state.portfolio.changes != priced.booked:
        return True
    if state.cash == priced.account_cash:
        return False
    cash = state.assigned_cash()
    return abs(cash - priced.cash) > _CASH_TOLERANCE * priced.cash


def _mid_moved(market: MarketState, priced: PricingInputs, now: Milliseconds) -> bool:
    mid, before = market.market_mid.at(now), priced.mids[market.terms.ticker]
    if mid is None or before is None:
        return mid is not before
    return abs(mid - before) >= _MID_TOLERANCE


def _price(state: TradingState, event_state: EventState, belief: Belief, now: Milliseconds) -> None:
    quoting, cash = state.settings.quoting, state.assigned_cash()
    mids = {ticker: market.market_mid.at(now) for ticker, market in event_state.markets.items()}
    least = max(_LEAST_WEALTH * cash, 1)
    wealth = [
        max(cash + money, least) / MONEY_PER_DOLLAR for money in event_state.portfolio.wealth()
    ]
    weight = quoting.belief_weight_at(belief.days_published)
    pooled = pool(belief.above, list(mids.values()), weight, quoting.market_sharpness)
    # A new market has none, and then its event has not been priced with it yet.
    before = [
        market.quote_limits
        for market in event_state.markets.values()
        if event_state.priced and market.quote_limits
    ]
    limits = event_state.pricings.price(
        pooled, wealth, belief.days_published, quoting, event_state.fee, before
    )
    for market, each in zip(event_state.markets.values(), limits, strict=True):
        market.quote_limits = each
    event_state.priced = PricingInputs(
        at=now,
        belief=belief,
        settings=state.settings,
        booked=event_state.portfolio.changes,
        account_cash=state.cash,
        cash=cash,
        mids=mids,
        fee=event_state.fee,
    )
