from __future__ import annotations

import datetime as dt

from mmbot.observe.explain import explain
from mmbot.trading.events import BeliefFormed, FeeTypeRead, StreamLost, Woken
from mmbot.trading.fees import ONE_TIME, FeeTerms
from mmbot.trading.gates import Gate
from mmbot.trading.operator_events import CountsMissing
from mmbot.tsa.releases import assumed_release
from mmbot.underlying.counts import Counts
from tests.trading.builders import MIDDLE, Bench, belief, book, fill, fills_listed

MONDAY = dt.date(2026, 11, 23)
COUNTS, _ = Counts().observe(MONDAY, 2_700_000, assumed_release(MONDAY))


def texts(bench: Bench, ticker: str = MIDDLE) -> dict[str, str]:
    steps = explain(bench.engine.state, COUNTS, ticker, bench.now)
    return {step.name: step.text for step in steps}


def test_every_step_from_the_counts_to_the_order_is_explained() -> None:
    bench = Bench(quoting={"belief_weight": [0.5] * 5})
    bench.start()
    bench.handle(book(MIDDLE, 4700, 4900))
    bench.handle(BeliefFormed(belief((0.9, 0.6, 0.3))))
    steps = texts(bench)
    assert list(steps) == [
        "counts", "forecast", "scenarios", "belief", "fair", "reservation", "margin", "size",
        "book", "tick", "order",
    ]  # fmt: skip
    assert steps["counts"] == (
        "of the seven days to 2026-11-29: Mon 2,700,000; the next is due from "
        "Wed 2026-11-25 06:55 EST"
    )
    assert "with 1 of 7 days known" in steps["forecast"]
    assert "0.600" in steps["belief"]
    assert steps["fair"] == "0.541: belief at 50% of the log-odds, midpoint 0.480"
    assert "YES at 0.4865 or less" in steps["margin"]
    assert steps["book"] == "best bid of others 0.4700, best ask 0.4900"
    assert steps["tick"] == "ask 10.00 at 0.5900, which is what the margin allows"


def test_a_sharpened_midpoint_and_a_longshot_are_explained() -> None:
    bench = Bench(
        quoting={
            "belief_weight": [0.5] * 5,
            "market_sharpness": 1.2,
            "longshot_edge_cents": [5.0, 5.0, 5.0, 2.5, 0.0],
        }
    )
    bench.start()
    bench.handle(book(MIDDLE, 2900, 3100), BeliefFormed(belief((0.9, 0.3, 0.2))))
    steps = texts(bench)
    # (ln 3/7 + 1.2 ln 3/7) / 2 in log-odds.
    assert steps["fair"] == (
        "0.283: belief at 50% of the log-odds, midpoint 0.300 with its log-odds times 1.2"
    )
    assert steps["margin"] == (
        "YES at 0.2225 or less, NO at 0.6457 or less: margin 10% of fair value, edge 1.00 cents "
        "over the reservation, and 5.00 more for YES, a longshot"
    )


def test_a_midpoint_that_is_taken_as_it_is_is_called_no_more_than_that() -> None:
    bench = Bench(quoting={"belief_weight": [0.5] * 5, "market_sharpness": 1.2})
    bench.start()
    bench.handle(book(MIDDLE, 2000, 8000))
    assert texts(bench)["fair"].endswith("of the log-odds, no midpoint of its own")
    assert "longshot" not in texts(bench)["margin"]


def test_a_shut_gate_comes_after_all_that_is_known() -> None:
    bench = Bench()
    bench.quote()
    bench.handle(StreamLost())
    steps = texts(bench)
    assert steps["gate"] == f"no_stream: {Gate.NO_STREAM.meaning}"
    assert "book" not in steps
    assert "fair" in steps


def test_a_position_and_what_it_may_cost_are_explained() -> None:
    bench = Bench()
    bench.start()
    bench.handle(fills_listed(fill("t-1", "o-1", 1000)), after=250)
    assert (
        "holder of 10.00 here, with -$4.10 in the event's worst outcome and $"
        in texts(bench)["reservation"]
    )


def test_without_a_belief_only_the_gate_is_explained() -> None:
    bench = Bench()
    bench.start()
    event_state = bench.engine.state.event_of_market[MIDDLE]
    event_state.belief = None
    bench.handle(book())
    assert texts(bench)["gate"].startswith("no_belief: ")
    assert "forecast" not in texts(bench)


def test_a_market_that_is_not_known_has_only_a_gate() -> None:
    (step,) = explain(Bench().engine.state, Counts(), "KXTSAW-X", 0)
    assert step.name == "gate"


def test_a_count_that_is_due_is_named_and_so_is_one_that_is_not_waited_for() -> None:
    bench = Bench()
    bench.start()
    tuesday, day = dt.date(2026, 11, 24), 86_400_000
    bench.handle(Woken(), after=day)
    assert "; Tue is due;" in texts(bench)["counts"]
    assert texts(bench)["gate"].startswith("release_due: ")
    bench.handle(CountsMissing((tuesday,)))
    assert "; Tue is not waited for;" in texts(bench)["counts"]


def test_the_price_that_the_best_other_quote_keeps_down_is_explained() -> None:
    bench = Bench()
    bench.quote()
    steps = explain(bench.engine.state, COUNTS, MIDDLE, bench.now)
    bid, ask = (step.text for step in steps if step.name == "tick")
    assert bid.startswith("bid 10.00 at 0.4100, where the margin would allow 0.4500")
    assert ask.startswith("ask 10.00 at 0.5900, where the margin would allow 0.5500")


def test_what_makers_pay_is_explained_where_they_pay() -> None:
    bench = Bench()
    bench.quote()
    assert "fee" not in texts(bench)
    bench.handle(FeeTypeRead(FeeTerms("quadratic_with_maker_fees", ONE_TIME // 2)))
    assert texts(bench)["fee"] == (
        "quadratic_with_maker_fees x0.5: 0.22 cents a contract for YES at its most, 0.22 for NO; "
        "margin and edge are kept after it"
    )


def test_a_fee_is_named_with_what_the_exchange_calls_it() -> None:
    bench = Bench()
    bench.quote()
    bench.handle(FeeTypeRead(FeeTerms("flat", ONE_TIME)))
    assert texts(bench)["gate"] == f"fee_type_flat: {Gate.FEE_TYPE.meaning}"
