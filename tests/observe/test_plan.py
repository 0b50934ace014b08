from __future__ import annotations

import copy
from typing import Any

import pytest

from mmbot.daemon_api import Offer, PlannedMarket
from mmbot.observe.plan import plan
from mmbot.trading.commands import Place
from mmbot.trading.events import FeeTypeRead, Filled
from mmbot.trading.fees import ONE_TIME, FeeTerms
from mmbot.trading.operator_events import Halted
from tests.trading.builders import (
    HIGH,
    LOW,
    MIDDLE,
    Bench,
    book,
    book_changed,
    fill,
    only,
    order_placed,
    settings,
)

EQUAL = settings()


def quoting() -> Bench:
    """An engine whose orders rest in all three markets, and stand in their books."""
    bench = Bench()
    bench.start()
    for ticker, price in ((LOW, 7000), (MIDDLE, 4000), (HIGH, 1000)):
        place_all(bench, only(Place, bench.handle(book(ticker, price, price + 2000))))
    return bench


def place_all(bench: Bench, places: list[Place]) -> None:
    for place in places:
        bench.handle(order_placed(place.client_id, f"o-{place.client_id}"))
        bench.handle(book_changed(place.ticker, place.side, place.price, place.count))


def digest(value: Any, seen: set[int] | None = None) -> Any:
    """Everything that can be reached from a value, as one that can be compared."""
    seen = set() if seen is None else seen
    if id(value) in seen or callable(value):
        return "..."
    if isinstance(value, (str, int, float, bytes, type(None))):
        return value
    seen.add(id(value))
    if isinstance(value, dict):
        return [(digest(k, seen), digest(v, seen)) for k, v in value.items()]
    if isinstance(value, (list, tuple, set, frozenset)):
        return [digest(each, seen) for each in value]
    names = [*getattr(value, "__dict__", ()), *getattr(type(value), "__slots__", ())]
    names += list(getattr(type(value), "__struct_fields__", ()))
    return [(name, digest(getattr(value, name), seen)) for name in names if name != "__weakref__"]


def by_market(markets: tuple[PlannedMarket, ...]) -> dict[str, PlannedMarket]:
    return {market.market: market for market in markets}


def test_equal_settings_give_the_present_quotes() -> None:
    bench = quoting()
    markets = plan(bench.engine, EQUAL, bench.now)
    assert [market.market for market in markets] == [LOW, MIDDLE, HIGH]
    assert not any(market.differs for market in markets)
    orders = {(o.ticker, o.side): o for o in bench.engine.state.orders}
    assert len(orders) == 6
    for market in markets:
        for side in ("bid", "ask"):
            order = orders[market.market, side]
            offer = getattr(market.present, side)
            assert offer.price == f"{order.price / 10_000:.4f}"


def test_the_engine_is_left_as_it_is() -> None:
    bench = quoting()
    before, twin = digest(bench.engine), copy.deepcopy(bench)
    plan(bench.engine, settings(quoting={"margin": 0.3}, limits={"orders": 1}), bench.now)
    assert digest(bench.engine) == before
    events = (Filled(fill("t-1", "o-x", 100)), book(MIDDLE, 4400, 4600))
    assert bench.handle(*events, after=5_000) == twin.handle(*events, after=5_000)


def test_a_digest_tells_what_a_plan_could_change() -> None:
    bench = quoting()
    before = digest(bench.engine)
    next(iter(bench.engine.state.orders)).placed_at = 0
    assert digest(bench.engine) != before


@pytest.mark.parametrize("margin", [0.2, 0.3])
def test_the_plan_is_what_the_engine_does_once_the_settings_are_in_force(margin: float) -> None:
    bench = quoting()
    edited = settings(quoting={"margin": margin})
    planned = by_market(plan(bench.engine, edited, bench.now))
    assert any(market.differs for market in planned.values())
    twin = Bench(quoting={"margin": margin})
    twin.start()
    for ticker, price in ((LOW, 7000), (MIDDLE, 4000), (HIGH, 1000)):
        for place in only(Place, twin.handle(book(ticker, price, price + 2000))):
            offer = getattr(planned[ticker].planned, place.side)
            assert offer.price == f"{place.price / 10_000:.4f}"


