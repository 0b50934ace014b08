"""Plots; importing this needs matplotlib, the extra `plots`."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from itertools import accumulate
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from mmbot.cli.sweep_plots import draw_sweep
from mmbot.cli.week_plots import week_pictures
from mmbot.config import Settings
from mmbot.demo.course import WeekCourse
from mmbot.errors import BadInput, reason
from mmbot.forecast.evaluation import Score, ScoredForecast
from mmbot.forecast.history import Floats
from mmbot.research.backtest import MarketPrediction, WeekResult
from mmbot.research.parameter_sweep import HeldOut, Trial
from mmbot.units import MONEY_PER_DOLLAR

_BINS = np.linspace(0, 1, 11)


def draw_evaluation(
    path: Path,
    forecasts: Mapping[str, Sequence[ScoredForecast]],
    scores: Mapping[str, Mapping[int, Score]],
) -> None:
    """Draw a calibration plot of P(above), and CRPS by the number of published days.

    Raises:
        BadInput: `path` cannot be written, or its suffix is not one of matplotlib's formats.
    """
    figure = Figure(figsize=(11, 5), layout="constrained")
    calibration, skill = figure.subplots(1, 2)
    for name, scored in forecasts.items():
        predicted = np.concatenate([each.above for each in scored])
        outcomes = np.concatenate([each.passed for each in scored])
        _draw_calibration(calibration, name, predicted, outcomes)
        by_origin = scores[name]
        skill.plot(list(by_origin), [s.crps / 1e3 for s in by_origin.values()], "o-", label=name)
    calibration.plot([0, 1], [0, 1], color="grey", linewidth=0.8)
    calibration.set(xlabel="predicted P(above)", ylabel="realised frequency")
    skill.set(xlabel="days published (k)", ylabel="CRPS, thousand passengers", ylim=(0, None))
    calibration.legend()
    skill.legend()
    try:
        figure.savefig(path)
    except (OSError, ValueError) as error:
        raise BadInput(f"{path} cannot be written: {reason(error)}") from None


def _draw_calibration(
    axes: Axes, name: str, predicted: Floats, outcomes: NDArray[np.bool_]
) -> None:
    """Plot realised against mean predicted frequency in each bin, both of shape (n,)."""
    bins = np.clip(np.digitize(predicted, _BINS) - 1, 0, len(_BINS) - 2)
    used = [b for b in range(len(_BINS) - 1) if (bins == b).any()]
    axes.plot(
        [predicted[bins == b].mean() for b in used],
        [outcomes[bins == b].mean() for b in used],
        "o-",
        label=name,
    )


def backtest_pictures(results: Mapping[str, Sequence[WeekResult]]) -> list[str]:
    """Return SVG elements: P&L by week and calibration, and the weeks with a recorded path."""
    figure = Figure(figsize=(11, 4.5), layout="constrained")
    cumulated, calibration = figure.subplots(1, 2)
    for name, weeks in results.items():
        pnl = (sum(trade.pnl for trade in each.trades) / MONEY_PER_DOLLAR for each in weeks)
        labels = [each.week.rpartition("-")[2] for each in weeks]
        cumulated.step(labels, list(accumulate(pnl)), where="mid", marker="o", label=name)
    cumulated.axhline(0, color="grey", linewidth=0.8)
    cumulated.set(ylabel="cumulated P&L, dollars")
    cumulated.legend()
    _draw_opinions(
        calibration,
        [each for result in next(iter(results.values())) for each in result.predictions],
    )
    traded = [picture for each in results.values() for picture in week_pictures(each)]
    return [_svg(each) for each in (figure, *traded)]


def sweep_pictures(trials: Sequence[Trial], held_out: HeldOut, settings: Settings) -> list[str]:
    """Return an SVG element: the yardstick over the settings, and the result held out."""
    return [_svg(draw_sweep(trials, held_out, settings))]


def calibration_pictures(opinions: Sequence[MarketPrediction]) -> list[str]:
    """Return an SVG element of the calibration of belief, mid and pool."""
    figure = Figure(figsize=(5.5, 4.5), layout="constrained")
    _draw_opinions(figure.subplots(), opinions)
    return [_svg(figure)]


def _svg(figure: Figure) -> str:
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None})
    return text.getvalue()[text.getvalue().index("<svg") :]


def _draw_opinions(axes: Axes, opinions: Sequence[MarketPrediction]) -> None:
    outcomes = np.array([each.outcome for each in opinions], dtype=bool)
    for field in ("belief", "mid", "pooled"):
        predicted = np.array([getattr(each, field) for each in opinions], dtype=float)
        _draw_calibration(axes, field, predicted, outcomes)
    axes.plot([0, 1], [0, 1], color="grey", linewidth=0.8)
    axes.set(xlabel="predicted frequency", ylabel="realised frequency")
    axes.legend()


def draw_week(path: Path, title: str, course: WeekCourse) -> None:
    """Draw a demonstrated week: its forecasts, its fills, its P&L.

    Raises:
        BadInput: `path` cannot be written.
    """
    figure = Figure(figsize=(9, 7), layout="constrained")
    forecast, traded, earned = figure.subplots(3, 1, sharex=True)
    forecast.set_title(title)
    if course.forecasts:
        times, means, spreads = zip(*course.forecasts, strict=True)
        forecast.errorbar(times, np.array(means) / 1e6, np.array(spreads) / 1e6, fmt="o-")
    forecast.set(ylabel="forecast, million")
    if course.fills:
        traded.vlines(*zip(*((at, 0, count) for at, count in course.fills), strict=True))
    traded.axhline(0, color="grey", linewidth=0.8)
    traded.set(ylabel="YES (up), NO filled")
    if course.pnl:
        times, at_fair, at_worst = zip(*course.pnl, strict=True)
        earned.plot(times, at_fair, label="at fair value")
        earned.plot(times, at_worst, label="in the worst outcome")
        earned.legend()
    earned.axhline(0, color="grey", linewidth=0.8)
    earned.set(ylabel="P&L, dollars")
    figure.autofmt_xdate()
    try:
        figure.savefig(path)
    except (OSError, ValueError) as error:
        raise BadInput(f"{path} cannot be written: {reason(error)}") from None
