from __future__ import annotations

import math

import pytest

from mmbot.research.backtest import MarketPrediction
from mmbot.research.yardstick import (
    FillMeasured,
    Reference,
    Session,
    WeekMeasured,
    measure,
    of_records,
    session_of,
    strikes_in_order,
)
from mmbot.trading.commands import MarketView, Markout, RecordFill
from mmbot.trading.values import Fill, Side
from mmbot.underlying.calendar import CalendarClock, to_milliseconds
from mmbot.units import Count, Money, Price
from tests.research.past_weeks import WEEK

LOW, HIGH = "E-A2.40", "E-A2.50"


def fill(
    side: Side = "bid", price: int = 4_000, contracts: int = 10, ticker: str = LOW, at: int = 0
) -> Fill:
    name = f"{ticker} {side} {price} {at}"
    return Fill(name, name, ticker, side, Price(price), Count(contracts * 100), Money(0), at)


def measured(
    one: Fill, paid: float = 1.0, session: Session = "k=0", claimed: float | None = None,
    **worth: float,
) -> FillMeasured:  # fmt: skip
    values: dict[Reference, float] = {"settlement": paid}
    for name, value in worth.items():
        values["1min" if name == "minute" else "release"] = value
    return FillMeasured(one, session, claimed, values)


def week(*fills: FillMeasured, predictions: tuple[MarketPrediction, ...] = ()) -> WeekMeasured:
    return WeekMeasured("E", (LOW, HIGH), fills, predictions)


def test_at_risk_is_the_most_that_could_be_lost_at_any_moment() -> None:
    """YES at 2.40M for 40 cents; NO at 2.50M for 40 cents: one of the two always pays."""
    bought, sold = measured(fill()), measured(fill("ask", 6_000, ticker=HIGH), paid=0.0)
    assert week(bought).at_risk == pytest.approx(4.0)
    assert week(bought, sold).at_risk == pytest.approx(4.0)
    # Sold again: what was at risk before stays what it was.
    out = measured(fill("ask", 5_000))
    assert week(bought, out).at_risk == pytest.approx(4.0)
    assert week(bought, out).pnl == pytest.approx(1.0)


def test_pnl_over_risk_is_of_all_weeks_and_of_each_session() -> None:
    won = week(measured(fill()), measured(fill("bid", 5_000), session="Friday"))
    lost = week(measured(fill(), paid=0.0))
    found = measure([won, lost])
    assert found.weeks == 2
    assert (found.total.pnl, found.total.at_risk) == pytest.approx((7.0, 13.0))
    assert found.total.on_risk is not None
    assert found.total.on_risk.estimate == pytest.approx(7 / 13)
    monday, friday, sunday = (found.sessions[name] for name in ("k=0", "Friday", "Sunday"))
    assert (monday.pnl, monday.at_risk, monday.fills) == pytest.approx((2.0, 8.0, 2))
    assert (friday.pnl, friday.at_risk) == pytest.approx((5.0, 5.0))
    assert sunday.on_risk is None


def test_edges_are_means_over_contracts_against_each_reference() -> None:
    one = measured(fill(contracts=10), claimed=0.45, minute=0.42)
    other = measured(fill("ask", 6_000, contracts=30, ticker=HIGH), paid=0.0, claimed=0.5)
    found = measure([week(one, other)])
    assert found.claimed is not None
    assert found.claimed.edge.estimate == pytest.approx((10 * 0.05 + 30 * 0.1) / 40)
    minute, settled = found.markouts["1min"], found.markouts["settlement"]
    assert minute is not None
    assert settled is not None
    assert minute.fills == 1
    assert minute.edge.estimate == pytest.approx(0.02)
    assert settled.edge.estimate == pytest.approx(0.6)
    assert found.markouts["release"] is None


def test_the_log_score_is_less_the_mids() -> None:
    opinion = MarketPrediction("E", 2, LOW, 0.8, 0.5, 0.6, True)
    found = measure([week(predictions=(opinion,))])
    assert found.log_score is not None
    assert found.log_score.belief_less_mid.estimate == pytest.approx(-math.log(1.6))
    assert found.log_scores[2] == found.log_score
    assert found.log_scores[1] is None


def test_it_says_how_many_more_weeks_it_takes() -> None:
    good = [week(measured(fill(), paid=1.0)), week(measured(fill(), paid=0.0))]
    unsure = measure(good * 4)
    assert unsure.more_weeks is not None
    assert unsure.more_weeks > 8
    assert f"{unsure.more_weeks:,} more weeks" in unsure.verdict
    sure = measure([week(measured(fill(), paid=1.0)) for _ in range(5)])
    assert (sure.more_weeks, "told from zero by its 5 weeks" in sure.verdict) == (0, True)
    assert measure(good[:1]).more_weeks is None
    assert measure([]).more_weeks is None


def test_a_week_untraded_counts_as_a_week() -> None:
    found = measure([week(), week(measured(fill()))])
    assert (found.weeks, found.more_weeks) == (2, None)


def test_the_last_session_is_told_apart_by_its_days() -> None:
    assert [session_of(days, 2) for days in range(4)] == ["k=0", "k=1", "k=2", "k=3"]
    assert [session_of(4, day) for day in (4, 5, 6)] == ["Friday", "Saturday", "Sunday"]


def test_records_of_a_ledger_are_measured_by_their_markouts() -> None:
    at = to_milliseconds(WEEK.closes) - 3_600_000
    done = fill(at=at)
    record = RecordFill(done, 4, MarketView(belief=0.4, mid=0.41, fair=0.45))
    view = MarketView(mid=0.43)
    markouts = [
        Markout(done.trade_id, done.order_id, "1h", at, view),
        Markout(done.trade_id, done.order_id, "release", at, MarketView()),
    ]
    (found,) = of_records([record], markouts, {LOW: Price(10_000)}, CalendarClock())
    assert (found.session, found.claimed) == ("Sunday", 0.45)
    assert found.worth == {"settlement": 1.0, "1h": 0.43}
    assert of_records([record], [], {}, CalendarClock()) == []


def test_markets_are_in_the_order_of_their_strikes() -> None:
    assert strikes_in_order(["E-A10.00", "E-A2.40", "E-A2.40", "E-odd"]) == (
        "E-A2.40",
        "E-A10.00",
        "E-odd",
    )
