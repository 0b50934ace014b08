"""`mmbot simulate`: weeks in virtual time with faults, and whether every invariant held."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, TypeAlias

import msgspec
import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from mmbot.cli import output
from mmbot.cli.options import FeesOfSeries, ResultPath, read_fees
from mmbot.cli.work import SchedulerAddress, work_through
from mmbot.errors import BadInput
from mmbot.faultlab import campaign
from mmbot.faultlab import comparison as comparing
from mmbot.faultlab.campaign import Job, SeedResult, Summary, Violation
from mmbot.faultlab.comparison import Comparison
from mmbot.faultlab.faults import FAULTS, named
from mmbot.faultlab.guards import GUARDS
from mmbot.faultlab.pnl_by_window import PnlByWindow, PnlTotals
from mmbot.units import MONEY_PER_DOLLAR, ONE_CONTRACT

_Shrink: TypeAlias = Annotated[
    bool, typer.Option("--shrink", help="Look for a smaller set of faults that fails a seed.")
]
_Compare: TypeAlias = Annotated[
    str, typer.Option(help="Simulate ordinary hours with and without this guard.")
]
_Replay: TypeAlias = Annotated[
    bool, typer.Option("--replay", help="Also replay every session of the bot, as a check.")
]


def simulate(
    *,
    seeds: Annotated[int, typer.Option(min=1, max=1_000_000, help="How many seeds.")] = 100,
    first: Annotated[int, typer.Option(min=0, help="The first seed.")] = 1,
    faults: Annotated[str, typer.Option(help="all, none, or names separated by commas.")] = "all",
    weeks: Annotated[int, typer.Option(min=1, max=52, help="Weeks for each seed.")] = 1,
    json_path: ResultPath = None,
    shrink: _Shrink = False,
    without: Annotated[str, typer.Option(help="Disable one of the bot's guards.")] = "",
    compare: _Compare = "",
    replay: _Replay = False,
    fees: FeesOfSeries = "",
    scheduler: SchedulerAddress = None,
) -> None:
    """Trade whole weeks in virtual time against an exchange and a network that fail.

    Every seed draws its own faults; after every step, invariants are checked
    against the exchange's own books. A seed that violates one is printed with
    the command that reproduces it.

    With --compare, each seed is simulated twice, with and without one of the bot's
    guards, to measure what the guard is worth: for example with --compare
    release_gate --faults none --weeks 4.
    """
    names = named(faults)
    read_fees(fees)
    _check_guards(without, compare)
    jobs = [
        Job(seed, names, weeks, removed, compare, replay, fees)
        for seed in range(first, first + seeds)
        for removed in (("", compare) if compare else (without,))
    ]
    console = output.console()
    results: list[SeedResult] = []
    summary = _run(jobs, console, results, scheduler, shrink=shrink)
    comparison = comparing.compare(compare, results) if compare else None
    if names:
        console.print(_faults(summary))
    console.print(_title(summary) if comparison is None else _compared(comparison))
    if json_path is not None:
        _write(json_path, summary, comparison)
    if summary.violations:
        raise typer.Exit(1)


def _check_guards(without: str, compare: str) -> None:
    for option, guard in (("--without", without), ("--compare", compare)):
        if guard and guard not in GUARDS:
            raise BadInput(f"{option} {guard!r} is not a guard; choose from {', '.join(GUARDS)}")
    if without and compare:
        raise BadInput("--compare already disables its guard; leave out --without")


def _run(
    jobs: list[Job],
    console: Console,
    results: list[SeedResult],
    scheduler: str | None,
    *,
    shrink: bool,
) -> Summary:
    """Run jobs, show their progress and violations, and append their results to `results`."""
    progress = Progress(console=console, disable=not console.is_terminal)
    with progress:
        task = progress.add_task("Seeds", total=len(jobs))

        def done(result: SeedResult) -> None:
            progress.advance(task)
            results.append(result)
            violation = result.violation
            if violation is not None:
                job = _shrunk(result, violation) if shrink else result.job
                _print_violation(violation, job, console)

        return campaign.total(jobs, work_through(_play, None, jobs, scheduler), done)


def _play(_: None, job: Job) -> SeedResult:
    return campaign.run(job)


def _shrunk(result: SeedResult, violation: Violation) -> Job:
    injected = tuple(name for name in result.job.faults if name in result.faults)
    job = msgspec.structs.replace(result.job, faults=injected)
    return campaign.shrink(job, violation.invariant)


def _print_violation(violation: Violation, job: Job, console: Console) -> None:
    console.print(
        f"seed {violation.seed} breaks {violation.invariant}: {violation.what}", markup=False
    )
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
    earned = ", ".join(f"{_dollars(totals)} {when}" for when, totals in _windows(summary.earned))
    return (
        f"{summary.seeds:,} seeds, {len(summary.violations):,} violations in "
        f"{summary.seconds:,.0f} s: {summary.orders:,} orders, {summary.fills:,} fills, "
        f"{summary.restarts:,} restarts{replayed}; P&L {earned}"
    )


def _windows(earned: PnlByWindow) -> tuple[tuple[str, PnlTotals], ...]:
    return (
        ("while a count was awaited", earned.awaited),
        ("while it was news", earned.news),
        ("apart", earned.apart),
    )


def _dollars(totals: PnlTotals) -> str:
    return f"${totals.pnl / MONEY_PER_DOLLAR:,.2f}"


def _compared(found: Comparison) -> Table:
    """Return what a guard is worth as a table: fills over all seeds, and P&L a seed."""
    weeks = "a week" if found.weeks == 1 else f"{found.weeks} weeks"
    table = Table(
        "hours", "fills", "P&L", "fills without", "P&L without", f"{found.guard} gains",
        title=f"{found.seeds} seeds of {weeks}: P&L in dollars a seed, with its 95 % interval",
    )  # fmt: skip
    for name, row in found.rows.items():
        cells = [
            (f"{share.fills:,}", str(share.pnl)) for share in (row.with_guard, row.without_guard)
        ]
        table.add_row(name, *cells[0], *cells[1], str(row.gain))
    return table


def _report(summary: Summary, comparison: Comparison | None) -> dict[str, Any]:
    report: dict[str, Any] = msgspec.to_builtins(summary)
    earned = summary.earned
    report["earned"] = {
        "awaited": _figures(earned.awaited),
        "news": _figures(earned.news),
        "apart": _figures(earned.apart),
    }
    if comparison is not None:
        ratio = {"fills_kept": comparison.fills_kept}
        report["comparison"] = msgspec.to_builtins(comparison) | ratio
    return report


def _figures(totals: PnlTotals) -> dict[str, float]:
    return {
        "fills": totals.fills,
        "contracts": totals.contracts / ONE_CONTRACT,
        "pnl": totals.pnl / MONEY_PER_DOLLAR,
    }


def _write(path: Path, summary: Summary, comparison: Comparison | None) -> None:
    report = msgspec.json.encode(_report(summary, comparison))
    try:
        path.write_bytes(msgspec.json.format(report) + b"\n")
    except OSError as error:
        raise BadInput(f"{path} cannot be written: {error.strerror}") from None
