"""Why a market is quoted as it is: every step from the counts to the orders and the shut gate."""

from __future__ import annotations

from collections.abc import Iterator

from mmbot.daemon_api import Step
from mmbot.forecast.belief import Belief, MemberWeight
from mmbot.trading.event_state import EventState
from mmbot.trading.market_state import MarketState
from mmbot.trading.pricing import QuoteLimits
from mmbot.trading.quoting import Quote, quote_bounds, wanted_quotes
from mmbot.trading.state import TradingState
from mmbot.underlying.counts import Counts
from mmbot.units import (
    MONEY_PER_DOLLAR,
    ONE_CENT,
    Count,
    Milliseconds,
    floor_price,
    format_count,
    format_money,
    format_price,
)


def explain(
    state: TradingState, counts: Counts, ticker: str, now: Milliseconds
) -> tuple[Step, ...]:
    """Return the steps that led to a market's quotes, as far as they go.

    Args:
        state: The engine's state.
        counts: The counts as of now.
        ticker: A market.
        now: The time.
    """
    event_state = state.event_of_market.get(ticker)
    if event_state is None:
        return (Step("gate", f"{ticker} is not a market of an event that is open"),)
    return tuple(_steps(state, counts, event_state, event_state.markets[ticker], now))


def _steps(
    state: TradingState,
    counts: Counts,
    event_state: EventState,
    market: MarketState,
    now: Milliseconds,
) -> Iterator[Step]:
    yield _counts_step(state, counts, event_state, now)
    if event_state.belief is not None:
        yield from _belief_steps(event_state.belief, state.underlying.value_unit, market)
    if event_state.belief is not None and market.quote_limits is not None:
        yield _pool_step(state, event_state.belief, market, market.quote_limits, now)
        yield _reservation_step(state, event_state, market, market.quote_limits)
        yield from _limit_steps(state, event_state, event_state.belief, market.quote_limits)
    yield from _book_steps(state, event_state, market)
    yield from _order_steps(state, market)
    if market.shut_gate:
        yield Step("gate", f"{market.reason}: {market.shut_gate.gate.meaning}")


def _counts_step(
    state: TradingState, counts: Counts, event_state: EventState, now: Milliseconds
) -> Step:
    underlying, week = state.underlying, event_state.week
    published, due_by = counts.published_days(week), underlying.settles(week)
    listed = (
        "; ".join(f"{day:%a} {counts.settling_count(day, due_by):,}" for day in published) or "none"
    )
    at = state.clock.at(now)
    earliest = state.settings.counts.earliest_release
    due = [day for day in underlying.days_due(week, at, earliest) if day not in published]
    text = f"of the seven days to {week.sunday}: {listed}"
    for day in due:
        missing = day in state.missing
        text += f"; {day:%a} {'is not waited for' if missing else 'is due'}"
    later = [t for day in week.days if (t := underlying.release(day, earliest)) > at]
    if later:
        text += f"; the next is due from {min(later):%a %Y-%m-%d %H:%M %Z}"
    return Step("counts", text)


def _belief_steps(belief: Belief, unit: str, market: MarketState) -> Iterator[Step]:
    yield Step(
        "forecast",
        f"{belief.mean:,.0f} {unit}, give or take {belief.sd:,.0f}, with "
        f"{belief.days_published} of 7 days known ({belief.method})",
    )
    if len(belief.members) > 1:
        yield Step("methods", "; ".join(map(_member, belief.members)))
    weeks = ", ".join(f"{each.week.sunday} {each.weight:.1%}" for each in belief.heaviest)
    yield Step(
        "scenarios",
        f"{belief.effective_weeks:.0f} effective past weeks; heaviest {weeks}"
        if weeks
        else "no past weeks stand behind it",
    )
    strike = market.terms.strike
    above = belief.above[belief.strikes.index(strike)]
    yield Step("belief", f"above {strike:,} with probability {above:.3f}")


def _member(member: MemberWeight) -> str:
    return f"{member.method} {member.weight:.0%}: {member.mean:,.0f} give or take {member.sd:,.0f}"


