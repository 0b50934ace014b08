"""Generated weeks whose right answer is known: what is earned by bidding for the likelier side.

A week is half an hour of three markets, each with a book around a price that stays, trades that now
and then go through it, and an outcome that is drawn with the true probability. The bot bids two
cents below the price: in a fair market the likelier side comes true as often as that bid says, with
an edge it does more often.
"""

from __future__ import annotations

import datetime as dt
import math
import random

from mmbot.history.rows import Candle, Outcome, Trade
from mmbot.research.past_history import result_of
from mmbot.research.yardstick import WeekMeasured, Yardstick, measure, of_results
from mmbot.underlying.calendar import Week
from tests.research.past_weeks import (
    HOUR,
    MINUTE,
    SameBelief,
    candle,
    counts_around,
    opens,
    past_week,
    replayed,
    settings,
    ticker,
    trade,
)

_STRIKES = (2_400_000, 2_500_000, 2_600_000)
_LAST_SUNDAY = dt.date(2026, 4, 19)
_COUNTS = counts_around(Week(_LAST_SUNDAY))
_PLAYED_MS = HOUR // 2
# What the taker's trades beyond the book give up.
_THROUGH = 1_000
_BID_BELOW = 0.02


def edge_week(number: int, edge: float, rng: random.Random) -> WeekMeasured:
    """Play a week in which the likelier side is worth `edge` dollars more than the bot bids."""
    week = Week(_LAST_SUNDAY - dt.timedelta(weeks=number))
    middle = rng.uniform(-1.2, 1.2)
    prices = [1 / (1 + math.exp(-(middle + gap))) for gap in (1.5, 0.0, -1.5)]
    mids = [min(9_200, max(800, round(price * 100) * 100)) for price in prices]
    # At 50 cents the margin rounds to a bid one cent below.
    mids = [5_100 if mid == 5_000 else mid for mid in mids]
    above = [_worth(mid / 10_000, edge) for mid in mids]
    drawn = rng.random()
    payouts = [10_000 if drawn < chance else 0 for chance in above]
    past = past_week(_STRIKES, payouts, week, closes=opens(week) + _PLAYED_MS)
    rows: list[Trade | Candle] = []
    for strike, mid in zip(_STRIKES, mids, strict=True):
        market = ticker(strike, week)
        rows.append(candle(opens(week), market, mid - 200, mid + 200))
        for _ in range(4):
            at = opens(week) + rng.randrange(MINUTE, _PLAYED_MS)
            taker: Outcome = rng.choice(("yes", "no"))
            price = mid + (_THROUGH if taker == "yes" else -_THROUGH)
            rows.append(trade(at, market, min(9_900, max(100, price)), 500, taker))
            # The book is as it was again.
            rows.append(candle(at + 1, market, mid - 200, mid + 200))
    using = settings(
        sides="likelier", margin=0.02, belief_weight=[0.0] * 5, lowest_bid_cents=0.0,
        minimum_edge_cents=1.0,
    )  # fmt: skip
    result = replayed(past, rows, SameBelief(tuple(m / 10_000 for m in mids)), using, None, _COUNTS)
    return of_results([result_of(result)])[0]


def _worth(price: float, edge: float) -> float:
    worth = edge - _BID_BELOW
    return price + worth if price >= 0.5 else price - worth


def measured(seed: int, weeks: int, edge: float) -> Yardstick:
    """Measure some weeks of a seed."""
    rng = random.Random(f"edge {seed}")
    return measure([edge_week(number, edge, rng) for number in range(weeks)])
