"""The beliefs of a backtest by candles, from the counts published when an order was placed."""

from __future__ import annotations

import datetime as dt

from mmbot.bot.outputs import FitForecast
from mmbot.config import ForecastSettings
from mmbot.forecast.belief import Belief
from mmbot.research.candles import HistoricalWeek
from mmbot.research.replayed_week import PredictorSource
from mmbot.underlying.counts import Counts


class FormedBeliefs:
    """Forms each belief once, by a forecast fitted to the counts out at the week's opening."""

    def __init__(self, counts: Counts, fit: PredictorSource) -> None:
        """Begin with nothing formed.

        Args:
            counts: Every vintage of every day.
            fit: Fits a forecast.
        """
        self._counts = counts
        self._fit = fit
        self._formed: dict[tuple[ForecastSettings, str, dt.datetime], Belief] = {}

    def __call__(self, forecast: ForecastSettings, real: HistoricalWeek, at: dt.datetime) -> Belief:
        """Return the belief at the strikes of the week from the counts out at `at`."""
        key = forecast, real.ticker, at
        if key not in self._formed:
            strikes = tuple(market.strike for market in real.markets)
            known = self._counts.as_of(real.week.opens)
            wanted = FitForecast(forecast.method, known, real.week, forecast.error_correction)
            predictor = self._fit(wanted)
            self._formed[key] = predictor.belief(self._counts.as_of(at), real.week, strikes)
        return self._formed[key]
