"""`mmbot simulate`: weeks in which everything breaks, and what the bot made of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from mmbot.errors import BadInput
from mmbot.faultlab import campaign
from mmbot.faultlab import comparison as comparing
from mmbot.faultlab.campaign import Job, SeedResult, Summary, Violation
from mmbot.faultlab.comparison import Comparison
from mmbot.faultlab.faults import FAULTS, named
from mmbot.faultlab.guards import GUARDS
from mmbot.faultlab.pnl_by_window import PnlByWindow, PnlTotals
from mmbot.units import MONEY_PER_DOLLAR, ONE_CONTRACT


def simulate(
    *,
    seeds: Annotated[int, typer.Option(min=1, max=1_000_000, help="How many seeds.")] = 100,
    first: Annotated[int, typer.Option(min=0, help="The first seed.")] = 1,
    faults: Annotated[str, typer.Option(help="all, none, or names with commas.")] = "all",
    weeks: Annotated[int, typer.Option(min=1, max=52, help="Weeks a seed.")] = 1,
    json_path: Annotated[
        Path | None, typer.Option("--json", help="Write the result there, as JSON.")
    ] = None,
    shrink: Annotated[
        bool, typer.Option("--shrink", help="Look for fewer faults that fail a seed.")
    ] = False,
    without: Annotated[str, typer.Option(help="Take one of the bot's guards out.")] = "",
    compare: Annotated[
        str, typer.Option(help="Play ordinary hours with this guard and without it.")
    ] = "",
    replay: Annotated[
        bool, typer.Option("--replay", help="Also replay every life of the bot, as a check.")
    ] = False,
) -> None:
    """Trade whole weeks in virtual time against an exchange and a network that fail.

    Every seed draws its own faults; after everything that happens, what must
    hold is checked against the exchange's own books. A seed that breaks
    something is printed with the command that runs it again.

    With --compare, each seed is played twice, with a guard of the bot and
    without it, to see what the guard earns: for example what --compare
    release_gate --faults none makes of a month with and without it.
    """
    names = named(faults)
    for option, guard in (("--without", without), ("--compare", compare)):
        if guard and guard not in GUARDS:
            raise BadInput(f"{option} {guard!r} is no guard; known are {', '.join(GUARDS)}")
    if without and compare:
        raise BadInput("--compare takes its guard out itself; leave --without away")
    jobs = [
        Job(seed, names, weeks, missing, compare, replay)
        for seed in range(first, first + seeds)
        for missing in (("", compare) if compare else (without,))
    ]
    console = Console()
    lives: list[SeedResult] = []
    summary = _run(jobs, console, lives, shrink=shrink)
    comparison = comparing.compare(compare, lives) if compare else None
    if names:
        console.print(_faults(summary))
    console.print(_title(summary) if comparison is None else _compared(comparison))
    if json_path is not None:
        _write(json_path, summary, comparison)
    if summary.violations:
        raise typer.Exit(1)


def _run(jobs: list[Job], console: Console, lives: list[SeedResult], *, shrink: bool) -> Summary:
    progress = Progress(console=console, disable=not console.is_terminal)
    with progress:
        task = progress.add_task("Seeds", total=len(jobs))

        def done(lived: SeedResult) -> None:
            progress.advance(task)
            lives.append(lived)
            if lived.violation is not None:
                _tell(lived.violation, _shrunk(lived) if shrink else lived.job, console)

        return campaign.run_all(jobs, done)


def _shrunk(lived: SeedResult) -> Job:
    job, violation = lived.job, lived.violation
    if violation is None:
        return job
    injected = tuple(name for name in job.faults if name in lived.faults)
    return campaign.shrink(msgspec.structs.replace(job, faults=injected), violation.invariant)


def _tell(violation: Violation, job: Job, console: Console) -> None:
    console.print(f"seed {violation.seed} breaks {violation.invariant}: {violation.what}")
    console.print(f"  {job.command}", soft_wrap=True)


def _faults(summary: Summary) -> Table:
    table = Table("fault", "injected")
    table.columns[1].justify = "right"
    for name in FAULTS:
        if name in summary.faults:
            table.add_row(name, f"{summary.faults[name]:,}")
    return table


def _title(summary: Summary) -> str:
    replayed = f", {summary.replayed:,} inputs replayed" if summary.replayed else ""
    earned = ", ".join(
        f"{_dollars(tally)} {when}" for when, tally in _parts(summary.earned).items()
    )
    return (
        f"{summary.seeds:,} seeds, {len(summary.violations):,} violations in "
        f"{summary.seconds:,.0f} s: {summary.orders:,} orders, {summary.fills:,} fills, "
        f"{summary.restarts:,} restarts{replayed}; P&L {earned}"
    )


def _parts(earned: PnlByWindow) -> dict[str, PnlTotals]:
    return {
        "while a count was awaited": earned.awaited,
        "while it was news": earned.news,
        "apart": earned.apart,
    }


def _dollars(tally: PnlTotals) -> str:
    return f"${tally.pnl / MONEY_PER_DOLLAR:,.2f}"


def _compared(found: Comparison) -> Table:
    """Show a guard's worth: the fills of all seeds, and the P&L of one."""
    weeks = "a week" if found.weeks == 1 else f"{found.weeks} weeks"
    table = Table(
        "hours", "fills", "P&L", "fills without", "P&L without", f"{found.guard} gains",
        title=f"{found.seeds} seeds of {weeks}: P&L in dollars a seed, with its 95 % interval",
    )  # fmt: skip
    for name, row in found.rows.items():
        ours, theirs = row.with_guard, row.without_guard
        table.add_row(
            name, f"{ours.fills:,}", str(ours.pnl), f"{theirs.fills:,}", str(theirs.pnl),
            str(row.gain),
        )  # fmt: skip
    return table


def _report(summary: Summary, comparison: Comparison | None) -> dict[str, Any]:
    report: dict[str, Any] = msgspec.to_builtins(summary)
    report["earned"] = {
        name: {
            "fills": tally.fills,
            "contracts": tally.contracts / ONE_CONTRACT,
            "pnl": tally.pnl / MONEY_PER_DOLLAR,
        }
        for name, tally in zip(
            ("awaited", "news", "apart"), _parts(summary.earned).values(), strict=True
        )
    }
    if comparison is not None:
        kept = {"fills_kept": comparison.fills_kept}
        report["comparison"] = msgspec.to_builtins(comparison) | kept
    return report


def _write(path: Path, summary: Summary, comparison: Comparison | None) -> None:
    report = msgspec.json.encode(_report(summary, comparison))
    try:
        path.write_bytes(msgspec.json.format(report) + b"\n")
    except OSError as error:
        raise BadInput(f"{path} cannot be written: {error.strerror}") from None
