"""The scenario of some simulated weeks: exchange, crowd, pages, forecaster, windows to play.

The synthetic history before the weeks is always the same; the weeks' own counts, their release
times, the crowd and, in eventful hours, the bot's settings vary with the seed. Each week's event is
listed on its Monday, or a week ahead, while the one before still trades.
"""

from __future__ import annotations

import datetime as dt
import functools
import math
import random
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, TypeAlias, assert_never

import msgspec

from mmbot.config import Settings
from mmbot.exchange import exchange_state
from mmbot.exchange.access import Credential
from mmbot.exchange.accounts import Account
from mmbot.exchange.consensus import NoisyOutcome, PosteriorConsensus
from mmbot.exchange.crowd import Crowd, Pace
from mmbot.exchange.exchange_state import ExchangeEvent
from mmbot.exchange.fees import FeeSchedule
from mmbot.exchange.timetable import Release, releases
from mmbot.exchange.venue import SimulatedVenue
from mmbot.exchange.website import Website
from mmbot.faultlab.hours import MINUTE_MS, Hours, PlayedWindow, played_windows
from mmbot.faultlab.shared_key import SharedKey
from mmbot.forecast.fitting import Fit, Forecasters
from mmbot.kalshi.auth import Signer
from mmbot.underlying.calendar import CalendarClock, Week
from mmbot.underlying.counts import Counts, Vintage
from mmbot.underlying.simulated import LABEL
from mmbot.underlying.underlying import Underlying
from mmbot.underlyings.registry import Known, known
from mmbot.units import MONEY_PER_DOLLAR, Milliseconds, Money

FREE_FOR_MAKERS: Final = FeeSchedule()
FIRST_WEEK: Final = Week(dt.date(2026, 10, 18))
_HISTORY_SEED: Final = 1
# The standard deviation of log counts: of the deviation shared by a week, and of each day's own.
_NOISE: Final = 0.025
# How many strikes below and above the middle: mostly few, for speed.
_STRIKES_A_SIDE: Final = (3, 3, 3, 5)
_PAGE_DAYS: Final = 30
_BALANCE: Final = Money(10_000 * MONEY_PER_DOLLAR)
_USER, _KEY = "member", "key"
# How long before its opening an event is listed, and how many weeks ahead of its own it may open.
_LISTED_BEFORE: Final = dt.timedelta(hours=5)
_WEEKS_AHEAD: Final = (0, 0, 1)


# Tables of a config, as in TOML.
Tables: TypeAlias = Mapping[str, Mapping[str, Any]]


class CrowdBehaviour(msgspec.Struct, frozen=True):
    """The behaviour of other traders, releases and the page in hours of one kind."""

    pace: Pace
    # Whether releases are sometimes early or late.
    varied: bool
    structures: tuple[str, ...]
    # How old a cached copy of the page may be.
    page_age: dt.timedelta
    # Whether the crowd's view follows from the published counts, rather than from the outcome.
    learn: bool


_BEHAVIOURS: Final[MappingProxyType[Hours, CrowdBehaviour]] = MappingProxyType(
    {
        "eventful": CrowdBehaviour(
            pace=Pace(takers=450.0, refreshes=200.0),
            varied=False,
            structures=tuple(exchange_state.STRUCTURES),
            page_age=dt.timedelta(0),
            learn=False,
        ),
        "ordinary": CrowdBehaviour(
            pace=Pace(),
            varied=True,
            structures=("linear_cent",),
            page_age=dt.timedelta(minutes=10),
            learn=True,
        ),
    }
)


class Scenario(msgspec.Struct, frozen=True):
    """Everything around the bot, and the bot's own settings."""

    weeks: tuple[Week, ...]
    windows: tuple[PlayedWindow, ...]
    settings: Settings
    underlying: Underlying
    forecasters: Forecasters
    signer: Signer
    venue: SimulatedVenue
    account: Account
    # The account that fills the bot's orders when a fault requires it.
    counterparty: Account
    website: Website
    releases: tuple[Release, ...]
    counts: dict[dt.date, int]
    history: Counts
    fit: Fit
    clock: CalendarClock


