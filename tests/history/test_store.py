"""The directory: whole files or none, rows in the order of time, and no mix of two exchanges."""

from __future__ import annotations

import datetime as dt
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from mmbot.errors import BadInput
from mmbot.history import parquet
from mmbot.history.manifest import MarketEntry, Source
from mmbot.history.rows import (
    CANDLES,
    COUNTS,
    EVENTS,
    FEES,
    MARKETS,
    TABLES,
    TRADES,
    Candle,
    EventRecord,
    FeeChange,
    MarketRecord,
    Row,
    Sighting,
    Table,
    top_of,
)
from mmbot.history.store import HistoryStore, default_directory, load_counts, merge
from mmbot.trading.book import Top
from mmbot.underlying.calendar import CalendarClock
from mmbot.units import Count, Price
from tests.history.builders import EVENT, TICKER, trade

OTHER = f"{EVENT}-A2.50"


def candle(end: int, **other: Any) -> Candle:
    names = [f"{s}_{n}" for s in ("bid", "ask") for n in ("open", "low", "high", "close")]
    usual: dict[str, Any] = dict.fromkeys(Candle.__struct_fields__) | dict.fromkeys(names, 4_000)
    return Candle(
        **usual | {"end_ms": end, "ticker": TICKER, "period_minutes": 1, "volume": 0} | other
    )


MARKET = MarketRecord(
    TICKER, EVENT, "KXTSAW", None, 1, 2, None, "active", "", None, "", None, "0:10000:100", None, 0
)
ROWS: list[tuple[Table[Any], list[Row]]] = [
    (TRADES, [trade(1, "a"), trade(2, "b", taker_side=None, is_block=True)]),
    (CANDLES, [candle(60_000), candle(120_000, price_mean=500_001, open_interest=7)]),
    (MARKETS, [MARKET]),
    (EVENTS, [EventRecord(EVENT, "KXTSAW", dt.date(2026, 4, 19), "it's", None, 2)]),
    (FEES, [FeeChange(1, "KXTSAW", "quadratic", None, "", True)]),
    (COUNTS, [Sighting(dt.date(2026, 4, 19), 2_000_000, 5, None, False, "tsa.gov")]),
]


@pytest.fixture
def store(tmp_path: Path) -> HistoryStore:
    return HistoryStore(tmp_path)


@pytest.mark.parametrize(("table", "rows"), ROWS, ids=lambda each: getattr(each, "name", ""))
def test_rows_come_back_as_they_were(table: Table[Any], rows: list[Row], tmp_path: Path) -> None:
    # A directory of the user's may have any name.
    path = tmp_path / "it's [a] {mine} *?" / "it's.parquet"
    parquet.write(table, rows, path)
    assert list(parquet.read(table, [path])) == rows


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_a_file_may_have_no_rows(table: Table[Any], tmp_path: Path) -> None:
    parquet.write(table, [], tmp_path / "x.parquet")
    assert list(parquet.read(table, [tmp_path / "x.parquet"])) == []


