"""Why one market is quoted as it is: every step from the counts to the order, or the shut gate."""

from __future__ import annotations

from collections.abc import Iterator

from mmbot.daemon_api import Step
from mmbot.forecast.belief import Belief
from mmbot.observe.gate_meanings import meaning
from mmbot.trading.gates import MarketState
from mmbot.trading.pricing import QuoteLimits
from mmbot.trading.quoting import Quote, wanted_quotes
from mmbot.trading.state import EventState, TradingState
from mmbot.tsa.calendar import release_instant
from mmbot.tsa.counts import Counts
from mmbot.units import MONEY_PER_DOLLAR, format_count, format_money, format_price


def explain(state: TradingState, counts: Counts, ticker: str, now: int) -> tuple[Step, ...]:
    """Return the steps that led to a market's quotes, as far as they go.

    Args:
        state: What the engine knows.
        counts: The counts as they are known now.
        ticker: A market.
        now: The time, in milliseconds.
    """
    ladder = state.event_of_market.get(ticker)
    if ladder is None:
        return (Step("gate", f"{ticker} is not a market of an event that is open"),)
    return tuple(_steps(state, counts, ladder, ladder.markets[ticker], now))


def _steps(
    state: TradingState, counts: Counts, ladder: EventState, listing: MarketState, now: int
) -> Iterator[Step]:
    yield _counts_step(state, counts, ladder, now)
    if ladder.belief is not None:
        yield from _belief_steps(ladder.belief, listing)
    if ladder.belief is not None and listing.quote_limits is not None:
        yield _pool_step(state, ladder.belief, listing, listing.quote_limits, now)
        yield _reservation_step(state, ladder, listing, listing.quote_limits)
        yield from _terms_steps(state, ladder.belief, listing.quote_limits)
    yield from _book_steps(state, ladder, listing)
    yield from _order_steps(state, listing)
    if listing.reason:
        told = meaning(listing.reason)
        yield Step("gate", f"{listing.reason}: {told}" if told else listing.reason)


def _counts_step(state: TradingState, counts: Counts, ladder: EventState, now: int) -> Step:
    published = counts.published_days(ladder.week)
    said = "; ".join(f"{day:%a} {counts.settling(day):,}" for day in published) or "none"
    at = state.clock.at(now)
    earliest = state.settings.counts.earliest_release
    due = [day for day in ladder.week.days_due(at, earliest) if day not in published]
    text = f"of the seven days to {ladder.week.sunday}: {said}"
    for day in due:
        given_up = day in state.missing
        text += f"; {day:%a} {'is not waited for' if given_up else 'is due'}"
    later = [t for day in ladder.week.days if (t := release_instant(day, earliest)) > at]
    if later:
        text += f"; the next is due from {min(later):%a %Y-%m-%d %H:%M %Z}"
    return Step("counts", text)


def _belief_steps(belief: Belief, listing: MarketState) -> Iterator[Step]:
    yield Step(
        "forecast",
        f"average {belief.mean:,.0f}, give or take {belief.sd:,.0f}, with "
        f"{belief.days_published} of 7 days known ({belief.method})",
    )
    weeks = ", ".join(f"{each.week.sunday} {each.weight:.1%}" for each in belief.heaviest)
    yield Step(
        "scenarios",
        f"{belief.effective_weeks:.0f} effective past weeks; heaviest {weeks}"
        if weeks
        else "no past weeks stand behind it",
    )
    strike = listing.terms.strike
    above = belief.above[belief.strikes.index(strike)]
    yield Step("belief", f"above {strike:,} with probability {above:.3f}")


def _pool_step(
    state: TradingState, belief: Belief, listing: MarketState, limits: QuoteLimits, now: int
) -> Step:
    weight = state.settings.quoting.belief_weight_at(belief.days_published)
    mid, live = listing.market_mid.at(now), listing.market_mid.live
    market = "no midpoint of its own" if mid is None else f"midpoint {mid:.3f}"
    if mid is not None and not live:
        market += f" of {(now - listing.market_mid.ended) // 1000} s ago"
    return Step("fair", f"{limits.fair:.3f}: belief at {weight:.0%} of the log-odds, {market}")


def _reservation_step(
    state: TradingState, ladder: EventState, listing: MarketState, limits: QuoteLimits
) -> Step:
    position = ladder.portfolio.position(listing.terms.ticker)
    cash = state.assigned_cash() / MONEY_PER_DOLLAR
    worst = format_money(min(ladder.portfolio.wealth()))
    return Step(
        "reservation",
        f"{limits.reservation:.3f} to the holder of {format_count(position)} here, "
        f"{worst} at the worst in the event, on ${cash:,.2f} of cash",
    )


def _terms_steps(state: TradingState, belief: Belief, limits: QuoteLimits) -> Iterator[Step]:
    quoting = state.settings.quoting
    margin, edge = quoting.margin_at(belief.days_published), quoting.edge(limits.reservation)
    yield Step(
        "margin",
        f"YES at {limits.yes_value:.4f} or less, NO at {limits.no_value:.4f} or less: "
        f"margin {margin:.0%} of fair value, edge {edge * 100:.2f} cents over the reservation",
    )
    yield Step(
        "size",
        f"YES {format_count(limits.yes_count)}, NO {format_count(limits.no_count)} of at most "
        f"{format_count(int(quoting.size_at(belief.days_published)))}",
    )


def _book_steps(state: TradingState, ladder: EventState, listing: MarketState) -> Iterator[Step]:
    if listing.book is None:
        return
    ticker = listing.terms.ticker
    top = listing.book.top(*state.orders.levels(ticker))
    bid, ask = ("none" if price is None else format_price(price) for price in top)
    yield Step("book", f"best bid of others {bid}, best ask {ask}")
    if listing.quote_limits is None or listing.quote_limits.reason:
        return
    quotes = wanted_quotes(
        listing.quote_limits,
        top,
        ladder.portfolio.position(ticker),
        listing.terms.grid,
        state.settings,
        reduce_only=ladder.reduce_only,
    )
    for quote in (quotes.bid, quotes.ask):
        if quote is not None:
            yield Step("tick", _tick(quote))


def _tick(quote: Quote) -> str:
    """Say where on the grid a quote belongs, and what keeps it from its limit."""
    price, limit = format_price(quote.price), format_price(quote.limit)
    text = f"{quote.side} {format_count(quote.count)} at {price}"
    if quote.price == quote.limit:
        return f"{text}, which is what the margin allows"
    return f"{text}, where the margin would allow {limit}: a tick past the best other, uncrossed"


def _order_steps(state: TradingState, listing: MarketState) -> Iterator[Step]:
    for order in state.orders.of(listing.terms.ticker):
        yield Step(
            "order",
            f"{order.side} {format_count(order.remaining)} at {format_price(order.price)}, "
            f"{order.state}",
        )
