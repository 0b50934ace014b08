"""Why one market is quoted as it is: every step from the counts to the order, or the shut gate."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from mmbot.forecast.belief import Belief
from mmbot.observe.gate_meanings import meaning
from mmbot.trading.gates import MarketState
from mmbot.trading.pricing import QuoteLimits
from mmbot.trading.quoting import Quote, wanted_quotes
from mmbot.trading.state import EventState, TradingState
from mmbot.tsa.calendar import release_instant
from mmbot.tsa.counts import Counts
from mmbot.units import MONEY_PER_DOLLAR, format_count, format_money, format_price


class Step(msgspec.Struct, frozen=True):
    """One step, in a sentence with its numbers."""

    name: str
    text: str


def explain(desk: TradingState, counts: Counts, ticker: str, now: int) -> tuple[Step, ...]:
    """Return the steps that led to a market's quotes, as far as they go.

    Args:
        desk: What the engine knows.
        counts: The counts as they are known now.
        ticker: A market.
        now: The time, in milliseconds.
    """
    ladder = desk.ladder_of.get(ticker)
    if ladder is None:
        return (Step("gate", f"{ticker} is not a market of an event that is open"),)
    return tuple(_steps(desk, counts, ladder, ladder.listings[ticker], now))


def _steps(
    desk: TradingState, counts: Counts, ladder: EventState, listing: MarketState, now: int
) -> Iterator[Step]:
    yield _counts_step(desk, counts, ladder, now)
    if ladder.belief is not None:
        yield from _belief_steps(ladder.belief, listing)
    if ladder.belief is not None and listing.terms is not None:
        yield _pool_step(desk, ladder.belief, listing, listing.terms, now)
        yield _reservation_step(desk, ladder, listing, listing.terms)
        yield from _terms_steps(desk, ladder.belief, listing.terms)
    yield from _book_steps(desk, ladder, listing)
    yield from _order_steps(desk, listing)
    if listing.reason:
        told = meaning(listing.reason)
        yield Step("gate", f"{listing.reason}: {told}" if told else listing.reason)


def _counts_step(desk: TradingState, counts: Counts, ladder: EventState, now: int) -> Step:
    published = counts.known(ladder.week)
    said = "; ".join(f"{day:%a} {counts.settling(day):,}" for day in published) or "none"
    at = desk.clock.at(now)
    earliest = desk.settings.counts.earliest_release
    due = [day for day in ladder.week.days_due(at, earliest) if day not in published]
    text = f"of the seven days to {ladder.week.sunday}: {said}"
    for day in due:
        given_up = day in desk.missing
        text += f"; {day:%a} {'is not waited for' if given_up else 'is due'}"
    later = [t for day in ladder.week.days if (t := release_instant(day, earliest)) > at]
    if later:
        text += f"; the next is due from {min(later):%a %Y-%m-%d %H:%M %Z}"
    return Step("counts", text)


def _belief_steps(belief: Belief, listing: MarketState) -> Iterator[Step]:
    yield Step(
        "forecast",
        f"average {belief.mean:,.0f}, give or take {belief.sd:,.0f}, with {belief.known} of 7 days "
        f"known ({belief.method})",
    )
    weeks = ", ".join(f"{each.week.sunday} {each.weight:.1%}" for each in belief.heaviest)
    yield Step(
        "scenarios",
        f"{belief.effective_weeks:.0f} effective past weeks; heaviest {weeks}"
        if weeks
        else "no past weeks stand behind it",
    )
    strike = listing.market.strike
    above = belief.above[belief.strikes.index(strike)]
    yield Step("belief", f"above {strike:,} with probability {above:.3f}")


def _pool_step(
    desk: TradingState, belief: Belief, listing: MarketState, terms: QuoteLimits, now: int
) -> Step:
    weight = desk.settings.quoting.belief_weight_at(belief.known)
    mid, live = listing.opinion.at(now), listing.opinion.live
    market = "no midpoint of its own" if mid is None else f"midpoint {mid:.3f}"
    if mid is not None and not live:
        market += f" of {(now - listing.opinion.ended) // 1000} s ago"
    return Step("fair", f"{terms.fair:.3f}: belief at {weight:.0%} of the log-odds, {market}")


def _reservation_step(
    desk: TradingState, ladder: EventState, listing: MarketState, terms: QuoteLimits
) -> Step:
    position = ladder.portfolio.position(listing.market.ticker)
    cash = desk.assigned_cash() / MONEY_PER_DOLLAR
    worst = format_money(min(ladder.portfolio.wealth()))
    return Step(
        "reservation",
        f"{terms.reservation:.3f} to the holder of {format_count(position)} here, "
        f"{worst} at the worst in the event, on ${cash:,.2f} of cash",
    )


def _terms_steps(desk: TradingState, belief: Belief, terms: QuoteLimits) -> Iterator[Step]:
    quoting = desk.settings.quoting
    margin, edge = quoting.margin_at(belief.known), quoting.edge(terms.reservation)
    yield Step(
        "margin",
        f"YES at {terms.yes_value:.4f} or less, NO at {terms.no_value:.4f} or less: "
        f"margin {margin:.0%} of fair value, edge {edge * 100:.2f} cents over the reservation",
    )
    yield Step(
        "size",
        f"YES {format_count(terms.yes_count)}, NO {format_count(terms.no_count)} of at most "
        f"{format_count(int(quoting.size_at(belief.known)))}",
    )


def _book_steps(desk: TradingState, ladder: EventState, listing: MarketState) -> Iterator[Step]:
    if listing.book is None:
        return
    ticker = listing.market.ticker
    top = listing.book.top(*desk.orders.levels(ticker))
    bid, ask = ("none" if price is None else format_price(price) for price in top)
    yield Step("book", f"best bid of others {bid}, best ask {ask}")
    if listing.terms is None or listing.terms.reason:
        return
    quotes = wanted_quotes(
        listing.terms,
        top,
        ladder.portfolio.position(ticker),
        listing.market.grid,
        desk.settings,
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


def _order_steps(desk: TradingState, listing: MarketState) -> Iterator[Step]:
    for order in desk.orders.of(listing.market.ticker):
        yield Step(
            "order",
            f"{order.side} {format_count(order.remaining)} at {format_price(order.price)}, "
            f"{order.state}",
        )
