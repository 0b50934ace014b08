"""The stage for one simulated week: exchange, crowd, pages, forecaster, and the hours to play.

The history is one and the same made-up history; what varies with the seed are the week's own
counts, when they are released, the crowd, and the bot's limits. A week is played as about eight
sessions of five minutes; between them the crowd sleeps and the clock jumps.
"""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
import math
import random
from typing import Final

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mmbot.config import Settings
from mmbot.forecast.model import SEED, Forecaster
from mmbot.kalshi.auth import Signer
from mmbot.simulator import exchange
from mmbot.simulator.access import Credential
from mmbot.simulator.crowd import Crowd, Pace
from mmbot.simulator.ledger import Account
from mmbot.simulator.synthetic import LABEL, daily_counts
from mmbot.simulator.timetable import Release, releases
from mmbot.simulator.venue import Traders, Venue
from mmbot.simulator.website import Website
from mmbot.tsa.calendar import EASTERN, CalendarClock, Week, to_milliseconds
from mmbot.tsa.counts import Counts, Vintage, assumed_release
from mmbot.units import MONEY_PER_DOLLAR

FIRST_WEEK: Final = Week(dt.date(2026, 10, 18))
MINUTE: Final = 60_000
SESSION: Final = 5 * MINUTE
# The last part of each session, in which nothing breaks and everything has to come right.
CALM: Final = 95_000

_SERIES: Final = "KXTSAW"
_HISTORY_SEED: Final = 1
_NOISE: Final = 0.025
_STRIKE_STEP: Final = 50_000
# So many strikes below and above the middle: mostly few, to be quick.
_STRIKES: Final = (3, 3, 3, 5)
_PAGE_DAYS: Final = 30
_BALANCE: Final = 10_000 * MONEY_PER_DOLLAR
_PACE: Final = Pace(takers=450.0, refreshes=600.0)
_USER, _KEY = "member", "key"


class Window(msgspec.Struct, frozen=True):
    """A session: true milliseconds from `start` to `end`."""

    start: int
    end: int

    @property
    def calm(self) -> int:
        """When nothing breaks any more."""
        return self.end - CALM


class Scene(msgspec.Struct, frozen=True):
    """Everything around the bot, and the bot's own settings."""

    week: Week
    windows: tuple[Window, ...]
    settings: Settings
    signer: Signer
    venue: Venue
    account: Account
    stranger: Account
    website: Website
    releases: tuple[Release, ...]
    counts: dict[dt.date, int]
    history: Counts
    forecaster: Forecaster
    clock: CalendarClock


class Sleepers:
    """A crowd that acts only within the windows, and not once it is frozen."""

    def __init__(self, crowd: Traders, windows: tuple[Window, ...]) -> None:
        self._crowd = crowd
        self._windows = windows
        self._current = 0
        self.frozen = False

    def next_at(self) -> int | None:
        """Return when the crowd acts next: in a window, or when the next one begins."""
        at = self._crowd.next_at()
        if at is None or self.frozen:
            return None
        while self._current < len(self._windows) and at > self._windows[self._current].end:
            self._current += 1
            at = max(at, self._start())
        return max(at, self._start()) if self._current < len(self._windows) else None

    def _start(self) -> int:
        windows = self._windows
        return windows[self._current].start if self._current < len(windows) else 0

    def skip_to(self, window: Window) -> None:
        """Sleep until a window begins."""
        self._current = self._windows.index(window)
        self.frozen = False

    def act(self, now: int) -> None:
        """Do what is due."""
        self._crowd.act(now)

    def released(self, day: dt.date, now: int) -> None:
        """Learn that a day's count is out."""
        self._crowd.released(day, now)


def weeks(count: int) -> list[Week]:
    """Return the weeks that a seed plays, the first of them first."""
    return [Week(FIRST_WEEK.sunday + dt.timedelta(days=7 * i)) for i in range(count)]


