from __future__ import annotations

from mmbot.history.rows import Candle, Trade
from mmbot.research.week_path import PathKeeper, WeekPath
from tests.research.past_weeks import (
    HOUR,
    MINUTE,
    SameBelief,
    candle,
    opens,
    past_week,
    replayed,
    ticker,
    trade,
)

STRIKE = 2_500_000
MARKET = ticker(STRIKE)


def path_of_three_hours() -> WeekPath:
    """A bot buys 3 contracts at 45 cents in a market whose mid is then at 50 and at 55 cents."""
    rows: list[Trade | Candle] = [
        candle(opens(), MARKET, 4800, 5200),
        trade(opens() + 10 * MINUTE, MARKET, 4400, 300, "no"),
        candle(opens() + 11 * MINUTE, MARKET, 4800, 5200),
        candle(opens() + HOUR, MARKET, 5300, 5700),
    ]
    week = past_week((STRIKE,), (10_000,), closes=opens() + 3 * HOUR)
    found = replayed(week, rows, SameBelief((0.5,)), path=PathKeeper()).path
    assert found is not None
    return found


def test_a_market_is_kept_where_something_of_it_changed() -> None:
    points = path_of_three_hours().markets[MARKET]
    quoted = [each for each in points if each.own_bid is not None]
    assert (quoted[0].bid, quoted[0].ask, quoted[0].own_bid) == (4800, 5200, 4500)
    assert quoted[0].fair == 0.5
    tops = [(each.bid, each.ask) for each in points if each.at >= opens() + HOUR]
    assert tops[0] == (5300, 5700)
    assert len(points) < 12
    assert [each.at for each in points] == sorted(each.at for each in points)


def test_profit_is_by_the_mids() -> None:
    values = [round(pnl, 6) for _, pnl in path_of_three_hours().pnl]
    assert values == [0.0, 0.15, 0.3]


def test_no_path_is_kept_unless_it_is_wanted() -> None:
    week = past_week((STRIKE,), (10_000,), closes=opens() + HOUR)
    assert replayed(week, [], SameBelief((0.5,))).path is None
