"""`mmbot history`: the market's past and the daily counts, in a directory."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import fcntl
import os
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Annotated, Self, TypeAlias

import msgspec
import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from mmbot import config
from mmbot.cli.output import print_json, say, show
from mmbot.daemon.credentials import find_signer
from mmbot.daemon.endpoints import Venue, read_venue, real_venue
from mmbot.daemon.history_client import Fetched, HistoryClient, Wanted
from mmbot.errors import BadInput, NotReady, Unavailable
from mmbot.history import imports
from mmbot.history.fetch_plan import weeks_between
from mmbot.history.manifest import Source
from mmbot.history.rows import PERIODS, Period
from mmbot.history.store import HOW_TO_FETCH, HistoryStore, default_directory
from mmbot.history.summary import StatusSummary, WeekSummary, summarise
from mmbot.history.verify import verify as verify_store
from mmbot.kalshi.auth import Signer
from mmbot.observe.sheets import Sheet
from mmbot.underlying.calendar import CalendarClock, Week

history = typer.Typer(
    help="The market's past and the daily counts, as Parquet: fetch, check, import.",
    no_args_is_help=True,
)

_INTERRUPTED = 130
_DAMAGED = 1
_USUAL_WEEKS = 52
# Weeks that may be listed before they begin.
_WEEKS_AHEAD = 3
_MOST_TOLD = 20

Directory: TypeAlias = Annotated[
    Path,
    typer.Option(
        "--dir",
        help="The directory; MMBOT_HISTORY or mmbot/history in the user's data unless given.",
        default_factory=default_directory,
        show_default=False,
    ),
]
_FirstDay: TypeAlias = Annotated[
    str, typer.Option("--from", help="The first week, by any of its days; a year ago unless given.")
]
_LastDay: TypeAlias = Annotated[
    str,
    typer.Option(
        "--to", help="The last week, by any of its days; the last one listed unless given."
    ),
]
_SeriesName: TypeAlias = Annotated[
    str, typer.Option(help="The series; the config's unless given. Before 2024-10: TSAW.")
]
_Candles: TypeAlias = Annotated[
    str, typer.Option(help="Minutes of the candles to fetch: some of 1,60,1440, or none.")
]
_WithCounts: TypeAlias = Annotated[bool, typer.Option(help="Fetch the daily counts from tsa.gov.")]
_WithMarket: TypeAlias = Annotated[bool, typer.Option(help="Fetch the market's past.")]
_FetchConfig: TypeAlias = Annotated[
    Path | None, typer.Option("--config", help="Settings with the series, the site and a key.")
]
_FetchVenue: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--venue", help="Fetch from the exchange of this file, which `mmbot exchange` printed."
    ),
]


@history.command()
def fetch(
    *,
    directory: Directory,
    first: _FirstDay = "",
    last: _LastDay = "",
    series: _SeriesName = "",
    candles: _Candles = "1,60,1440",
    counts: _WithCounts = True,
    market: _WithMarket = True,
    config_path: _FetchConfig = None,
    venue_path: _FetchVenue = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was done as JSON.")] = False,
) -> None:
    """Fetch what is missing: counts, and events, markets, trades, candles and fees of weeks.

    Only what may have changed is requested: a settled week is never fetched
    twice. The exchange's public data need no key. If a fetch is interrupted,
    the same command continues from there.

    Exit codes: 0 everything available was fetched, 2 unusable input, 3
    something could not be fetched but may be available later: run it again.

    Example:
    mmbot history fetch --from 2026-01-05
    """
    settings = config.Settings() if config_path is None else config.load(config_path)
    venue = real_venue(settings) if venue_path is None else read_venue(venue_path)
    wanted = Wanted(
        series=_series(series or settings.exchange.series),
        weeks=_weeks(first, last, venue.clock.at(time.time_ns() // 1_000_000).date()),
        periods=_periods(candles),
        counts=counts,
        market=market,
    )
    started = time.monotonic()
    fetched, failures = _fetch(wanted, directory, venue, settings)
    seconds = time.monotonic() - started
    if as_json:
        report = {**msgspec.structs.asdict(fetched), "failures": failures}
        print_json({**report, "seconds": round(seconds, 1)})
    else:
        say(_sentences(fetched, failures, directory, seconds))
    raise typer.Exit(NotReady.exit_code if failures else 0)


def _fetch(
    wanted: Wanted, directory: Path, venue: Venue, settings: config.Settings
) -> tuple[Fetched, list[str]]:
    """Fetch into a directory; return the result, and what could not be fetched."""

    def signer() -> Signer | None:
        try:
            return find_signer(settings.credentials, venue, os.environ)
        except BadInput:
            return None

    store = HistoryStore(directory)
    with _locked(directory), _Shown() as shown:
        store.claim(_source(venue))
        client = HistoryClient(store, venue, signer, shown, random.Random())  # noqa: S311 (jitter)
        try:
            asyncio.run(client.run(wanted))
        except Unavailable as error:
            return client.fetched, [*client.fetched.failures, str(error)]
        except KeyboardInterrupt:
            print("mmbot: interrupted; run the same command to continue", file=sys.stderr)
            raise typer.Exit(_INTERRUPTED) from None
    return client.fetched, list(client.fetched.failures)


@history.command()
def status(
    *,
    directory: Directory,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """Show what is stored of each week, its size, and what is missing."""
    summary = summarise(HistoryStore(directory))
    if as_json:
        print_json(summary)
        return
    if not summary.counts.days and not any(summary.series.values()):
        say([f"There is nothing in {directory}; {HOW_TO_FETCH}."])
        return
    show(_sheets(summary))
    say(_counts_sentences(summary))


@history.command()
def verify(
    *,
    directory: Directory,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """Check every file: schema, digest, order and plausibility of its rows, the markets' volumes.

    Exit codes: 0 nothing is wrong, 1 something is, 2 the directory does not exist.
    """
    if not directory.is_dir():
        raise BadInput(f"there is no directory {directory}; {HOW_TO_FETCH}")
    problems = list(verify_store(HistoryStore(directory)))
    if as_json:
        print_json({"problems": problems})
    else:
        say(f"{each.what}: {each.wrong}" for each in problems)
        say([f"{len(problems):,} problems" if problems else "nothing is wrong"])
    raise typer.Exit(_DAMAGED if problems else 0)


@history.command("import")
def import_(
    kind: Annotated[
        str, typer.Argument(help=f"What the file holds: {', '.join(imports.REQUIRED)}.")
    ],
    file: Annotated[Path, typer.Argument(help="A file that ends in .csv or .parquet.")],
    *,
    directory: Directory,
    period: Annotated[
        int, typer.Option(help="Minutes of the candles in a file without a column for it.")
    ] = 1440,
) -> None:
    """Import data from other sources; rows from the exchange are never replaced.

    Columns: trades need ticker, time, price, count and taker_side; candles
    ticker, end_period_ts, yes_bid_open to yes_ask_close and volume_fp; markets
    ticker, event_ticker, floor_strike and result; counts either
    date,as_published,archived or day, count and seen. docs/history.md has the
    others. A file with a wrong line is not imported; every wrong line is named.

    Example:
    mmbot history import counts daily_counts.csv
    """
    with _locked(directory):
        taken = imports.import_file(HistoryStore(directory), kind, file, period)
    say([f"{taken.rows:,} {kind} read, {taken.new:,} of them new, into {directory}"])


# Options


def _weeks(first: str, last: str, today: dt.date) -> tuple[Week, ...]:
    """Return the weeks from one day to another; about a year of them unless given."""
    begin = _day(first, "--from") if first else today - dt.timedelta(weeks=_USUAL_WEEKS)
    end = _day(last, "--to") if last else today + dt.timedelta(weeks=_WEEKS_AHEAD)
    weeks = tuple(weeks_between(begin, end))
    if not weeks:
        raise BadInput(f"--from {begin} is after --to {end}")
    return weeks


def _day(text: str, option: str) -> dt.date:
    try:
        day = dt.date.fromisoformat(text)
    except ValueError:
        day = None
    if day is None or not 2019 <= day.year <= 2099:
        raise BadInput(f"{option} {text!r} is not a date such as 2026-01-05")
    return day


def _series(text: str) -> str:
    if not (text.isascii() and text.isalnum() and text.isupper() and len(text) <= 32):
        raise BadInput(f"--series {text!r} is not a series such as KXTSAW")
    return text


def _periods(text: str) -> tuple[Period, ...]:
    named = [] if text in ("", "none") else text.split(",")
    chosen = tuple(period for period in PERIODS if str(period) in named)
    if len(chosen) != len(named):
        raise BadInput(f"--candles {text!r} are not some of 1,60,1440, nor none")
    return chosen


def _source(venue: Venue) -> Source:
    """Return which exchange this is; a simulated one is known by its calendar, not its port."""
    real = venue.clock == CalendarClock()
    return Source(venue.origin if real else "a simulated exchange", venue.clock)


@contextlib.contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """Hold the lock of the directory, so that no other command writes it meanwhile."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        lock = (directory / "lock").open("wb")
    except OSError as error:
        raise BadInput(
            f"{directory} cannot be written: {error.strerror}; name another with --dir"
        ) from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise NotReady(f"another command is writing {directory}; wait for it") from None
        yield


