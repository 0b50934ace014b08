"""`mmbot backtest --recording`: captured sessions, traded again with other settings."""

from __future__ import annotations

import datetime as dt
import tempfile
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec

from mmbot import config
from mmbot.bot import driver
from mmbot.cli import banks
from mmbot.cli.output import load_plots, say, show, write, write_figures
from mmbot.cli.replay import capture_files, records_of
from mmbot.daemon.bot_runner import write_record
from mmbot.daemon.ledger import Ledger
from mmbot.daemon.ledger_reader import TradeRecords, read_records
from mmbot.errors import BadInput
from mmbot.observe import backtest_report
from mmbot.observe.sheets import Sheet
from mmbot.recording.replay import beginning, utc
from mmbot.research.again import SessionSummary
from mmbot.research.backtest import WeekResult
from mmbot.research.retrade import retrade
from mmbot.research.retraded_weeks import week_results
from mmbot.research.week_path import PathKeeper
from mmbot.trading.losses import PnlMark
from mmbot.trading.values import Fill, event_of
from mmbot.underlying.calendar import CalendarClock
from mmbot.underlyings.registry import refuse_others
from mmbot.units import (
    MONEY_PER_DOLLAR,
    ONE_CONTRACT,
    Money,
    format_count,
    format_money,
    format_price,
    total,
)

_STRATEGY = "recording"
# A shorter pause between two sessions is a restart.
_LONG_PAUSE_MS = 60_000


class TradedEvent(msgspec.Struct, frozen=True):
    """The result of one event; P&L is at the fair values of its last mark until it is settled."""

    event: str
    fills: int
    contracts: float
    fees: float
    pnl: float | None
    settled: bool


class TradedAgain(msgspec.Struct, frozen=True):
    """The sessions of a recording, and everything that the new bot recorded in them."""

    sessions: list[SessionSummary]
    unusable: list[str]
    clock: CalendarClock
    records: TradeRecords
    marks: tuple[PnlMark, ...]
    path: PathKeeper | None

    def weeks(self, *, are_settled: bool) -> list[WeekResult]:
        """Return the settled weeks, or all, with unsettled positions at their last mids."""
        mids = {ticker: mid for each in self.sessions for ticker, mid in each.mids.items()}
        held = self.records
        return week_results(
            held.fills, held.markouts, held.samples, held.settlements, self.clock,
            {} if are_settled else mids, self.path,
        )  # fmt: skip


class RecordedMarket(msgspec.Struct, frozen=True):
    """A recording to try settings on, as a single piece, because each session continues the last.

    Unsettled positions are valued at the last mid.
    """

    recording: Path
    cache: Path

    def __len__(self) -> int:
        return 1

    def play(self, settings: config.Settings, _: int) -> list[WeekResult]:
        """Trade it again with these settings."""
        return sessions_again(self.recording, settings, self.cache).weeks(are_settled=False)


def settings_on_record(recording: Path) -> config.Settings:
    """Return the settings of the first session in a recording.

    Raises:
        BadInput: There is no capture that begins with a session.
    """
    path = _captures(recording)[0]
    try:
        with path.open("rb") as file:
            return beginning(records_of(file)).settings
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}") from None


def trade_again(
    recording: Path,
    config_path: Path | None,
    json_path: Path | None,
    report_path: Path | None,
    cache: Path | None,
) -> None:
    """Trade a recording again, and show the results as a backtest does.

    Raises:
        BadInput: None of its sessions can be traded again, or another input is unusable.
    """
    settings = None if config_path is None else config.load(config_path)
    refuse_others(settings or settings_on_record(recording))
    plots = load_plots("--report") if report_path is not None else None
    path = None if plots is None else PathKeeper()
    again = sessions_again(recording, settings, cache or banks.default_directory(), path)
    weeks = again.weeks(are_settled=True)
    results = {_STRATEGY: weeks}
    events = _events(again)
    say(_remarks(again, config_path))
    show([_events_sheet(events), *(backtest_report.sheets(results) if weeks else ())])
    if json_path is not None:
        figures = backtest_report.as_json(results) | {"recording": _figures(again, events)}
        write_figures(json_path, figures)
    if report_path is not None and plots is not None:
        pictures = plots.backtest_pictures({_STRATEGY: again.weeks(are_settled=False)})
        write(report_path, backtest_report.html_page(results, pictures).encode())


class _Ledger(Ledger):
    """A ledger of the bot's records that need not outlive this process."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self._db.execute("PRAGMA synchronous = OFF")

    def write(self, record: driver.Record) -> None:
        write_record(self, record)


def sessions_again(
    recording: Path,
    settings: config.Settings | None,
    cache: Path,
    path: PathKeeper | None = None,
) -> TradedAgain:
    """Trade the sessions of a recording again, in their order; see `retrade`.

    Raises:
        BadInput: None of them can be traded again.
    """
    sessions: list[SessionSummary] = []
    unusable: list[str] = []
    clock = CalendarClock()
    fit = banks.Fits(cache)
    with tempfile.TemporaryDirectory(prefix="mmbot-") as name:
        ledger = _Ledger(Path(name))
        try:
            for capture in _captures(recording):
                try:
                    with capture.open("rb") as file:
                        found = records_of(file)
                        session = retrade(
                            found, settings, ledger, fit, is_first=not sessions, path=path
                        )
                except (BadInput, OSError) as error:
                    unusable.append(f"{capture} cannot be traded again: {error}")
                else:
                    sessions.append(session)
                    clock = session.clock
            marks = ledger.latest_marks()
        finally:
            ledger.close()
        if not sessions:
            raise BadInput("; ".join(unusable))
        return TradedAgain(sessions, unusable, clock, read_records(Path(name)), marks, path)


def _captures(recording: Path) -> list[Path]:
    """Return the captures in a directory, or in a daemon's state directory."""
    of_daemon = recording / "capture"
    return capture_files(of_daemon if of_daemon.is_dir() else recording)


