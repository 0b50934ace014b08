"""Pictures; importing this needs matplotlib, the extra `plots`."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from itertools import accumulate
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mmbot.errors import BadInput
from mmbot.forecast.evaluation import Outcome, Score
from mmbot.research.backtest import MarketOpinion, WeekResult
from mmbot.units import MONEY_PER_DOLLAR

_BINS = np.linspace(0, 1, 11)


def draw_evaluation(
    path: Path, outcomes: Mapping[str, Sequence[Outcome]], scores: Mapping[str, Mapping[int, Score]]
) -> None:
    """Draw how often strikes were passed against how likely that was held, and CRPS by k."""
    figure = Figure(figsize=(11, 5), layout="constrained")
    calibration, skill = figure.subplots(1, 2)
    for name in outcomes:
        _draw_calibration(calibration, name, outcomes[name])
        by_origin = scores[name]
        skill.plot(list(by_origin), [s.crps / 1e3 for s in by_origin.values()], "o-", label=name)
    calibration.plot([0, 1], [0, 1], color="grey", linewidth=0.8)
    calibration.set(xlabel="P(above) as forecast", ylabel="share that came above")
    skill.set(xlabel="days published (k)", ylabel="CRPS, thousand passengers", ylim=(0, None))
    calibration.legend()
    skill.legend()
    try:
        figure.savefig(path)
    except (OSError, ValueError) as error:
        raise BadInput(f"{path} cannot be drawn into: {error}") from None


def _draw_calibration(axes: Axes, name: str, outcomes: Sequence[Outcome]) -> None:
    forecast = np.concatenate([outcome.above for outcome in outcomes])
    passed = np.concatenate([outcome.passed for outcome in outcomes])
    bins = np.clip(np.digitize(forecast, _BINS) - 1, 0, len(_BINS) - 2)
    used = [b for b in range(len(_BINS) - 1) if (bins == b).any()]
    axes.plot(
        [forecast[bins == b].mean() for b in used],
        [passed[bins == b].mean() for b in used],
        "o-",
        label=name,
    )


def backtest_pictures(outcome: Mapping[str, Sequence[WeekResult]]) -> list[str]:
    """Draw cumulated P&L by week, and how often what was priced came true, as SVG elements."""
    figure = Figure(figsize=(11, 4.5), layout="constrained")
    earned, calibration = figure.subplots(1, 2)
    for name, results in outcome.items():
        pnl = (sum(trade.pnl for trade in each.trades) / MONEY_PER_DOLLAR for each in results)
        weeks = [each.week.rpartition("-")[2] for each in results]
        earned.step(weeks, list(accumulate(pnl)), where="mid", marker="o", label=name)
    earned.axhline(0, color="grey", linewidth=0.8)
    earned.set(ylabel="cumulated P&L, dollars")
    earned.legend()
    _draw_opinions(
        calibration, [each for result in next(iter(outcome.values())) for each in result.opinions]
    )
    return [_svg(figure)]


def calibration_pictures(opinions: Sequence[MarketOpinion]) -> list[str]:
    """Draw how often came true what belief, market and pool held, as SVG elements."""
    figure = Figure(figsize=(5.5, 4.5), layout="constrained")
    _draw_opinions(figure.subplots(), opinions)
    return [_svg(figure)]


def _svg(figure: Figure) -> str:
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None})
    return text.getvalue()[text.getvalue().index("<svg") :]


def _draw_opinions(axes: Axes, opinions: Sequence[MarketOpinion]) -> None:
    for field in ("belief", "mid", "pooled"):
        _draw_opinion(axes, field, opinions)
    axes.plot([0, 1], [0, 1], color="grey", linewidth=0.8)
    axes.set(xlabel="fair value as held", ylabel="share that came true")
    axes.legend()


def _draw_opinion(axes: Axes, field: str, opinions: Sequence[MarketOpinion]) -> None:
    held = np.array([getattr(each, field) for each in opinions])
    true = np.array([each.outcome for each in opinions])
    bins = np.clip(np.digitize(held, _BINS) - 1, 0, len(_BINS) - 2)
    used = [b for b in range(len(_BINS) - 1) if (bins == b).any()]
    axes.plot(
        [held[bins == b].mean() for b in used],
        [true[bins == b].mean() for b in used],
        "o-",
        label=field,
    )
