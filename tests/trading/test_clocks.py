from __future__ import annotations

import pytest

from mmbot.trading.commands import Cancel, Note
from mmbot.trading.events import ClockCompared
from tests.trading.builders import Bench, notes, only


@pytest.mark.parametrize(
    ("least", "most", "off"),
    [(2_001, 9_000, True), (2_000, 9_000, False), (-9_000, -2_001, True), (-9_000, -2_000, False)],
)
def test_only_what_is_certainly_beyond_the_tolerance_is_off(
    least: int, most: int, off: bool
) -> None:
    assert ClockCompared("exchange", least, most).off is off


@pytest.mark.parametrize("ahead", [-9_000, 9_000])
def test_while_a_clock_is_off_nothing_is_quoted(ahead: int) -> None:
    bench = Bench()
    bench.rest()
    commands = bench.handle(ClockCompared("exchange", ahead, ahead))
    assert only(Cancel, commands)
    assert "clock.off" in notes(commands)
    assert bench.reason() == "clock_off"


def test_one_clock_that_is_right_again_does_not_excuse_the_other() -> None:
    bench = Bench()
    bench.rest()
    bench.handle(ClockCompared("exchange", 9_000, 9_000))
    bench.handle(ClockCompared("machine", 9_000, 9_000))
    assert "clock.right" in notes(bench.handle(ClockCompared("exchange", 0, 0)))
    assert bench.reason() == "clock_off"
    bench.handle(ClockCompared("machine", 0, 0))
    assert bench.reason() != "clock_off"


def test_a_clock_that_stays_as_it_is_is_not_logged_again() -> None:
    bench = Bench()
    bench.rest()
    bench.handle(ClockCompared("machine", 9_000, 9_000))
    assert not only(Note, bench.handle(ClockCompared("machine", 9_100, 9_100)))
