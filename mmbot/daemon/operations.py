"""The daemon's side of the operator's requests.

What has to survive a restart is committed to the ledger before it takes effect. A halt takes effect
even if it cannot be stored, and its report says so: resting quotes are the greater danger.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import sqlite3
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, assert_never

import msgspec
import structlog

from mmbot.bot.bot import Bot
from mmbot.bot.inputs import BotInput, CountsGivenUp, EventOccurred
from mmbot.config import Difference, Settings, differences, merged
from mmbot.config.checking import as_toml
from mmbot.daemon.dashboard_events import DashboardParts
from mmbot.daemon.ledger import Ledger
from mmbot.daemon.ledger_fills import list_fills
from mmbot.daemon.ledger_writer import LedgerWriter
from mmbot.daemon.market_pauses import LOOK_SECONDS, STORE_SECONDS, MarketPauses, why_not_kept
from mmbot.daemon.reloading import Reloader
from mmbot.daemon.steps import run_steps
from mmbot.daemon_api import (
    Answer,
    ChangedKey,
    CountDay,
    CountSighting,
    CountsReport,
    CountState,
    DashboardReport,
    Explain,
    Explanation,
    FillsReport,
    FindDashboard,
    Halt,
    HaltReport,
    ListCounts,
    ListFills,
    MissCount,
    MissingReport,
    PauseMarket,
    Plan,
    PlannedMarket,
    PlanReport,
    Refused,
    Reload,
    ReloadReport,
    Request,
    Resume,
    ResumeReport,
    Status,
    Step,
    UnpauseMarket,
)
from mmbot.errors import BadInput
from mmbot.status_report import StatusReport, StatusSteps, Surroundings, finished
from mmbot.trading.engine import Engine
from mmbot.trading.market_names import named_market
from mmbot.trading.operator_events import Halted, Resumed
from mmbot.trading.state import TradingState
from mmbot.underlying.calendar import Week
from mmbot.underlying.counts import Counts
from mmbot.underlying.underlying import Underlying
from mmbot.units import Milliseconds

# How long the answer to a halt waits for the last order to be off.
HALT_SECONDS = 20.0
# What a plan may change: any other setting is not the engine's, or needs a restart.
_PLANNED = ("quoting", "limits", "orders")


_NO_DASHBOARD = DashboardReport("", "", "it has none")


class Observer(msgspec.Struct, frozen=True):
    """How the state of a running bot is shown.

    Attributes:
        heartbeat: The events and fields to log at a heartbeat.
        status: The whole status.
        explain: The steps from the counts to the orders of one market.
        plan: Every market's quotes under the settings in force and under others.
        dashboard: What the dashboard is made of; without it there is none.
    """

    heartbeat: Callable[[StatusReport], list[tuple[str, dict[str, Any]]]]
    status: Callable[[TradingState, Counts, Surroundings, Milliseconds], StatusSteps]
    explain: Callable[[TradingState, Counts, str, Milliseconds], tuple[Step, ...]]
    plan: Callable[[Engine, Settings, Milliseconds], tuple[PlannedMarket, ...]]
    dashboard: DashboardParts | None = None


class Operations:
    """Answers the operator's requests to one daemon."""

    def __init__(
        self,
        settings: Settings,
        bot: Bot,
        ledger: LedgerWriter,
        handle: Callable[[BotInput], None],
        wall_clock: Callable[[], Milliseconds],
        observer: Observer,
        around: Callable[[], Surroundings] = Surroundings,
        reloader: Reloader | None = None,
        dashboard: Callable[[], DashboardReport] = lambda: _NO_DASHBOARD,
    ) -> None:
        """Begin without a request.

        Args:
            settings: The settings that the daemon runs with.
            bot: The bot that trades; only read.
            ledger: Stores halts and missing counts, which survive a restart.
            handle: Gives the bot an input and executes its outputs.
            wall_clock: The time in milliseconds.
            observer: Explains, plans, and shows the status.
            around: Returns the parts of a status that the bot does not know.
            reloader: Puts an edited config in force, if it can be.
            dashboard: Returns where the dashboard is.
        """
        self._started_with = settings
        self._reloader = reloader
        self._bot = bot
        self._ledger = ledger
        self._handle = handle
        self._wall_clock = wall_clock
        self._observer = observer
        self._around = around
        self._dashboard = dashboard
        self._pauses = MarketPauses(bot.engine.state, ledger, handle, wall_clock)
        self._log = structlog.get_logger()

    async def answer(self, request: Request) -> Answer:
        """Execute a request and return its answer."""
        try:
            match request:
                case Halt():
                    return await self._halt(request)
                case PauseMarket():
                    return await self._pauses.pause(request.ticker)
                case Reload():
                    return await self._reload()
                case _:
                    return await self._answer_soon(request)
        except BadInput as error:
            return Refused(str(error))
        except sqlite3.Error as error:
            return Refused(f"the ledger cannot store it ({error}); nothing has changed")

    async def _answer_soon(
        self,
        request: Resume
        | MissCount
        | ListCounts
        | Explain
        | Plan
        | Status
        | UnpauseMarket
        | ListFills
        | FindDashboard,
    ) -> Answer:
        match request:
            case Resume():
                return await self._resume()
            case MissCount():
                return await self._miss_count(request.day)
            case ListCounts():
                return self._list_counts()
            case Explain():
                return self._explain(request.ticker)
            case Plan():
                return self._plan(request.settings)
            case Status():
                return self.status()
            case UnpauseMarket():
                return await self._pauses.unpause(request.ticker)
            case ListFills():
                return await self._fills(request)
            case FindDashboard():
                return self._dashboard()
            case _:
                assert_never(request)

    @property
    def _state(self) -> TradingState:
        return self._bot.engine.state

    # Stored requests

    async def recall(self) -> None:
        """Give the bot the halt and the missing counts that the ledger has stored."""
        halt = await self._ledger.submit(Ledger.halt)
        if halt is not None:
            self._handle(EventOccurred(halt))
        await self._pauses.recall()
        await self._give_counts_up()

    async def _give_counts_up(self) -> None:
        days = await self._ledger.submit(Ledger.missing_counts)
        self._handle(CountsGivenUp(tuple(days)))

    # Halt and resume

    async def _halt(self, request: Halt) -> HaltReport:
        started = time.monotonic()
        halt = Halted(self._wall_clock(), request.reason)
        storing = self._ledger.submit(lambda ledger: ledger.store_halt(halt))
        # Stored first, but a slow disk must not keep the quotes on.
        await asyncio.wait({storing}, timeout=STORE_SECONDS)
        if storing.done() and storing.exception() is None:
            halt = storing.result()
        live = self._live()
        self._handle(EventOccurred(halt))
        await self._wait_until_off(started + HALT_SECONDS)
        not_kept = await why_not_kept(storing, started + HALT_SECONDS)
        if not_kept:
            self._log.error("halt.not_kept", reason=not_kept)
        return HaltReport(
            since=halt.since,
            reason=halt.reason,
            running=True,
            live=live,
            left=self._live(),
            account_read=self._state.service.reconciled,
            seconds=round(time.monotonic() - started, 3),
            not_kept=not_kept,
        )

    async def _wait_until_off(self, deadline: float) -> None:
        while self._live() or not self._state.service.reconciled:
            if time.monotonic() >= deadline or not self._state.service.halted:
                return
            await asyncio.sleep(LOOK_SECONDS)

    def _live(self) -> int:
        return sum(order.remaining > 0 for order in self._state.orders)

    async def _resume(self) -> ResumeReport:
        now = self._wall_clock()
        halt = await self._ledger.submit(Ledger.halt)
        await self._ledger.submit(lambda ledger: ledger.end_halt(now))
        service = self._state.service
        since, reason = (halt.since, halt.reason) if halt else (None, "")
        if service.halted:
            # A halt that could not be stored was in force all the same.
            since, reason = service.halted_since, service.halt_reason
            self._handle(EventOccurred(Resumed()))
        return ResumeReport(since, reason, running=True)

    async def _fills(self, request: ListFills) -> FillsReport:
        directory, now = Path(self._around().directory), self._wall_clock()
        return await asyncio.to_thread(
            list_fills, directory, request.event, request.most, now, running=True
        )

    async def _reload(self) -> ReloadReport:
        if self._reloader is None:
            raise BadInput("this daemon only records, and does not reload settings")
        found = await self._reloader.reload()
        return ReloadReport(_shown(found.changed), _shown(found.waits))

    # Counts

    async def _miss_count(self, day: dt.date) -> MissingReport:
        now = self._wall_clock()
        weeks = {event.week for event in self._state.events.values()}
        if Week.of(day) not in weeks:
            listed = ", ".join(str(week.sunday) for week in sorted(weeks)) or "none yet"
            raise BadInput(f"{day} is in no listed week; the listed weeks end on: {listed}")
        counts = self._bot.counts
        underlying = self._state.underlying
        if day in counts:
            published = f"{counts.latest(day):,} {underlying.unit}"
            raise BadInput(f"the count of {day} is published: {published}")
        release = underlying.release(day, self._state.settings.counts.earliest_release)
        if self._state.clock.at(now) < release:
            raise BadInput(f"the count of {day} is not due before {release:%Y-%m-%d %H:%M %Z}")
        await self._ledger.submit(lambda ledger: ledger.add_missing_count(day, now))
        await self._give_counts_up()
        return MissingReport(tuple(sorted(self._state.missing)))

    def _list_counts(self) -> CountsReport:
        counts = self._bot.counts
        if not len(counts):
            raise BadInput("the daemon has not read the counts yet; try again in a moment")
        earliest = self._state.settings.counts.earliest_release
        now = self._state.clock.at(self._wall_clock())
        return CountsReport(
            count_days(self._state.underlying, counts, self._state.missing, now, earliest)
        )

    # Questions

    def _explain(self, text: str) -> Explanation:
        ticker, now = named_market(text, self._state.event_of_market), self._wall_clock()
        return Explanation(
            ticker, self._observer.explain(self._state, self._bot.counts, ticker, now)
        )

    def status(self) -> StatusReport:
        """Return the status."""
        return finished(self._status_steps())

    async def status_in_turns(self) -> StatusReport:
        """Return the status, but let frames be handled after each of its events."""
        return await run_steps(self._status_steps(), lambda _: asyncio.sleep(0))

    def _status_steps(self) -> StatusSteps:
        bot, now = self._bot, self._wall_clock()
        around = msgspec.structs.replace(
            self._around(),
            stream_age_ms=bot.feed_age(now),
            orders_age_ms=bot.own_age(now),
            page_age_ms=bot.page_age(now),
            unknown_words=bot.unknown_words,
        )
        return self._observer.status(self._state, bot.counts, around, now)

    def _plan(self, settings: Settings) -> PlanReport:
        in_force = self._started_with if self._reloader is None else self._reloader.settings
        for key in differences(in_force, settings):
            if key.partition(".")[0] not in _PLANNED:
                raise BadInput(
                    f"{key} differs from the daemon's; a plan can only try other values in "
                    f"{', '.join(f'[{name}]' for name in _PLANNED)}"
                )
        tried = {name: getattr(settings, name) for name in _PLANNED}
        edited = msgspec.structs.replace(self._state.settings, **tried)
        found = merged(self._state.settings, edited)
        markets = self._observer.plan(self._bot.engine, edited, self._wall_clock())
        return PlanReport(markets, _shown(found.changed), _shown(found.waits))


def _shown(changes: tuple[Difference, ...]) -> tuple[ChangedKey, ...]:
    return tuple(ChangedKey(each.key, as_toml(each.old), as_toml(each.new)) for each in changes)


def count_days(
    underlying: Underlying,
    counts: Counts,
    missing: Collection[dt.date],
    now: dt.datetime,
    earliest: dt.time,
) -> tuple[CountDay, ...]:
    """Return what is known of the days of this week and the one before.

    Args:
        underlying: What is counted.
        counts: The counts.
        missing: The days that get no count.
        now: The calendar's time.
        earliest: The time in New York from which a count may be out on its day.
    """
    week = Week.of(now.date())
    days = (*Week.of(week.monday - dt.timedelta(days=1)).days, *week.days)
    rows = []
    for day in days:
        release = underlying.release(day, earliest)
        state: CountState = "due" if release <= now else "expected"
        if day in counts:
            state = "published"
        elif day in missing:
            state = "none"
        held = counts.vintages.get(day, ())
        rows.append(
            CountDay(
                day, state, release, tuple(CountSighting(v.count, v.seen, v.archived) for v in held)
            )
        )
    return tuple(rows)
