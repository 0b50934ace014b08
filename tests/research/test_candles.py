from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from mmbot.errors import BadInput
from mmbot.research.candles import load_weeks
from tests.research.builders import book

MARKETS = "event_ticker,ticker,title,floor_strike,result"
CANDLES = (
    "ticker,end_period_ts,yes_bid_open,yes_bid_close,yes_ask_open,yes_ask_close,"
    "price_low,price_high,price_close,volume_fp"
)
# Midnight at the end of Monday, 2026-04-06, New York time.
END = 1775534400


def files(tmp_path: Path, markets: str, candles: str) -> tuple[Path, Path]:
    paths = tmp_path / "markets.csv", tmp_path / "candles.csv"
    paths[0].write_text(f"{MARKETS}\n{markets}\n")
    paths[1].write_text(f"{CANDLES}\n{candles}\n")
    return paths


def test_markets_are_in_order_of_strike_with_their_days(tmp_path: Path) -> None:
    markets = 'KXTSAW-26APR12,B,"high, indeed",2500000.0,no\nKXTSAW-26APR12,A,low,2450000.0,yes'
    candles = f"A,{END},0.0,0.55,1.0,0.58,0.5,0.6,0.58,12.5\nB,{END},0.1,0.2,0.3,0.4,,,,0.0"
    (week,) = load_weeks(*files(tmp_path, markets, candles))
    assert week.week.sunday == dt.date(2026, 4, 12)
    assert [(m.ticker, m.strike, m.payout) for m in week.markets] == [
        ("A", 2_450_000, 10_000),
        ("B", 2_500_000, 0),
    ]
    monday = week.markets[0].candles[dt.date(2026, 4, 6)]
    assert (monday.opened, monday.closed) == (book(None, None), book(5500, 5800))
    assert (monday.low, monday.high, monday.last, monday.volume) == (5000, 6000, 5800, 1250)
    assert week.markets[1].candles[dt.date(2026, 4, 6)].low is None


def test_an_event_without_all_its_results_is_left_out(tmp_path: Path) -> None:
    markets = (
        "KXTSAW-26APR12,A,,2450000,yes\nKXTSAW-26APR19,B,,2450000,yes\nKXTSAW-26APR19,C,,2500000,"
    )
    candles = f"A,{END},0.0,0.55,1.0,0.58,,,,0\nB,{END},0.0,0.55,1.0,0.58,,,,0"
    weeks = load_weeks(*files(tmp_path, markets, candles))
    assert [week.ticker for week in weeks] == ["KXTSAW-26APR12"]


@pytest.mark.parametrize(
    ("markets", "candles", "said"),
    [
        ("KXTSAW-26APR12,A,,high,yes", f"A,{END},0,0,1,1,,,,0", "markets.csv, line 2"),
        ("KXTSAW-26APR12,A,,2450000,yes", "A,soon,0,0,1,1,,,,0", "candles.csv, line 2"),
        ("KXTSAW-26APR12,A,,2450000,yes", f"A,{END},x,0,1,1,,,,0", "candles.csv, line 2"),
        ("KXTSAW-26APR12,A,,2450000,yes", f"A,{END},0,0", "line 2: the line is cut short"),
        ("APRIL,A,,2450000,yes", f"A,{END},0,0,1,1,,,,0", "not an event ticker"),
        ("KXTSAW-26APR12,A,,2450000,", f"A,{END},0,0,1,1,,,,0", "no decided event in common"),
    ],
)
def test_an_invalid_line_is_named(tmp_path: Path, markets: str, candles: str, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        load_weeks(*files(tmp_path, markets, candles))


def test_a_file_without_a_column_is_refused(tmp_path: Path) -> None:
    paths = files(tmp_path, "", "")
    paths[1].write_text("ticker,volume_fp\n")
    with pytest.raises(BadInput, match="has no column 'end_period_ts'"):
        load_weeks(*paths)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be read"):
        load_weeks(tmp_path / "a", tmp_path / "b")
