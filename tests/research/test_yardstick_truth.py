"""The backtest by trades, and its yardstick, where the right answer is known.

Over a hundred seeds of twenty weeks it is right as often as its intervals promise; run that by hand
with `python -m tests.research.test_yardstick_truth 100 20`. Here a sample of it is run.
"""

from __future__ import annotations

import sys

from mmbot.research.yardstick import Yardstick
from tests.research.edge_weeks import measured

_EDGE = 0.15


def shows_edge(found: Yardstick) -> bool:
    realised, on_risk = found.markouts["settlement"], found.total.on_risk
    assert realised is not None
    assert on_risk is not None
    interval = realised.edge
    assert interval.low is not None
    assert interval.high is not None
    right_sign = interval.estimate > 0 and on_risk.estimate > 0
    return right_sign and interval.low <= _EDGE <= interval.high


def shows_none(found: Yardstick) -> bool:
    on_risk = found.total.on_risk
    assert on_risk is not None
    assert on_risk.low is not None
    assert on_risk.high is not None
    return on_risk.low <= 0 <= on_risk.high


def test_an_edge_of_the_favourite_side_shows_within_its_interval() -> None:
    assert sum(shows_edge(measured(seed, 10, _EDGE)) for seed in range(5)) >= 4


def test_a_fair_market_shows_no_edge() -> None:
    assert sum(shows_none(measured(seed, 10, 0.0)) for seed in range(5)) >= 4


if __name__ == "__main__":
    seeds, weeks = map(int, sys.argv[1:])
    right = sum(shows_edge(measured(seed, weeks, _EDGE)) for seed in range(seeds))
    print(f"an edge of {_EDGE}: {right} of {seeds}", flush=True)
    right = sum(shows_none(measured(seed, weeks, 0.0)) for seed in range(seeds))
    print(f"no edge: {right} of {seeds}", flush=True)
