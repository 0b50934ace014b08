"""The surroundings of some simulated weeks: exchange, crowd, pages, forecaster, windows to play.

The made-up history before the weeks is always the same; what varies with the seed are the weeks'
own counts, their release times, the crowd, and, in eventful hours, the bot's settings. Each week's
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
from typing import Final, assert_never

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mmbot.config import Settings
from mmbot.exchange import exchange_state
from mmbot.exchange.access import Credential
from mmbot.exchange.accounts import Account
from mmbot.exchange.consensus import NoisyOutcome, PosteriorConsensus
from mmbot.exchange.crowd import Crowd, Pace
from mmbot.exchange.exchange_state import ExchangeEvent
from mmbot.exchange.fees import FeeSchedule
from mmbot.exchange.synthetic import LABEL, daily_counts
from mmbot.exchange.timetable import Release, releases, usual_time, varied_time
from mmbot.exchange.tsa_site import TsaSite
from mmbot.exchange.venue import SimulatedVenue
from mmbot.faultlab.hours import MINUTE_MS, Hours, PlayedWindow, played_windows
from mmbot.forecast.model import Forecaster
from mmbot.kalshi.auth import Signer
from mmbot.underlying.calendar import CalendarClock, Week
from mmbot.underlying.counts import Counts, Vintage, assumed_release
from mmbot.units import MONEY_PER_DOLLAR, Milliseconds, Money

FREE_FOR_MAKERS: Final = FeeSchedule()
FIRST_WEEK: Final = Week(dt.date(2026, 10, 18))
_HISTORY_SEED: Final = 1
# The standard deviation of log counts, of a week in common and of each of its days.
_NOISE: Final = 0.025
_STRIKE_STEP: Final = 50_000
# How many strikes below and above the middle: mostly few, to be quick.
_STRIKES_A_SIDE: Final = (3, 3, 3, 5)
_PAGE_DAYS: Final = 30
_BALANCE: Final = Money(10_000 * MONEY_PER_DOLLAR)
_USER, _KEY = "member", "key"
# How long before it opens an event is listed, and how many weeks before its own it may open.
_LISTED_BEFORE: Final = dt.timedelta(hours=5)
_WEEKS_AHEAD: Final = (0, 0, 1)


class CrowdBehaviour(msgspec.Struct, frozen=True):
    """How the other traders, the releases and the page behave in hours of one kind."""

    pace: Pace
    release_time: Callable[[random.Random], dt.timedelta]
    structures: tuple[str, ...]
    # How old a cached copy of the page may be.
    page_age: dt.timedelta
    # Whether the crowd's view follows from the published counts, rather than from the outcome.
    learn: bool


_BEHAVIOURS: Final[MappingProxyType[Hours, CrowdBehaviour]] = MappingProxyType(
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
    windows: tuple[PlayedWindow, ...]
    settings: Settings
    signer: Signer
    venue: SimulatedVenue
    account: Account
    # The account that fills an order of the bot where a fault requires it.
    counterparty: Account
    website: TsaSite
    releases: tuple[Release, ...]
    counts: dict[dt.date, int]
    history: Counts
    forecaster: Forecaster
    clock: CalendarClock


class WindowedCrowd:
    """A crowd that acts only within the played windows, and not while it is paused."""

    def __init__(self, crowd: Crowd, windows: tuple[PlayedWindow, ...]) -> None:
        self._crowd = crowd
        self._windows = windows
        self._current = 0
        self.paused = False

    def next_at(self) -> Milliseconds | None:
        """Return when the crowd acts next: in a window, or when the next one begins."""
        at = None if self.paused else self._crowd.next_at()
        if at is None:
            return None
        windows, current = self._windows, self._current
        while at > windows[current].end:
            current += 1
            if current == len(windows):
                return None
        self._current = current
        return max(at, windows[current].start)

    def enter(self, window: PlayedWindow) -> None:
        """Resume in a window, at its speedup."""
        self._current = self._windows.index(window)
        self._crowd.activity = window.speedup
        self.paused = False

    def act(self, now: Milliseconds) -> None:
        """Perform the actions that are due."""
        self._crowd.act(now)

    def event_listed(self, event: ExchangeEvent, now: Milliseconds) -> None:
        """Handle the listing of another week's event."""
        self._crowd.event_listed(event, now)

    def count_released(self, day: dt.date, now: Milliseconds) -> None:
        """Handle the release of a day's count."""
        self._crowd.count_released(day, now)


def weeks(count: int) -> tuple[Week, ...]:
    """Return the first `count` weeks that are simulated, in order."""
    return tuple(Week(FIRST_WEEK.sunday + dt.timedelta(weeks=i)) for i in range(count))