# What is shown


class _Shown:
    """The progress of a fetch on a terminal: a bar for each part, and why a request is retried."""

    def __init__(self) -> None:
        console = Console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rows]:,} rows"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}", style="yellow"),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def plan(self, what: str, steps: int) -> None:
        """Add a bar with this number of steps."""
        self._tasks[what] = self._progress.add_task(what, total=steps, rows=0, note="")

    def step(self, what: str, rows: int) -> None:
        """Advance its bar."""
        task = self._tasks[what]
        total = self._progress.tasks[task].fields["rows"] + rows
        self._progress.update(task, advance=1, rows=total, note="")

    def pause(self, reason: str) -> None:
        """Say why a request is sent again."""
        for task in self._tasks.values():
            self._progress.update(task, note=reason[:60])


def _sentences(
    fetched: Fetched, failures: list[str], directory: Path, seconds: float
) -> Iterator[str]:
    yield (
        f"{fetched.sightings:,} counts and {fetched.rows:,} rows of {fetched.markets:,} markets are"
        f" new in {directory}: {fetched.requests:,} requests, {fetched.refusals:,} of them refused"
        f" at first, in {seconds:.1f} s"
    )
    for doubt, times in fetched.doubts.most_common(_MOST_TOLD):
        yield f"not used: {doubt}" + (f" (in {times:,} markets)" if times > 1 else "")
    yield from (f"missing: {failure}" for failure in failures[:_MOST_TOLD])
    if len(failures) > _MOST_TOLD:
        yield f"and {len(failures) - _MOST_TOLD:,} more; see `mmbot history status`"
    if failures:
        yield "Run the same command again to continue."


