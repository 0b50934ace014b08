"""A synthetic history of daily counts, for use without the real one.

Generated from published aggregates: the level of each year, the weekly and yearly seasonality,
holidays, and autocorrelated noise of about 3 %. It only resembles the real series.
"""

from __future__ import annotations

import datetime as dt
import math
import random
from typing import Final

FIRST_DAY: Final = dt.date(2022, 1, 1)

# Mean daily count, in millions (TSA's yearly totals over the days of the year).
_LEVEL: Final = {2022: 2.08, 2023: 2.35, 2024: 2.47, 2025: 2.48}
_GROWTH: Final = 1.01
# Monday to Sunday.
_WEEKDAY: Final = (1.03, 0.90, 0.93, 1.04, 1.08, 0.93, 1.09)
# Middle of each month, January to December.
_MONTH: Final = (0.87, 0.90, 1.01, 1.00, 1.03, 1.08, 1.08, 1.02, 0.97, 1.01, 0.98, 1.01)
_NOISE: Final = 0.03
_PERSISTENCE: Final = 0.6
# Fixed holidays: (month, day): factors of the days around, from two days before.
_FIXED: Final = {
    (1, 1): (1.05, 0.95, 0.85, 1.05, 1.05),
    (7, 4): (1.04, 1.05, 0.80, 1.00, 1.03),
    (12, 25): (1.05, 0.88, 0.72, 1.05, 1.10),
}
# Thanksgiving is the fourth Thursday of November.
_THANKSGIVING: Final = (1.08, 1.12, 0.65, 0.85, 1.05, 1.14, 1.08)
_HOLIDAY_LEAD: Final = 2


def daily_counts(
    last: dt.date, seed: int, known_until: dt.date = dt.date.max
) -> dict[dt.date, int]:
    """Return a count for every day from `FIRST_DAY` to `last`, the same for the same seed.

    Days after `known_until` have their expected count as of that day: the noise decays, and no new
    noise is added.
    """
    rng = random.Random(seed)
    holidays = _holidays(range(FIRST_DAY.year, last.year + 2))
    counts, noise = {}, 0.0
    innovation = _NOISE * math.sqrt(1 - _PERSISTENCE**2)
    for i in range((last - FIRST_DAY).days + 1):
        day = FIRST_DAY + dt.timedelta(days=i)
        noise = _PERSISTENCE * noise + (rng.gauss(0, innovation) if day <= known_until else 0.0)
        expected = 1e6 * _level(day) * _WEEKDAY[day.weekday()] * _season(day)
        counts[day] = round(expected * holidays.get(day, 1.0) * math.exp(noise))
    return counts


def _level(day: dt.date) -> float:
    last_known = max(_LEVEL)
    if day.year <= last_known:
        return _LEVEL[day.year]
    return _LEVEL[last_known] * _GROWTH ** (day.year - last_known)


def _season(day: dt.date) -> float:
    """Interpolate between the middles of the months."""
    position = (day.timetuple().tm_yday - 15) / 30.44
    whole = math.floor(position)
    part = position - whole
    return _MONTH[whole % 12] * (1 - part) + _MONTH[(whole + 1) % 12] * part


def _holidays(years: range) -> dict[dt.date, float]:
    factors: dict[dt.date, float] = {}
    for year in years:
        november = dt.date(year, 11, 1)
        fourth_thursday = november + dt.timedelta(days=(3 - november.weekday()) % 7 + 21)
        for day, shape in [
            *((dt.date(year, *date), shape) for date, shape in _FIXED.items()),
            (fourth_thursday, _THANKSGIVING),
        ]:
            for i, factor in enumerate(shape):
                factors[day + dt.timedelta(days=i - _HOLIDAY_LEAD)] = factor
    return factors
