from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from mmbot.exchange.accounts import Position
from mmbot.exchange.accounts import collateral as collateral_of
from mmbot.trading.values import Side
from mmbot.units import Count, Money, Price

prices = st.integers(1, 9_999)
counts = st.integers(1, 100_000)
sides = st.sampled_from(["bid", "ask"])


def apply(position: Position, side: Side, price: int, count: int) -> Money:
    return position.apply(side, Price(price), Count(count))


def collateral(net: int, resting: list[tuple[Side, int, int]]) -> Money:
    return collateral_of(Count(net), [(s, Price(p), Count(c)) for s, p, c in resting])


def test_buying_yes_costs_its_price() -> None:
    position = Position()
    assert apply(position, "bid", 4_200, 1_000) == -4_200_000
    assert (position.net, position.cost) == (1_000, 4_200_000)


def test_selling_from_nothing_opens_no_at_the_complement() -> None:
    position = Position()
    assert apply(position, "ask", 4_200, 1_000) == -5_800_000
    assert (position.net, position.cost) == (-1_000, 5_800_000)


def test_opposite_sides_net_and_realise_the_difference() -> None:
    position = Position()
    paid = apply(position, "bid", 4_000, 1_000)
    received = apply(position, "ask", 4_500, 1_000)
    assert (position.net, position.cost, position.realized) == (0, 0, 500_000)
    assert paid + received == 500_000


def test_selling_more_than_is_held_turns_the_holding_over() -> None:
    position = Position()
    apply(position, "bid", 4_000, 1_000)
    apply(position, "ask", 4_000, 1_500)
    assert (position.net, position.cost) == (-500, 500 * 6_000)


@given(st.lists(st.tuples(sides, prices, counts), max_size=20), st.sampled_from([0, 10_000]))
def test_cash_is_realised_profit_less_the_cost_of_what_is_open(
    fills: list[tuple[Side, int, int]], yes_value: int
) -> None:
    position = Position()
    cash: int = sum(apply(position, *fill) for fill in fills)
    assert cash == position.realized - position.cost
    cash += position.pay_out(Price(yes_value))
    assert cash == position.realized


def test_orders_that_close_a_holding_need_no_collateral() -> None:
    assert collateral(1_000, [("ask", 4_500, 1_000)]) == 0
    assert collateral(-1_000, [("bid", 4_500, 1_000)]) == 0
    assert collateral(1_000, [("ask", 4_500, 1_500)]) == 500 * 5_500


def test_both_sides_of_a_quote_need_collateral() -> None:
    assert collateral(0, [("bid", 4_000, 100), ("ask", 4_500, 100)]) == 100 * (4_000 + 5_500)


@given(
    st.integers(-5_000, 5_000),
    st.lists(st.tuples(sides, prices, st.integers(1, 5_000)), max_size=8),
    st.randoms(use_true_random=False),
)
def test_collateral_pays_for_any_fills_of_the_best_orders_first(
    net: int, resting: list[tuple[Side, int, int]], rng: random.Random
) -> None:
    cash: int = collateral(net, resting)
    position = Position(net=Count(net))
    queues = {
        "bid": sorted((o for o in resting if o[0] == "bid"), key=lambda o: -o[1]),
        "ask": sorted((o for o in resting if o[0] == "ask"), key=lambda o: o[1]),
    }
    while queues["bid"] or queues["ask"]:
        open_sides = [side for side, queue in queues.items() if queue]
        side = rng.choice(open_sides)
        cash += apply(position, *queues[side].pop(0))
        assert cash >= 0
