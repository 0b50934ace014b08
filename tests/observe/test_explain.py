from __future__ import annotations

from mmbot.observe.explain import explain
from mmbot.trading.events import BeliefFormed, Filled, StreamLost
from tests.trading.builders import MIDDLE, Bench, belief, book, fill


def told(bench: Bench, ticker: str = MIDDLE) -> dict[str, str]:
    steps = explain(bench.engine.desk, ticker, bench.now)
    return {step.name: step.text for step in steps}


def test_every_step_from_the_counts_to_the_order_is_told() -> None:
    bench = Bench(quoting={"belief_weight": [0.5] * 5})
    bench.start()
    bench.tell(book(MIDDLE, 4700, 4900))
    bench.tell(BeliefFormed(belief((0.9, 0.6, 0.3))))
    steps = told(bench)
    assert list(steps) == [
        "counts", "forecast", "scenarios", "belief", "fair", "reservation", "margin", "size",
        "book", "order",
    ]  # fmt: skip
    assert steps["counts"] == "1 of the seven days to 2026-11-29 are published"
    assert "0.600" in steps["belief"]
    assert steps["fair"] == "0.541: belief at 50% of the log-odds, midpoint 0.480"
    assert "YES at 0.4865 or less" in steps["margin"]
    assert steps["book"] == "best bid of others 0.4700, best ask 0.4900"


def test_a_shut_gate_is_told_after_what_is_known_all_the_same() -> None:
    bench = Bench()
    bench.quote()
    bench.tell(StreamLost())
    steps = told(bench)
    assert steps["gate"] == "no quote: no_stream"
    assert "book" not in steps
    assert "fair" in steps


def test_a_position_and_what_it_may_cost_are_told() -> None:
    bench = Bench()
    bench.start()
    bench.tell(Filled(fill("t-1", "o-1", 1000)), after=250)
    assert "holder of 10.00 here, -4.100000 at the worst" in told(bench)["reservation"]


def test_without_a_belief_only_the_gate_is_told() -> None:
    bench = Bench()
    bench.start()
    ladder = bench.engine.desk.ladder_of[MIDDLE]
    ladder.belief = None
    bench.tell(book())
    assert told(bench)["gate"] == "no quote: no_belief"
    assert "counts" not in told(bench)


def test_a_market_that_is_not_on_the_desk_is_said_to_be_none() -> None:
    (step,) = explain(Bench().engine.desk, "KXTSAW-X", 0)
    assert step.name == "gate"
