"""The live table of a demonstration, made from the daemon's log alone."""

from __future__ import annotations

import datetime as dt
from typing import Any

from rich.console import Group
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from mmbot.underlying.calendar import Week

# Gates of markets that need no row: most of a ladder, on most days.
_HIDDEN = frozenset({"closed", "fair_extreme", "settled"})


class WeekTable:
    """The state of the latest log lines, rendered by rich at its own refresh rate."""

    def __init__(self, title: str, week: Week) -> None:
        self._title = title
        self._begin, self._end = week.opens, week.settles
        self._heartbeat: dict[str, Any] = {}
        self._markets: dict[str, dict[str, Any]] = {}
        self._published: int | str = "-"
        self._fills = 0
        self._orders = 0
        self._news = ""

    def watch(self, line: dict[str, Any]) -> None:
        """Update the table from one log line."""
        match line["event"]:
            case "heartbeat":
                self._heartbeat = line
            case "market.status":
                self._markets[line["market"]] = line
            case "fill":
                self._fills += 1
            case "order.place":
                self._orders += 1
            case "belief.updated":
                self._published = line["known"]
                self._news = (
                    f"{line['known']} days published: mean {line['mean']:,}, sd {line['sd']:,}"
                )
            case "counts.published":
                self._news = f"{line['day']}: {line['count']:,} passengers published"
            case "event.settled":
                self._news = f"settled: P&L ${line['pnl']}"

    def __rich__(self) -> Group:
        """Render the totals, a row for each market that needs one, and the latest news."""
        beat = self._heartbeat
        head = Text.assemble(
            (self._title, "bold"),
            f"\n{self._time()}, {self._published} of 7 days published",
            f", {self._orders} orders, {self._fills} fills, P&L {_dollars(beat, 'fair')}",
            f", at worst {_dollars(beat, 'worst')} dollars",
        )
        table = Table("strike", "fair", "our bid", "our ask", "position", "no quote because")
        for column in table.columns[:5]:
            column.justify = "right"
        rows = sorted(self._markets.values(), key=lambda row: row["strike"])
        for row in rows:
            if row["reason"] in _HIDDEN and row["position"] == "0.00":
                continue
            table.add_row(
                f"{row['strike']:,}",
                "-" if row["fair"] is None else f"{row['fair']:.3f}",
                row["bid"] or "",
                row["ask"] or "",
                "" if row["position"] == "0.00" else row["position"],
                row["reason"],
            )
        return Group(head, self._progress(), table, Text(self._news, style="dim"))

    def _progress(self) -> Table:
        """Return how much of the week is over, from its opening to its settlement."""
        calendar = self._heartbeat.get("calendar")
        now = dt.datetime.fromisoformat(calendar) if calendar else self._begin
        part = (now - self._begin) / (self._end - self._begin)
        bar = Table.grid()
        bar.add_row(ProgressBar(total=1.0, completed=min(1.0, max(0.0, part)), width=60))
        return bar

    def _time(self) -> str:
        calendar = self._heartbeat.get("calendar")
        return f"{dt.datetime.fromisoformat(calendar):%a %d %b %H:%M}" if calendar else "starting"


def _dollars(beat: dict[str, Any], which: str) -> str:
    amount = beat.get(f"pnl_week_{which}")
    return "-" if amount is None else f"{float(amount):+,.2f}"
