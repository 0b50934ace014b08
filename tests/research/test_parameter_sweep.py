from __future__ import annotations

import pytest

from mmbot.config import Settings
from mmbot.errors import BadInput
from mmbot.research.backtest import Rule, WeekResult, play_week
from mmbot.research.parameter_sweep import (
    Piece,
    PlayedWeek,
    Sweep,
    Trial,
    grid,
    held_out,
    pieces,
    play,
    trials,
)
from mmbot.research.scoring import fill_statistics
from mmbot.research.strategies import own
from mmbot.research.yardstick import earned, of_results
from tests.research.builders import BOOKS, EVENT, SATURDAY, Oracle, candle, quiet, real_week


class WeekOfCandles:
    """A market of one part, in which the middle strike trades far and wide on Saturday."""

    def __init__(self) -> None:
        days = quiet()
        days[1][SATURDAY] = candle(BOOKS[1], 1000, 9000, 5000, 100_000)
        self.week = real_week(days)

    def __len__(self) -> int:
        return 1

    def play(self, settings: Settings, _: int) -> list[WeekResult]:
        return [play_week(own(settings), self.week, Oracle())]


def trial(*pnl: float) -> Trial:
    contracts, at_risk = tuple(10.0 for _ in pnl), tuple(20.0 for _ in pnl)
    by_trades: list[Rule] = ["trades"]
    rules = tuple(by_trades * len(pnl))
    return Trial(
        {"x": pnl}, fill_statistics([]), ("w",) * len(pnl), rules, pnl, contracts,
        at_risk, earned([]),
    )  # fmt: skip


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


def test_what_choosing_is_worth_is_over_the_dollars_at_risk() -> None:
    found = held_out([trial(9.0, -1.0, -1.0), trial(1.0, 1.0, 1.0)]).on_risk
    assert found is not None
    assert found.estimate == pytest.approx(-1.0 / 60)


def test_a_trial_is_the_backtest_with_other_settings() -> None:
    market, settings = WeekOfCandles(), Settings()
    (result,) = market.play(settings, 0)
    changes: list[dict[str, object]] = [
        {"quoting.margin": settings.quoting.margin},
        {"quoting.margin": 0.95},
    ]
    sweep, work = Sweep(settings, market), pieces(market, changes)
    same, none = trials(changes, [(piece, play(sweep, piece)) for piece in work])
    assert (same.weeks, same.rules) == ((EVENT,), ("daily candles",))
    assert same.pnl == pytest.approx((sum(each.pnl for each in result.trades) / 1e6,))
    assert same.statistics == fill_statistics([result])
    assert same.statistics.fills
    assert not none.statistics.fills


def test_a_week_that_only_one_setting_traded_counts_for_all() -> None:
    (result,) = WeekOfCandles().play(Settings(), 0)
    (measured,) = of_results([result])
    changes: list[dict[str, object]] = [{"x": 1}, {"x": 2}]
    first = Piece(changes[0], 0), (PlayedWeek(result, measured),)
    traded, other = trials(changes, [first, (Piece(changes[1], 0), ())])
    assert (traded.weeks, other.weeks) == ((EVENT,), (EVENT,))
    assert (other.pnl, other.at_risk, other.statistics.fills) == ((0.0,), (0.0,), 0)


@pytest.mark.parametrize("key", ["quoting.margni", "quotin.margin", "margin", "mode.margin"])
def test_a_key_that_does_not_exist_is_refused(key: str) -> None:
    with pytest.raises(BadInput, match="there is no"):
        play(Sweep(Settings(), WeekOfCandles()), Piece({key: 0.1}, 0))
