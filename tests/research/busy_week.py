"""How long a week of many trades takes: `python -m tests.research.busy_week 2000000 0.03`.

The trades come evenly over the week, each in one of 21 markets at random, and this share of them
after its price moved by a cent. It prints CPU seconds, the best prices that changed, and memory.
"""

from __future__ import annotations

import heapq
import math
import random
import resource
import sys
import time
from collections.abc import Iterator

from mmbot.config import Settings
from mmbot.history.rows import Candle, Outcome, Trade
from mmbot.history.weeks import PastEvent, Release, releases
from mmbot.research.replayed_week import FillRules, WeekToReplay
from mmbot.research.week_replay import replay_week
from mmbot.underlying.calendar import to_milliseconds
from tests.research.past_weeks import (
    CASH,
    CLOCK,
    COUNTS,
    MINUTE,
    WEEK,
    SameBelief,
    candle,
    known_at,
    opens,
    past_week,
    ticker,
    trade,
)

_STRIKES = [1_800_000 + 50_000 * i for i in range(21)]
_TICKERS = [ticker(strike) for strike in _STRIKES]
_ABOVE = [1 / (1 + math.exp(i / 2 - 5)) for i in range(21)]
_LOWEST, _CENT = 300, 100
_SIDES: tuple[Outcome, ...] = ("yes", "no")


def _within(mid: int) -> int:
    return min(10_000 - _LOWEST, max(_LOWEST, mid))


def rows(trades: int, share: float) -> Iterator[Candle | Trade]:
    """Yield the week's candles and trades, the same for the same numbers."""
    rng = random.Random(1)
    mids = [_within(round(100 * above) * _CENT) for above in _ABOVE]
    for name, mid in zip(_TICKERS, mids, strict=True):
        yield candle(opens(), name, mid - _CENT, mid + _CENT)
    begin = opens() + MINUTE
    step = (to_milliseconds(WEEK.closes) - MINUTE - begin) / trades
    for number in range(trades):
        i = rng.randrange(len(mids))
        if rng.random() < share:
            mids[i] = _within(mids[i] + rng.choice((-_CENT, _CENT)))
        side = rng.choice(_SIDES)
        price = mids[i] + (_CENT if side == "yes" else -_CENT)
        yield trade(round(begin + number * step), _TICKERS[i], price, 100, side)


def main(trades: int, share: float) -> None:
    """Replay the week, and print what it took."""

    def events() -> Iterator[PastEvent]:
        published: Iterator[tuple[int, int, Candle | Trade | Release]] = (
            (release.at_ms, 1, release) for release in releases(COUNTS, WEEK, CLOCK)
        )
        told = ((known_at(row), 0, row) for row in rows(trades, share))
        return (each for _, _, each in heapq.merge(told, published, key=lambda key: key[:2]))

    past = past_week(_STRIKES, [10_000] * 10 + [0] * 11)
    week = WeekToReplay(past, events, frozenset(_TICKERS), COUNTS)
    begun = time.process_time()
    found = replay_week(week, Settings(), CASH, SameBelief(_ABOVE), FillRules())
    seconds = time.process_time() - begun
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(
        f"{found.trades:,} trades in {seconds:.1f} s of CPU: {found.shown:,} changes of best "
        f"prices, {len(found.fills):,} fills, {memory} MB"
    )


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
