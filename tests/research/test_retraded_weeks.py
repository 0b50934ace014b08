from __future__ import annotations

import pytest

from mmbot.research.retraded_weeks import week_results
from mmbot.research.yardstick import measure, of_results
from mmbot.underlying.calendar import CalendarClock
from tests.research.records import (
    FILLS,
    FIRST,
    MARKOUTS,
    NEXT_HIGH,
    NEXT_LOW,
    SAMPLES,
    SECOND,
    SETTLEMENTS,
    marked,
)

CLOCK = CalendarClock()
OPEN = tuple(each for each in SETTLEMENTS if each.ticker not in (NEXT_LOW, NEXT_HIGH))


def test_what_a_recording_settled_is_measured_with_every_markout() -> None:
    markouts = (*MARKOUTS, marked("a", "1min", 0.43, 0.44), marked("b", "1h", 0.2, 0.28))
    weeks = week_results(FILLS, markouts, SAMPLES, SETTLEMENTS, CLOCK)
    assert [(each.week, each.rule) for each in weeks] == [
        (FIRST, "recording"), (SECOND, "recording")
    ]  # fmt: skip
    found = measure(of_results(weeks))
    minute, hour = found.markouts["1min"], found.markouts["1h"]
    assert minute is not None
    assert minute.fills == 1
    assert minute.edge.estimate == pytest.approx(0.03)
    assert hour is not None
    assert hour.fills == 1
    assert hour.edge.estimate == pytest.approx(0.10)
    # 10 x .60 - .30 + 5 x .30 - 20 x .70
    assert found.total.pnl == pytest.approx(-6.8)
    assert found.log_score is not None
    assert found.log_score.n == 3


def test_an_event_that_is_not_settled_is_left_out() -> None:
    assert [each.week for each in week_results(FILLS, (), SAMPLES, OPEN, CLOCK)] == [FIRST]


def test_with_mids_what_is_not_settled_is_worth_its_mid_and_not_scored() -> None:
    weeks = week_results(FILLS, (), SAMPLES, OPEN, CLOCK, {NEXT_LOW: 0.75})
    assert [each.week for each in weeks] == [FIRST, SECOND]
    (trade,) = weeks[1].trades
    assert (trade.payout, trade.pnl, weeks[1].predictions) == (7_500, 1_000_000, ())
    assert week_results(FILLS, (), SAMPLES, OPEN, CLOCK, {NEXT_HIGH: 0.75})[1:] == []