def _pool_step(
    state: TradingState, belief: Belief, market: MarketState, limits: QuoteLimits, now: Milliseconds
) -> Step:
    quoting = state.settings.quoting
    weight, sharpness = quoting.belief_weight_at(belief.days_published), quoting.market_sharpness
    mid, live = market.market_mid.at(now), market.market_mid.live
    own = "no midpoint of its own" if mid is None else f"midpoint {mid:.3f}"
    if mid is not None and not live:
        own += f" of {(now - market.market_mid.ended) // 1000} s ago"
    if mid is not None and sharpness != 1:
        own += f" with its log-odds times {sharpness:g}"
    return Step("fair", f"{limits.fair:.3f}: belief at {weight:.0%} of the log-odds, {own}")


def _reservation_step(
    state: TradingState, event_state: EventState, market: MarketState, limits: QuoteLimits
) -> Step:
    position = event_state.portfolio.position(market.ticker)
    cash = state.assigned_cash() / MONEY_PER_DOLLAR
    worst = format_money(min(event_state.portfolio.wealth()))
    return Step(
        "reservation",
        f"{limits.reservation:.3f} to the holder of {format_count(position)} here, "
        f"{worst} at the worst in the event, on ${cash:,.2f} of cash",
    )


def _limit_steps(
    state: TradingState, event_state: EventState, belief: Belief, limits: QuoteLimits
) -> Iterator[Step]:
    quoting = state.settings.quoting
    margin, edge = quoting.margin_at(belief.days_published), quoting.edge(limits.reservation)
    text = (
        f"YES at {limits.yes_value:.4f} or less, NO at {limits.no_value:.4f} or less: "
        f"margin {margin:.0%} of fair value, edge {edge * 100:.2f} cents over the reservation"
    )
    for side, required in (("YES", limits.yes_edge), ("NO", limits.no_edge)):
        if required > edge:
            text += f", and {(required - edge) * 100:.2f} more for {side}, a longshot"
    yield Step("margin", text)
    fee = event_state.fee
    if not fee.is_free:
        yes, no = (fee.each(floor_price(value)) for value in (limits.yes_value, limits.no_value))
        yield Step(
            "fee",
            f"{fee.text}: {yes / ONE_CENT:.2f} cents a contract for YES at its most, "
            f"{no / ONE_CENT:.2f} for NO; margin and edge are kept after it",
        )
    yield Step(
        "size",
        f"YES {format_count(limits.yes_count)}, NO {format_count(limits.no_count)} of at most "
        f"{format_count(Count(int(quoting.size_at(belief.days_published))))}",
    )


def _book_steps(
    state: TradingState, event_state: EventState, market: MarketState
) -> Iterator[Step]:
    if market.book is None:
        return
    ticker = market.ticker
    top = market.book.top(*state.orders.levels(ticker))
    bid, ask = ("none" if price is None else format_price(price) for price in (top.bid, top.ask))
    yield Step("book", f"best bid of others {bid}, best ask {ask}")
    if market.quote_limits is None or market.quote_limits.gate:
        return
    bounds = quote_bounds(
        market.quote_limits,
        event_state.portfolio.position(ticker),
        market.terms.grid,
        state.settings,
        reduce_only=event_state.reduce_only,
    )
    quotes = wanted_quotes(bounds, top)
    for quote in (quotes.bid, quotes.ask):
        if quote is not None:
            yield Step("tick", _tick(quote))


def _tick(quote: Quote) -> str:
    """Return a quote on the grid, and what keeps it from its limit."""
    price, limit = format_price(quote.price), format_price(quote.limit)
    text = f"{quote.side} {format_count(quote.count)} at {price}"
    if quote.price == quote.limit:
        return f"{text}, which is what the margin allows"
    return f"{text}, where the margin would allow {limit}: a tick past the best other, uncrossed"


def _order_steps(state: TradingState, market: MarketState) -> Iterator[Step]:
    for order in state.orders.of(market.ticker):
        yield Step(
            "order",
            f"{order.side} {format_count(order.remaining)} at {format_price(order.price)}, "
            f"{order.state}",
        )
