"""`mmbot plan` and `reload`: what an edited config would quote, and applying it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from mmbot.cli import output
from mmbot.cli.daemon_options import AsJson, Changes, DaemonConfig, DaemonVenue
from mmbot.cli.output import print_answer
from mmbot.cli.place import ask, expect, find
from mmbot.daemon_api import (
    Offer,
    Plan,
    PlannedMarket,
    PlanReport,
    QuotedMarket,
    Reload,
    ReloadReport,
)
from mmbot.observe.status_view import price

# The most markets with the same shut gate that are named.
_MOST_NAMED = 8


def reload(
    config_path: DaemonConfig = None, venue_path: DaemonVenue = None, as_json: AsJson = False
) -> None:
    """Make the daemon read its config file again and apply what it can.

    It does so by itself within 2 seconds of a change of the file. Quoting changes
    at once, a limit only if it becomes tighter; all other changes wait for a
    restart, and are listed.

    Exit codes: 0 read, 2 the file is invalid and nothing has changed, 3 no daemon
    is running, 4 it gave no answer.
    """
    report = expect(ReloadReport, ask(find(config_path, venue_path), Reload()))
    if as_json:
        print_answer(report)
        return
    if not (report.changed or report.waits_for_restart):
        print("The settings in the file are in force already; nothing has changed.")
    for key in report.changed:
        print(f"{key.key}: {key.old} -> {key.new}")
    for key in report.waits_for_restart:
        print(f"{key.key}: {key.old} -> {key.new} waits for a restart")


def plan(
    config_path: Annotated[
        Path | None,
        typer.Option(
            "--config",
            help="The edited settings, none of which takes effect; the daemon's, changed by --set, "
            "unless given.",
            show_default=False,
        ),
    ] = None,
    venue_path: DaemonVenue = None,
    changes: Changes = None,
    as_json: AsJson = False,
) -> None:
    """Show what other settings would quote in the live books, beside the present quotes.

    Fair values and edges are those under the other settings. The two edges are the least
    edge of a bid for YES and of one for NO, in cents against the reservation price.
    Only the tables quoting, limits and orders may differ from what the daemon runs with.
    """
    place = find(config_path, venue_path, changes)
    report = expect(PlanReport, ask(place, Plan(place.settings)))
    if as_json:
        print_answer(report)
    else:
        _show_plan(report)
        for line in how_to_apply(report, place.found.path):
            print(line)


def _show_plan(report: PlanReport) -> None:
    console = output.console()
    events = dict.fromkeys(market.market.rpartition("-")[0] for market in report.markets)
    for event in events:
        of_event = [m for m in report.markets if m.market.rpartition("-")[0] == event]
        shown = [m for m in of_event if m.differs or _is_quoted(m)]
        if shown:
            output.print_whole(console, _plan_table(event, shown))
        shut: dict[str, list[str]] = {}
        for market in of_event:
            if market.present.gate or market.planned.gate:
                shut.setdefault(_gates(market), []).append(market.market.rpartition("-")[2])
        for gate, names in shut.items():
            listed = " ".join(names[:_MOST_NAMED]) + (" ..." if len(names) > _MOST_NAMED else "")
            console.print(f"{listed}: {gate}", markup=False, highlight=False)
        if fee := next((m.planned.fee for m in of_event if m.planned.fee), ""):
            console.print(f"Makers pay {fee}; prices and edges are net of it.", markup=False)
    differing = sum(market.differs for market in report.markets)
    console.print(f"{differing} of {len(report.markets)} markets would be quoted differently (*).")


def how_to_apply(report: PlanReport, path: Path) -> Iterable[str]:
    """Yield how to apply the planned settings."""
    if not (report.live or report.waits_for_restart):
        yield "These are the settings in force."
    if report.live:
        keys = ", ".join(f"{key.key} {key.old} -> {key.new}" for key in report.live)
        yield f"To apply {keys}: write it into the daemon's config file ({path})."
        yield "It takes effect within 2 seconds, or at once with `mmbot reload`."
    if report.waits_for_restart:
        keys = ", ".join(f"{key.key} {key.old} -> {key.new}" for key in report.waits_for_restart)
        yield f"{keys}: waits for a restart, because only a restart loosens a limit."


def _gates(market: PlannedMarket) -> str:
    """Return the gates that shut a market now and as planned."""
    now, then = market.present.gate, market.planned.gate
    return now if now == then else f"{now or 'nothing'} -> {then or 'nothing'}"


def _is_quoted(market: PlannedMarket) -> bool:
    return any((market.present.bid, market.present.ask, market.planned.bid, market.planned.ask))


def _plan_table(event: str, markets: list[PlannedMarket]) -> Table:
    headings = ("", "fair", "edges", "bid now", "planned", "ask now", "planned")
    table = output.figures(headings, event)
    for market in markets:
        now, then = market.present, market.planned
        table.add_row(
            market.market.rpartition("-")[2],
            _fair(then),
            _edges(then),
            _offer(now.bid),
            _marked(now.bid, then.bid),
            _offer(now.ask),
            _marked(now.ask, then.ask),
        )
    return table


def _fair(shown: QuotedMarket) -> str:
    return "" if shown.fair is None else f"{shown.fair:.3f}"


def _edges(shown: QuotedMarket) -> str:
    """Return the required edges in cents, of YES and of NO."""
    if shown.yes_edge_cents is None or shown.no_edge_cents is None:
        return ""
    return f"{shown.yes_edge_cents:.1f}/{shown.no_edge_cents:.1f}"


def _offer(offer: Offer | None) -> str:
    return "" if offer is None else f"{float(offer.count):g} at {price(offer.price)}"


def _marked(before: Offer | None, after: Offer | None) -> Text:
    if before == after:
        return Text(_offer(after))
    return Text(f"* {_offer(after) or 'none'}", style="bold yellow")
