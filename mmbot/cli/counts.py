"""`mmbot counts`: the daily counts that the running daemon has."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from mmbot.cli import output
from mmbot.cli.daemon_options import AsJson, DaemonConfig, DaemonVenue
from mmbot.cli.output import print_answer
from mmbot.cli.place import ask, expect, find
from mmbot.cli.times import parse_date
from mmbot.daemon_api import CountDay, CountsReport, ListCounts, MissCount, MissingReport
from mmbot.errors import BadInput
from mmbot.underlying.calendar import EASTERN

counts = typer.Typer(help="The daily counts that the running daemon has.")


@counts.callback(invoke_without_command=True)
def list_counts(
    context: typer.Context,
    config_path: DaemonConfig = None,
    venue_path: DaemonVenue = None,
    as_json: AsJson = False,
) -> None:
    """List the counts of this week and the last: every value, when it was seen, which are due."""
    if context.invoked_subcommand is not None:
        if config_path or venue_path or as_json:
            raise BadInput(f"write the options after `{context.invoked_subcommand}`")
        return
    place = find(config_path, venue_path)
    report = expect(CountsReport, ask(place, ListCounts()))
    if as_json:
        print_answer(report)
    else:
        output.console().print(_counts_table(report.days))


@counts.command("none")
def counts_none(
    day: Annotated[str, typer.Argument(metavar="DATE", help="The day, such as 2026-11-25.")],
    config_path: DaemonConfig = None,
    venue_path: DaemonVenue = None,
    as_json: AsJson = False,
) -> None:
    """Stop waiting for the count of a day, and quote without it.

    The day must be in a listed week, and its count due and not published. If the count comes after
    all, it is used, and quoting waits until it is in the belief.
    """
    place = find(config_path, venue_path)
    report = expect(MissingReport, ask(place, MissCount(parse_date(day, "DATE"))))
    if as_json:
        print_answer(report)
    else:
        print(f"No count is waited for: {', '.join(map(str, report.days))}.")


_STATE_TEXTS = {"published": "", "due": "due now", "expected": "", "none": "not waited for"}


def _counts_table(days: tuple[CountDay, ...]) -> Table:
    table = Table("day", "count", "seen", "", title="New York time")
    table.columns[1].justify = "right"
    for row in days:
        day = f"{row.day:%a %Y-%m-%d}"
        release = f"from {row.release.astimezone(EASTERN):%a %H:%M}"
        if not row.vintages:
            state = _STATE_TEXTS[row.state]
            table.add_row(day, "", "", f"{state}, {release}" if state else f"expected {release}")
        for number, vintage in enumerate(row.vintages):
            seen = f"{vintage.seen.astimezone(EASTERN):%a %Y-%m-%d %H:%M}"
            remark = "archived" if vintage.archived else "revised" if number else ""
            table.add_row("" if number else day, f"{vintage.count:,}", seen, remark)
    return table
