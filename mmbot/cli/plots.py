"""Pictures; importing this needs matplotlib, the extra `plots`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mmbot.errors import BadInput
from mmbot.forecast.evaluation import Outcome, Score

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
