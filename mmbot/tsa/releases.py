"""When TSA publishes: on the next weekday, on some holiday weekends earlier."""

from __future__ import annotations

import datetime as dt

from mmbot.underlying.calendar import EASTERN, Week
from mmbot.underlying.holidays import is_holiday_weekend

_NINE = dt.time(9, 0)


def release_date(day: dt.date) -> dt.date:
    """Return the date on which TSA is expected to publish the count of `day`.

    The next weekday: counts of Friday, Saturday and Sunday are all published on Monday.
    """
    return day + dt.timedelta(days={4: 3, 5: 2}.get(day.weekday(), 1))


def early_days(week: Week) -> tuple[tuple[dt.date, dt.date], ...]:
    """Return the days whose count may be published before Monday, each with the date.

    On a holiday weekend Friday's may come on Saturday and Saturday's on Sunday.
    """
    friday, saturday = week.days[4:6]
    if not is_holiday_weekend(saturday):
        return ()
    return (friday, saturday), (saturday, week.sunday)


def assumed_release(day: dt.date) -> dt.datetime:
    """Return the assumed release of `day`, where no time was recorded: 09:00 in New York.

    In 2022 every count was published on the next day; since then weekends are published on Monday.
    """
    date = day + dt.timedelta(days=1) if day.year == 2022 else release_date(day)
    return dt.datetime.combine(date, _NINE, EASTERN)
