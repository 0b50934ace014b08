from __future__ import annotations

import datetime as dt
import itertools
import random

import pytest

from mmbot.exchange.timetable import Release, releases
from mmbot.faultlab.hours import MINUTE_MS, Hours, played_windows
from mmbot.faultlab.scenario import weeks
from mmbot.tsa.simulated import varied_time
from mmbot.tsa.underlying import TSA
from mmbot.underlying.calendar import from_milliseconds, to_milliseconds

GATE = dt.time(6, 55)
MONTH = weeks(4)


def planned(seed: int = 1) -> tuple[Release, ...]:
    rng = random.Random(seed)
    return releases(MONTH[0].monday, MONTH[-1].sunday, rng, TSA, varied_time)


@pytest.mark.parametrize("hours", ["eventful", "ordinary"])
@pytest.mark.parametrize("seed", range(5))
def test_windows_come_one_after_another_with_time_for_a_restart_between(
    hours: Hours, seed: int
) -> None:
    windows = played_windows(hours, MONTH, planned(seed), GATE, TSA.settles)
    assert all(a.end + 2 * MINUTE_MS < b.start for a, b in itertools.pairwise(windows))


def test_an_eventful_week_is_eight_windows_of_which_one_is_shared() -> None:
    alone = played_windows("eventful", MONTH[:1], planned(), GATE, TSA.settles)
    assert len(alone) == 8
    assert len(played_windows("eventful", MONTH, planned(), GATE, TSA.settles)) == 4 * 7 + 1


@pytest.mark.parametrize("hours", ["eventful", "ordinary"])
def test_settlement_and_the_next_opening_are_played_in_one_window(hours: Hours) -> None:
    windows = played_windows(hours, MONTH, planned(), GATE, TSA.settles)
    for week in MONTH[:-1]:
        opens, settles = to_milliseconds(week.following.opens), to_milliseconds(week.settles)
        assert any(s.start < min(opens, settles) and max(opens, settles) < s.end for s in windows)


def test_every_release_of_a_traded_day_is_played_at_its_own_pace() -> None:
    windows = played_windows("ordinary", MONTH, planned(), GATE, TSA.settles)
    traded = [r for r in planned() if any(r.days[0] in week.days[:4] for week in MONTH)]
    assert len(traded) == 16
    for release in traded:
        out = to_milliseconds(release.at)
        (window,) = [s for s in windows if s.start < out < s.end]
        assert window.speedup == 1.0


def test_the_wait_for_a_release_is_played_in_proportion() -> None:
    release = Release(to_eastern(8, 35), (MONTH[0].monday,))
    windows = played_windows("ordinary", MONTH[:1], [release], GATE, TSA.settles)
    day = [s for s in windows if from_milliseconds(s.start).date() == release.at.date()]
    waiting = day[0]
    assert waiting.speedup * (waiting.end - waiting.start) == 100 * MINUTE_MS


def to_eastern(hour: int, minute: int) -> dt.datetime:
    day = MONTH[0].opens + dt.timedelta(days=1)
    return day.replace(hour=hour, minute=minute)
