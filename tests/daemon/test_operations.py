"""What the operator requests is stored before it takes effect, or refused in a sentence."""

from __future__ import annotations

import datetime as dt
import random
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from mmbot.bot.bot import Bot
from mmbot.bot.inputs import BotInput, EventOccurred
from mmbot.daemon import operations
from mmbot.daemon.ledger import Ledger
from mmbot.daemon.ledger_writer import LedgerWriter
from mmbot.daemon.operations import Operations, count_days
from mmbot.daemon_api import (
    Answer,
    CountsReport,
    Explain,
    Explanation,
    FillsReport,
    Halt,
    HaltReport,
    ListCounts,
    ListFills,
    MissCount,
    MissingReport,
    PauseMarket,
    PauseReport,
    Plan,
    PlanReport,
    Refused,
    Request,
    Resume,
    ResumeReport,
    Status,
    UnpauseMarket,
)
from mmbot.status_report import StatusReport, Surroundings
from mmbot.trading.commands import Cancel, RecordFill
from mmbot.trading.engine import Engine
from mmbot.trading.events import OrderCancelled
from mmbot.trading.operator_events import Halted
from mmbot.tsa.releases import assumed_release
from mmbot.tsa.underlying import TSA
from mmbot.underlying.calendar import EASTERN, CalendarClock, to_milliseconds
from mmbot.underlying.counts import Counts
from tests.daemon.builders import OBSERVER
from tests.kalshi.builders import SIGNER
from tests.trading.builders import LOW, MIDDLE, Bench, fill, only, settings

MONDAY, TUESDAY, WEDNESDAY = (dt.date(2026, 11, day) for day in (23, 24, 25))
DUE = to_milliseconds(dt.datetime(2026, 11, 25, 6, 55, tzinfo=EASTERN))
ONE_DAY, _ = Counts().observe(MONDAY, 2_700_000, assumed_release(MONDAY))


class QuotingBot(Bot):
    """A bot around an engine that quotes, and with the counts that a test gives it."""

    def __init__(self, engine: Engine) -> None:
        settings = engine.state.settings
        super().__init__(settings, CalendarClock(), SIGNER, "session", random.Random(1))
        self.engine = engine
        self.published = ONE_DAY

    @property
    def counts(self) -> Counts:
        return self.published


class RunningDaemon:
    """A bot with quotes, a ledger, and an exchange that cancels orders as soon as asked."""

    def __init__(self, directory: Path, now: int | None = None) -> None:
        self.bench = Bench()
        self.bench.now = now or self.bench.now
        self.bot = QuotingBot(self.bench.engine)
        self.obeys = True
        self.inputs: list[BotInput] = []
        self.ledger = Ledger(directory)
        self.writer = LedgerWriter(self.ledger)
        self.operations = Operations(
            self.bench.engine.state.settings,
            self.bot,
            self.writer,
            self.handle,
            lambda: self.bench.now,
            OBSERVER,
            lambda: Surroundings(directory=str(directory)),
        )

    def handle(self, happened: BotInput) -> None:
        self.inputs.append(happened)
        if not isinstance(happened, EventOccurred):
            self.bot.handle(happened, self.bench.now)
            return
        for cancel in only(Cancel, self.bench.handle(happened.event)):
            order = self.bench.engine.state.orders.get(cancel.client_id)
            if self.obeys and order is not None:
                self.bench.handle(OrderCancelled(cancel.client_id, order.remaining))

    async def refusal(self, request: Request) -> str:
        answer = await self.operations.answer(request)
        assert isinstance(answer, Refused)
        return answer.error


@pytest.fixture
def state(tmp_path: Path) -> Iterator[RunningDaemon]:
    made = RunningDaemon(tmp_path)
    yield made
    made.writer.close()


@pytest.fixture
def due(tmp_path: Path) -> Iterator[RunningDaemon]:
    """A daemon at the time from which Tuesday's count may be published."""
    made = RunningDaemon(tmp_path, DUE)
    yield made
    made.writer.close()


async def test_a_halt_reports_how_many_orders_were_live_and_waits_until_they_are_cancelled(
    state: RunningDaemon,
) -> None:
    state.bench.rest()
    report = await state.operations.answer(Halt("storm"))
    assert isinstance(report, HaltReport)
    assert (report.live, report.left, report.account_read, report.running) == (2, 0, True, True)
    assert state.ledger.halt() == Halted(report.since, "storm")


async def test_a_halt_reports_orders_that_are_not_cancelled_in_time(
    state: RunningDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operations, "HALT_SECONDS", 0.0)
    state.obeys = False
    state.bench.rest()
    report = await state.operations.answer(Halt())
    assert isinstance(report, HaltReport)
    assert (report.live, report.left) == (2, 2)


async def test_a_halt_before_the_account_was_read_does_not_call_it_clean(
    state: RunningDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operations, "HALT_SECONDS", 0.0)
    report = await state.operations.answer(Halt())
    assert isinstance(report, HaltReport)
    assert not report.account_read


