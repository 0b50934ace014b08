"""Daily counts with their vintages: each value published for a day, and when it was first seen.

`Counts` is an immutable value; an observation makes a new one. Contracts settle on what the page
showed at the time, so forecasts are fitted to published counts. Archived counts, from the page of
a past year, are used only for days without a published one.
"""

from __future__ import annotations

import datetime as dt
import enum
import hashlib
import math
from collections.abc import Callable, Mapping
from functools import cached_property
from types import MappingProxyType

import msgspec

from mmbot.errors import BadInput
from mmbot.underlying.calendar import EASTERN, Week, to_milliseconds

# No statistic counts more in a day; the bounds of each are its own.
_MOST = 10**12


class Vintage(msgspec.Struct, frozen=True):
    """One value of a day's count.

    Attributes:
        count: How many were counted.
        seen: When it was first seen, or is assumed to have been published.
        archived: Whether it is from the page of a past year.
    """

    count: int
    seen: dt.datetime
    archived: bool = False


class CountChange(enum.Enum):
    """The effect of an observation."""

    NEW_DAY = "new day"
    REVISION = "revision"
    NOTHING = "nothing"


class Counts(msgspec.Struct, frozen=True, dict=True):
    """Every vintage of every day, by day and in the order they were seen."""

    vintages: Mapping[dt.date, tuple[Vintage, ...]] = MappingProxyType({})

    def __reduce__(self) -> tuple[Callable[..., Counts], tuple[object, ...]]:
        # A read-only mapping cannot be sent to another process as it is.
        return _of_dict, (dict(self.vintages),)

    def __contains__(self, day: object) -> bool:
        return day in self.vintages

    def __len__(self) -> int:
        return len(self.vintages)

    def first_published(self, day: dt.date) -> int:
        """Return the first published count of `day`, or the archived one if there is no other."""
        held = self.vintages[day]
        return next((v for v in held if not v.archived), held[0]).count

    def settling_count(self, day: dt.date, due: dt.datetime | None = None) -> int:
        """Return the count that `day` settles on.

        The first published count, or its last revision before the settlement; the archived count if
        there is no other.

        Args:
            day: The day.
            due: When its week is settled; on the Monday after it unless given.
        """
        held = self.vintages[day]
        published = [v for v in held if not v.archived]
        if len(published) < 2:
            return (published or held)[0].count
        due = due or Week.of(day).settles
        in_time = [v.count for v in published if v.seen < due]
        return in_time[-1] if in_time else published[0].count

    def latest(self, day: dt.date) -> int:
        """Return the count of `day` that was seen last."""
        return self.vintages[day][-1].count

    def was_shown(self, day: dt.date, count: int) -> bool:
        """Return whether some page has shown `count` for `day`."""
        return any(v.count == count for v in self.vintages.get(day, ()))

    def is_archived(self, day: dt.date) -> bool:
        """Return whether `day` has only an archived count."""
        return all(v.archived for v in self.vintages[day])

    @cached_property
    def last_day(self) -> dt.date | None:
        """The last day with a count."""
        return max(self.vintages, default=None)

    def published_days(self, week: Week) -> tuple[dt.date, ...]:
        """Return the days of `week` that have a count, in order."""
        return tuple(day for day in week.days if day in self.vintages)

    def as_of(self, at: dt.datetime) -> Counts:
        """Return the counts that had been seen by the instant `at`."""
        # Between two datetimes of one zone object Python would compare wall clocks, not instants.
        at = at.astimezone(dt.UTC)
        kept = (
            (day, tuple(v for v in held if v.seen <= at)) for day, held in self.vintages.items()
        )
        return Counts(MappingProxyType({day: held for day, held in kept if held}))

    def up_to(self, last: dt.date) -> Counts:
        """Return the counts of the days up to and including `last`."""
        kept = {day: held for day, held in self.vintages.items() if day <= last}
        return Counts(MappingProxyType(kept))

    def observe(
        self, day: dt.date, count: int, seen: dt.datetime, *, archived: bool = False
    ) -> tuple[Counts, CountChange]:
        """Return the counts with what a page showed for `day` at the instant `seen`.

        Raises:
            BadInput: The count is out of bounds, or the day was not over at `seen`.
        """
        if not 0 < count <= _MOST:
            raise BadInput(f"{count:,} on {day} cannot be a count of a day")
        if seen.astimezone(EASTERN).date() <= day:
            raise BadInput(f"a count of {day} cannot be out at {seen:%Y-%m-%d %H:%M %Z}")
        held = self.vintages.get(day, ())
        # A day may be given out of order, as by a file whose times are assumed.
        at = to_milliseconds(seen)
        before = [v for v in held if to_milliseconds(v.seen) <= at] or held[:1]
        if before and before[-1].count == count:
            return self, CountChange.NOTHING
        grown = (*held, Vintage(count, seen, archived))
        ordered = tuple(sorted(grown, key=lambda v: to_milliseconds(v.seen)))
        # A view's own union copies what it shows at once, and not day by day.
        changed = MappingProxyType(self.vintages) | {day: ordered}
        return _of_dict(changed), CountChange.REVISION if held else CountChange.NEW_DAY

    @cached_property
    def digest(self) -> str:
        """The digest of the exact content: sixteen hexadecimal digits."""
        lines = (
            f"{day},{v.count},{to_milliseconds(v.seen)},{v.archived}\n"
            for day in sorted(self.vintages)
            for v in self.vintages[day]
        )
        return hashlib.sha256("".join(lines).encode()).hexdigest()[:16]

    def series(self) -> tuple[dt.date, list[float]]:
        """Return the first day, and the settling count of each day from there on, NaN in a gap.

        Raises:
            BadInput: There are no counts.
        """
        if self.last_day is None:
            raise BadInput("there are no daily counts; read some from a file or from their page")
        first = min(self.vintages)
        start = first.toordinal()
        values = [math.nan] * (self.last_day.toordinal() - start + 1)
        for day, held in self.vintages.items():
            # Nearly every day has one count, on which it settles.
            count = held[0].count if len(held) == 1 else self.settling_count(day)
            values[day.toordinal() - start] = count
        return first, values


def _of_dict(vintages: dict[dt.date, tuple[Vintage, ...]]) -> Counts:
    return Counts(MappingProxyType(vintages))


def missing_days(counts: Counts) -> tuple[dt.date, ...]:
    """Return the days between the first and the last with a count that have none."""
    if counts.last_day is None:
        return ()
    first = min(counts.vintages)
    days = (first + dt.timedelta(days=n) for n in range((counts.last_day - first).days))
    return tuple(day for day in days if day not in counts)