class WindowedCrowd:
    """A crowd that acts only within the played windows, and not while paused."""

    def __init__(self, crowd: Crowd, windows: tuple[PlayedWindow, ...]) -> None:
        self._crowd = crowd
        self._windows = windows
        self._current = 0
        self.paused = False
        # When the crowd acts next, if that was looked up since its last action.
        self._looked_up = False
        self._next: Milliseconds | None = None

    def next_at(self) -> Milliseconds | None:
        """Return when the crowd acts next: within a window, or at the start of the next."""
        if self.paused:
            return None
        if not self._looked_up:
            self._next, self._looked_up = self._find_next(), True
        return self._next

    def _find_next(self) -> Milliseconds | None:
        at = self._crowd.next_at()
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
        self.paused = self._looked_up = False

    def act(self, now: Milliseconds) -> None:
        """Perform the actions that are due."""
        self._looked_up = False
        self._crowd.act(now)

    def event_listed(self, event: ExchangeEvent, now: Milliseconds) -> None:
        """Handle the listing of another week's event."""
        self._looked_up = False
        self._crowd.event_listed(event, now)

    def count_released(self, day: dt.date, now: Milliseconds) -> None:
        """Handle the release of a day's count."""
        self._looked_up = False
        self._crowd.count_released(day, now)


def weeks(count: int) -> tuple[Week, ...]:
    """Return the first `count` simulated weeks, in order."""
    return tuple(Week(FIRST_WEEK.sunday + dt.timedelta(weeks=i)) for i in range(count))


def build(
    seed: str,
    played: tuple[Week, ...],
    hours: Hours,
    fees: FeeSchedule = FREE_FOR_MAKERS,
    tables: Tables = MappingProxyType({}),
) -> Scenario:
    """Build the scenario of consecutive weeks for a seed, in a series with these fees.

    The `tables` of a config override drawn settings of the bot.
    """
    rng = random.Random(f"scene {seed}")
    settings, behaviour = _settings(hours, rng, tables), _BEHAVIOURS[hours]
    chosen = known(settings)
    underlying, simulated = chosen.underlying, chosen.underlying.simulated
    history, fit, middle = _before(played[0], settings.forecast.method, chosen)
    strikes = _strikes(middle, simulated.strike_step, rng)
    # A crowd that learns from the counts must not know the noise of future days.
    noise_until = played[0].monday - dt.timedelta(days=1) if behaviour.learn else dt.date.max
    expected, counts = _counts(played, rng, noise_until, underlying)
    planned = _planned(played, behaviour, underlying, rng)
    gate = settings.counts.earliest_release
    windows = played_windows(hours, played, planned, gate, underlying.settles)
    start = windows[0].start - MINUTE_MS
    clock = CalendarClock(start, start)
    listed = _exchange_settings(settings, strikes, behaviour, rng, fees)
    venue = _venue(listed, clock, played, counts, planned, random.Random(f"venue {seed}"))
    key = SharedKey(seed.encode())
    account = venue.exchange.add_member(Credential(_KEY, _USER, key), cash=_BALANCE)
    least = simulated.errors[-1]
    learnt = PosteriorConsensus(expected, counts, _NOISE, least) if behaviour.learn else None
    venue.participants = WindowedCrowd(_crowd(seed, venue, behaviour.pace, learnt), windows)
    cached = _as_cached(planned, behaviour, rng)
    return Scenario(
        weeks=played,
        windows=windows,
        settings=settings,
        underlying=underlying,
        forecasters=chosen.forecasters,
        signer=Signer(_KEY, key),
        venue=venue,
        account=account,
        counterparty=venue.exchange.engine.open_account("counterparty", cash=Money(100 * _BALANCE)),
        website=Website(underlying, counts, counts, cached, clock, LABEL),
        releases=planned,
        counts=counts,
        history=history,
        fit=fit,
        clock=clock,
    )


def _venue(
    settings: exchange_state.SimulatedExchangeSettings,
    clock: CalendarClock,
    played: tuple[Week, ...],
    counts: Mapping[dt.date, int],
    planned: tuple[Release, ...],
    rng: random.Random,
) -> SimulatedVenue:
    """Return a venue on which the first week is listed; the others are listed in time."""
    venue = SimulatedVenue(
        settings, clock, weeks=played[:1], counts=counts, releases=planned, rng=rng
    )
    for week in played[1:]:
        _list_in_time(venue, week)
    return venue