async def test_a_halt_is_stored_before_the_bot_handles_it(state: RunningDaemon) -> None:
    stored: list[Halted | None] = []
    handle = state.operations._handle

    def look_and_handle(happened: BotInput) -> None:
        stored.append(state.ledger.halt())
        handle(happened)

    state.operations._handle = look_and_handle
    state.bench.rest()
    await state.operations.answer(Halt("storm"))
    assert stored[0] is not None


async def test_a_halt_that_cannot_be_stored_cancels_the_quotes_all_the_same(
    state: RunningDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(halt: Halted) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(state.ledger, "add_halt", full)
    state.bench.rest()
    report = await state.operations.answer(Halt())
    assert isinstance(report, HaltReport)
    assert report.not_kept == "database or disk is full"
    assert report.left == 0
    resumed = await state.operations.answer(Resume())
    assert resumed == ResumeReport(report.since, "", running=True)


async def test_a_second_halt_keeps_the_first_ones_time_and_reason(state: RunningDaemon) -> None:
    state.bench.rest()
    first = await state.operations.answer(Halt("storm"))
    state.bench.now += 5_000
    second = await state.operations.answer(Halt("again"))
    assert isinstance(first, HaltReport)
    assert isinstance(second, HaltReport)
    assert (second.since, second.reason) == (first.since, "storm")


async def test_resuming_ends_the_halt_in_the_ledger_and_in_the_bot(state: RunningDaemon) -> None:
    state.bench.rest()
    await state.operations.answer(Halt("storm"))
    report = await state.operations.answer(Resume())
    assert isinstance(report, ResumeReport)
    assert report.reason == "storm"
    assert state.ledger.halt() is None
    assert state.bench.reason() == ""
    assert await state.operations.answer(Resume()) == ResumeReport(None, running=True)


async def test_a_resume_that_cannot_be_stored_changes_nothing(
    state: RunningDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    def locked(now: int) -> None:
        raise sqlite3.OperationalError("database is locked")

    state.bench.rest()
    await state.operations.answer(Halt())
    monkeypatch.setattr(state.ledger, "end_halt", locked)
    assert "nothing has changed" in await state.refusal(Resume())
    assert state.bench.reason() == "halted"


async def test_the_requests_to_an_earlier_session_are_recalled(
    due: RunningDaemon, tmp_path: Path
) -> None:
    due.bench.rest()
    await due.operations.answer(Halt("storm"))
    await due.operations.answer(MissCount(TUESDAY))
    due.writer.close()
    again = RunningDaemon(tmp_path, DUE)
    await again.operations.recall()
    again.bench.quote()
    assert again.bench.reason() == "halted"
    await again.operations.answer(Resume())
    assert again.bench.reason() == ""
    again.writer.close()


# One market


async def test_a_pause_waits_until_the_market_has_no_order_and_is_stored(
    state: RunningDaemon,
) -> None:
    state.bench.rest()
    report = await state.operations.answer(PauseMarket("2.7"))
    assert isinstance(report, PauseReport)
    assert (report.market, report.live, report.left) == (MIDDLE, 2, 0)
    assert (report.changed, report.paused) == (True, (MIDDLE,))
    assert state.ledger.paused_markets() == (MIDDLE,)
    assert state.bench.reason() == "paused_by_operator"
    again = await state.operations.answer(PauseMarket(MIDDLE))
    assert isinstance(again, PauseReport)
    assert not again.changed


async def test_ending_a_pause_quotes_the_market_again(state: RunningDaemon) -> None:
    state.bench.rest()
    await state.operations.answer(PauseMarket(MIDDLE))
    report = await state.operations.answer(UnpauseMarket(MIDDLE))
    assert report == PauseReport(MIDDLE, changed=True, paused=(), running=True)
    assert state.ledger.paused_markets() == ()
    assert state.bench.reason() == ""


async def test_a_pause_that_cannot_be_stored_takes_effect_and_says_so(
    state: RunningDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(ticker: str, now: int) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    state.bench.rest()
    monkeypatch.setattr(state.ledger, "add_pause", full)
    report = await state.operations.answer(PauseMarket(MIDDLE))
    assert isinstance(report, PauseReport)
    assert (report.left, "full" in report.not_kept) == (0, True)
    assert state.bench.reason() == "paused_by_operator"


async def test_pauses_are_recalled_but_those_of_long_ago(
    state: RunningDaemon, tmp_path: Path
) -> None:
    state.bench.rest()
    await state.operations.answer(PauseMarket(MIDDLE))
    state.ledger.add_pause("T-26MAY03-A2.7", 1)
    state.ledger.add_pause("no-ticker", 1)
    state.writer.close()
    again = RunningDaemon(tmp_path)
    await again.operations.recall()
    assert again.bench.engine.state.paused == {MIDDLE, "no-ticker"}
    again.bench.quote()
    assert again.bench.reason() == "paused_by_operator"
    again.writer.close()


async def test_a_market_that_is_not_known_is_not_paused(state: RunningDaemon) -> None:
    state.bench.rest()
    assert "part of several markets" in await state.refusal(PauseMarket("26NOV29"))
    assert state.ledger.paused_markets() == ()


async def test_the_status_is_made_from_the_bot_and_its_surroundings(state: RunningDaemon) -> None:
    state.bench.rest()
    report = await state.operations.answer(Status())
    assert isinstance(report, StatusReport)
    assert report.quoting
    assert report.at == state.bench.now


async def test_fills_are_read_from_the_ledger(state: RunningDaemon) -> None:
    state.ledger.add_fill(RecordFill(fill("t", "o", 500), 1))
    report = await state.operations.answer(ListFills())
    assert isinstance(report, FillsReport)
    assert [(each.market, each.count) for each in report.fills] == [(MIDDLE, "5.00")]


# Counts


async def test_a_count_that_will_not_come_opens_the_gate(due: RunningDaemon) -> None:
    due.bench.quote()
    assert due.bench.reason() == "release_due"
    assert await due.operations.answer(MissCount(TUESDAY)) == MissingReport((TUESDAY,))
    assert due.bench.reason() == ""
    assert due.ledger.missing_counts() == {TUESDAY}


@pytest.mark.parametrize(
    ("day", "sentence"),
    [
        (MONDAY, "the count of 2026-11-23 is published: 2,700,000 passengers"),
        (WEDNESDAY, "is not due before 2026-11-26 06:55 EST"),
        (dt.date(2026, 11, 18), "in no listed week; the listed weeks end on: 2026-11-29"),
        (dt.date(1, 1, 1), "in no listed week"),
    ],
)
async def test_a_day_that_is_not_waited_for_is_refused(
    due: RunningDaemon, day: dt.date, sentence: str
) -> None:
    due.bench.quote()
    assert sentence in await due.refusal(MissCount(day))
    assert due.ledger.missing_counts() == frozenset()


async def test_before_anything_is_listed_no_day_can_be_missed(due: RunningDaemon) -> None:
    assert "none yet" in await due.refusal(MissCount(TUESDAY))


async def test_a_count_that_comes_after_all_is_waited_for_again(due: RunningDaemon) -> None:
    due.bench.quote()
    await due.operations.answer(MissCount(TUESDAY))
    due.bot.published, _ = ONE_DAY.observe(TUESDAY, 2_500_000, assumed_release(TUESDAY))
    await due.operations.recall()
    assert due.bench.reason() == "release_due"
    assert due.bench.engine.state.missing == frozenset()


async def test_the_counts_of_two_weeks_are_listed_with_what_is_awaited(due: RunningDaemon) -> None:
    due.bench.quote()
    revised, _ = ONE_DAY.observe(MONDAY, 2_700_001, assumed_release(TUESDAY))
    due.bot.published = revised
    report = await due.operations.answer(ListCounts())
    assert isinstance(report, CountsReport)
    states = {row.day: row.state for row in report.days}
    assert len(states) == 14
    assert states[MONDAY] == "published"
    assert states[TUESDAY] == "due"
    assert states[WEDNESDAY] == "expected"
    (monday,) = (row for row in report.days if row.day == MONDAY)
    assert [each.count for each in monday.vintages] == [2_700_000, 2_700_001]


def test_a_day_that_is_not_waited_for_is_listed_as_such() -> None:
    now = dt.datetime(2026, 11, 25, 9, 0, tzinfo=EASTERN)
    rows = count_days(TSA, ONE_DAY, {TUESDAY}, now, dt.time(6, 55))
    assert {row.state for row in rows if row.day == TUESDAY} == {"none"}


async def test_counts_that_are_not_read_yet_are_not_listed(state: RunningDaemon) -> None:
    state.bot.published = Counts()
    assert "not read the counts yet" in await state.refusal(ListCounts())


# Questions


async def test_a_market_is_explained_and_one_that_is_none_is_refused(state: RunningDaemon) -> None:
    state.bench.rest()
    answer: Answer = await state.operations.answer(Explain(MIDDLE))
    assert isinstance(answer, Explanation)
    assert {"counts", "fair", "tick", "order"} <= {step.name for step in answer.steps}
    assert f"did you mean {LOW}?" in await state.refusal(Explain(LOW + "0"))
    assert "3 markets are listed" in await state.refusal(Explain("XYZ"))


async def test_without_a_listing_there_is_nothing_to_explain(state: RunningDaemon) -> None:
    assert "no market is listed yet" in await state.refusal(Explain(MIDDLE))


async def test_a_plan_may_change_the_quotes_and_nothing_else(state: RunningDaemon) -> None:
    state.bench.rest()
    answer = await state.operations.answer(Plan(settings(quoting={"margin": 0.4})))
    assert isinstance(answer, PlanReport)
    assert any(market.differs for market in answer.markets)
    other_mode = msgspec.structs.replace(settings(), mode="demo")
    assert "mode differs from the daemon's" in await state.refusal(Plan(other_mode))
    assert "counts.poll_seconds" in await state.refusal(
        Plan(settings(counts={"poll_seconds": 9.0}))
    )
    assert "exchange.series" in await state.refusal(Plan(settings(exchange={"series": "KXTSAX"})))
    assert "state.directory" in await state.refusal(
        Plan(settings(state={"directory": "/elsewhere"}))
    )
    assert state.inputs == []
