"""How an event came to where it is: exact P&L at each instant, forecasts by published days."""

from __future__ import annotations

from mmbot.dashboard_view import MOST_POINTS
from mmbot.observe.dashboard import event_course, page_files
from mmbot.trading.commands import MarketSample, MarketView, Markout, RecordFill, RecordSettlement
from mmbot.trading.values import Fill
from mmbot.units import Count, Money, Price

EVENT = "KXTSAW-26APR19"
LOW, HIGH = f"{EVENT}-A2.40", f"{EVENT}-A2.50"


def bought(ticker: str, price: int, at: int, fair: float | None, count: int = 1_000) -> RecordFill:
    """Ten contracts of YES, with a fee of a cent."""
    fill = Fill(f"t{at}", "o", ticker, "bid", Price(price), Count(count), Money(10_000), at)
    return RecordFill(fill, 1, MarketView(fair=fair))


def sample(ticker: str, known: int, at: int, belief: float | None, fair: float) -> MarketSample:
    return MarketSample(ticker, known, "first", at, MarketView(belief, 0.5, fair))


def paid(ticker: str, value: int, at: int) -> RecordSettlement:
    return RecordSettlement(ticker, Price(value), Count(1_000), Money(0), at)


def test_an_event_without_a_fill_has_no_pnl() -> None:
    assert event_course(EVENT, (LOW, HIGH), [], [], [sample(LOW, 1, 5, 0.6, 0.6)], []).pnl == ()


def test_pnl_follows_fills_and_every_fair_value_that_was_seen_of_what_is_held() -> None:
    first, second = bought(LOW, 6_000, 10, 0.65), bought(HIGH, 3_000, 20, 0.3)
    later = Markout("t10", "o", "1min", 30, MarketView(fair=0.7))
    course = event_course(
        EVENT, (LOW, HIGH), [second, first], [later], [sample(HIGH, 2, 40, 0.2, 0.25)], []
    )
    assert [(point.at, point.fair) for point in course.pnl] == [
        (10, "0.490000"),
        (20, "0.480000"),
        (30, "0.980000"),
        (40, "0.480000"),
    ]
    # Neither pays: all of the cash spent is lost.
    assert [point.worst for point in course.pnl] == ["-6.010000", *["-9.020000"] * 3]


def test_a_position_whose_fair_value_was_never_seen_leaves_its_pnl_unknown() -> None:
    course = event_course(EVENT, (LOW, HIGH), [bought(LOW, 6_000, 10, None)], [], [], [])
    assert [(point.fair, point.worst) for point in course.pnl] == [(None, "-6.010000")]


def test_what_was_paid_replaces_fair_value_and_the_worst() -> None:
    course = event_course(
        EVENT, (LOW, HIGH), [bought(LOW, 6_000, 10, 0.6)], [], [], [paid(LOW, 10_000, 50)]
    )
    assert (course.pnl[-1].fair, course.pnl[-1].worst) == ("3.990000", "3.990000")


def test_a_markout_of_a_fill_that_was_taken_out_counts_for_nothing() -> None:
    stray = Markout("gone", "o", "1s", 30, MarketView(fair=0.9))
    course = event_course(EVENT, (LOW, HIGH), [bought(LOW, 6_000, 10, 0.6)], [stray], [], [])
    assert [point.at for point in course.pnl] == [10]


def test_a_long_course_is_thinned_and_keeps_its_end() -> None:
    samples = [sample(LOW, 1, at, 0.6, 0.6) for at in range(11, 11 + 3 * MOST_POINTS)]
    pnl = event_course(EVENT, (LOW, HIGH), [bought(LOW, 6_000, 10, 0.6)], [], samples, []).pnl
    assert len(pnl) <= MOST_POINTS
    assert pnl[-1].at == samples[-1].at
    assert list(pnl) == sorted(pnl, key=lambda point: point.at)


def test_the_forecast_at_each_number_of_published_days_is_the_one_seen_first() -> None:
    samples = [
        sample(LOW, 2, 300, 0.9, 0.9),
        sample(LOW, 1, 100, 0.7, 0.7),
        sample(HIGH, 1, 110, 0.3, 0.3),
        MarketSample(LOW, 1, "last", 200, MarketView(0.75, 0.5, 0.7)),
        sample(HIGH, 3, 400, None, 0.3),
    ]
    one, two = event_course(EVENT, (LOW, HIGH), [], [], samples, []).forecasts
    assert (one.days_published, one.at, one.above) == (1, 100, {LOW: 0.7, HIGH: 0.3})
    assert (two.days_published, two.above) == (2, {LOW: 0.9})


def test_the_page_is_in_the_package_with_its_library_and_the_librarys_licence() -> None:
    files = page_files()
    assert {"index.html", "app.js", "style.css"} <= files.keys()
    assert b"(v1.6.32)" in files["vendor/uplot/uPlot.iife.min.js"][:80]
    assert b"Copyright (c)" in files["vendor/uplot/LICENSE"]
