"""A week of candles and a belief about it, made by hand."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping

import msgspec
import numpy as np

from mmbot.config import ForecastSettings, Settings
from mmbot.forecast.belief import Belief
from mmbot.research.backtest import MarketPrediction, Strategy
from mmbot.research.candles import DailyCandle, HistoricalMarket, HistoricalWeek
from mmbot.research.pool_fit import PoolParameters
from mmbot.trading.book import Top
from mmbot.tsa.releases import assumed_release
from mmbot.underlying.calendar import Week
from mmbot.units import Count, Money, Price

WEEK = Week(dt.date(2026, 4, 12))
EVENT = "KXTSAW-26APR12"
STRIKES = (2_400_000, 2_500_000, 2_600_000)
ABOVE = (0.8, 0.5, 0.2)
MONDAY, TUESDAY, WEDNESDAY, THURSDAY, FRIDAY, SATURDAY, SUNDAY = WEEK.days


def book(bid: int | None, ask: int | None) -> Top:
    """A top of book at prices in price units."""
    return Top(_price(bid), _price(ask))


def _price(price: int | None) -> Price | None:
    return None if price is None else Price(price)


BOOKS = (book(7800, 8200), book(4800, 5200), book(1800, 2200))


def candle(
    top: Top, low: int | None = None, high: int | None = None, last: int | None = None,
    volume: int = 0, opened: Top | None = None,
) -> DailyCandle:  # fmt: skip
    """A day that begins and ends with the same book."""
    return DailyCandle(opened or top, top, _price(low), _price(high), _price(last), Count(volume))


def quiet() -> list[dict[dt.date, DailyCandle]]:
    """For each strike, seven days without a trade."""
    return [{day: candle(top) for day in WEEK.days} for top in BOOKS]


def real_week(
    days: list[dict[dt.date, DailyCandle]], payouts: tuple[int, ...] = (10_000, 10_000, 0)
) -> HistoricalWeek:
    """The week of these days."""
    return HistoricalWeek(
        EVENT,
        WEEK,
        tuple(
            HistoricalMarket(f"{EVENT}-A{strike / 1e6:.2f}", strike, Price(payout), held)
            for strike, payout, held in zip(STRIKES, payouts, days, strict=True)
        ),
    )


# Quotes by the belief alone, with a margin of a tenth on both sides.
PLAIN_QUOTING: Mapping[str, object] = {
    "sides": "both",
    "margin": 0.1,
    "longshot_edge_cents": [0.0] * 5,
    "belief_weight": [1.0] * 5,
    "market_sharpness": 1.0,
    "size_by_known": [1.0] * 5,
    "minimum_edge_cents": 1.0,
    "uncertainty_edge": 0.0,
}


def strategy(updates: bool = True, pulls_for_releases: bool = True, **quoting: object) -> Strategy:
    """A strategy with a margin of a tenth that trusts its belief alone and has plenty of cash."""
    settings = msgspec.convert({"quoting": {**PLAIN_QUOTING, **quoting}}, Settings)
    return Strategy(
        "test",
        settings,
        Money(10**15),
        updates=updates,
        pulls_for_releases=pulls_for_releases,
    )


class Oracle:
    """Forms the same belief all week, and records the instants it was asked at."""

    def __init__(self) -> None:
        self.asked: list[dt.datetime] = []

    def __call__(self, forecast: ForecastSettings, real: HistoricalWeek, at: dt.datetime) -> Belief:
        self.asked.append(at)
        days_published = sum(assumed_release(day) <= at for day in real.week.days)
        return Belief(
            real.week, days_published, STRIKES, ABOVE, 2.5e6, 8e4, forecast.method, f"{at}"
        )


def probability(log_odds: float) -> float:
    """The probability of these log-odds."""
    return 1 / (1 + math.exp(-log_odds))


def drawn_predictions(
    planted: PoolParameters, events: int, seed: int, days: tuple[int, ...] = (0, 1, 2, 3, 4)
) -> list[MarketPrediction]:
    """Six markets an event and number of days, whose outcomes are drawn from a pool.

    Belief and mid of an event err around a common value, as both know much of the same.
    """
    rng = np.random.default_rng(seed)
    found = []
    for event in range(events):
        for known in days:
            common = float(rng.normal())
            for strike in range(6):
                ours, theirs = (common + 1.5 - 0.6 * strike + rng.normal(size=2)).tolist()
                weight = planted.weights[min(known, len(planted.weights) - 1)]
                odds = weight * ours + (1 - weight) * planted.sharpness * theirs
                outcome = bool(rng.uniform() < probability(odds))
                name = f"E-{event:04}"
                found.append(
                    MarketPrediction(
                        name,
                        known,
                        f"{name}-A{strike}",
                        probability(ours),
                        probability(theirs),
                        0.5,
                        outcome,
                    )
                )
    return found
