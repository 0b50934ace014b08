"""The live table of a demonstration, made from the daemon's log alone."""

from __future__ import annotations

from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text


class WeekTable:
    """The state of the latest log lines, rendered by rich at its own refresh rate."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._heartbeat: dict[str, Any] = {}
        self._fills = 0
        self._orders = 0
        self._news = ""

    def watch(self, line: dict[str, Any]) -> None:
        """Update the table from one log line."""
        match line["event"]:
            case "heartbeat":
                self._heartbeat = line
            case "fill":
                self._fills += 1
            case "order.place":
                self._orders += 1
            case "belief.updated":
                self._news = (
                    f"{line['known']} days published: mean {line['mean']:,}, sd {line['sd']:,}"
                )
            case "counts.published":
                self._news = f"{line['day']}: {line['count']:,} passengers published"
            case "event.settled":
                self._news = f"settled: P&L ${line['pnl']}"

    def __rich__(self) -> Group:
        """Render the markets of the last heartbeat."""
        events = self._heartbeat.get("events") or [{}]
        event = events[0]
        head = Text.assemble(
            (self._title, "bold"),
            f"  {self._heartbeat.get('calendar', 'starting ...')}",
            f"  days published {event.get('known', '-')}",
            f"  orders {self._orders}  fills {self._fills}",
            f"  worst case ${event.get('worst_case', '-')}",
        )
        table = Table("strike", "fair", "our bid", "our ask", "position", "no quote because")
        for column in table.columns[:5]:
            column.justify = "right"
        for row in event.get("markets", ()):
            table.add_row(
                f"{row['strike']:,}",
                "-" if row["fair"] is None else f"{row['fair']:.3f}",
                row["bid"] or "",
                row["ask"] or "",
                "" if row["position"] == "0.00" else row["position"],
                row["reason"],
            )
        return Group(head, table, Text(self._news, style="dim"))
