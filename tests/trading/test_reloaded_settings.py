"""Settings that come while orders live, rest, fill or are being written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmbot.trading.commands import Cancel, Command, Note, Place, Renew
from mmbot.trading.events import Filled, InputEvent, OrderRenewed, Reconciled, Woken, WriteUnknown
from mmbot.trading.operator_events import SettingsChanged
from mmbot.trading.order import OrderState
from tests.trading.builders import (
    HIGH,
    LOW,
    MIDDLE,
    PLENTY,
    Bench,
    book,
    fill,
    only,
    order_cancelled,
    order_placed,
    settings,
)


def margin(share: float) -> SettingsChanged:
    return SettingsChanged(settings(quoting={"margin": share}))


def limits(**changes: object) -> SettingsChanged:
    return SettingsChanged(settings(limits=dict(changes)))


def live(bench: Bench) -> set[tuple[str, str]]:
    return {(order.ticker, order.side) for order in bench.engine.state.orders}


def obey(bench: Bench, commands: list[Command]) -> None:
    """Answer every place and cancel as the exchange would, until none is left to answer."""
    for _ in range(10):
        remaining = {order.client_id: order.remaining for order in bench.engine.state.orders}
        answers: list[InputEvent] = [
            order_placed(p.client_id, p.client_id) for p in only(Place, commands)
        ]
        answers += [
            order_cancelled(c.client_id, remaining[c.client_id]) for c in only(Cancel, commands)
        ]
        if not answers:
            return
        commands = bench.handle(*answers)
    raise AssertionError("it never comes to rest")


def hold(bench: Bench, fee: int = 0) -> None:
    """Have ten contracts bought in one market, and quotes resting there on both sides."""
    obey(bench, [*bench.quote().values()])
    (bid,) = (order for order in bench.engine.state.orders if order.side == "bid")
    bought = fill("t-1", bid.order_id, bid.remaining, bid.price, fee=fee)
    obey(bench, bench.handle(Filled(bought), Reconciled((), (bought,), {0: PLENTY})))
    obey(bench, bench.handle(book(), after=2_000))
    assert live(bench) == {(MIDDLE, "bid"), (MIDDLE, "ask")}


# Limits below what is there


def test_a_position_above_its_new_limit_is_only_reduced() -> None:
    bench = Bench()
    hold(bench)
    obey(bench, bench.handle(limits(contracts_per_market=2), after=2_000))
    assert live(bench) == {(MIDDLE, "ask")}
    obey(bench, bench.handle(book(bid=3900), Woken(), after=5_000))
    assert live(bench) == {(MIDDLE, "ask")}


def test_a_week_that_has_lost_more_than_its_new_limit_is_only_reduced() -> None:
    bench = Bench()
    hold(bench)
    obey(bench, bench.handle(book(LOW, 6000, 9000)))
    assert {ticker for ticker, _ in live(bench)} == {LOW, MIDDLE}
    obey(bench, bench.handle(limits(event_loss_dollars=0.5)))
    assert live(bench) == {(MIDDLE, "ask")}
    assert bench.reason(LOW) == "reduce_only"


def test_a_day_that_has_cost_more_than_its_new_limit_adds_nothing() -> None:
    bench = Bench()
    hold(bench, fee=5_000_000)
    obey(bench, bench.handle(limits(daily_loss_dollars=1.0), after=2_000))
    assert bench.engine.state.event_of_market[MIDDLE].reduce_only
    assert live(bench) == {(MIDDLE, "ask")}


def rest_everywhere(bench: Bench) -> None:
    """Have two orders resting in each of three markets."""
    bench.start()
    obey(bench, bench.handle(book(LOW, 6000, 9000), book(MIDDLE), book(HIGH, 1000, 4000)))


def test_orders_beyond_their_new_number_are_taken_off_the_farthest_from_even_odds_first() -> None:
    bench = Bench()
    rest_everywhere(bench)
    orders = sorted(bench.engine.state.orders, key=lambda o: (abs(o.price - 5000), o.client_id))
    assert len(orders) == 6
    commands = bench.handle(limits(orders=2))
    assert {c.order_id for c in only(Cancel, commands)} == {o.order_id for o in orders[2:]}
    reasons = {n.fields["reason"] for n in only(Note, commands) if n.name == "order.cancel"}
    assert reasons == {"order_limit"}


def test_a_number_of_orders_that_is_kept_takes_none_off() -> None:
    bench = Bench()
    rest_everywhere(bench)
    assert not only(Cancel, bench.handle(limits(orders=6)))


# A write under way


def test_a_margin_that_comes_before_a_place_is_answered_moves_the_order_afterwards() -> None:
    bench = Bench()
    places = bench.quote()
    assert not only(Place, bench.handle(margin(0.5)))
    commands = bench.handle(*(order_placed(p.client_id, f"o-{side}") for side, p in places.items()))
    assert bench.cancelled_sides(commands) == {"bid", "ask"}
    commands = bench.handle(*(order_cancelled(p.client_id, p.count) for p in places.values()))
    assert {place.price for place in only(Place, commands)} == {2500, 7500}


def test_a_margin_that_comes_while_a_renewal_is_under_way_waits_for_its_answer() -> None:
    bench = Bench()
    bench.rest()
    renewals = only(Renew, bench.handle(Woken(), after=31_000))
    assert {renewal.side for renewal in renewals} == {"bid", "ask"}
    assert not only(Cancel, bench.handle(margin(0.5)))
    answers = [OrderRenewed(each.client_id, each.expires) for each in renewals]
    assert bench.cancelled_sides(bench.handle(*answers)) == {"bid", "ask"}


def test_a_margin_that_comes_while_an_order_is_cancelled_sends_no_second_cancel() -> None:
    bench = Bench()
    places = bench.rest()
    assert bench.cancelled_sides(bench.handle(margin(0.5))) == {"bid", "ask"}
    assert not only(Cancel, bench.handle(margin(0.6)))
    commands = bench.handle(*(order_cancelled(p.client_id, p.count) for p in places.values()))
    assert {place.price for place in only(Place, commands)} == {2000, 8000}


def test_a_margin_that_comes_after_a_write_without_an_answer_places_nothing_beside_it() -> None:
    bench = Bench()
    places = bench.quote()
    bench.handle(*(WriteUnknown(p.client_id, "place", "no answer") for p in places.values()))
    bench.handle(margin(0.5), Woken(), after=5_000)
    assert {order.state for order in bench.engine.state.orders} == {OrderState.UNKNOWN}
    assert len(bench.engine.state.orders) == 2


@pytest.mark.parametrize(
    ("share", "rested", "bid"), [(0.3, 0, 3500), (0.5, 0, 2500), (0.02, 1_000, 4900)]
)
def test_a_wider_margin_moves_quotes_at_once_and_a_narrower_one_those_that_have_rested(
    share: float, rested: int, bid: int
) -> None:
    bench = Bench()
    bench.start()
    obey(bench, bench.handle(book(bid=4800, ask=5200)))
    assert {order.price for order in bench.engine.state.orders} == {4500, 5500}
    obey(bench, bench.handle(margin(share), after=rested))
    assert {order.price for order in bench.engine.state.orders} == {bid, 10_000 - bid}


@given(st.lists(st.tuples(st.floats(0.0, 0.6), st.booleans()), min_size=1, max_size=12))
def test_however_often_the_margin_moves_there_is_one_order_a_side(
    course: list[tuple[float, bool]],
) -> None:
    bench = Bench()
    pending: list[Command] = [*bench.quote().values()]
    for share, answered in course:
        pending += bench.handle(margin(share), after=700)
        if answered:
            obey(bench, pending)
            pending = []
        sides = [(order.ticker, order.side) for order in bench.engine.state.orders]
        assert len(sides) == len(set(sides))
