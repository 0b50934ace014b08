from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmbot.trading import orders as module
from mmbot.trading.order_action import OrderAction, order_action, renewal_due
from mmbot.trading.orders import (
    InvalidTransition,
    Order,
    OrderCause,
    OrderState,
    OwnOrders,
    adopted_order,
)
from mmbot.trading.quoting import Quote
from mmbot.trading.values import OrderReport, OrderStatus, Side
from mmbot.units import Count, Price
from tests.trading.builders import MIDDLE, NOW, reported, settings

SETTINGS = settings(quoting={"contracts": 10, "reprice_tolerance_cents": 1.0})


def order(client_id: str = "mmbot-1", **changes: Any) -> Order:
    known = Order(
        client_id, MIDDLE, "bid", Price(4000), Count(1000), NOW + 60_000, NOW, "o-1", "g-0"
    )
    known.state = OrderState.RESTING
    for name, value in changes.items():
        setattr(known, name, value)
    return known


def a_report(
    filled: int = 0, status: OrderStatus = "resting", expires: int = NOW + 60_000
) -> OrderReport:
    remaining = 1000 - filled if status == "resting" else 0
    return reported(
        "mmbot-1",
        "o-1",
        4000,
        filled=filled,
        remaining=remaining,
        status=status,
        expires=expires,
    )


def quote(side: Side, price: int, count: int, limit: int, most: int) -> Quote:
    return Quote(side, Price(price), Count(count), Price(limit), Count(most))


def holding(*held: Order) -> OwnOrders:
    orders = OwnOrders()
    for one in held:
        orders.add(one)
    return orders


def test_orders_are_found_by_market_client_id_and_order_id() -> None:
    first, second = order("mmbot-1"), order("mmbot-2", order_id="", ticker="X")
    orders = holding(first, second)
    assert orders.get("mmbot-1") is first
    assert orders.by_order_id("o-1") is first
    assert orders.by_order_id("") is None
    assert orders.of("X") == (second,)
    assert orders.of("Y") == ()
    assert list(orders) == [first, second]
    assert orders.client_ids == {"mmbot-1", "mmbot-2"}
    assert len(orders) == 2


def test_our_levels_are_what_may_rest() -> None:
    orders = holding(
        order("mmbot-1"),
        order("mmbot-2", order_id="", state=OrderState.PLACING, filled=400),
        order("mmbot-3", order_id="o-3", price=4100),
        order("mmbot-4", order_id="o-4", state=OrderState.AWAITING_FILLS, filled=500, price=4200),
        order("mmbot-5", order_id="o-5", side="ask", price=6000),
    )
    assert orders.levels(MIDDLE) == ({4000: 1600, 4100: 1000}, {6000: 1000})


def test_what_is_exposed_is_what_is_not_booked_and_could_be() -> None:
    assert order(filled=300, booked=200).exposed == 800
    assert order(filled=300, booked=200, state=OrderState.AWAITING_FILLS).exposed == 100
    assert order(filled=300, booked=200, state=OrderState.AWAITING_FILLS).remaining == 0


def test_an_order_that_is_filled_and_booked_is_over() -> None:
    one = order()
    orders = holding(one)
    orders.update_booked(one, Count(1000))
    assert orders.get("mmbot-1") is None
    assert orders.by_order_id("o-1") is None
    assert orders.of(MIDDLE) == ()
    assert orders.is_over("mmbot-1")


def test_an_order_that_ended_awaits_the_fills_that_are_not_booked() -> None:
    one = order()
    orders = holding(one)
    orders.apply_report(one, a_report(filled=600, status="ended"))
    assert one.state is OrderState.AWAITING_FILLS
    orders.update_booked(one, Count(300))
    assert one.state is OrderState.AWAITING_FILLS
    orders.update_booked(one, Count(600))
    assert orders.is_over("mmbot-1")


def test_a_report_of_a_full_fill_is_an_end_whatever_its_status() -> None:
    one = order()
    holding(one).apply_report(one, a_report(filled=1000))
    assert one.state is OrderState.AWAITING_FILLS


@given(st.lists(st.integers(0, 999)))
def test_the_filled_count_only_rises(counts: list[int]) -> None:
    one = order()
    orders = holding(one)
    for count in counts:
        orders.apply_report(one, a_report(filled=count))
    assert one.filled == max([0, *counts])


def test_an_older_report_does_not_shorten_a_lifetime() -> None:
    one = order()
    holding(one).apply_report(one, a_report(expires=NOW + 1))
    assert one.expires == NOW + 60_000


def test_identifying_an_order_tells_it_what_was_booked_before() -> None:
    one = order(order_id="", state=OrderState.PLACING)
    orders = holding(one)
    orders.identify(one, "o-9", Count(300))
    assert orders.by_order_id("o-9") is one
    assert (one.filled, one.booked) == (300, 300)


def test_only_so_many_ends_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_REMEMBERED", 2)
    orders = OwnOrders()
    for number in range(3):
        one = order(f"mmbot-{number}")
        orders.add(one)
        orders.end(one)
    assert [orders.is_over(f"mmbot-{number}") for number in range(3)] == [False, True, True]


def test_an_adopted_order_is_what_the_exchange_says() -> None:
    one = adopted_order(a_report(filled=300), NOW)
    assert (one.count, one.filled, one.remaining, one.state) == (1000, 300, 700, "resting")


