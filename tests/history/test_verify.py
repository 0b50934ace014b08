"""What `verify` finds: every damage is named with its file, and a whole directory has none."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from mmbot.history import parquet
from mmbot.history.rows import MARKETS, TRADES, Trade
from mmbot.history.store import HistoryStore
from mmbot.history.verify import verify
from tests.history.builders import EVENT, TICKER, PastExchange, trade


@pytest.fixture(scope="module")
def fetched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("history")
    PastExchange().fetch(HistoryStore(directory), (60,))
    return directory


@pytest.fixture
def store(fetched: Path, tmp_path: Path) -> HistoryStore:
    return HistoryStore(shutil.copytree(fetched, tmp_path / "copy"))


def test_nothing_is_wrong_with_what_was_fetched(store: HistoryStore) -> None:
    assert list(verify(store)) == []


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [_cut, _flip, Path.unlink])
def test_a_damaged_file_is_named_and_fetched_again(
    store: HistoryStore, damage: Callable[[Path], object]
) -> None:
    path = store.path(TRADES, EVENT, TICKER)
    damage(path)
    (problem,) = verify(store)
    assert problem.what == str(path)
    assert "run `mmbot history fetch`" in problem.wrong
    path.unlink(missing_ok=True)
    PastExchange().fetch(store, (60,))
    assert list(verify(store)) == []


def _rewrite(store: HistoryStore, edit: Callable[[list[Trade]], list[Trade]]) -> None:
    """Write other trades as if they had been fetched."""
    held = store.manifest(EVENT).markets[TICKER]
    trades = edit(list(store.market_trades(EVENT, TICKER)))
    candles = store.market_candles(EVENT, TICKER)
    store.put_market(EVENT, TICKER, trades, candles, held)


@pytest.mark.parametrize(
    ("edit", "clause"),
    [
        (lambda rows: rows[::-1], "out of order"),
        (lambda rows: [rows[0], *rows], "twice"),
        (lambda rows: rows[1:], "contracts were traded"),
        (lambda rows: [trade(1), *rows], "outside its life"),
        (lambda rows: [msgspec.structs.replace(rows[0], ticker="X"), *rows[1:]], "another market"),
        (
            lambda rows: [msgspec.structs.replace(rows[0], price=0), *rows[1:]],
            "price or count is impossible",
        ),
    ],
)
def test_rows_that_cannot_be_are_named(
    store: HistoryStore, edit: Callable[[list[Trade]], list[Trade]], clause: str
) -> None:
    _rewrite(store, edit)
    assert any(clause in problem.wrong for problem in verify(store))


def test_a_file_that_no_manifest_names_is_told(store: HistoryStore) -> None:
    parquet.write(TRADES, [], store.path(TRADES, EVENT, f"{EVENT}-A9.99"))
    (problem,) = verify(store)
    assert "can be deleted" in problem.wrong


def test_a_market_without_a_record_is_told(store: HistoryStore) -> None:
    path = store.directory / "KXTSAW" / "markets.parquet"
    parquet.write(MARKETS, [m for m in store.markets("KXTSAW") if m.ticker != TICKER], path)
    assert any(problem.what == TICKER for problem in verify(store))


@pytest.mark.parametrize("name", ["manifest.json", "../markets.parquet", "../../counts.parquet"])
def test_a_file_that_is_none_is_told(store: HistoryStore, name: str) -> None:
    (store.directory / "KXTSAW" / EVENT / name).write_bytes(b"nonsense")
    assert list(verify(store))
