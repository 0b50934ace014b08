from __future__ import annotations

import pytest

from mmbot.trading.commands import Place
from mmbot.trading.events import BeliefFormed, Filled, Woken
from mmbot.trading.operator_events import SettingsChanged
from mmbot.trading.pricing import QuoteLimits
from mmbot.units import Money
from tests.trading.builders import (
    HIGH,
    LOW,
    MIDDLE,
    Bench,
    belief,
    book,
    fill,
    fills_listed,
    only,
    settings,
)

MARKET_ONLY: dict[str, object] = {"belief_weight": [0.0] * 5}
BOOKS = ((LOW, 7800, 8000), (MIDDLE, 4800, 5000), (HIGH, 1800, 2000))


def pooled_bench() -> Bench:
    """A bench that takes the markets' word for everything, with a midpoint in each."""
    bench = Bench(quoting=MARKET_ONLY)
    bench.start()
    for shown in BOOKS:
        bench.handle(book(*shown))
    bench.handle(Woken(), after=250)
    return bench


def limits(bench: Bench, ticker: str = MIDDLE) -> QuoteLimits:
    found = bench.engine.state.market(ticker).quote_limits
    assert found is not None
    return found


def test_fair_value_is_the_midpoint_where_the_belief_weighs_nothing() -> None:
    bench = pooled_bench()
    assert [limits(bench, t).fair for t in (LOW, MIDDLE, HIGH)] == pytest.approx([0.79, 0.49, 0.19])


def test_a_market_without_a_midpoint_is_not_quoted_early_in_the_week() -> None:
    bench = Bench(quoting={"belief_weight": [0.2] * 5})
    bench.start()
    assert not only(Place, bench.handle(book(MIDDLE, 4000, 6000)))
    assert bench.reason() == "no_market_price"
    assert not only(Place, bench.handle(book(MIDDLE, 4700, 5300)))
    assert only(Place, bench.handle(Woken(), after=250))


def test_midpoints_that_move_are_taken_in_after_a_quarter_of_a_second() -> None:
    bench = pooled_bench()
    bench.handle(book(MIDDLE, 5400, 5600), after=1_000)
    assert limits(bench).fair == pytest.approx(0.55)
    bench.handle(book(MIDDLE, 5800, 6000), after=100)
    assert limits(bench).fair == pytest.approx(0.55)
    assert bench.wake == bench.now + 150
    bench.handle(Woken(), after=150)
    assert limits(bench).fair == pytest.approx(0.59)


def test_a_midpoint_within_the_tolerance_prices_nothing_anew() -> None:
    bench = pooled_bench()
    before = limits(bench)
    bench.handle(book(MIDDLE, 4801, 5001), after=1_000)
    assert limits(bench) is before


def test_our_own_orders_are_no_market_mid() -> None:
    bench = pooled_bench()
    assert only(Place, bench.all_commands)
    # Nothing but our own two orders is left in the book.
    own = {place.side: place for place in only(Place, bench.all_commands) if place.ticker == MIDDLE}
    shown = book(MIDDLE, own["bid"].price, own["ask"].price, own["bid"].count)
    bench.handle(shown, after=1_000)
    assert not bench.engine.state.market(MIDDLE).market_mid.live
    assert limits(bench).fair == pytest.approx(0.49)


def test_a_belief_and_settings_take_effect_at_once() -> None:
    bench = Bench()
    bench.start()
    bench.handle(BeliefFormed(belief((0.9, 0.6, 0.3))))
    assert limits(bench).fair == pytest.approx(0.6)
    bench.handle(SettingsChanged(settings(quoting={"margin": 0.5})))
    assert limits(bench).yes_value == pytest.approx(0.3)


def test_a_fill_lowers_what_yes_is_worth_at_every_strike() -> None:
    bench = Bench(limits={"event_loss_dollars": 100.0, "event_cash_share": 1.0})
    bench.start()
    bench.engine.state.cash = Money(100_000_000)
    bench.handle(Woken(), after=250)
    before = [limits(bench, t).reservation for t in (LOW, MIDDLE, HIGH)]
    bench.handle(fills_listed(fill("t-1", "o-1", 2_000)), after=250)
    after = [limits(bench, t).reservation for t in (LOW, MIDDLE, HIGH)]
    assert all(now < then for now, then in zip(after, before, strict=True))


def test_an_event_that_may_lose_all_it_may_only_reduces() -> None:
    bench = Bench(limits={"event_loss_dollars": 4.1})
    bench.rest()
    bench.handle(Filled(fill("t-1", "o-bid", 1000)), after=250)
    event_state = bench.engine.state.event_of_market[MIDDLE]
    assert event_state.reduce_only
    bench.handle(book(LOW, 6000, 9000), Woken(), after=5_000)
    assert bench.reason(LOW) == "reduce_only"
    assert {(o.ticker, o.side) for o in bench.engine.state.orders} == {(MIDDLE, "ask")}


def test_cash_that_is_gone_stops_whatever_is_not_a_reduction() -> None:
    bench = Bench()
    bench.quote()
    bench.engine.state.cash = Money(0)
    bench.handle(Woken(), after=250)
    assert bench.reason() == "reduce_only"


def test_what_open_positions_cost_counts_as_cash() -> None:
    bench = Bench()
    bench.start()
    bench.handle(fills_listed(fill("t-1", "o-1", 1000)))
    bench.handle(fills_listed(fill("t-2", "o-2", 500, ticker=HIGH, side="ask", price=2000)))
    state = bench.engine.state
    state.update_balances({0: Money(100_000_000)})
    # Ten contracts of YES at 41 cents, and five of NO at 80.
    assert state.cash == 100_000_000 + 4_100_000 + 4_000_000


def test_no_more_orders_than_the_limit_are_placed() -> None:
    bench = Bench(limits={"orders": 3})
    bench.start()
    for shown in BOOKS:
        bench.handle(book(*shown))
    assert len(bench.engine.state.orders) == 3