def build(
    seed: str, played: tuple[Week, ...], hours: Hours, fees: FeeSchedule = FREE_FOR_MAKERS
) -> Scenario:
    """Build the scenario of consecutive weeks for a seed, in a series with these fees."""
    rng = random.Random(f"scene {seed}")
    settings, behaviour = _settings(hours, rng), _BEHAVIOURS[hours]
    history, forecaster, middle = _before(played[0], settings.forecast.method)
    reach = rng.choice(_STRIKES_A_SIDE)
    strikes = tuple(middle + step * _STRIKE_STEP for step in range(-reach, reach))
    # A crowd that learns from the counts must not expect the noise of days to come.
    noise_until = played[0].monday - dt.timedelta(days=1) if behaviour.learn else dt.date.max
    expected, counts = _counts(played, rng, noise_until)
    first_day = played[0].monday - dt.timedelta(days=_PAGE_DAYS)
    planned = releases(first_day, played[-1].sunday, rng, behaviour.release_time)
    windows = played_windows(hours, played, planned, settings.counts.earliest_release)
    start = windows[0].start - MINUTE_MS
    clock = CalendarClock(start, start)
    venue = SimulatedVenue(
        _exchange_settings(strikes, behaviour, rng, fees),
        clock,
        weeks=played[:1],
        counts=counts,
        releases=planned,
        rng=random.Random(f"venue {seed}"),
    )
    key = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(seed.encode()).digest())
    account = venue.exchange.add_member(Credential(_KEY, _USER, key.public_key()), cash=_BALANCE)
    learnt = PosteriorConsensus(expected, counts, _NOISE) if behaviour.learn else None
    venue.participants = WindowedCrowd(_crowd(seed, venue, behaviour.pace, learnt), windows)
    for week in played[1:]:
        _list_in_time(venue, week)
    return Scenario(
        weeks=played,
        windows=windows,
        settings=settings,
        signer=Signer(_KEY, key),
        venue=venue,
        account=account,
        counterparty=venue.exchange.engine.open_account("counterparty", cash=Money(100 * _BALANCE)),
        website=TsaSite(counts, counts, _as_cached(planned, behaviour, rng), clock, LABEL),
        releases=planned,
        counts=counts,
        history=history,
        forecaster=forecaster,
        clock=clock,
    )


def _exchange_settings(
    strikes: tuple[int, ...], behaviour: CrowdBehaviour, rng: random.Random, fees: FeeSchedule
) -> exchange_state.SimulatedExchangeSettings:
    return exchange_state.SimulatedExchangeSettings(
        strikes=strikes,
        structure=rng.choice(behaviour.structures),
        fees=fees,
        tier=rng.choice(("basic", "advanced")),
        weeks_ahead=rng.choice(_WEEKS_AHEAD),
        # To save CPU; over real sockets every signature is verified.
        check_every_signature=False,
    )


def _crowd(
    seed: str, venue: SimulatedVenue, pace: Pace, learnt: PosteriorConsensus | None
) -> Crowd:
    """Return the crowd; where it does not learn from the counts, it sees the outcome blurred."""
    rng = random.Random(f"crowd {seed}")
    consensus = learnt or NoisyOutcome(venue.average, rng)
    return Crowd(venue.exchange, consensus, rng, pace, venue.exchange.clock.wall)


def _list_in_time(venue: SimulatedVenue, week: Week) -> None:
    """Have the exchange list a week on the morning of the day on which it opens."""
    ahead = dt.timedelta(weeks=venue.exchange.settings.weeks_ahead)
    at = venue.exchange.clock.wall_time(week.opens - ahead - _LISTED_BEFORE)

    def add(now: Milliseconds) -> None:
        venue.add_event(week, now)

    venue.schedule(at, add)


def _as_cached(
    planned: tuple[Release, ...], behaviour: CrowdBehaviour, rng: random.Random
) -> tuple[Release, ...]:
    """Return when the bot can read each release: a cache may serve an older copy of the page."""
    return tuple(
        Release(release.at + rng.random() * behaviour.page_age, release.days) for release in planned
    )


def _settings(hours: Hours, rng: random.Random) -> Settings:
    match hours:
        case "eventful":
            return _eventful_settings(rng)
        case "ordinary":
            # As shipped, but orders need not be renewed every minute, one method of the pool is
            # fitted in a fraction of the time, and with both sides quoted there is more to compare.
            tree = {
                "mode": "demo",
                "forecast": {"method": "combined"},
                "quoting": {"sides": "both"},
                "orders": {"lifetime_seconds": 3_600},
            }
            return msgspec.convert(tree, Settings)
        case _:
            assert_never(hours)


def _eventful_settings(rng: random.Random) -> Settings:
    tree = {
        "mode": "demo",
        "counts": {"earliest_release": dt.time(8, 18), "poll_seconds": 20.0},
        "forecast": {"method": "seed"},
        "quoting": {
            "sides": rng.choice(("both", "both", "likelier")),
            "margin": rng.choice((0.02, 0.06)),
            "belief_weight": (1.0,) * 5 if rng.random() < 0.5 else (0.2, 0.1, 0.25, 0.4, 0.55),
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
def _before(week: Week, method: str) -> tuple[Counts, Forecaster, int]:
    """Return the counts before a week, the forecaster fitted to them, and the middle strike."""
    days = daily_counts(week.monday - dt.timedelta(days=1), _HISTORY_SEED)
    history = Counts({day: (Vintage(n, assumed_release(day)),) for day, n in days.items()})
    forecaster = Forecaster.fit(history, method)
    mean = forecaster.belief(history, week, (1,)).mean
    return history, forecaster, round(mean / _STRIKE_STEP) * _STRIKE_STEP


def _counts(
    played: tuple[Week, ...], rng: random.Random, noise_until: dt.date
) -> tuple[dict[dt.date, int], dict[dt.date, int]]:
    """Return the expected counts of the days on the page, and the seed's own counts of them.

    The history has noise up to `noise_until`, and what is to be expected after that.
    """
    first, last = played[0].monday - dt.timedelta(days=_PAGE_DAYS), played[-1].sunday
    made = daily_counts(last, _HISTORY_SEED, noise_until)
    expected = {day: count for day, count in made.items() if day >= first}
    counts = dict(expected)
    for week in played:
        common = rng.gauss(0, _NOISE)
        for day in week.days:
            counts[day] = round(expected[day] * math.exp(common + rng.gauss(0, _NOISE)))
    return expected, counts
