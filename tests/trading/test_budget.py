from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mmbot.trading.budget import WriteBudget
from mmbot.trading.events import LimitsRead

steps = st.lists(st.tuples(st.integers(0, 2000), st.floats(0.0, 120.0), st.floats(0.0, 60.0)))


@given(steps)
def test_no_more_is_spent_than_the_exchange_grants(steps: list[tuple[int, float, float]]) -> None:
    budget = WriteBudget(refill=50.0, capacity=100.0, at=1000)
    now, spent = 1000, 0.0
    for wait, cost, reserve in steps:
        now += wait
        if budget.spend(cost, now, reserve=reserve):
            spent += cost
            assert budget.available(now) >= reserve - 1e-9
        assert 0.0 <= budget.available(now) <= 100.0
        assert spent <= 50.0 * (now - 1000) / 1000 + 100.0 + 1e-6


@given(st.integers(0, 3000), st.floats(0.0, 150.0), st.floats(0.1, 1000.0))
def test_missing_tokens_are_available_when_they_were_predicted_to_be(
    wait: int, cost: float, refill: float
) -> None:
    budget = WriteBudget(refill=refill, capacity=100.0, at=1000)
    due = budget.payable_at(cost, 1000 + wait)
    assert due > 1000 + wait
    assert budget.available(due) >= min(cost, 100.0) - 1e-6


def test_a_fresh_bucket_is_full() -> None:
    assert WriteBudget().available(1_700_000_000_000) == 100.0


def test_a_bucket_that_shrinks_holds_no_more_than_it_can() -> None:
    budget = WriteBudget()
    assert budget.available(1_000_000) == 100.0
    budget.update(LimitsRead(50.0, 20.0, 10.0, 2.0, 10.0))
    assert budget.available(1_000_000) == 20.0


def test_time_that_runs_backwards_grants_nothing() -> None:
    budget = WriteBudget(at=1000)
    assert budget.available(500) == 0.0
    assert budget.available(1100) == 10.0


def test_a_drained_bucket_is_empty() -> None:
    budget = WriteBudget()
    budget.drain(1_000_000)
    assert not budget.spend(2.0, 1_000_000)
    assert budget.spend(2.0, 1_000_020)
