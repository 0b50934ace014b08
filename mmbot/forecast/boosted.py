"""The gradient-boosted point forecast: trees on a day's deviation from the recent level.

The level at an origin is the mean logarithm of its last 28 days. The trees predict the logarithm of
a day less the level some days before it, from the calendar of the day, the same weekday a year
earlier relative to the level then, and the recent moves of the level. Friedman, "Greedy function
approximation: a gradient boosting machine" (2001), as implemented by LightGBM.

Training is slow, so new trees are grown only every fourth Sunday, from the data up to it.
"""

from __future__ import annotations

import datetime as dt
import warnings
from collections.abc import Callable
from contextvars import ContextVar
from functools import lru_cache
from types import MappingProxyType
from typing import TypeAlias

import msgspec
import numpy as np

from mmbot.forecast.analog import analog
from mmbot.forecast.history import Days, Floats, History
from mmbot.forecast.holiday_classes import nearest
from mmbot.forecast.trees import Trees

_LEVEL_DAYS = 28
_LEAST_LEVEL_DAYS = 14
_YEAR_DAYS = 364
# Horizons of the training pairs, in days; each origin is paired with three of them, in rotation.
_HORIZONS = np.array([1, 2, 3, 4, 5, 6, 7, 10, 14, 21])
_TURNS = np.array([0, 3, 6])
# Less than two years of data cannot separate season from trend.
_LEAST_PAIRS = 730 * len(_TURNS)
_REFIT_DAYS = 28
_REACH_DAYS = 17
_HOLIDAYS = (
    "MLK",
    "Presidents",
    "Easter",
    "Memorial",
    "Juneteenth",
    "July 4",
    "Labor",
    "Columbus",
    "Veterans",
    "Halloween",
    "Thanksgiving",
    "Christmas",
    "Super Bowl",
)
# Not tuned: small trees and a low learning rate, as is usual for a few thousand rows. One thread,
# row-wise histograms and fixed seeds give the same trees on every run.
_ROUNDS = 200
_PARAMETERS = MappingProxyType(
    {
        "objective": "huber",
        "alpha": 0.06,
        "learning_rate": 0.05,
        "num_leaves": 15,
        "min_data_in_leaf": 20,
        "feature_fraction": 0.7,
        "bagging_fraction": 0.8,
        "bagging_freq": 1,
        "seed": 1,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": 1,
        "verbose": -1,
    }
)


class Boosted(msgspec.Struct, frozen=True):
    """The grown trees; `None` if the history was too short, or LightGBM cannot be loaded."""

    trees: Trees | None

    def predict(self, history: History, days: Days) -> Floats:
        """Return the expected logarithms of `days`, both of shape (n,); NaN without trees."""
        if self.trees is None:
            return np.full(len(days), np.nan)
        origins = np.full(len(days), history.last)
        predicted = self.trees.predict(_features(history, origins, days))
        expected: Floats = predicted + _levels(history, origins)
        return expected


def grown_here(rows: Floats, target: Floats) -> str | None:
    """Grow trees that predict `target`, shape (n,), from `rows`, shape (n, features).

    Returns:
        The model in LightGBM's text format; `None` if LightGBM cannot be loaded.
    """
    try:
        import lightgbm  # noqa: PLC0415 - a second and 25 MiB, needed only to grow
    except (ImportError, OSError):
        return None
    model = lightgbm.train(
        dict(_PARAMETERS), lightgbm.Dataset(rows, target), num_boost_round=_ROUNDS
    )
    return str(model.model_to_string())


Grow: TypeAlias = Callable[[Floats, Floats], str | None]
# Grows the trees of a fit. A long-lived process sets it to grow them in a short-lived one.
GROW: ContextVar[Grow] = ContextVar("GROW", default=grown_here)


class GradientBoosting:
    """The point method that grows `Boosted`."""

    name = "boosted"

    def fit(self, history: History) -> Boosted:
        """Grow trees from the counts up to the last fourth Sunday of a history that ends on one."""
        until = history.last - history.last % _REFIT_DAYS
        return _grown(_Until(history.up_to(until)))


class _Until:
    """A history as a cache key, equal to any other with the same counts."""

    def __init__(self, history: History) -> None:
        self.history = history
        self._digest = history.digest("boosted")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Until) and self._digest == other._digest

    def __hash__(self) -> int:
        return hash(self._digest)


@lru_cache(maxsize=4)
def _grown(until: _Until) -> Boosted:
    history = until.history
    origins = history.first + np.arange(len(history.logs))
    turns = (origins[:, None] + _TURNS) % len(_HORIZONS)
    days = (origins[:, None] + _HORIZONS[turns]).ravel()
    origins = np.repeat(origins, len(_TURNS))
    target = history.at(days) - _levels(history, origins)
    usable = np.isfinite(target)
    if usable.sum() < _LEAST_PAIRS:
        return Boosted(None)
    model = GROW.get()(_features(history, origins[usable], days[usable]), target[usable])
    return Boosted(None if model is None else Trees.read(model))


def _features(history: History, origins: Days, days: Days) -> Floats:
    """Return the features of each pair of origin and day, shape (n, features); NaN if unknown."""
    year_ago = np.array([analog(int(day)) for day in days])
    ahead = days - origins
    level = _levels(history, origins)
    last_week = days - 7 * ((ahead + 6) // 7)
    return np.column_stack(
        [
            np.array([_calendar(int(day)) for day in days]),
            np.array([_calendar(int(day)) for day in year_ago])[:, 1:],
            ahead,
            _levels(history, origins, 7) - level,
            level - _levels(history, origins - _YEAR_DAYS),
            history.at(year_ago) - _levels(history, year_ago - ahead),
            _anomaly(history, year_ago),
            _anomaly(history, np.array([analog(int(day)) for day in year_ago])),
            history.at(last_week) - level,
        ]
    )


def _levels(history: History, days: Days, span: int = _LEVEL_DAYS) -> Floats:
    """Return the mean logarithm of the `span` days up to each of `days`; shape (n,)."""
    unique, where = np.unique(days, return_inverse=True)
    logs = history.at(unique[:, None] - np.arange(span))
    counted = np.isfinite(logs).sum(axis=1)
    enough = counted >= min(_LEAST_LEVEL_DAYS, span // 2)
    means = np.where(enough, np.nansum(logs, axis=1) / np.maximum(counted, 1), np.nan)
    return means[where]


def _anomaly(history: History, days: Days) -> Floats:
    """Return each day less the median of its weekday in the two weeks on either side; (n,)."""
    around = history.at(days[:, None] + 7 * np.array([-2, -1, 1, 2]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        usual: Floats = np.nanmedian(around, axis=1)
    return history.at(days) - usual


@lru_cache(maxsize=8192)
def _calendar(day: int) -> tuple[int, ...]:
    """Return weekday, day of the year, and the days from each holiday, clipped at 17."""
    date = dt.date.fromordinal(day)
    offsets = (day - nearest(name, day) for name in _HOLIDAYS)
    return (
        date.weekday(),
        date.timetuple().tm_yday,
        *(max(-_REACH_DAYS, min(_REACH_DAYS, offset)) for offset in offsets),
    )
