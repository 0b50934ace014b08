from __future__ import annotations

import math
import random
from itertools import pairwise

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmbot.trading.sizing import kelly_sizes, kelly_sizes_again, reservation_prices

# Prices that are met to 1e-5 dollars leave this much of the logarithm, on the poorest event here.
TOLERANCE = 1e-6


class Problem(msgspec.Struct, frozen=True):
    cells: list[float]
    wealth: list[float]
    costs: list[float]
    most: list[float]


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    n = draw(st.integers(1, 6))
    parts = draw(st.lists(st.floats(0.02, 1), min_size=n + 1, max_size=n + 1))
    cells = [part / sum(parts) for part in parts]
    above = [sum(cells[j + 1 :]) for j in range(n)]
    edges = draw(st.lists(st.floats(-0.05, 0.3), min_size=n, max_size=n))
    costs = [max(p * (1 - e), 0.001) for p, e in zip(above, edges, strict=True)]
    return Problem(
        cells,
        draw(st.lists(st.floats(20, 300), min_size=n + 1, max_size=n + 1)),
        sorted(costs, reverse=True),
        draw(st.lists(st.sampled_from([0.0, 5.0, 60.0, 1e4]), min_size=n, max_size=n)),
    )


def utility(problem: Problem, sizes: list[float]) -> float:
    """The expected logarithm, cell by cell."""
    total = 0.0
    for cell, (p, wealth) in enumerate(zip(problem.cells, problem.wealth, strict=True)):
        gain = sum(
            x * ((cell > j) - cost)
            for j, (x, cost) in enumerate(zip(sizes, problem.costs, strict=True))
        )
        if wealth + gain <= 0:
            return -math.inf
        total += p * math.log(wealth + gain)
    return total


def neighbours(problem: Problem, sizes: list[float], step: float) -> list[list[float]]:
    """Sizes a step away: at one strike, or moved from one strike to another."""
    n = len(sizes)
    moves = [[float(i == j) for i in range(n)] for j in range(n)]
    moves += [[float(i == a) - float(i == b) for i in range(n)] for a in range(n) for b in range(n)]
    return [
        [
            min(max(x + sign * step * m, 0.0), most)
            for x, m, most in zip(sizes, move, problem.most, strict=True)
        ]
        for move in moves
        for sign in (1, -1)
    ]


def searched(problem: Problem) -> list[float]:
    """The best sizes by plain search with ever smaller steps."""
    sizes, step = [0.0] * len(problem.costs), 64.0
    while step > 1e-4:
        best = max(neighbours(problem, sizes, step), key=lambda other: utility(problem, other))
        if utility(problem, best) > utility(problem, sizes):
            sizes = best
        else:
            step /= 2
    return sizes


@settings(max_examples=60, deadline=None)
@given(problems())
def test_kelly_sizes_are_at_least_as_good_as_what_a_plain_search_finds(problem: Problem) -> None:
    found = kelly_sizes(problem.cells, problem.wealth, problem.costs, problem.most)
    assert all(0 <= x <= most for x, most in zip(found, problem.most, strict=True))
    assert utility(problem, found) >= utility(problem, searched(problem)) - TOLERANCE


@settings(max_examples=100, deadline=None)
@given(problems())
def test_nothing_nearby_is_better_than_kelly_sizes(problem: Problem) -> None:
    found = kelly_sizes(problem.cells, problem.wealth, problem.costs, problem.most)
    for step in (0.01, 1.0):
        for other in neighbours(problem, found, step):
            assert utility(problem, other) <= utility(problem, found) + TOLERANCE


@settings(deadline=None)
@given(problems(), st.data())
def test_what_was_good_a_moment_ago_changes_no_size(problem: Problem, data: st.DataObject) -> None:
    found = kelly_sizes(problem.cells, problem.wealth, problem.costs, problem.most)
    n = len(found)
    guesses = st.lists(st.booleans(), min_size=n, max_size=n)
    rows = [[x > 0 for x in found], [True] * n, data.draw(guesses)]
    for sizes in sizes_again([problem] * 3, rows):
        assert sizes == pytest.approx(found, abs=1e-4)


def sizes_again(problems: list[Problem], likely: list[list[bool]]) -> list[list[float]]:
    """What is found for some problems at once, with a guess for each."""
    cells, wealth, costs, most = (
        np.array([getattr(each, name) for each in problems])
        for name in ("cells", "wealth", "costs", "most")
    )
    found = kelly_sizes_again(cells, wealth, costs, most, np.array(likely))
    return [sizes.tolist() for sizes in found]


def test_bets_that_were_good_a_moment_ago_and_are_again_are_not_searched_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("mmbot.trading.sizing._Problem.start", lambda _: pytest.fail("searched"))
    problem = Problem([0.3, 0.2, 0.5], [100.0] * 3, [0.6, 0.52], [2.0, 5.0])
    assert sizes_again([problem], [[True, False]]) == [[2.0, 0.0]]


