"""Files of the user's: taken whole or not at all, with each line that is wrong named."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from mmbot.errors import BadInput
from mmbot.history import parquet
from mmbot.history.imports import Imported, import_file
from mmbot.history.rows import TRADES
from mmbot.history.store import HistoryStore, load_counts
from mmbot.history.verify import verify
from mmbot.tsa.underlying import TSA
from mmbot.underlying.counts_file import load_counts as load_counts_file
from tests.history.builders import EVENT, TICKER, WEEK, PastExchange, kept

TRADES_CSV = f"""ticker,time,price,count,taker_side
{TICKER},2026-04-14T12:00:00Z,0.42,10,yes
{TICKER},1776168000500,0.4300,0.5,no
{TICKER},2026-04-14T08:00:00.5-04:00,0.4300,0.5,no
"""
CANDLES_CSV = f"""ticker,end_period_ts,yes_bid_open,yes_bid_low,yes_bid_high,yes_bid_close,\
yes_ask_open,yes_ask_low,yes_ask_high,yes_ask_close,price_open,price_low,price_high,price_close,\
price_mean,price_previous,volume_fp,open_interest_fp
{TICKER},1776225600,0.4,0.4,0.42,0.42,1.0,0.45,1.0,0.46,,,,,,,0.0,0.0
{TICKER},1776312000,0.4,0.4,0.42,0.42,1.0,0.45,1.0,0.46,0.43,0.43,0.44,0.44,0.4333333,,12.5,3
"""
MARKETS_CSV = f"""event_ticker,ticker,floor_strike,result
{EVENT},{TICKER},2450000.0,yes
{EVENT},{EVENT}-A2.50,2500000.0,no
"""


@pytest.fixture
def store(tmp_path: Path) -> HistoryStore:
    return HistoryStore(tmp_path / "history")


def taken(store: HistoryStore, kind: str, text: str, tmp_path: Path) -> Imported:
    path = tmp_path / "file.csv"
    path.write_text(text)
    return import_file(store, kind, path, 1440)


def test_trades_come_in_once_however_often_they_are_taken(
    store: HistoryStore, tmp_path: Path
) -> None:
    assert taken(store, "trades", TRADES_CSV, tmp_path) == Imported(3, 3)
    assert taken(store, "trades", TRADES_CSV, tmp_path) == Imported(3, 0)
    found = [(each.at_ms, each.price, each.count, each.taker_side) for each in store.trades(EVENT)]
    assert found == [
        (1776168000000, 4_200, 1_000, "yes"),
        # Two trades that are alike are two trades.
        (1776168000500, 4_300, 50, "no"),
        (1776168000500, 4_300, 50, "no"),
    ]
    assert list(verify(store)) == []


def test_candles_and_markets_come_in(store: HistoryStore, tmp_path: Path) -> None:
    assert taken(store, "markets", MARKETS_CSV, tmp_path) == Imported(2, 2)
    assert taken(store, "candles", CANDLES_CSV, tmp_path) == Imported(2, 2)
    quiet, traded = store.candles(EVENT, 1440)
    assert quiet.price_open is None
    assert (traded.price_mean, traded.volume, traded.open_interest) == (433_333, 1_250, 300)
    assert traded.closed.bid == 4_200
    market = store.markets("KXTSAW", EVENT)[0]
    assert (market.strike, market.yes_value, market.result) == (2_450_000, 10_000, "yes")
    assert store.events("KXTSAW")[0].week == WEEK


def test_a_parquet_file_is_taken_like_a_csv_file(store: HistoryStore, tmp_path: Path) -> None:
    path = tmp_path / "trades.parquet"
    with parquet.connect() as database:
        database.execute(
            f"COPY (SELECT '{TICKER}' AS ticker, TIMESTAMP '2026-04-14 12:00:00' AS time, "
            f"0.42::DECIMAL(4, 2) AS price, 10 AS count, 'yes' AS taker_side) TO '{path}'"
        )
    assert import_file(store, "trades", path, 1440) == Imported(1, 1)
    (found,) = store.trades(EVENT)
    assert (found.at_ms, found.price, found.count) == (1776168000000, 4_200, 1_000)


def test_own_files_can_be_taken_into_another_directory(store: HistoryStore, tmp_path: Path) -> None:
    with parquet.connect() as database:
        taken(store, "trades", TRADES_CSV, tmp_path)
        own, path = store.path(TRADES, EVENT, TICKER), tmp_path / "own.parquet"
        database.execute(f"CREATE VIEW held AS SELECT * FROM read_parquet('{own}')")  # noqa: S608
        database.execute(
            "CREATE VIEW own AS SELECT ticker, at_ms AS time, price / 10000 AS price, "
            "count / 100 AS count, taker_side, trade_id FROM held"
        )
        database.execute(f"COPY own TO '{path}'")
    other = HistoryStore(tmp_path / "other")
    import_file(other, "trades", path, 1440)
    assert list(other.trades(EVENT)) == list(store.trades(EVENT))


def test_a_counts_file_gives_the_very_counts_that_it_gives_alone(
    store: HistoryStore, tmp_path: Path
) -> None:
    path = tmp_path / "counts.csv"
    path.write_text(
        "date,as_published,archived\n2022-05-01,2100000,2110000\n2024-12-30,,2600000\n"
        "2026-04-17,2705217,\n2026-04-18,2305217,\n"
    )
    import_file(store, "counts", path, 1440)
    assert load_counts(store.directory) == load_counts_file(path, TSA)
    assert load_counts(store.directory).digest == load_counts_file(path, TSA).digest


def test_counts_with_the_times_at_which_they_were_seen(store: HistoryStore, tmp_path: Path) -> None:
    text = "day,count,seen,is_archived\n2026-04-16,2705217,2026-04-17T08:21:00-04:00,\n"
    assert taken(store, "counts", text, tmp_path) == Imported(1, 1)
    (vintage,) = store.counts().vintages[dt.date(2026, 4, 16)]
    assert vintage.seen.isoformat() == "2026-04-17T08:21:00-04:00"


@pytest.mark.parametrize(
    ("kind", "line", "clause"),
    [
        ("trades", f"{TICKER},2026-04-14T12:00:00,0.42,10,yes", "offset from UTC"),
        ("trades", f"{TICKER},2026-04-14T12:00:00Z,1.42,10,yes", "between 0 and 1"),
        ("trades", f"{TICKER},2026-04-14T12:00:00Z,42c,10,yes", "not a plain decimal"),
        ("trades", f"{TICKER},2026-04-14T12:00:00Z,0.42,0,yes", "not above 0"),
        ("trades", f"{TICKER},2026-04-14T12:00:00Z,0.42,10,both", "neither yes nor no"),
        ("trades", "../x,2026-04-14T12:00:00Z,0.42,10,yes", "not a ticker"),
        ("trades", "KXTSAW-X-A1,2026-04-14T12:00:00Z,0.42,10,yes", "event ticker"),
        ("trades", f"{TICKER},2026-04-14T12:00:00Z,0.42", "more or fewer cells"),
        ("markets", f"{EVENT},KXOTHER-26APR19-A1,1,yes", "not a market of"),
        ("markets", f"{EVENT},{TICKER},1,maybe", "neither yes, no nor blank"),
        ("counts", "2026-04-16,1,2026-04-17T08:21:00-04:00", "is not from"),
        ("counts", "2026-04-16,2400000,2026-04-16T08:21:00-04:00", "before the day was over"),
    ],
)
def test_a_line_that_is_wrong_is_named_and_nothing_is_taken(
    store: HistoryStore, tmp_path: Path, kind: str, line: str, clause: str
) -> None:
    good = {
        "trades": TRADES_CSV,
        "markets": MARKETS_CSV,
        "counts": "day,count,seen\n2026-04-15,2400000,\n",
    }[kind]
    number = len(good.splitlines()) + 1
    with pytest.raises(BadInput, match=clause) as caught:
        taken(store, kind, f"{good}{line}\n", tmp_path)
    assert f"line {number}" in str(caught.value)
    assert not store.directory.exists()


@pytest.mark.parametrize(
    ("name", "content", "clause"),
    [
        ("file.txt", b"", "ends in .csv or .parquet"),
        ("file.parquet", b"nonsense", "cannot be read"),
        ("file.csv", b"a,b\n1,2\n", "no column 'ticker'"),
        ("file.csv", b"\xff\xfe", "not a text file"),
        ("file.csv", b"ticker,time,price,count,taker_side\n", "has no rows"),
    ],
)
def test_a_file_that_is_none_is_one_sentence(
    store: HistoryStore, tmp_path: Path, name: str, content: bytes, clause: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(BadInput, match=clause):
        import_file(store, "trades", path, 1440)


def test_a_file_that_is_not_there_is_one_sentence(store: HistoryStore, tmp_path: Path) -> None:
    for name in ("no.csv", "no.parquet"):
        with pytest.raises(BadInput, match="cannot be read"):
            import_file(store, "trades", tmp_path / name, 1440)
    with pytest.raises(BadInput, match="not one of trades"):
        import_file(store, "fills", tmp_path / "no.csv", 1440)


def test_what_the_exchange_told_replaces_what_was_imported(
    store: HistoryStore, tmp_path: Path
) -> None:
    taken(store, "trades", TRADES_CSV, tmp_path)
    exchange = PastExchange()
    exchange.fetch(store, (60,))
    assert kept(store, EVENT) == exchange.ledger(EVENT)
    assert taken(store, "trades", TRADES_CSV, tmp_path).new == 0
    assert kept(store, EVENT) == exchange.ledger(EVENT)
