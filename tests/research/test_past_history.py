from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from mmbot.history.manifest import MarketEntry
from mmbot.history.rows import Candle, MarketRecord, Trade
from mmbot.history.store import HistoryStore
from mmbot.research.past_history import past_weeks
from mmbot.trading.book import Top
from mmbot.underlying.calendar import to_milliseconds
from mmbot.units import Price
from tests.research.past_weeks import COUNTS, SERIES, WEEK, candle, opens, past_week, ticker, trade

STRIKE = 2_500_000
MARKET = ticker(STRIKE)
DAY = candle(
    to_milliseconds(WEEK.closes) // 86_400_000 * 86_400_000 + 4 * 3_600_000,
    MARKET, 4_700, 5_300, minutes=1_440,
)  # fmt: skip


def store_with(
    directory: Path,
    trades: list[Trade],
    candles: list[Candle],
    market: dict[str, Any] | None = None,
    **entry: Any,
) -> HistoryStore:
    past = past_week((STRIKE,), (10_000,))
    store = HistoryStore(directory)
    markets: list[MarketRecord] = [
        msgspec.structs.replace(each, **market or {}) for each in past.markets
    ]
    store.put_listing(SERIES, [past.event], markets)
    periods = dict.fromkeys({each.period_minutes for each in candles}, 1)
    held = MarketEntry(is_final=True, periods=periods, **entry)
    store.put_market(past.event.event_ticker, MARKET, trades, candles, held)
    return store


def test_a_week_with_trades_is_backtested_by_them(tmp_path: Path) -> None:
    rows = [trade(opens() + 1, MARKET, 5_000, 100, "yes")]
    found = past_weeks(store_with(tmp_path, rows, [DAY]), SERIES, COUNTS)
    (week,) = found.by_trades
    assert (week.with_minutes, found.by_candles, found.left_out) == (frozenset(), (), {})
    assert rows[0] in list(week.events())


def test_a_week_with_candles_of_a_day_alone_is_backtested_by_these(tmp_path: Path) -> None:
    found = past_weeks(store_with(tmp_path, [], [DAY]), SERIES, COUNTS)
    (week,) = found.by_candles
    (market,) = week.markets
    assert found.by_trades == ()
    assert (market.strike, market.payout) == (STRIKE, 10_000)
    assert market.candles[WEEK.sunday].closed == Top(Price(4_700), Price(5_300))


def test_what_is_not_whole_is_left_out_and_said(tmp_path: Path) -> None:
    rows = [trade(opens() + 1, MARKET, 5_000, 100, "yes")]
    event = WEEK.event_ticker(SERIES)
    cases: list[tuple[HistoryStore, str]] = [
        (store_with(tmp_path / "a", rows, [], {"yes_value": None}), "a result yet"),
        (store_with(tmp_path / "b", rows, [], missing=("trades of a day",)), "trades of a day"),
        (store_with(tmp_path / "c", [], []), "neither trades"),
        (store_with(tmp_path / "d", rows, [], {"strike": None}), "no market on a strike"),
    ]
    for store, why in cases:
        found = past_weeks(store, SERIES, COUNTS)
        assert (found.by_trades, found.by_candles) == ((), ())
        assert why in found.left_out[event]