def _sheets(summary: StatusSummary) -> Iterator[Sheet]:
    columns = (
        "week to", "event", "state", "markets", "trades", "1 min", "1 h", "1 day", "MB", "missing",
    )  # fmt: skip
    for series, weeks in summary.series.items():
        rows = tuple(_row(week) for week in weeks)
        changes = summary.fee_changes[series]
        note = f"{len(weeks)} weeks; {changes} entries of fees"
        yield Sheet(series, columns, rows, note)


def _row(week: WeekSummary) -> tuple[str, ...]:
    lacks = [f"{ticker}: {'; '.join(why)}" for ticker, why in week.missing.items()]
    more = f" (and {len(lacks) - 1} markets)" if len(lacks) > 1 else ""
    return (
        f"{week.week}",
        week.event,
        week.state,
        f"{week.complete}/{week.markets}",
        f"{week.trades:,}",
        *(f"{week.candles[period]:,}" for period in PERIODS),
        f"{week.megabytes:.2f}",
        f"{lacks[0]}{more}" if lacks else "",
    )


def _counts_sentences(summary: StatusSummary) -> Iterator[str]:
    counts = summary.counts
    if not counts.days:
        yield f"There are no daily counts; {HOW_TO_FETCH}."
        return
    read = "" if counts.read is None else f", last read {counts.read:%Y-%m-%d %H:%M %Z}"
    yield (
        f"{counts.days:,} days of counts from {counts.first} to {counts.last}, in"
        f" {counts.sightings:,} sightings{read}"
    )
