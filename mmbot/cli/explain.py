"""`mmbot explain`: every step from the counts to a market's orders."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from mmbot.cli import output
from mmbot.cli.daemon_options import AsJson, DaemonConfig, DaemonVenue
from mmbot.cli.output import print_answer
from mmbot.cli.place import ask, expect, find
from mmbot.daemon_api import MAX_TICKER_CHARACTERS, Explain, Explanation
from mmbot.errors import BadInput


def explain(
    ticker: Annotated[
        str,
        typer.Argument(
            metavar="MARKET",
            help="A market: KXTSAW-26NOV29-A2.70, or any unique part of its ticker: A2.70",
        ),
    ],
    config_path: DaemonConfig = None,
    venue_path: DaemonVenue = None,
    as_json: AsJson = False,
) -> None:
    """Explain a market's quotes: counts, forecast, fair value, margin, tick, order."""
    place = find(config_path, venue_path)
    if len(ticker) > MAX_TICKER_CHARACTERS:
        raise BadInput(f"there is no market {ticker[:40]!r}...")
    report = expect(Explanation, ask(place, Explain(ticker)))
    if as_json:
        print_answer(report)
        return
    table = Table(title=report.ticker, box=None, show_header=False, title_justify="left")
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for step in report.steps:
        table.add_row(step.name, Text(step.text, style="red" if step.name == "gate" else ""))
    output.console().print(table)