@pytest.mark.parametrize(
    ("changes", "wanted", "after", "expected"),
    [
        ({}, None, 0, "cancel"),
        ({}, quote("bid", 4000, 1000, 4000, 2000), 0, "keep"),
        ({}, quote("bid", 3900, 1000, 3900, 2000), 0, "cancel"),
        ({}, quote("bid", 3900, 1000, 4000, 2000), 5000, "keep"),
        ({}, quote("bid", 4100, 1000, 4100, 2000), 5000, "keep"),
        ({}, quote("bid", 4200, 1000, 4200, 2000), 999, "keep"),
        ({}, quote("bid", 4200, 1000, 4200, 2000), 1000, "cancel"),
        ({}, quote("bid", 3800, 1000, 4000, 2000), 5000, "cancel"),
        ({}, quote("bid", 4000, 999, 4000, 999), 0, "decrease"),
        ({}, quote("bid", 4200, 999, 4200, 999), 1000, "cancel"),
        ({"change_after": NOW + 1}, quote("bid", 4000, 999, 4000, 999), 0, "cancel"),
        ({"change_after": NOW + 1}, quote("bid", 4000, 999, 4000, 999), 1, "decrease"),
        ({}, quote("bid", 4000, 500, 4000, 2000), 5000, "keep"),
        ({}, quote("bid", 4000, 499, 4000, 2000), 999, "keep"),
        ({}, quote("bid", 4000, 499, 4000, 2000), 1000, "decrease"),
        ({}, quote("bid", 4000, 0, 4000, 2000), 1000, "cancel"),
        ({"filled": 500}, quote("bid", 4000, 1000, 4000, 2000), 5000, "keep"),
        ({"filled": 501}, quote("bid", 4000, 1000, 4000, 2000), 5000, "cancel"),
        ({"filled": 501}, quote("bid", 4000, 1000, 4000, 2000), 0, "keep"),
        ({}, quote("bid", 4000, 1000, 4000, 2000), 29_999, "keep"),
        ({}, quote("bid", 4000, 1000, 4000, 2000), 30_000, "renew"),
        ({"side": "ask"}, quote("ask", 4100, 1000, 4100, 2000), 0, "cancel"),
        ({"side": "ask"}, quote("ask", 3900, 1000, 3900, 2000), 0, "keep"),
    ],
)
def test_a_quote_moves_only_when_that_pays(
    changes: dict[str, Any], wanted: Quote | None, after: int, expected: OrderAction
) -> None:
    decided = order_action(order(**changes), wanted, NOW + after, SETTINGS.quoting, NOW + 30_000)
    assert decided == expected


def test_a_decrease_is_learnt_from_whatever_report_comes_and_never_undone() -> None:
    one = order(filled=100)
    orders = holding(one)
    smaller = reported("mmbot-1", "o-1", 4000, filled=200, remaining=400, expires=NOW)
    orders.apply_report(one, smaller)
    assert (one.count, one.filled, one.remaining) == (600, 200, 400)
    orders.apply_report(one, a_report(filled=100))
    assert (one.count, one.filled, one.remaining) == (600, 200, 400)


def test_an_order_is_renewed_at_half_its_lifetime() -> None:
    assert renewal_due(order(), SETTINGS.orders, NOW + 60_001) == NOW + 30_000


def test_an_order_that_lives_until_the_last_expiry_is_not_renewed() -> None:
    assert renewal_due(order(), SETTINGS.orders, NOW + 60_000) == NOW + 60_000


# Transitions

SENT = (OrderCause.CANCEL_SENT, OrderCause.DECREASE_SENT, OrderCause.RENEWAL_SENT)
ANSWERS = [
    cause
    for cause in OrderCause
    if cause not in {*SENT, OrderCause.CONFIRMED, OrderCause.LISTED_AGAIN}
]


def after(state: OrderState, cause: OrderCause) -> OrderState | None:
    """The state that follows, or `None` if it cannot happen."""
    one = order(state=state)
    try:
        one.change(cause)
    except InvalidTransition:
        assert one.state is state
        return None
    return one.state


@pytest.mark.parametrize("state", OrderState)
@pytest.mark.parametrize("cause", SENT)
def test_only_a_resting_order_is_written_to(state: OrderState, cause: OrderCause) -> None:
    assert (after(state, cause) is not None) == (state is OrderState.RESTING)


@pytest.mark.parametrize("state", OrderState)
def test_only_an_order_whose_place_or_state_is_open_can_be_confirmed(state: OrderState) -> None:
    open_ = {OrderState.PLACING, OrderState.UNKNOWN}
    expected = OrderState.RESTING if state in open_ else None
    assert after(state, OrderCause.CONFIRMED) is expected


@pytest.mark.parametrize("state", OrderState)
def test_only_an_order_that_awaits_its_fills_can_be_listed_again(state: OrderState) -> None:
    expected = OrderState.UNKNOWN if state is OrderState.AWAITING_FILLS else None
    assert after(state, OrderCause.LISTED_AGAIN) is expected


@pytest.mark.parametrize("state", OrderState)
@pytest.mark.parametrize("cause", ANSWERS)
def test_an_answer_may_come_in_every_state(state: OrderState, cause: OrderCause) -> None:
    assert after(state, cause) is not None


@pytest.mark.parametrize("cause", ANSWERS)
def test_no_answer_revives_an_order_that_awaits_its_fills(cause: OrderCause) -> None:
    assert after(OrderState.AWAITING_FILLS, cause) is OrderState.AWAITING_FILLS


def test_an_order_that_begins_to_await_its_fills_is_queried_anew() -> None:
    one = order(queries=3, state=OrderState.UNKNOWN)
    one.change(OrderCause.ENDED_UNBOOKED)
    assert one.queries == 0


def test_an_order_that_becomes_unknown_is_queried_at_once_and_no_sooner_if_it_was() -> None:
    one = order(queries=3)
    one.mark_unknown()
    assert one.queries == 0
    one.queries = 2
    one.mark_unknown()
    assert one.queries == 2
