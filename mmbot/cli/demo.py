"""`mmbot demo`: one week, end to end, in about a minute."""

from __future__ import annotations

import datetime as dt
import tempfile
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import msgspec
import typer
import uvloop
from rich.console import Console
from rich.live import Live
from rich.table import Table

from mmbot import config
from mmbot.cli import banks
from mmbot.cli.options import FeesOfSeries, ResultPath, load_counts, read_fees
from mmbot.cli.output import load_plots
from mmbot.cli.times import parse_week
from mmbot.demo.course import WeekCourse
from mmbot.demo.play import VENUE_FILE, DemoResult, DemoWeek, play, state_directory
from mmbot.demo.rehearsal import counts_at
from mmbot.demo.table import WeekTable
from mmbot.errors import BadInput
from mmbot.underlying.calendar import EASTERN, Week
from mmbot.underlyings.registry import refuse_others

_SETTINGS = config.shipped("demo")


_Counts: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        help="Real daily counts to play the week on: the word history for those that `mmbot "
        "history fetch` got, another such directory, or a CSV file as in docs/commands.md."
    ),
]
_Week: TypeAlias = Annotated[
    str,
    typer.Option(help="The Sunday that ends the week; the last one in the counts unless given."),
]
_ConfigPath: TypeAlias = Annotated[
    Path,
    typer.Option(
        "--config",
        help="The daemon's settings, with mode demo; the shipped ones unless given.",
        show_default=False,
    ),
]


def demo(
    counts: _Counts = None,
    week: _Week = "",
    seed: Annotated[int, typer.Option(help="Seed of the crowd and of synthetic counts.")] = 1,
    fees: FeesOfSeries = "",
    json_path: ResultPath = None,
    config_path: _ConfigPath = _SETTINGS,
) -> None:
    """Play one week on the simulated exchange with the real daemon, and check the books.

    Starts exchange and daemon as separate processes, compresses the week into a minute, and ends
    with fills, fees and P&L, and the daemon's ledger compared with the exchange's to the cent.
    Without --counts the daily counts are synthetic. The daemon's files are kept for
    `mmbot report`.
    """
    console = Console()
    settings = config.load(config_path)
    refuse_others(settings)
    if settings.mode != "demo":
        raise BadInput(
            f"{config_path} is not of mode demo; leave --config out, or copy config/demo.toml"
        )
    if json_path is not None and not json_path.parent.is_dir():
        raise BadInput(f"--json {json_path}: there is no directory {json_path.parent}")
    read_fees(fees)
    demo_week = DemoWeek(_choose_week(week, counts), seed, config_path, counts, fees)
    title = f"{demo_week.week.event_ticker('KXTSAW')} on {'file' if counts else 'synthetic'} counts"
    place = Path(tempfile.mkdtemp(prefix="mmbot-demo-"))
    banks.fit(
        counts_at(demo_week.published(), demo_week.start),
        settings.forecast.method,
        state_directory(place),
    )
    course = WeekCourse()
    result = _show(demo_week, place, title, console, course)
    console.print(_summary(result))
    console.print(_drawn(place / "week.png", title, course), soft_wrap=True, highlight=False)
    console.print(
        f"STATE_DIRECTORY={place} mmbot report --config {config_path} "
        f"--venue {place / VENUE_FILE} reports on the week.",
        soft_wrap=True,
        highlight=False,
    )
    if json_path is not None:
        json_path.write_bytes(msgspec.json.format(msgspec.json.encode(result)) + b"\n")
    if not result.reconciled:
        console.print(f"the ledgers differ in: {', '.join(result.differences)}")
        raise typer.Exit(1)


def _show(
    demo_week: DemoWeek, directory: Path, title: str, console: Console, course: WeekCourse
) -> DemoResult:
    table = WeekTable(title, demo_week.week)

    def watch(line: dict[str, Any]) -> None:
        course.watch(line)
        if console.is_terminal:
            table.watch(line)
        else:
            _print_news(console, line)

    if not console.is_terminal:
        return uvloop.run(play(demo_week, directory, watch))
    with Live(table, console=console, refresh_per_second=4):
        return uvloop.run(play(demo_week, directory, watch))


def _drawn(path: Path, title: str, course: WeekCourse) -> str:
    """Plot the week, if matplotlib is installed; return a sentence about it."""
    try:
        plots = load_plots("a picture")
    except BadInput as error:
        return f"No picture: {error}."
    plots.draw_week(path, title, course)
    return f"The week as a picture: {path}"


def _print_news(console: Console, line: dict[str, Any]) -> None:
    """Print the news of the live table as plain lines."""
    match line["event"]:
        case "belief.updated":
            console.print(
                f"{line['known']} days published: mean {line['mean']:,}, sd {line['sd']:,}"
            )
        case "event.settled":
            console.print(f"settled: P&L ${line['pnl']}")


def _choose_week(text: str, counts: Path | None) -> Week:
    if text:
        return parse_week(text)
    if counts is None:
        return Week.of(dt.datetime.now(EASTERN).date())
    last = load_counts(counts).last_day
    if last is None:
        raise BadInput(f"{counts} has no counts")
    return Week.of(last - dt.timedelta(days=6))


def _summary(result: DemoResult) -> Table:
    table = Table(title=f"{result.event}, {result.counts} counts, seed {result.seed}")
    table.add_column("what")
    table.add_column("how much", justify="right")
    rows = {
        "orders placed": f"{result.orders:,}",
        "fills": f"{result.fills:,}",
        "contracts": f"{result.contracts:,.2f}",
        "days published while trading": ", ".join(map(str, result.days_published_traded)),
        "fees": f"${result.fees:,.2f}",
        "P&L": f"${result.pnl:,.2f}",
        "settled on": "-" if result.settled_value is None else f"{result.settled_value:,.2f}",
        "resting at the end": str(result.resting_at_end),
        "ledgers agree": "yes, to the cent" if result.reconciled else "NO",
    }
    for name, value in rows.items():
        table.add_row(name, value)
    return table
