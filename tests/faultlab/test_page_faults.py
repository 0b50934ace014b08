"""A release in virtual time while tsa.gov's page is at fault: when quotes go, and come back.

The page is read every 20 seconds while a count is due; each fault begins before a count may be out,
and lasts until a minute after it is.
"""

from __future__ import annotations

import datetime as dt

import pytest

from mmbot.faultlab.scenario import weeks
from mmbot.faultlab.world import World
from mmbot.underlying.calendar import to_milliseconds
from mmbot.units import Milliseconds

STEP_MS = 250
POLL_MS = 20_000
# A page that fails as a whole is asked for ever more rarely, up to this many intervals.
BACKOFF = 8
OF_A_ROW = ["row_doubled", "row_misdated", "counts_absurd"]
OF_THE_PAGE = ["page_forbidden", "page_changed"]


class Morning:
    """The morning on which the week's first count comes, from just before it may be out."""

    def __init__(self, fault: str) -> None:
        self.world = world = World("2", weeks(1), ())
        scenario = world.scenario
        monday = scenario.weeks[0].monday
        self.out = next(
            to_milliseconds(release.at) for release in scenario.releases if monday in release.days
        )
        tuesday = monday + dt.timedelta(days=1)
        earliest = scenario.settings.counts.earliest_release
        zone = scenario.releases[0].at.tzinfo
        self.due = to_milliseconds(dt.datetime.combine(tuesday, earliest, zone))
        self.mended = self.out + 60_000
        window = next(each for each in scenario.windows if each.start < self.due < each.end)
        world._skip_to(window.start)
        world._crowd.enter(window)
        world._perform(world._start_session)
        self.run_to(self.due - 10_000)
        assert world.auditor.orders.resting
        world._environment.pages.inject(fault, self.mended)

    def run_to(self, at: Milliseconds) -> None:
        self.world._run(at)

    def seconds_until(self, *, quoting: bool, since: Milliseconds, within: Milliseconds) -> float:
        """Run on until orders rest, or none does; return the seconds since an instant."""
        at = self.world.scheduler.now
        while bool(self.world.auditor.orders.resting) != quoting:
            at += STEP_MS
            assert at <= since + within
            self.run_to(at)
        return (at - since) / 1000

    def without_quotes_to(self, at: Milliseconds) -> None:
        while self.world.scheduler.now < at:
            self.run_to(min(at, self.world.scheduler.now + STEP_MS))
            assert not self.world.auditor.orders.resting


@pytest.mark.parametrize("fault", OF_A_ROW + OF_THE_PAGE)
def test_while_the_due_count_cannot_be_read_nothing_is_quoted(fault: str) -> None:
    morning = Morning(fault)
    morning.run_to(morning.due)
    off = morning.seconds_until(quoting=False, since=morning.due, within=1_000)
    morning.without_quotes_to(morning.mended)
    polls = BACKOFF if fault in OF_THE_PAGE else 1
    back = morning.seconds_until(
        quoting=True, since=morning.mended, within=polls * 11 * POLL_MS // 10 + 5_000
    )
    print(f"{fault}: no quote after {off:.1f} s; quotes {back:.1f} s after it is mended")


def test_a_footnote_at_the_due_count_costs_nothing() -> None:
    morning = Morning("row_marked")
    morning.run_to(morning.due)
    off = morning.seconds_until(quoting=False, since=morning.due, within=1_000)
    morning.without_quotes_to(morning.out)
    back = morning.seconds_until(quoting=True, since=morning.out, within=11 * POLL_MS // 10 + 5_000)
    print(f"no quote after {off:.1f} s; quotes {back:.1f} s after the count is out")
