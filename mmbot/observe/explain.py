"""Why one market is quoted as it is: every step from the counts to the order, or the shut gate."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from mmbot.forecast.belief import Belief
from mmbot.trading.desk import Desk, Ladder
from mmbot.trading.pricing import Terms
from mmbot.trading.risk import Listing
from mmbot.units import MONEY_PER_DOLLAR, ONE_DOLLAR, format_count, format_money, format_price


class Step(msgspec.Struct, frozen=True):
    """One step, in a sentence with its numbers."""

    name: str
    text: str


def explain(desk: Desk, ticker: str, now: int) -> tuple[Step, ...]:
    """Return the steps that led to a market's quotes, as far as they go.

    Args:
        desk: What the engine knows.
        ticker: A market.
        now: The time, in milliseconds.
    """
    ladder = desk.ladder_of.get(ticker)
    if ladder is None:
        return (Step("gate", f"{ticker} is not a market of an event that is open"),)
    return tuple(_steps(desk, ladder, ladder.listings[ticker], now))


def _steps(desk: Desk, ladder: Ladder, listing: Listing, now: int) -> Iterator[Step]:
    if ladder.belief is not None:
        yield from _belief_steps(ladder, ladder.belief, listing)
    if ladder.belief is not None and listing.terms is not None:
        yield _pool_step(desk, ladder.belief, listing, listing.terms, now)
        yield _reservation_step(desk, ladder, listing, listing.terms)
        yield from _terms_steps(desk, ladder.belief, listing.terms)
    yield from _book_steps(desk, listing)
    if listing.reason:
        yield Step("gate", f"no quote: {listing.reason}")


def _belief_steps(ladder: Ladder, belief: Belief, listing: Listing) -> Iterator[Step]:
    week = ladder.week
    yield Step("counts", f"{belief.known} of the seven days to {week.sunday} are published")
    yield Step(
        "forecast",
        f"average {belief.mean:,.0f}, give or take {belief.sd:,.0f} ({belief.method})",
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


def _pool_step(desk: Desk, belief: Belief, listing: Listing, terms: Terms, now: int) -> Step:
    weight = desk.settings.quoting.belief_weight_at(belief.known)
    mid, live = listing.opinion.at(now), listing.opinion.live
    market = "no midpoint of its own" if mid is None else f"midpoint {mid:.3f}"
    if mid is not None and not live:
        market += f" of {(now - listing.opinion.ended) // 1000} s ago"
    return Step("fair", f"{terms.fair:.3f}: belief at {weight:.0%} of the log-odds, {market}")


def _reservation_step(desk: Desk, ladder: Ladder, listing: Listing, terms: Terms) -> Step:
    position = ladder.portfolio.position(listing.market.ticker)
    cash = desk.assigned_cash() / MONEY_PER_DOLLAR
    worst = format_money(min(ladder.portfolio.wealth()))
    return Step(
        "reservation",
        f"{terms.reservation:.3f} to the holder of {format_count(position)} here, "
        f"{worst} at the worst in the event, on ${cash:,.2f} of cash",
    )


def _terms_steps(desk: Desk, belief: Belief, terms: Terms) -> Iterator[Step]:
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


def _book_steps(desk: Desk, listing: Listing) -> Iterator[Step]:
    ticker = listing.market.ticker
    if listing.book is not None:
        ours = desk.orders.levels(ticker)
        bid, ask = (
            "none" if p is None else f"{p / ONE_DOLLAR:.4f}" for p in listing.book.top(*ours)
        )
        yield Step("book", f"best bid of others {bid}, best ask {ask}")
    for order in desk.orders.of(ticker):
        yield Step(
            "order",
            f"{order.side} {format_count(order.remaining)} at {format_price(order.price)}, "
            f"{order.state}",
        )