def _planned(
    played: tuple[Week, ...], behaviour: CrowdBehaviour, underlying: Underlying, rng: random.Random
) -> tuple[Release, ...]:
    """Return the releases of these weeks' counts, and of those of the days before them."""
    simulated = underlying.simulated
    first_day = played[0].monday - dt.timedelta(days=_PAGE_DAYS)
    draw = simulated.varied_release_time if behaviour.varied else simulated.release_time
    return releases(first_day, played[-1].sunday, rng, underlying, draw)


def _strikes(middle: int, step: int, rng: random.Random) -> tuple[int, ...]:
    reach = rng.choice(_STRIKES_A_SIDE)
    return tuple(middle + number * step for number in range(-reach, reach))


def _exchange_settings(
    settings: Settings,
    strikes: tuple[int, ...],
    behaviour: CrowdBehaviour,
    rng: random.Random,
    fees: FeeSchedule,
) -> exchange_state.SimulatedExchangeSettings:
    return exchange_state.SimulatedExchangeSettings(
        underlying=known(settings).underlying,
        series=settings.exchange.series,
        strikes=strikes,
        structure=rng.choice(behaviour.structures),
        fees=fees,
        tier=rng.choice(("basic", "advanced")),
        weeks_ahead=rng.choice(_WEEKS_AHEAD),
    )


def _crowd(
    seed: str, venue: SimulatedVenue, pace: Pace, learnt: PosteriorConsensus | None
) -> Crowd:
    """Return the crowd; if it does not learn from the counts, it sees the outcome with noise."""
    rng = random.Random(f"crowd {seed}")
    errors = venue.exchange.settings.underlying.simulated.errors
    consensus = learnt or NoisyOutcome(venue.outcome, errors, rng)
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
    """Return when the bot can read each release, as a cache may serve an old copy of the page."""
    return tuple(
        Release(release.at + rng.random() * behaviour.page_age, release.days) for release in planned
    )


def _settings(hours: Hours, rng: random.Random, tables: Tables) -> Settings:
    drawn = _drawn(hours, rng)
    changed = {name: {**drawn.get(name, {}), **table} for name, table in tables.items()}
    return msgspec.convert({**drawn, **changed}, Settings)


def _drawn(hours: Hours, rng: random.Random) -> dict[str, Any]:
    match hours:
        case "eventful":
            return _eventful_settings(rng)
        case "ordinary":
            # The defaults, except: orders need not be renewed every minute, one method of the pool
            # is fitted in a fraction of the time, and quoting both sides gives more to compare.
            return {
                "mode": "demo",
                "forecast": {"method": "combined"},
                "quoting": {"sides": "both"},
                "orders": {"lifetime_seconds": 3_600},
            }
        case _:
            assert_never(hours)


def _eventful_settings(rng: random.Random) -> dict[str, Any]:
    return {
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


@functools.cache
def _before(week: Week, method: str, chosen: Known) -> tuple[Counts, Fit, int]:
    """Return the counts before a week, a forecaster fitted to them, and the middle strike."""
    underlying = chosen.underlying
    days = underlying.simulated.counts(week.monday - dt.timedelta(days=1), _HISTORY_SEED)
    assumed = underlying.assumed_release
    history = Counts({day: (Vintage(n, assumed(day)),) for day, n in days.items()})
    fit = chosen.forecasters.fit(history, method, None)
    mean, step = fit.predictor.belief(history, week, (1,)).mean, underlying.simulated.strike_step
    return history, fit, round(mean / step) * step


def _counts(
    played: tuple[Week, ...], rng: random.Random, noise_until: dt.date, underlying: Underlying
) -> tuple[dict[dt.date, int], dict[dt.date, int]]:
    """Return the expected counts of the days on the page, and the seed's own counts.

    The expected counts include the history's noise up to `noise_until`.
    """
    first, last = played[0].monday - dt.timedelta(days=_PAGE_DAYS), played[-1].sunday
    made = underlying.simulated.counts(last, _HISTORY_SEED, noise_until)
    expected = {day: count for day, count in made.items() if day >= first}
    counts = dict(expected)
    for week in played:
        common = rng.gauss(0, _NOISE)
        for day in week.days:
            counts[day] = round(expected[day] * math.exp(common + rng.gauss(0, _NOISE)))
    return expected, counts
