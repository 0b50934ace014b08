"""The demonstration's table and the course of its week, from lines of the log."""

from __future__ import annotations

import datetime as dt
from typing import Any

from rich.console import Console

from mmbot.demo.table import WeekTable
from mmbot.underlying.calendar import Week

MARKET = {
    "event": "market.status",
    "market": "KXTSAW-26APR19-A2.50",
    "strike": 2_500_000,
    "fair": 0.539,
    "bid": "0.2500",
    "ask": None,
    "position": "8.00",
    "reason": "",
}
BEAT = {
    "event": "heartbeat",
    "calendar": "2026-04-16T12:06:01-04:00",
    "pnl_week_fair": "2.310000",
    "pnl_week_worst": "-2.000000",
}
BELIEF = {"event": "belief.updated", "known": 3, "mean": 2_584_377, "sd": 64_701}
FILL = {"event": "fill", "side": "ask", "count": "8.00"}
LINES: tuple[dict[str, Any], ...] = (BELIEF, BEAT, MARKET, BELIEF, FILL)


def test_the_table_shows_what_the_log_told_last_in_eighty_columns() -> None:
    table = WeekTable("KXTSAW-26APR19", Week(dt.date(2026, 4, 19)))
    for line in (*LINES, {**MARKET, "market": "KXTSAW-26APR19-A1.80", "position": "0.00",
                          "strike": 1_800_000, "reason": "fair_extreme"}):  # fmt: skip
        table.watch(line)
    console = Console(width=80, color_system=None)
    with console.capture() as capture:
        console.print(table)
    shown = capture.get()
    assert max(map(len, shown.splitlines())) <= 80
    assert "Thu 16 Apr 12:06, 3 of 7 days published, 0 orders, 1 fills" in shown
    assert "2,500,000" in shown
    assert "1,800,000" not in shown
    assert "P&L +2.31, at worst -2.00 dollars" in " ".join(shown.split())