def test_the_edges_of_the_present_and_of_the_planned_quotes_are_shown() -> None:
    bench = quoting()
    edited = settings(quoting={"longshot_edge_cents": [9.5, 5.0, 5.0, 2.5, 0.0]})
    planned = by_market(plan(bench.engine, edited, bench.now))
    edges = {
        ticker: (
            (market.present.yes_edge_cents, market.present.no_edge_cents),
            (market.planned.yes_edge_cents, market.planned.no_edge_cents),
        )
        for ticker, market in planned.items()
    }
    # Fair values of 0.8, 0.5 and 0.2; at even odds 48.8 cents are what 49 less their edge leave.
    assert edges == {
        LOW: ((1.0, 1.0), (1.0, 10.5)),
        MIDDLE: ((1.0, 1.0), (1.33, 1.33)),
        HIGH: ((1.0, 1.0), (10.5, 1.0)),
    }
    assert planned[HIGH].present.bid == Offer("0.1100", "10.00")
    assert planned[HIGH].planned.bid == Offer("0.0900", "10.00")


def test_a_plan_names_what_makers_pay_where_they_pay() -> None:
    bench = quoting()
    (free, *_) = plan(bench.engine, EQUAL, bench.now)
    bench.handle(FeeTypeRead(FeeTerms("quadratic_with_maker_fees", ONE_TIME)))
    (charged, *_) = plan(bench.engine, EQUAL, bench.now)
    assert (free.planned.fee, charged.planned.fee) == ("", "quadratic_with_maker_fees")


def test_a_plan_has_no_edges_where_nothing_was_priced() -> None:
    bench = Bench()
    bench.start()
    for market in bench.engine.state.event_of_market[LOW].markets.values():
        market.quote_limits = None
    bench.engine.state.event_of_market[LOW].belief = None
    (first, *_) = plan(bench.engine, EQUAL, bench.now)
    assert (first.present.fair, first.present.yes_edge_cents) == (None, None)


def test_a_smaller_size_is_planned_on_the_order_that_stands() -> None:
    bench = quoting()
    edited = settings(quoting={"contracts": 3})
    planned = by_market(plan(bench.engine, edited, bench.now))[MIDDLE]
    assert planned.present.bid is not None
    assert planned.planned.bid == Offer(planned.present.bid.price, "3.00")


def test_the_gate_that_shuts_a_market_is_shown() -> None:
    bench = quoting()
    planned = by_market(plan(bench.engine, settings(quoting={"maximum_fair": 0.7}), bench.now))
    assert planned[LOW].planned.gate == "fair_extreme"
    assert planned[LOW].planned.bid is None
    assert planned[LOW].differs
    bench.handle(Halted(bench.now))
    halted = by_market(plan(bench.engine, EQUAL, bench.now))
    assert {market.planned.gate for market in halted.values()} == {"halted"}


def test_another_fill_cap_needs_another_group_and_keeps_the_quotes() -> None:
    bench = quoting()
    edited = settings(limits={"contracts_per_15_seconds": 77})
    assert not any(market.differs for market in plan(bench.engine, edited, bench.now))


def test_fewer_orders_are_planned_where_fewer_are_allowed() -> None:
    bench = Bench()
    bench.start()
    bench.handle(Halted(bench.now), book(LOW, 7000, 9000), book(MIDDLE))
    bench.engine.state.service.halted = False
    planned = plan(bench.engine, settings(limits={"orders": 1}), bench.now)
    assert sum(o is not None for m in planned for o in (m.planned.bid, m.planned.ask)) == 1