def _events(again: TradedAgain) -> list[TradedEvent]:
    records = again.records
    settlement_of = {each.ticker: each for each in records.settlements}
    marks = {mark.event: mark.latest for mark in again.marks}
    found = []
    for event in sorted({event_of(each.fill.ticker) for each in records.fills}):
        fills = [each.fill for each in records.fills if event_of(each.fill.ticker) == event]
        settled = all(fill.ticker in settlement_of for fill in fills)
        payouts = (s.payout for ticker, s in settlement_of.items() if event_of(ticker) == event)
        pnl = total((*(fill.cash for fill in fills), *payouts)) if settled else marks.get(event)
        found.append(
            TradedEvent(
                event=event,
                fills=len(fills),
                contracts=sum(fill.count for fill in fills) / ONE_CONTRACT,
                fees=total(fill.fee for fill in fills) / MONEY_PER_DOLLAR,
                pnl=None if pnl is None else pnl / MONEY_PER_DOLLAR,
                settled=settled,
            )
        )
    return found


def _events_sheet(events: Iterable[TradedEvent]) -> Sheet:
    rows = tuple(
        (
            each.event,
            str(each.fills),
            f"{each.contracts:g}",
            f"{each.fees:.2f}",
            "-" if each.pnl is None else f"{each.pnl:+.2f}",
            "yes" if each.settled else "no",
        )
        for each in events
    )
    note = "In dollars; P&L of an unsettled event is at the fair values of its last mark."
    columns = ("event", "fills", "contracts", "fees", "P&L", "settled")
    return Sheet("Traded again", columns, rows, note)


def _remarks(again: TradedAgain, config_path: Path | None) -> Iterable[str]:
    sessions = again.sessions
    frames = sum(each.frames for each in sessions)
    settings = "the settings on record" if config_path is None else str(config_path)
    yield (
        f"{len(sessions)} recorded session(s) from {utc(sessions[0].first)} to "
        f"{utc(sessions[-1].last)}, {frames:,} frames of the exchange, with {settings}."
    )
    yield from again.unusable
    for before, after in pairwise(sessions):
        pause = after.first - before.last
        if pause > _LONG_PAUSE_MS:
            yield (
                f"Nothing was recorded for {dt.timedelta(seconds=pause // 1000)} from "
                f"{utc(before.last)} on: trades in that time fill nothing."
            )
    lost = sum(each.interruptions for each in sessions)
    if lost:
        yield f"The stream was lost {lost} time(s): trades until it was back fill nothing."
    real = sum(each.real_orders for each in sessions)
    if real:
        yield (
            f"In {real} session(s) the recorded bot traded real orders: they are removed from the "
            "books, and trades with them fill the new bot's paper orders instead."
        )
    held = sum(each.held for each in sessions)
    if held:
        yield f"It starts with {held} fill(s) of earlier sessions."
    unserved = sum(each.unserved for each in sessions)
    if unserved:
        yield (
            f"{unserved} request(s) of the new bot have no answer in the recording and were "
            "treated as unanswered."
        )


def _figures(again: TradedAgain, events: list[TradedEvent]) -> dict[str, Any]:
    positions: dict[str, int] = {}
    settled = {each.ticker for each in again.records.settlements}
    fills = [each.fill for each in again.records.fills]
    for fill in fills:
        if fill.ticker not in settled:
            positions[fill.ticker] = positions.get(fill.ticker, 0) + fill.signed_count
    return {
        "sessions": [
            {
                "session": each.session,
                "first": utc(each.first),
                "last": utc(each.last),
                "frames": each.frames,
                "interruptions": each.interruptions,
                "unserved": each.unserved,
                "real_orders": each.real_orders,
                "orders": each.notes["order.place"],
            }
            for each in again.sessions
        ],
        "unusable": again.unusable,
        "events": [msgspec.structs.asdict(each) for each in events],
        "fills": [_fill(fill) for fill in fills],
        "positions": {ticker: count / ONE_CONTRACT for ticker, count in positions.items() if count},
    }


def _fill(fill: Fill) -> dict[str, Any]:
    return {
        "trade_id": fill.trade_id,
        "order_id": fill.order_id,
        "ticker": fill.ticker,
        "side": fill.side,
        "yes_price_dollars": format_price(fill.price),
        "count": format_count(fill.count),
        "fee_dollars": format_money(Money(fill.fee)),
        "at": utc(fill.at),
    }
