from __future__ import annotations

import pytest

from mmbot.config import Settings
from mmbot.errors import BadInput
from mmbot.research.backtest import play_week
from mmbot.research.cached_beliefs import CachedBeliefs
from mmbot.research.parameter_sweep import SweepData, Trial, grid, held_out, try_setting
from mmbot.research.scoring import fill_statistics
from mmbot.research.strategies import own
from mmbot.research.yardstick import earned
from tests.research.builders import BOOKS, EVENT, SATURDAY, Oracle, candle, quiet, real_week


def trial(*pnl: float) -> Trial:
    contracts = tuple(10.0 for _ in pnl)
    return Trial({"x": pnl}, fill_statistics([]), pnl, contracts, earned([]))


def test_a_grid_is_every_combination() -> None:
    assert grid({"a": [1, 2], "b": ["x"]}) == [{"a": 1, "b": "x"}, {"a": 2, "b": "x"}]


@pytest.mark.parametrize("sizes", [(0,), (101, 100)])
def test_a_grid_that_is_empty_or_too_large_is_refused(sizes: tuple[int, ...]) -> None:
    with pytest.raises(BadInput, match="settings to try"):
        grid({str(i): range(size) for i, size in enumerate(sizes)})


def test_a_week_is_scored_by_the_best_setting_of_the_others() -> None:
    # The lucky one made all its money in the first week, where it would not have been chosen.
    found = held_out([trial(9.0, -1.0, -1.0), trial(1.0, 1.0, 1.0)])
    assert (found.pnl, found.contracts) == (1.0 - 1.0 - 1.0, 30.0)


def test_a_trial_is_the_backtest_with_other_settings() -> None:
    days = quiet()
    days[1][SATURDAY] = candle(BOOKS[1], 1000, 9000, 5000, 100_000)
    week, oracle, settings = real_week(days), Oracle(), Settings()
    strategy = own(settings)
    result = play_week(strategy, week, oracle)
    beliefs = {
        (strategy.method, EVENT, at): oracle(strategy.method, week, at) for at in set(oracle.asked)
    }
    data = SweepData(settings, (week,), CachedBeliefs(beliefs))
    same = try_setting(data, {"quoting.margin": settings.quoting.margin})
    assert same.pnl == (sum(each.pnl for each in result.trades) / 1e6,)
    assert same.statistics == fill_statistics([result])
    assert same.statistics.fills
    assert not try_setting(data, {"quoting.margin": 0.95}).statistics.fills


@pytest.mark.parametrize("key", ["quoting.margni", "quotin.margin", "margin", "mode.margin"])
def test_a_key_that_does_not_exist_is_refused(key: str) -> None:
    with pytest.raises(BadInput, match="there is no"):
        try_setting(SweepData(Settings(), (), CachedBeliefs({})), {key: 0.1})