def build(seed: str, week: Week) -> Scene:
    """Set the stage of `week` for a seed."""
    rng = random.Random(f"scene {seed}")
    history, forecaster, middle = _past(week)
    reach = rng.choice(_STRIKES)
    strikes = tuple(middle + step * _STRIKE_STEP for step in range(-reach, reach))
    counts = _week_counts(week, rng)
    planned = releases(week.monday - dt.timedelta(days=_PAGE_DAYS), week.sunday, rng)
    windows = _windows(week, planned)
    start = windows[0].start - MINUTE
    clock = CalendarClock(start, start)
    venue = Venue(
        exchange.Settings(
            strikes=strikes,
            structure=rng.choice(tuple(exchange.STRUCTURES)),
            tier=rng.choice(("basic", "advanced")),
        ),
        clock,
        weeks=[week],
        counts=counts,
        releases=planned,
        rng=random.Random(f"venue {seed}"),
    )
    key = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(seed.encode()).digest())
    account = venue.exchange.admit(Credential(_KEY, _USER, key.public_key()), cash=_BALANCE)
    crowd = Crowd(venue.exchange, venue.average, random.Random(f"crowd {seed}"), _PACE, clock.wall)
    venue.traders = Sleepers(crowd, windows)
    return Scene(
        week=week,
        windows=windows,
        settings=_settings(rng),
        signer=Signer(_KEY, key),
        venue=venue,
        account=account,
        stranger=venue.exchange.engine.open_account("stranger", cash=100 * _BALANCE),
        website=Website(counts, counts, planned, clock, LABEL),
        releases=planned,
        counts=counts,
        history=history,
        forecaster=forecaster,
        clock=clock,
    )


def _settings(rng: random.Random) -> Settings:
    tree = {
        "mode": "demo",
        "counts": {"earliest_release": dt.time(8, 18)},
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


@functools.cache
def _past(week: Week) -> tuple[Counts, Forecaster, int]:
    """Return what is known before a week, the forecaster fitted to it, and a strike amidst."""
    days = daily_counts(week.monday - dt.timedelta(days=1), _HISTORY_SEED)
    history = Counts({day: (Vintage(n, assumed_release(day)),) for day, n in days.items()})
    forecaster = Forecaster.fit(history, SEED.name)
    mean = forecaster.belief(history, week, (1,)).mean
    return history, forecaster, round(mean / _STRIKE_STEP) * _STRIKE_STEP


def _week_counts(week: Week, rng: random.Random) -> dict[dt.date, int]:
    counts = daily_counts(week.sunday + dt.timedelta(days=1), _HISTORY_SEED)
    first = week.monday - dt.timedelta(days=_PAGE_DAYS)
    common = rng.gauss(0, _NOISE)
    for day in week.days:
        counts[day] = round(counts[day] * math.exp(common + rng.gauss(0, _NOISE)))
    return {day: count for day, count in counts.items() if first <= day <= week.sunday}


def _windows(week: Week, planned: tuple[Release, ...]) -> tuple[Window, ...]:
    """Return the opening, each release, the pause, the close and the settlement."""
    gate = dt.time(8, 17)
    starts = [to_milliseconds(week.opens) - MINUTE]
    for release in planned:
        if release.days[0] in week.days[:4]:
            # One in three begins before the gate shuts, the others just before the count is out.
            early = release.days[0] == week.days[0]
            at = dt.datetime.combine(release.at.date(), gate, EASTERN) if early else release.at
            starts.append(to_milliseconds(at) - MINUTE)
    pause = dt.datetime.combine(week.days[3], dt.time(2, 58, 30), EASTERN)
    close = week.closes - dt.timedelta(minutes=3)
    settlement = week.settles - dt.timedelta(minutes=1)
    starts += [to_milliseconds(at) for at in (pause, close, settlement)]
    return tuple(Window(start, start + SESSION) for start in sorted(starts))
