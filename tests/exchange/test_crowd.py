"""The crowd, played in virtual time through whole weeks."""

from __future__ import annotations

import contextlib
import datetime as dt
import statistics

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mmbot.exchange.assembly import SimulatedExchange, assemble, synthetic_counts
from mmbot.exchange.crowd import Pace
from mmbot.exchange.exchange_state import SimulatedExchangeSettings
from mmbot.exchange.market import ExchangeMarket
from mmbot.exchange.order_types import ExchangeOrder, NewOrder, RequestRefused
from mmbot.trading.values import Side
from mmbot.underlying.calendar import CalendarClock, Week, to_milliseconds
from mmbot.units import MONEY_PER_DOLLAR, ONE_CENT, ONE_DOLLAR, Count, Money, Price

WEEK = Week(dt.date(2026, 4, 19))
USUAL = Pace()


def build(seed: int, pace: Pace | None = USUAL) -> SimulatedExchange:
    start = to_milliseconds(WEEK.opens) - 60_000
    return assemble(
        settings=SimulatedExchangeSettings(),
        clock=CalendarClock(start, start, 1.0),
        week=WEEK,
        published=synthetic_counts(WEEK, seed),
        public_key=Ed25519PrivateKey.generate().public_key(),
        balance=Money(10_000 * MONEY_PER_DOLLAR),
        seed=seed,
        pace=pace,
    )


@pytest.fixture(scope="module")
def week() -> SimulatedExchange:
    """A whole week without anyone but the crowd."""
    site = build(1)
    site.venue.advance(to_milliseconds(WEEK.closes))
    return site


def test_a_week_trades_as_much_as_a_real_one(week: SimulatedExchange) -> None:
    engine = week.venue.exchange.engine
    contracts = sum(market.volume for market in engine.markets.values()) / 100
    assert 13_000 < contracts < 75_000


def test_trades_are_spread_over_the_strikes_in_play(week: SimulatedExchange) -> None:
    markets = week.venue.exchange.engine.markets.values()
    volumes = sorted((market.volume for market in markets), reverse=True)
    assert volumes[0] < 0.6 * sum(volumes)
    assert sum(1 for volume in volumes if volume > 0.01 * sum(volumes)) >= 4


def test_makers_quote_both_sides_a_few_cents_apart() -> None:
    site = build(2)
    markets = site.venue.exchange.engine.markets.values()
    spreads = []
    for hour in range(1, 157):
        site.venue.advance(to_milliseconds(WEEK.opens) + hour * 3_600_000)
        spreads += [
            (m.best_ask - m.best_bid) // ONE_CENT
            for m in markets
            if m.best_bid and m.best_ask and 1_000 < m.best_bid + m.best_ask < 19_000
        ]
    assert len(spreads) > 200
    assert 2 <= statistics.median(spreads) <= 4


def test_prices_move_and_end_near_the_outcome(week: SimulatedExchange) -> None:
    engine = week.venue.exchange.engine
    average = week.venue.outcome(WEEK)
    for market in engine.markets.values():
        distance = market.terms.floor_strike - average
        if market.last_price and abs(distance) > 75_000:
            assert (market.last_price < 5_000) == (distance > 0)
    prices = {t.price for _, t in week.venue.exchange.history.trades}
    assert len(prices) > 60


def test_the_same_seed_plays_the_same_week(week: SimulatedExchange) -> None:
    again = build(1)
    again.venue.advance(to_milliseconds(WEEK.closes))
    tapes = [
        [(t.ticker, t.price, t.count, t.at) for _, t in site.venue.exchange.history.trades]
        for site in (week, again)
    ]
    assert tapes[0] == tapes[1]


def test_a_settled_week_conserves_money() -> None:
    site = build(3)
    site.venue.advance(to_milliseconds(WEEK.settles) + 120_000)
    engine = site.venue.exchange.engine
    accounts = engine.accounts.values()
    assert {market.status for market in engine.markets.values()} == {"finalized"}
    assert engine.clearing.fee_income > 0
    assert sum(a.cash for a in accounts) + engine.clearing.fee_income == sum(
        a.deposited for a in accounts
    )
    assert site.venue.releases_done == 7


def test_nobody_trades_during_maintenance(week: SimulatedExchange) -> None:
    (start, end) = (
        to_milliseconds(dt.datetime.fromisoformat(f"2026-04-16T0{hour}:00:00-04:00"))
        for hour in (3, 5)
    )
    assert not any(start <= t.at < end for _, t in week.venue.exchange.history.trades)


@pytest.mark.parametrize("margin", [0.05, 0.10])
def test_a_naive_maker_is_filled_well_over_fifty_times(margin: float) -> None:
    site = build(1)
    engine, account = site.venue.exchange.engine, site.venue.account(site.user_id)
    quotes: dict[tuple[str, Side], ExchangeOrder] = {}
    now = to_milliseconds(WEEK.opens)
    while now < to_milliseconds(WEEK.closes):
        site.venue.advance(now)
        for market in engine.markets.values():
            for side in ("bid", "ask"):
                old = quotes.pop((market.ticker, side), None)
                if old is not None and old.status == "resting":
                    engine.cancel(old, now)
                price = naive_price(market, side, margin)
                if price is None:
                    continue
                request = NewOrder(market.ticker, side, price, Count(1_000), post_only=True)
                with contextlib.suppress(RequestRefused):  # Thursday's maintenance
                    quotes[market.ticker, side] = engine.place(account, request, now)
        now += 3_600_000
    site.venue.exchange.history.catch_up(now)
    fills = site.venue.exchange.history.fills
    assert len(fills) > 80
    assert not any(fill.is_taker for _, fill in fills)


def naive_price(market: ExchangeMarket, side: Side, margin: float) -> Price | None:
    """Quote the mid less the margin, at most one cent better than the best."""
    bid, ask = market.best_bid, market.best_ask
    if bid is None or ask is None or not 500 <= (bid + ask) / 2 <= 9_500:
        return None
    mid = (bid + ask) / 2
    own = mid if side == "bid" else ONE_DOLLAR - mid
    best = bid if side == "bid" else ONE_DOLLAR - ask
    cents = min(int(own * (1 - margin)) // ONE_CENT, best // ONE_CENT + 1)
    price = cents * ONE_CENT
    if not 0 < price < own:
        return None
    return Price(price if side == "bid" else ONE_DOLLAR - price)


def test_a_quiet_crowd_does_nothing() -> None:
    site = build(1, pace=None)
    site.venue.advance(to_milliseconds(WEEK.closes))
    assert not site.venue.exchange.history.trades
