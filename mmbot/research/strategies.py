"""The strategies that a backtest compares: the config's own, and simple baselines."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType

import msgspec

from mmbot import config
from mmbot.config import Settings
from mmbot.forecast.methods import SEED
from mmbot.research.backtest import Strategy
from mmbot.units import MONEY_PER_DOLLAR, Money

# So much cash that neither sizes nor reservation prices depend on the position.
_UNLIMITED_CASH = Money(10**9 * MONEY_PER_DOLLAR)

# One bid at three quarters of the likelier side's value by the seed forecast alone.
_SEED_QUOTING: dict[str, object] = {
    "margin": 0.25,
    "sides": "likelier",
    "longshot_edge_cents": (0.0,) * 5,
    "belief_weight": (1.0,) * 5,
    "size_by_known": (1.0,) * 5,
    "minimum_edge_cents": 0.01,
    "uncertainty_edge": 0.0,
    "lowest_bid_cents": 0.0,
}


def own(settings: Settings) -> Strategy:
    """Return the strategy of the config; the account is the one of its paper trading."""
    return Strategy("mmbot", settings, settings.paper.balance)


def seed(settings: Settings) -> Strategy:
    """Return the baseline: forecast on Monday, bid once a day, no orders while a release is due."""
    quoting = msgspec.structs.replace(settings.quoting, **_SEED_QUOTING)
    forecast = config.changed(settings, {"forecast.method": SEED.name}, "the seed").forecast
    simple = msgspec.structs.replace(settings, quoting=quoting, forecast=forecast)
    return Strategy("seed", simple, _UNLIMITED_CASH, updates=False)


def seed_resting_always(settings: Settings) -> Strategy:
    """Return the baseline with orders that rest through the releases."""
    return msgspec.structs.replace(
        seed(settings), name="seed-resting-always", pulls_for_releases=False
    )


STRATEGIES: MappingProxyType[str, Callable[[Settings], Strategy]] = MappingProxyType(
    {"mmbot": own, "seed": seed, "seed-resting-always": seed_resting_always}
)
