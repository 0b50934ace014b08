"""The beliefs that a backtest needs, each from what was published when its order was placed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import msgspec

from mmbot.forecast.belief import Belief
from mmbot.forecast.model import Forecaster
from mmbot.research.candles import RealWeek
from mmbot.tsa.counts import Counts


class CachedBeliefs(msgspec.Struct, frozen=True):
    """Beliefs that were formed before, by method, event and instant."""

    beliefs: dict[tuple[str, str, dt.datetime], Belief]

    def __call__(self, method: str, real: RealWeek, at: dt.datetime) -> Belief:
        """Return a belief that is held already."""
        return self.beliefs[method, real.ticker, at]


class FormedBeliefs:
    """Forms beliefs; the slow fit is done once a week, on what was out when its market opened."""

    def __init__(self, counts: Counts, fit: Callable[[Counts, str], Forecaster]) -> None:
        """Begin with nothing.

        Args:
            counts: Every vintage there is.
            fit: Fits a method to counts.
        """
        self._counts = counts
        self._fit = fit
        self._fitted: dict[tuple[str, str], Forecaster] = {}
        self.remembered = CachedBeliefs({})

    def __call__(self, method: str, real: RealWeek, at: dt.datetime) -> Belief:
        """Return the belief at the strikes of the week."""
        key = (method, real.ticker, at)
        beliefs = self.remembered.beliefs
        if key not in beliefs:
            strikes = tuple(market.strike for market in real.markets)
            forecaster = self._forecaster(method, real)
            beliefs[key] = forecaster.belief(self._counts.as_of(at), real.week, strikes)
        return beliefs[key]

    def _forecaster(self, method: str, real: RealWeek) -> Forecaster:
        key = (method, real.ticker)
        if key not in self._fitted:
            self._fitted[key] = self._fit(self._counts.as_of(real.week.opens), method)
        return self._fitted[key]
