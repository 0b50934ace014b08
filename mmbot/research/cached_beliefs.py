"""The beliefs of a backtest, each from the counts published when its order was placed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import msgspec

from mmbot.forecast.belief import Belief
from mmbot.forecast.model import Forecaster
from mmbot.research.candles import HistoricalWeek
from mmbot.tsa.counts import Counts


class CachedBeliefs(msgspec.Struct, frozen=True):
    """Beliefs by method, event and instant."""

    beliefs: dict[tuple[str, str, dt.datetime], Belief]

    def __call__(self, method: str, real: HistoricalWeek, at: dt.datetime) -> Belief:
        """Return a cached belief; raise `KeyError` if there is none."""
        return self.beliefs[method, real.ticker, at]


class FormedBeliefs:
    """Forms and caches beliefs; a method is fitted once a week, on the counts out at the opening.

    Attributes:
        cache: Every belief formed so far.
    """

    def __init__(self, counts: Counts, fit: Callable[[Counts, str], Forecaster]) -> None:
        """Begin with an empty cache.

        Args:
            counts: Every vintage of every day.
            fit: Fits the method of that name to counts.
        """
        self._counts = counts
        self._fit = fit
        self._fitted: dict[tuple[str, str], Forecaster] = {}
        self.cache = CachedBeliefs({})

    def __call__(self, method: str, real: HistoricalWeek, at: dt.datetime) -> Belief:
        """Return the belief at the strikes of the week from the counts out at `at`."""
        key = (method, real.ticker, at)
        beliefs = self.cache.beliefs
        if key not in beliefs:
            strikes = tuple(market.strike for market in real.markets)
            forecaster = self._forecaster(method, real)
            beliefs[key] = forecaster.belief(self._counts.as_of(at), real.week, strikes)
        return beliefs[key]

    def _forecaster(self, method: str, real: HistoricalWeek) -> Forecaster:
        key = (method, real.ticker)
        if key not in self._fitted:
            self._fitted[key] = self._fit(self._counts.as_of(real.week.opens), method)
        return self._fitted[key]
