"""Vehicles on the ferries of a made-up harbor: an example of how to add another statistic.

It differs from daily travel wherever an underlying can. Each day's count is published in the
afternoon of the next day, weekends included, on one page of JSON; a week settles on the total of
its days, on Monday evening; and its forecaster expects recent counts of each weekday to recur.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import math
import random
import statistics
from collections.abc import Sequence
from typing import Annotated, Final

import msgspec

from mmbot.errors import BadInput
from mmbot.forecast.belief import Belief
from mmbot.forecast.fitting import Fit, Memory, Progress
from mmbot.underlying.calendar import EASTERN, Week
from mmbot.underlying.counts import Counts
from mmbot.underlying.pages import CountsPage, Pages, page_of
from mmbot.underlying.simulated import Simulated
from mmbot.underlying.underlying import Underlying

_LEAST, _MOST = 100, 99_999
_DAY = dt.timedelta(days=1)
_PUBLISHED, _SETTLED = dt.time(15, 0), dt.time(18, 0)

# The page


class _Row(msgspec.Struct, frozen=True):
    day: dt.date
    vehicles: Annotated[int, msgspec.Meta(ge=_LEAST, le=_MOST)]


class _Page(msgspec.Struct, frozen=True):
    """The page: its title, and the days from the first on."""

    title: str
    days: tuple[msgspec.Raw, ...]


def _parse(body: bytes) -> CountsPage:
    """Return the counts on a page; a row that cannot be read does not affect the others."""
    try:
        days = msgspec.json.decode(body, type=_Page).days
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadInput(f"the ferries' page cannot be read: {error}") from None
    rows: list[tuple[dt.date, int]] = []
    doubts: list[str] = []
    for raw in days:
        try:
            row = msgspec.json.decode(raw, type=_Row)
        except (msgspec.DecodeError, UnicodeDecodeError):
            doubts.append(f"{bytes(raw)[:40]!r} is not a day with its vehicles")
        else:
            rows.append((row.day, row.vehicles))
    return page_of(rows, doubts)


def _doubt(
    _counts: Counts,
    day: dt.date,
    count: int,
    _year: int | None,
    seen: dt.datetime,
    *,
    restarted: bool,  # noqa: ARG001 (the only page never restarts)
) -> str:
    return f"{day} has {count:,} before it is over" if day >= seen.date() else ""


# What the simulated exchange makes up

_FIRST: Final = dt.date(2025, 1, 1)
_WEEKDAYS: Final = (4_800, 4_600, 4_700, 5_000, 6_200, 6_900, 6_100)
_NOISE: Final = 0.03


def _made_up(last: dt.date, seed: int, known_until: dt.date = dt.date.max) -> dict[dt.date, int]:
    rng = random.Random(seed)  # noqa: S311 (a simulation needs a seed, not a secret)
    counts = {}
    for number in range((last - _FIRST).days + 1):
        day = _FIRST + number * _DAY
        season = 1 + 0.15 * math.sin((day.timetuple().tm_yday / 365.25 - 0.3) * 2 * math.pi)
        noise = rng.gauss(0, _NOISE) if day <= known_until else 0.0
        counts[day] = round(_WEEKDAYS[day.weekday()] * season * math.exp(noise))
    return counts


def _afternoon(rng: random.Random) -> dt.timedelta:
    return dt.timedelta(hours=14, minutes=50 + 20 * rng.random())


def _rendered(_year: int | None, shown: Sequence[tuple[dt.date, int]], label: str) -> bytes:
    days = [_Row(day, count) for day, count in shown]
    return msgspec.json.encode({"title": f"Vehicles on the ferries ({label})", "days": days})


# The statistic

FERRIES: Final = Underlying(
    name="ferries",
    series="KXFERRYW",
    unit="vehicles",
    value_unit="vehicles a week",
    least=_LEAST,
    most=_MOST,
    release_date=lambda day: day + _DAY,
    early_days=lambda _week: (),
    assumed_release=lambda day: dt.datetime.combine(day + _DAY, _PUBLISHED, EASTERN),
    settles=lambda week: dt.datetime.combine(week.following.monday, _SETTLED, EASTERN),
    outcome=sum,
    pages=Pages(lambda _year: "/ferries/daily.json", _parse, _doubt, "mmbot", by_year=False),
    simulated=Simulated(
        counts=_made_up,
        release_time=_afternoon,
        varied_release_time=_afternoon,
        page=_rendered,
        content_type="application/json",
        strikes=tuple(range(30_000, 50_001, 1_000)),
        strike_step=1_000,
        strike_name=lambda strike: f"T{strike}",
        strike_title=lambda strike: f"Above {strike:,}",
        errors=(1_200.0, 1_000.0, 850.0, 700.0, 500.0, 300.0, 150.0, 20.0),
        title="Vehicles on the ferries in a week (simulated)",
        event_title="Ferry traffic",
        category="Transportation",
        tag="Ferries",
        source="https://ferries.example/daily.json",
        value="total count of the week",
    ),
)

# Its forecaster

_WEEKS_LOOKED_AT: Final = 6
_ENOUGH_WEEKS: Final = 3
_METHOD: Final = "pool"


class _Weekdays(msgspec.Struct, frozen=True):
    """Expects each weekday's recent counts, and more for the rest of a week that begins high.

    The logarithm of each count is its weekday's, plus a deviation that the week's days share plus
    one of its own, both normal with the same standard deviation.

    Attributes:
        expected: The count expected of each weekday, Monday first.
        spread: That standard deviation.
    """

    expected: tuple[float, ...]
    spread: float

    def belief(self, counts: Counts, week: Week, strikes: Sequence[int]) -> Belief:
        """Return the belief of a week at these strikes."""
        known = {day: counts.settling_count(day) for day in counts.published_days(week)}
        open_days = [self.expected[day.weekday()] for day in week.days if day not in known]
        shared = sum(math.log(n / self.expected[day.weekday()]) for day, n in known.items())
        rest = math.exp(shared / (len(known) + 1)) * sum(open_days)
        mean = sum(known.values()) + rest
        variance = rest**2 / (len(known) + 1) + sum(each**2 for each in open_days)
        sd = self.spread * math.sqrt(variance) if open_days else 0.0
        return Belief(
            week=week,
            days_published=len(known),
            strikes=tuple(strikes),
            above=tuple(_above(strike, mean, sd) for strike in strikes),
            mean=mean,
            sd=sd,
            method=_METHOD,
            digest=hashlib.sha256(f"{counts.digest} {self}".encode()).hexdigest()[:16],
        )

    def deviations(self, counts: Counts, day: dt.date, count: int) -> float:
        """Return how far a count is from its forecast, in standard deviations."""
        if not len(counts):
            raise BadInput(f"there is nothing to judge the count of {day} by")
        return math.log(count / self.expected[day.weekday()]) / (self.spread * math.sqrt(2))


def _above(strike: int, mean: float, sd: float) -> float:
    return float(mean > strike) if sd == 0 else 1 - statistics.NormalDist(mean, sd).cdf(strike)


def _whole_weeks(counts: Counts) -> list[Week]:
    """Return those of the last weeks in which every day has a count."""
    last = counts.last_day
    if last is None:
        return []
    running = Week.of(last + _DAY)
    weeks = (Week(running.sunday - 7 * (n + 1) * _DAY) for n in range(_WEEKS_LOOKED_AT))
    return [week for week in weeks if len(counts.published_days(week)) == len(week.days)]


class _Forecasters:
    """Fits the only method to the last weeks, which is quick."""

    methods = (_METHOD,)

    def fit(
        self,
        counts: Counts,
        method: str,
        memory: Memory | None,  # noqa: ARG002 (nothing is kept)
        progress: Progress | None = None,  # noqa: ARG002 (nothing takes long)
        *,
        error_correction: bool = True,  # noqa: ARG002 (nothing is corrected)
    ) -> Fit:
        """Fit it; see `Forecasters`."""
        if method not in self.methods:
            raise BadInput(f"{method!r} is not a forecast method; choose from {self.methods[0]}")
        whole = _whole_weeks(counts)
        if len(whole) < _ENOUGH_WEEKS:
            raise BadInput(f"{len(whole)} whole weeks are too few; {_ENOUGH_WEEKS} are needed")
        table = [[counts.settling_count(day) for day in week.days] for week in whole]
        expected = tuple(statistics.fmean(column) for column in zip(*table, strict=True))
        errors = [math.log(n / e) for row in table for n, e in zip(row, expected, strict=True)]
        return Fit(_Weekdays(expected, max(statistics.pstdev(errors), 0.005)), _METHOD)

    def recall(self, data: bytes) -> Memory:
        """Refuse them: nothing is ever stored."""
        raise BadInput(f"the ferries' forecaster keeps nothing, and these are {len(data)} bytes")


WEEKDAYS: Final = _Forecasters()
