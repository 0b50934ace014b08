"""How often the page of the counts is read.

Rarely between expected releases; from the earliest release time until the due count has come, as
often as the config says. After failures it is read less and less often, within a bound while a
count is due, as nothing is quoted until it is known.
"""

from __future__ import annotations

import datetime as dt
import random

from mmbot.config import CountsSettings
from mmbot.underlying.calendar import CalendarClock, Week
from mmbot.underlying.counts import Counts
from mmbot.underlying.underlying import Underlying

# Calendar seconds between readings while nothing is due.
_IDLE_SECONDS = 1800.0
# However fast the calendar runs, the least wall seconds between requests to the site.
_LEAST_WAIT_SECONDS = 0.25
# The share of each wait that is random, so that the site is not polled in step with others.
_JITTER = 0.1
# The longest wait, in calendar seconds, after failures while a count is due, unless the config's
# own interval is longer.
LONGEST_BACKOFF_SECONDS = 120.0


class PagePace:
    """Decides how long to wait for the next reading.

    Attributes:
        settings: How often to read, and when releases come.
    """

    def __init__(
        self,
        underlying: Underlying,
        settings: CountsSettings,
        clock: CalendarClock,
        rng: random.Random,
    ) -> None:
        """The arguments are those of `CountsReader`."""
        self._underlying = underlying
        self.settings = settings
        self._clock = clock
        self._rng = rng

    def wait_seconds(self, at: dt.datetime, counts: Counts, failures: int) -> float:
        """Return the wall seconds until the next reading.

        Args:
            at: The calendar's time.
            counts: The known counts.
            failures: How many readings in a row have failed.
        """
        due = self._is_due(at, counts)
        seconds = self._due_seconds(failures) if due else self._idle_seconds(at)
        jittered = seconds * (1 + _JITTER * self._rng.random())
        return max(_LEAST_WAIT_SECONDS, jittered / self._clock.speed)

    def _due_seconds(self, failures: int) -> float:
        usual = self.settings.poll_seconds
        # More failures than this do not lengthen the wait.
        return max(usual, min(usual * 2.0 ** min(failures, 8), LONGEST_BACKOFF_SECONDS))

    def _is_due(self, at: dt.datetime, counts: Counts) -> bool:
        """Return whether a count may be out that has not been read."""
        settings, underlying = self.settings, self._underlying
        this = Week.of(at.date())
        due = [
            day
            for week in (this, Week.of(at.date() - dt.timedelta(days=7)))
            for day in underlying.days_due(week, at, settings.earliest_release)
        ]
        early = underlying.early_releases(this, settings.earliest_release, settings.latest_release)
        due += [release.day for release in early if release.opens <= at < release.closes_at]
        return any(day not in counts for day in due)

    def _idle_seconds(self, at: dt.datetime) -> float:
        """Return the calendar seconds to wait while nothing is due, up to the next release."""
        days = (at.date() - dt.timedelta(days=back) for back in range(-7, 8))
        earliest = self.settings.earliest_release
        releases = (self._underlying.release(day, earliest) for day in days)
        nearest = min((each - at).total_seconds() for each in releases if each > at)
        return min(_IDLE_SECONDS, nearest + 1)