def test_rows_of_one_instant_stay_in_their_order(store: HistoryStore) -> None:
    ids = [f"{i:x}" for i in range(200)]
    trades = [trade(1_000 + i // 50, name) for i, name in enumerate(ids)]
    store.put_market(EVENT, TICKER, trades, [], MarketEntry())
    store.put_market(EVENT, OTHER, [trade(1_001, "z", ticker=OTHER)], [], MarketEntry())
    found = list(store.trades(EVENT))
    assert [each.trade_id for each in found if each.ticker == TICKER] == ids
    assert [each.at_ms for each in found] == sorted(each.at_ms for each in found)


def test_a_candle_is_known_after_the_trades_up_to_its_end(store: HistoryStore) -> None:
    trades = [trade(59_999, "a"), trade(60_000, "b"), trade(60_001, "c")]
    candles = [candle(60_000), candle(60_000, period_minutes=60), candle(120_000)]
    store.put_market(EVENT, TICKER, trades, candles, MarketEntry())
    assert [getattr(row, "trade_id", "candle") for row in store.stream(EVENT)] == [
        "a", "b", "candle", "c", "candle",
    ]  # fmt: skip


def test_reading_a_week_takes_little_memory(store: HistoryStore) -> None:
    for ticker in (TICKER, OTHER):
        trades = [trade(i, f"{ticker}{i}", ticker=ticker) for i in range(60_000)]
        store.put_market(EVENT, ticker, trades, [], MarketEntry())
    del trades
    next(store.trades(EVENT))
    tracemalloc.start()
    assert sum(1 for _ in store.trades(EVENT)) == 120_000
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # All rows at once would take some fifty megabytes.
    assert peak < 20_000_000


def test_a_file_that_was_not_finished_is_not_there(store: HistoryStore) -> None:
    parquet.encode(TRADES, [trade()], store.path(TRADES, EVENT, TICKER))
    assert list(store.trades(EVENT)) == []
    store.put_market(EVENT, TICKER, [trade(), trade(2_000, "b")], [], MarketEntry())
    assert len(list(store.trades(EVENT))) == 2


def test_another_exchange_is_refused(store: HistoryStore) -> None:
    store.claim(Source("https://external-api.kalshi.com"))
    store.claim(Source("https://external-api.kalshi.com"))
    for other in (Source("elsewhere"), Source("https://external-api.kalshi.com", CalendarClock(1))):
        with pytest.raises(BadInput, match="--dir"):
            store.claim(other)


def test_a_file_of_another_schema_is_named(store: HistoryStore) -> None:
    store.put_market(EVENT, TICKER, [trade()], [], MarketEntry())
    parquet.write(CANDLES, [], store.path(TRADES, EVENT, TICKER))
    with pytest.raises(BadInput, match="candles/1"):
        list(store.trades(EVENT))


def test_a_manifest_that_cannot_be_read_is_named(store: HistoryStore) -> None:
    store.put_market(EVENT, TICKER, [], [], MarketEntry())
    path = store.directory / "KXTSAW" / EVENT / "manifest.json"
    path.write_text("{")
    with pytest.raises(BadInput, match=r"manifest\.json cannot be read.*delete it"):
        store.manifest(EVENT)


@pytest.mark.parametrize("ticker", ["../up", "", "a/b", "/etc", "x" * 90, "."])
def test_a_ticker_leads_nowhere_else(store: HistoryStore, ticker: str) -> None:
    with pytest.raises(BadInput, match="cannot be a ticker"):
        store.put_market(EVENT, ticker, [], [], MarketEntry())


def test_a_later_row_replaces_an_earlier_one_of_its_key() -> None:
    old, new = candle(60_000, volume=1), candle(60_000, volume=2)
    assert merge(CANDLES, [old], [new]) == [new]


def test_nobody_is_no_price() -> None:
    assert top_of(Price(0), Price(10_000)) == Top(None, None)
    assert candle(1, bid_close=4_000, ask_close=4_100).closed == Top(Price(4_000), Price(4_100))


# Counts


def test_without_counts_the_sentence_names_the_command(
    store: HistoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MMBOT_HISTORY", str(store.directory / "nothing"))
    for path in (store.directory, default_directory(), Path("history")):
        with pytest.raises(BadInput, match="run `mmbot history fetch --no-market`"):
            load_counts(path)


def test_a_file_is_read_as_before(tmp_path: Path) -> None:
    path = tmp_path / "counts.csv"
    path.write_text("date,as_published,archived\n2026-04-16,2705217,\n")
    assert load_counts(path).first_published(dt.date(2026, 4, 16)) == 2_705_217


def test_the_directory_is_where_the_variable_or_the_desktop_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("MMBOT_HISTORY", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert default_directory() == tmp_path / "mmbot" / "history"
    monkeypatch.setenv("XDG_DATA_HOME", "relative")
    assert default_directory() == Path.home() / ".local" / "share" / "mmbot" / "history"


def test_the_volume_of_trades_is_a_count() -> None:
    assert trade(count=Count(1)).count == 1
