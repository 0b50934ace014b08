"""The stage for some simulated weeks: exchange, crowd, pages, forecaster, and the hours to play.

The history is one and the same made-up history; what varies with the seed are the weeks' own
counts, when they are released, the crowd, and, in eventful hours, the bot's settings. Each week's
event is listed on its Monday, or a week ahead, while the one before still trades.
"""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
import math
import random
from collections.abc import Callable
from types import MappingProxyType
from typing import Final

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mmbot.config import Settings
from mmbot.exchange import exchange_state
from mmbot.exchange.access import Credential
from mmbot.exchange.accounts import Account
from mmbot.exchange.consensus import Blurred, Learnt
from mmbot.exchange.crowd import Crowd, Pace
from mmbot.exchange.exchange_state import ExchangeEvent
from mmbot.exchange.synthetic import LABEL, daily_counts
from mmbot.exchange.timetable import Release, releases, usual_time, varied_time
from mmbot.exchange.tsa_site import TsaSite
from mmbot.exchange.venue import SimulatedVenue
from mmbot.faultlab.hours import MINUTE, Hours, PlayedSession, played_sessions
from mmbot.forecast.model import Forecaster
from mmbot.kalshi.auth import Signer
from mmbot.tsa.calendar import CalendarClock, Week
from mmbot.tsa.counts import Counts, Vintage, assumed_release
from mmbot.units import MONEY_PER_DOLLAR

FIRST_WEEK: Final = Week(dt.date(2026, 10, 18))
_SERIES: Final = "KXTSAW"
_HISTORY_SEED: Final = 1
_NOISE: Final = 0.025
_STRIKE_STEP: Final = 50_000
# So many strikes below and above the middle: mostly few, to be quick.
_STRIKES: Final = (3, 3, 3, 5)
_PAGE_DAYS: Final = 30
_BALANCE: Final = 10_000 * MONEY_PER_DOLLAR
_USER, _KEY = "member", "key"
# How long before it opens an event is listed, and how many weeks before its own it may open.
_LISTED_BEFORE: Final = dt.timedelta(hours=5)
_WEEKS_AHEAD: Final = (0, 0, 1)


class CrowdBehaviour(msgspec.Struct, frozen=True):
    """How everyone else behaves in hours of one kind."""

    pace: Pace
    release_time: Callable[[random.Random], dt.timedelta]
    structures: tuple[str, ...]
    # How old the page may be that the bot is shown.
    page_age: dt.timedelta
    # Whether what they think follows from the counts, rather than from the outcome.
    learn: bool


_HABITS: Final[MappingProxyType[Hours, CrowdBehaviour]] = MappingProxyType(
    {
        "eventful": CrowdBehaviour(
            Pace(takers=450.0, refreshes=200.0),
            usual_time,
            tuple(exchange_state.STRUCTURES),
            dt.timedelta(0),
            learn=False,
        ),
        "ordinary": CrowdBehaviour(
            Pace(), varied_time, ("linear_cent",), dt.timedelta(minutes=10), learn=True
        ),
    }
)


class Scenario(msgspec.Struct, frozen=True):
    """Everything around the bot, and the bot's own settings."""

    weeks: tuple[Week, ...]
    windows: tuple[PlayedSession, ...]
    settings: Settings
    signer: Signer
    venue: SimulatedVenue
    account: Account
    stranger: Account
    website: TsaSite
    releases: tuple[Release, ...]
    counts: dict[dt.date, int]
    history: Counts
    forecaster: Forecaster
    clock: CalendarClock


class SleepingCrowd:
    """A crowd that acts only within the windows, and not once it is frozen."""

    def __init__(self, crowd: Crowd, windows: tuple[PlayedSession, ...]) -> None:
        self._crowd = crowd
        self._windows = windows
        self._current = 0
        self.frozen = False

    def next_at(self) -> int | None:
        """Return when the crowd acts next: in a window, or when the next one begins."""
        at = self._crowd.next_at()
        if at is None or self.frozen:
            return None
        windows = self._windows
        while self._current < len(windows) and at > windows[self._current].end:
            self._current += 1
        if self._current == len(windows):
            return None
        start = windows[self._current].start
        return max(at, start)

    def skip_to(self, window: PlayedSession) -> None:
        """Sleep until a window begins."""
        self._current = self._windows.index(window)
        self._crowd.hurry = window.hurry
        self.frozen = False

    def act(self, now: int) -> None:
        """Do what is due."""
        self._crowd.act(now)

    def listed(self, event: ExchangeEvent, now: int) -> None:
        """Learn of another week's event."""
        self._crowd.listed(event, now)

    def released(self, day: dt.date, now: int) -> None:
        """Learn that a day's count is out."""
        self._crowd.released(day, now)


def weeks(count: int) -> tuple[Week, ...]:
    """Return the weeks that a seed plays, the first of them first."""
    return tuple(Week(FIRST_WEEK.sunday + dt.timedelta(weeks=i)) for i in range(count))