@st.composite
def many_strikes(draw: st.DrawFn) -> Problem:
    """A hundred strikes priced with an edge; wealth is flat, or wanders from cell to cell."""
    noise = random.Random(draw(st.integers(0, 2**32)))
    spread, cash = draw(st.floats(0.1, 0.8)), draw(st.sampled_from([50.0, 500.0, 5000.0]))
    roughness = cash * draw(st.sampled_from([0.0, 0.03]))
    above = [0.5 * math.erfc((j - 50) / 50 / spread / math.sqrt(2)) for j in range(100)]
    cells = [low - high for low, high in pairwise((1.0, *above, 0.0))]
    wealth, reached = [], cash
    for _ in cells:
        reached = max(reached + noise.gauss(0, roughness), cash / 100)
        wealth.append(reached)
    prices = reservation_prices(cells, wealth)
    most = draw(st.sampled_from([8.0, 40.0, 400.0]))
    return Problem(
        cells,
        wealth,
        [max(0.0, p - max(0.02, 0.1 * p * (1 - p))) for p in prices],
        [most if 0.03 <= p <= 0.97 else 0.0 for p in above],
    )


@settings(max_examples=100, deadline=None)
@given(many_strikes())
def test_with_many_strikes_only_sizes_at_a_bound_have_anything_to_gain(
    problem: Problem,
) -> None:
    sizes = kelly_sizes(problem.cells, problem.wealth, problem.costs, problem.most)
    spent = sum(x * cost for x, cost in zip(sizes, problem.costs, strict=True))
    after = [w - spent + sum(sizes[:c]) for c, w in enumerate(problem.wealth)]
    assert min(after) > 0
    marginal = [max(p, 1e-9) / a for p, a in zip(problem.cells, after, strict=True)]
    for j, (size, cost, most) in enumerate(zip(sizes, problem.costs, problem.most, strict=True)):
        edge = sum(marginal[j + 1 :]) / sum(marginal) - cost
        assert edge <= 2e-5 or size > most - 1e-5
        assert edge >= -2e-5 or size < 1e-5


def test_a_single_bet_has_the_size_of_kellys_rule() -> None:
    # Of a wealth W, f = (p - c) / (1 - c) is staked, at c a contract.
    (size,) = kelly_sizes([0.4, 0.6], [100.0, 100.0], [0.5], [1e6])
    assert size == pytest.approx(100 * 0.2 / 0.5, rel=1e-4)


def test_the_bets_of_an_event_are_cut_because_they_lose_together() -> None:
    cells, wealth, costs = [0.3, 0.2, 0.5], [100.0] * 3, [0.6, 0.4]
    alone = [
        kelly_sizes(cells, wealth, costs, [1e6, 0.0])[0],
        kelly_sizes(cells, wealth, costs, [0.0, 1e6])[1],
    ]
    together = kelly_sizes(cells, wealth, costs, [1e6, 1e6])
    assert sum(x * c for x, c in zip(together, costs, strict=True)) < 0.8 * sum(
        x * c for x, c in zip(alone, costs, strict=True)
    )


def test_a_search_that_is_cut_short_keeps_the_best_it_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    problem = Problem([0.3, 0.2, 0.5], [100.0] * 3, [0.6, 0.4], [1e6, 1e6])
    best = kelly_sizes(problem.cells, problem.wealth, problem.costs, problem.most)
    monkeypatch.setattr("mmbot.trading.sizing._STEPS", 1)
    short = kelly_sizes(problem.cells, problem.wealth, problem.costs, problem.most)
    assert utility(problem, [0.0, 0.0]) < utility(problem, short) < utility(problem, best)


def test_no_edge_means_no_bet() -> None:
    assert kelly_sizes([0.5, 0.5], [100.0, 100.0], [0.5], [100.0]) == [0.0]


@settings(deadline=None)
@given(problems())
def test_at_the_reservation_price_a_little_changes_nothing(problem: Problem) -> None:
    prices = reservation_prices(problem.cells, problem.wealth)
    assert all(high >= low for high, low in pairwise((1.0, *prices, 0.0)))
    at_them = msgspec.structs.replace(problem, costs=prices)
    flat = [0.0] * len(prices)
    for j in range(len(prices)):
        little = [0.01 * (i == j) for i in range(len(prices))]
        less = [-x for x in little]
        change = utility(at_them, little) - utility(at_them, flat)
        assert abs(change) < 1e-6
        # To first order nothing; what is left is the price of risk.
        assert change <= 0
        assert utility(at_them, less) <= utility(at_them, flat)


def test_a_position_lowers_the_reservation_prices_of_its_neighbours_too() -> None:
    cells, flat = [0.25] * 4, [100.0] * 4
    long_middle = [90.0, 90.0, 110.0, 110.0]
    before, after = reservation_prices(cells, flat), reservation_prices(cells, long_middle)
    assert before == pytest.approx([0.75, 0.5, 0.25])
    assert all(now < then for now, then in zip(after, before, strict=True))
