"""The report of settled events, for `mmbot report` and for the daemon at the end of a week."""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path

import msgspec
import orjson
from rich.console import Console

from mmbot.cli.output import put
from mmbot.config import Settings
from mmbot.daemon.bank_file import bank_path, load_memory
from mmbot.daemon.ledger_reader import TradeRecords
from mmbot.daemon.week_ends import Render, WeekReport
from mmbot.forecast.calibration import Calibration
from mmbot.forecast.model import Hindcasts
from mmbot.observe import performance_report
from mmbot.research.performance import PerformanceReport, build_report

_WIDTH = 110


def title_of(events: Iterable[str]) -> str:
    """Return the first line of a report."""
    return f"Settled up: {', '.join(sorted(events)) or 'no event'}"


def performance_of(
    records: TradeRecords, settings: Settings, directory: Path, events: frozenset[str]
) -> PerformanceReport:
    """Return the performance in some events, from a ledger and the forecasts beside it."""
    report = build_report(
        records.fills,
        records.markouts,
        records.samples,
        records.settlements,
        settings.quoting.belief_weight,
        events,
        settings.quoting.market_sharpness,
    )
    return msgspec.structs.replace(report, forecast=_forecast(directory, settings.forecast.method))


def _forecast(directory: Path, method: str) -> dict[int, Calibration]:
    """Return the calibration of the daemon's stored forecasts; none before its first fit."""
    hindcasts = load_memory(bank_path(directory, method), Hindcasts.decode)
    return {} if hindcasts is None else hindcasts.record.calibration()


def renderer(settings: Settings, directory: Path) -> Render:
    """Return the function that makes a week's report from a ledger in a state directory."""

    def render(records: TradeRecords, event: str) -> WeekReport:
        performance = performance_of(records, settings, directory, frozenset({event}))
        paper = io.StringIO()
        console = Console(file=paper, width=_WIDTH, color_system=None)
        for line in (title_of({event}), *performance_report.remarks(performance)):
            console.print(line, highlight=False, markup=False, soft_wrap=True)
        for sheet in performance_report.sheets(performance):
            put(console, sheet)
        lines = (line.rstrip() for line in paper.getvalue().splitlines())
        figures = performance_report.as_json(performance)
        return WeekReport(
            "\n".join((*lines, "")), orjson.dumps(figures, option=orjson.OPT_INDENT_2)
        )

    return render
