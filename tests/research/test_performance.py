"""Performance of settled events, against ledgers worked out by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmbot.daemon.ledger import Ledger
from mmbot.research.performance import Edge, PerformanceReport, build_report
from mmbot.trading.commands import RecordFill, RecordSettlement
from mmbot.trading.values import event_of
from tests.research.records import (
    FILLS,
    FIRST,
    HIGH,
    LOW,
    MARKOUTS,
    NEXT_HIGH,
    NEXT_LOW,
    SAMPLES,
    SECOND,
    SETTLEMENTS,
    booked,
    sampled,
    settlement,
)

WEIGHTS = (0.2, 0.2, 0.3, 0.4, 0.6)


def report(
    fills: Sequence[RecordFill] = FILLS,
    settlements: Sequence[RecordSettlement] = SETTLEMENTS,
    events: tuple[str, ...] = (FIRST, SECOND),
) -> PerformanceReport:
    return build_report(fills, MARKOUTS, SAMPLES, settlements, WEIGHTS, frozenset(events), 1.2)


def near(edge: Edge | None) -> tuple[int, object]:
    assert edge is not None
    return edge.fills, pytest.approx(edge.per_contract)


def test_pnl_is_payout_less_cost_and_fees() -> None:
    found = report()
    assert {each.name: each.pnl for each in found.by_market} == {
        LOW: 5_700_000,
        HIGH: 1_500_000,
        NEXT_LOW: -14_000_000,
    }
    assert {each.name: each.pnl for each in found.by_days_published} == {
        "1": 5_700_000,
        "3": -12_500_000,
    }
    assert {each.name: each.pnl for each in found.by_event} == {
        FIRST: 7_200_000,
        SECOND: -14_000_000,
    }
    assert (found.total.fills, found.total.contracts) == (3, 3_500)
    assert (found.total.pnl, found.total.fees) == (-6_800_000, 300_000)


def test_pnl_is_of_the_events_asked_for() -> None:
    found = report(events=(FIRST,))
    assert (found.total.pnl, len(found.by_event)) == (7_200_000, 1)
    # What the samples say is asked of all that is settled.
    assert len(found.predictions) == 3


def test_the_claimed_edge_is_of_the_fills_with_a_fair_value() -> None:
    found = report()
    # Five cents on each of fifteen contracts.
    assert near(found.total.claimed) == (2, 0.05)
    # 60 cents on ten, 30 on five, less 70 on twenty.
    assert near(found.total.realised) == (3, (6 + 1.5 - 14) / 35)
    assert [each.claimed for each in found.by_event if each.name == SECOND] == [None]


def test_markouts_are_of_the_fills_with_a_later_price() -> None:
    markouts = report().total.markouts
    assert near(markouts["1s"]["mid"]) == (1, 0.01)
    # Four cents on ten bought, two on five sold.
    assert near(markouts["1s"]["fair"]) == (2, (0.4 + 0.1) / 15)
    assert near(markouts["release"]["mid"]) == (1, 0.2)
    assert markouts["1min"] == {"mid": None, "fair": None}


def test_the_interval_is_clustered_by_event() -> None:
    assert report(events=(FIRST,)).total.per_contract is not None
    alone, both = report(events=(FIRST,)).total.per_contract, report().total.per_contract
    assert alone is not None
    assert both is not None
    assert alone.estimate == pytest.approx(7.2 / 15)
    assert alone.low is None
    assert both.estimate == pytest.approx(-6.8 / 35)
    assert both.low is not None


def test_fills_of_unsettled_markets_are_left_out_and_counted() -> None:
    found = report(settlements=SETTLEMENTS[:1])
    assert (found.total.fills, found.unsettled_fills) == (1, 2)
    assert found.total.pnl == 5_700_000


def test_an_amended_settlement_counts_in_place_of_the_one_before() -> None:
    found = report(settlements=(*SETTLEMENTS, settlement(LOW, False, 10)))
    assert found.total.pnl == -6_800_000 - 10_000_000
    (amendment,) = found.amendments
    assert (amendment.ticker, amendment.before, amendment.after) == (LOW, 10_000_000, 0)


def test_a_settlement_of_another_position_than_the_fills_is_reported() -> None:
    assert report().disagreements == ()
    wrong = (*SETTLEMENTS[1:], settlement(LOW, True, 9))
    assert report(settlements=wrong).disagreements == (LOW,)


def test_the_pool_in_force_is_scored_on_the_samples_of_settled_markets() -> None:
    found = report().pool
    assert found.sharpness.present == 1.2
    assert found.total is not None
    assert (found.total.n, found.total.events) == (3, 2)
    assert [each.samples for each in found.weights] == [0, 2, 1, 0, 0]


def test_an_empty_ledger_has_an_empty_report() -> None:
    found = build_report((), (), (), (), WEIGHTS, frozenset())
    assert (found.total.fills, found.total.pnl, found.total.per_contract) == (0, 0, None)
    assert (found.by_market, found.calibration, found.predictions) == ((), (), ())
    assert [each.proposed for each in found.pool.weights] == list(WEIGHTS)
    assert (found.pool.sharpness.proposed, found.pool.total) == (1.0, None)


def test_calibration_bins_compare_predicted_with_realised_frequency() -> None:
    found = {each.low: each for each in report().calibration}
    assert set(found) == {0.2, 0.5, 0.8}
    assert found[0.8].predicted == pytest.approx(0.85)
    assert found[0.8].realised == 1.0
    assert (found[0.5].samples, found[0.5].events, found[0.5].realised) == (1, 1, 0.0)


def test_a_market_without_fills_is_scored_and_one_without_outcome_is_not() -> None:
    samples = (sampled(NEXT_HIGH, 0.5, 0.5), sampled("KXTSAW-26NOV29-A2.4", 0.5, 0.5))
    found = build_report((), (), samples, SETTLEMENTS, WEIGHTS, frozenset({SECOND}))
    assert [each.ticker for each in found.predictions] == [NEXT_HIGH]


def test_brier_scores_are_of_belief_mid_and_pool_at_each_number_of_published_days() -> None:
    score = report().brier[1]
    assert score is not None
    assert score.n == 2
    assert score.belief == pytest.approx((0.1**2 + 0.3**2) / 2)
    assert score.mid == pytest.approx((0.2**2 + 0.1**2) / 2)
    assert score.pooled == pytest.approx((0.15**2 + 0.2**2) / 2)
    assert report().brier[0] is None


TICKERS = (LOW, HIGH, NEXT_LOW, NEXT_HIGH)
some_fills = st.lists(
    st.tuples(
        st.sampled_from(TICKERS),
        st.sampled_from(("bid", "ask")),
        st.integers(1, 99),
        st.integers(1, 50),
        st.integers(0, 4),
        st.integers(0, 1_000_000),
    ),
    max_size=24,
)


# Few large examples: each opens a ledger on disk.
@settings(max_examples=12, deadline=None)
@given(some_fills, st.tuples(*[st.booleans()] * len(TICKERS)))
def test_every_grouping_sums_to_the_totals_of_the_ledger(
    drawn: list[tuple[str, str, int, int, int, int]], won: tuple[bool, ...]
) -> None:
    fills = [
        booked(
            f"{i}",
            ticker,
            "bid" if side == "bid" else "ask",
            cents,
            contracts,
            days_published,
            None,
            fee,
        )
        for i, (ticker, side, cents, contracts, days_published, fee) in enumerate(drawn)
    ]
    held = dict.fromkeys(TICKERS, 0)
    for each in fills:
        held[each.fill.ticker] += each.fill.signed_count // 100
    settled = [settlement(t, w, held[t]) for t, w in zip(TICKERS, won, strict=True)]
    with TemporaryDirectory() as directory:
        ledger = Ledger(Path(directory))
        for fill in fills:
            ledger.add_fill(fill)
        for paid in settled:
            ledger.add_settlement(paid)
        totals = [ledger.totals(event) for event in (FIRST, SECOND)]
        ledger.close()
    found = build_report(fills, (), (), settled, WEIGHTS, frozenset({FIRST, SECOND}))
    for groups in (found.by_event, found.by_market, found.by_days_published, (found.total,)):
        assert sum(each.pnl for each in groups) == sum(each.pnl for each in totals)
        assert sum(each.fees for each in groups) == sum(each.fees for each in totals)
        assert sum(each.contracts for each in groups) == sum(each.contracts for each in totals)
        assert sum(each.fills for each in groups) == len(fills)
    assert found.disagreements == ()
    assert {event_of(each.name) for each in found.by_market} <= {FIRST, SECOND}


def test_the_yardstick_is_of_the_same_fills() -> None:
    found = report()
    assert found.yardstick is not None
    assert found.yardstick.weeks == 2
    assert found.yardstick.total.pnl == pytest.approx(found.total.pnl / 1_000_000)
    assert found.yardstick.total.fills == found.total.fills
    assert found.yardstick.log_score is not None
    realised = found.yardstick.markouts["settlement"]
    assert realised is not None
    assert found.total.realised is not None
    assert realised.edge.estimate == pytest.approx(found.total.realised.per_contract)
