"""`mmbot simulate`: weeks in which everything breaks, and what the bot made of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from mmbot.errors import BadInput
from mmbot.simulator import campaign
from mmbot.simulator.campaign import Job, Lived, Summary, Violation
from mmbot.simulator.faults import FAULTS, named
from mmbot.simulator.guards import GUARDS


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
    replay: Annotated[
        bool, typer.Option("--replay", help="Also replay every life of the bot, as a check.")
    ] = False,
) -> None:
    """Trade whole weeks in virtual time against an exchange and a network that fail.

    Every seed draws its own faults; after everything that happens, what must
    hold is checked against the exchange's own books. A seed that breaks
    something is printed with the command that runs it again.
    """
    names = named(faults)
    if without and without not in GUARDS:
        raise BadInput(f"--without {without!r} is no guard; known are {', '.join(GUARDS)}")
    jobs = [Job(seed, names, weeks, without, replay) for seed in range(first, first + seeds)]
    console = Console()
    summary = _run(jobs, console, shrink=shrink)
    console.print(_table(summary))
    if json_path is not None:
        _write(json_path, summary)
    if summary.violations:
        raise typer.Exit(1)


def _run(jobs: list[Job], console: Console, *, shrink: bool) -> Summary:
    progress = Progress(console=console, disable=not console.is_terminal)
    with progress:
        task = progress.add_task("Seeds", total=len(jobs))

        def done(lived: Lived) -> None:
            progress.advance(task)
            if lived.violation is not None:
                _tell(lived.violation, _shrunk(lived) if shrink else lived.job, console)

        return campaign.run_all(jobs, done)


def _shrunk(lived: Lived) -> Job:
    job, violation = lived.job, lived.violation
    if violation is None:
        return job
    injected = tuple(name for name in job.faults if name in lived.faults)
    return campaign.shrink(msgspec.structs.replace(job, faults=injected), violation.invariant)


def _tell(violation: Violation, job: Job, console: Console) -> None:
    console.print(f"seed {violation.seed} breaks {violation.invariant}: {violation.what}")
    console.print(f"  {job.command}", soft_wrap=True)


def _table(summary: Summary) -> Table:
    table = Table("fault", "injected", title=_title(summary))
    table.columns[1].justify = "right"
    for name in FAULTS:
        if name in summary.faults:
            table.add_row(name, f"{summary.faults[name]:,}")
    return table


def _title(summary: Summary) -> str:
    replayed = f", {summary.replayed:,} inputs replayed" if summary.replayed else ""
    return (
        f"{summary.seeds:,} seeds, {len(summary.violations):,} violations in "
        f"{summary.seconds:,.0f} s: {summary.orders:,} orders, {summary.fills:,} fills, "
        f"{summary.restarts:,} restarts{replayed}"
    )


def _write(path: Path, summary: Summary) -> None:
    try:
        path.write_bytes(msgspec.json.format(msgspec.json.encode(summary)) + b"\n")
    except OSError as error:
        raise BadInput(f"{path} cannot be written: {error.strerror}") from None