def build(seed: str, played: tuple[Week, ...], hours: Hours) -> Scenario:
    """Set the stage of consecutive weeks for a seed."""
    rng = random.Random(f"scene {seed}")
    settings, habits = _SETTINGS[hours](rng), _HABITS[hours]
    history, forecaster, middle = _past(played[0], settings.forecast.method)
    reach = rng.choice(_STRIKES)
    strikes = tuple(middle + step * _STRIKE_STEP for step in range(-reach, reach))
    # Those who learn from the counts cannot expect the noise of days to come.
    known_until = played[0].monday - dt.timedelta(days=1) if habits.learn else dt.date.max
    expected, counts = _counts(played, rng, known_until)
    first_day = played[0].monday - dt.timedelta(days=_PAGE_DAYS)
    planned = releases(first_day, played[-1].sunday, rng, habits.release_time)
    sessions = played_sessions(hours, played, planned, settings.counts.earliest_release)
    start = sessions[0].start - MINUTE
    clock = CalendarClock(start, start)
    venue = SimulatedVenue(
        exchange_state.SimulatedExchangeSettings(
            strikes=strikes,
            structure=rng.choice(habits.structures),
            tier=rng.choice(("basic", "advanced")),
            weeks_ahead=rng.choice(_WEEKS_AHEAD),
        ),
        clock,
        weeks=played[:1],
        counts=counts,
        releases=planned,
        rng=random.Random(f"venue {seed}"),
    )
    key = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(seed.encode()).digest())
    account = venue.exchange.admit(Credential(_KEY, _USER, key.public_key()), cash=_BALANCE)
    crowd_rng = random.Random(f"crowd {seed}")
    blurred, learnt = Blurred(venue.average, crowd_rng), Learnt(expected, counts, _NOISE)
    consensus = learnt if habits.learn else blurred
    crowd = Crowd(venue.exchange, consensus, crowd_rng, habits.pace, clock.wall)
    venue.traders = SleepingCrowd(crowd, sessions)
    for week in played[1:]:
        _list_in_time(venue, week)
    return Scenario(
        weeks=played,
        windows=sessions,
        settings=settings,
        signer=Signer(_KEY, key),
        venue=venue,
        account=account,
        stranger=venue.exchange.engine.open_account("stranger", cash=100 * _BALANCE),
        website=TsaSite(counts, counts, _as_cached(planned, habits, rng), clock, LABEL),
        releases=planned,
        counts=counts,
        history=history,
        forecaster=forecaster,
        clock=clock,
    )


def _list_in_time(venue: SimulatedVenue, week: Week) -> None:
    """Have the exchange list a week on the morning of the day on which it opens."""
    ahead = dt.timedelta(weeks=venue.exchange.settings.weeks_ahead)
    at = venue.exchange.clock.wall_time(week.opens - ahead - _LISTED_BEFORE)

    def add(now: int) -> None:
        venue.add_event(week, now)

    venue.at(at, add)


def _as_cached(
    planned: tuple[Release, ...], habits: CrowdBehaviour, rng: random.Random
) -> tuple[Release, ...]:
    """Return the releases as the bot's reads see them: a copy of the page may be kept a while."""
    return tuple(
        Release(release.at + rng.random() * habits.page_age, release.days) for release in planned
    )


def _ordinary_settings(_: random.Random) -> Settings:
    """Return what the bot is shipped with, but that orders need not be renewed every minute."""
    tree = {"mode": "demo", "orders": {"lifetime_seconds": 3_600}}
    return msgspec.convert(tree, Settings)


def _eventful_settings(rng: random.Random) -> Settings:
    tree = {
        "mode": "demo",
        "counts": {"earliest_release": dt.time(8, 18), "poll_seconds": 20.0},
        "forecast": {"method": "seed"},
        "quoting": {
            "sides": rng.choice(("both", "both", "likelier")),
            "margin": rng.choice((0.02, 0.06)),
            "belief_weight": (1.0,) * 5 if rng.random() < 0.5 else (0.2, 0.2, 0.3, 0.4, 0.6),
            "contracts": rng.choice((5, 20)),
            "size_by_known": (1.0,) * 5,
            "kelly_fraction": 1.0,
            "minimum_edge_cents": 1.0,
            "uncertainty_edge": 0.0,
            "lowest_bid_cents": 0.0,
            "reprice_tolerance_cents": rng.choice((0.0, 1.0)),
            "minimum_rest_seconds": rng.choice((0.0, 0.5)),
        },
        "limits": {
            "contracts_per_market": rng.choice((20, 60)),
            "event_loss_dollars": rng.choice((10.0, 25.0, 80.0)),
            "contracts_per_15_seconds": rng.choice((20, 60)),
            "daily_loss_dollars": 1_000.0,
        },
        "orders": {"lifetime_seconds": rng.choice((10, 20, 60))},
    }
    return msgspec.convert(tree, Settings)


_SETTINGS: Final[MappingProxyType[Hours, Callable[[random.Random], Settings]]] = MappingProxyType(
    {"eventful": _eventful_settings, "ordinary": _ordinary_settings}
)


@functools.cache
def _past(week: Week, method: str) -> tuple[Counts, Forecaster, int]:
    """Return what is known before a week, the forecaster fitted to it, and a strike amidst."""
    days = daily_counts(week.monday - dt.timedelta(days=1), _HISTORY_SEED)
    history = Counts({day: (Vintage(n, assumed_release(day)),) for day, n in days.items()})
    forecaster = Forecaster.fit(history, method)
    mean = forecaster.belief(history, week, (1,)).mean
    return history, forecaster, round(mean / _STRIKE_STEP) * _STRIKE_STEP


def _counts(
    played: tuple[Week, ...], rng: random.Random, known_until: dt.date
) -> tuple[dict[dt.date, int], dict[dt.date, int]]:
    """Return what was to be expected of the days on the page, and the seed's own counts of them.

    The history ends on `known_until`: nothing of its noise is to be expected after that.
    """
    first, last = played[0].monday - dt.timedelta(days=_PAGE_DAYS), played[-1].sunday
    made = daily_counts(last, _HISTORY_SEED, known_until)
    expected = {day: count for day, count in made.items() if day >= first}
    counts = dict(expected)
    for week in played:
        common = rng.gauss(0, _NOISE)
        for day in week.days:
            counts[day] = round(expected[day] * math.exp(common + rng.gauss(0, _NOISE)))
    return expected, counts
