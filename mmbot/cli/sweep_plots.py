"""The plot of a sweep; importing this needs matplotlib, the extra `plots`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import msgspec
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mmbot.config import Settings
from mmbot.research.parameter_sweep import HeldOut, Trial
from mmbot.research.scoring import Interval

# If settings differ in more than one key, only the lines with the best settings are drawn.
MOST_LINES = 6
_PERCENT = 100


def draw_sweep(trials: Sequence[Trial], held_out: HeldOut, settings: Settings) -> Figure:
    """Draw P&L over the dollars at risk by the first key, and the result held out.

    Args:
        trials: The trials, best first.
        held_out: The result in the weeks left out.
        settings: The settings that were changed.
    """
    figure = Figure(figsize=(11, 4.5), layout="constrained")
    by_value, choice = figure.subplots(1, 2, width_ratios=(2, 1))
    _draw_values(by_value, trials)
    _draw_choice(choice, trials, held_out, settings)
    return figure


def _draw_values(axes: Axes, trials: Sequence[Trial]) -> None:
    key = next(iter(trials[0].changes))
    lines: dict[str, list[Trial]] = defaultdict(list)
    for trial in trials:
        lines[_others(trial.changes, key)].append(trial)
    values = _in_order({_text(trial.changes[key]): trial.changes[key] for trial in trials})
    for number, (label, held) in enumerate(list(lines.items())[:MOST_LINES]):
        place = {_text(trial.changes[key]): trial for trial in held}
        shift = 0.12 * (number - (min(len(lines), MOST_LINES) - 1) / 2)
        drawn = [(i + shift, place[v]) for i, v in enumerate(values) if v in place]
        _draw_line(axes, drawn, label)
    axes.axhline(0, color="grey", linewidth=0.8)
    axes.set_xticks(range(len(values)), values, rotation=30 if max(map(len, values)) > 6 else 0)
    axes.set(xlabel=key, ylabel="P&L over the dollars at risk, %")
    axes.set_title("By setting, with its 95 % interval by week", fontsize="medium")
    if len(lines) > 1:
        more = len(lines) - MOST_LINES
        title = f"the best {MOST_LINES} of {len(lines)}" if more > 0 else None
        axes.legend(fontsize="small", title=title)


def _draw_line(axes: Axes, drawn: Sequence[tuple[float, Trial]], label: str) -> None:
    found = [(x, trial.earned.on_risk) for x, trial in drawn if trial.earned.on_risk is not None]
    xs = [x for x, _ in found]
    middles = [_PERCENT * each.estimate for _, each in found]
    reach = [_reach(each) for _, each in found]
    axes.errorbar(xs, middles, yerr=reach, fmt="o-", capsize=4, linewidth=1.2, label=label or None)


def _draw_choice(
    axes: Axes, trials: Sequence[Trial], held_out: HeldOut, settings: Settings
) -> None:
    present = next((trial for trial in trials if _is_present(trial, settings)), None)
    bars: list[tuple[str, Interval | None]] = [
        ("most P&L,\nin hindsight", trials[0].earned.on_risk),
        ("chosen without\nits week", held_out.on_risk),
    ]
    if present is not None:
        bars.append(("present\nsettings", present.earned.on_risk))
    heights = [0.0 if each is None else _PERCENT * each.estimate for _, each in bars]
    reach = [0.0 if each is None else _reach(each) for _, each in bars]
    colors = ("#9aa7b8", "#d97706", "#15803d")[: len(bars)]
    axes.bar(range(len(bars)), heights, yerr=reach, capsize=5, color=colors)
    axes.axhline(0, color="grey", linewidth=0.8)
    axes.set_xticks(range(len(bars)), [name for name, _ in bars], fontsize="small")
    axes.set_title("P&L/risk by how the setting is chosen, %", fontsize="medium")


def _is_present(trial: Trial, settings: Settings) -> bool:
    tree = msgspec.to_builtins(settings)
    return all(value == _value(tree, key) for key, value in trial.changes.items())


def _value(tree: Mapping[str, object], key: str) -> object:
    value: object = tree
    for name in key.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _others(changes: Mapping[str, object], key: str) -> str:
    return ", ".join(
        f"{name.rpartition('.')[2]}={_text(value)}"
        for name, value in changes.items()
        if name != key
    )


def _in_order(values: Mapping[str, object]) -> list[str]:
    """Return the texts in the order of their values, if these are numbers."""
    numbers = {text: v for text, v in values.items() if isinstance(v, int | float)}
    if len(numbers) < len(values):
        return list(values)
    return sorted(numbers, key=lambda text: numbers[text])


def _text(value: object) -> str:
    return str(value)


def _reach(found: Interval) -> float:
    return 0.0 if found.high is None else _PERCENT * (found.high - found.estimate)
