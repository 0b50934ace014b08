"""What is fetched of markets is what the exchange's ledger has, whatever its answers are like."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mmbot.history.rows import Trade
from mmbot.history.store import HistoryStore
from mmbot.kalshi.http import HttpAnswer, HttpRequest
from tests.history.builders import (
    BEFORE,
    EVENT,
    EVENT_BEFORE,
    RUNNING,
    SETTLED,
    TICKER,
    WEEK,
    Change,
    PastExchange,
    changed_rows,
    kept,
)

Edit = Callable[[list[Any]], list[Any]]


@pytest.fixture
def store(tmp_path: Path) -> HistoryStore:
    return HistoryStore(tmp_path / "history")


def on(path: str, edit: Edit, field: str = "trades") -> Change:
    """Return a change of the rows of every page of a list."""
    change = changed_rows(field, edit)

    def changed(request: HttpRequest, answer: HttpAnswer) -> HttpAnswer:
        if request.path != path or answer.status != 200:
            return answer
        return msgspec.structs.replace(answer, body=change(answer.body))

    return changed


def missing(store: HistoryStore) -> list[str]:
    return [why for entry in store.manifest(EVENT).markets.values() for why in entry.missing]


def doubts(store: HistoryStore, ticker: str = TICKER) -> str:
    return "\n".join(store.manifest(EVENT).markets[ticker].doubts)


def test_all_trades_of_settled_weeks_are_those_of_the_ledger(store: HistoryStore) -> None:
    exchange = PastExchange()
    exchange.fetch(store)
    for event in (EVENT_BEFORE, EVENT):
        assert kept(store, event) == exchange.ledger(event)
        assert sum(map(len, exchange.ledger(event).values())) > 300
        assert store.manifest(event).is_complete((1, 60, 1440))


def test_results_are_those_of_the_exchange(store: HistoryStore) -> None:
    exchange = PastExchange()
    exchange.fetch(store)
    markets = exchange.site.venue.exchange.engine.markets
    assert {m.ticker: m.result for m in store.markets("KXTSAW")} == {
        ticker: market.result for ticker, market in markets.items()
    }
    assert all(m.yes_value == (10_000 if m.result == "yes" else 0) for m in store.markets("KXTSAW"))


@pytest.mark.parametrize("limit", [1, 7, 50])
def test_pages_of_any_length_give_the_same(store: HistoryStore, limit: int) -> None:
    exchange = PastExchange()
    exchange.rows_a_page = limit
    exchange.fetch(store, (), weeks=(WEEK,))
    assert kept(store, EVENT) == exchange.ledger(EVENT)


@pytest.mark.parametrize("which", [2, 3, 9])
def test_a_page_that_repeats_loses_nothing(store: HistoryStore, which: int) -> None:
    pages: list[HttpAnswer] = []

    def repeat(request: HttpRequest, answer: HttpAnswer) -> HttpAnswer:
        if request.path == "/markets/trades":
            pages.append(answer)
            if len(pages) == which:
                return pages[-2]
        return answer

    exchange = PastExchange(change=repeat)
    exchange.rows_a_page = 10
    exchange.fetch(store, (), weeks=(WEEK,))
    assert kept(store, EVENT) == exchange.ledger(EVENT)


def test_cursors_that_are_ignored_lose_nothing(store: HistoryStore) -> None:
    exchange = PastExchange()
    exchange.rows_a_page, exchange.is_deaf_to_cursors = 10, True
    exchange.fetch(store, (), weeks=(WEEK,))
    assert kept(store, EVENT) == exchange.ledger(EVENT)
    assert "a repeated page of trades" in doubts(store)


def test_a_list_that_always_gives_one_page_ends(store: HistoryStore) -> None:
    first: list[HttpAnswer] = []

    def stuck(request: HttpRequest, answer: HttpAnswer) -> HttpAnswer:
        if request.path != "/markets/trades":
            return answer
        first.append(answer)
        return first[0]

    exchange = PastExchange(change=stuck)
    exchange.rows_a_page = 10
    exchange.fetch(store, (), weeks=(WEEK,))
    assert any("trades repeat" in why for why in missing(store))


def test_trades_told_twice_count_once(store: HistoryStore) -> None:
    exchange = PastExchange(change=on("/markets/trades", lambda rows: [*rows, *rows]))
    exchange.fetch(store, (), weeks=(WEEK,))
    assert kept(store, EVENT) == exchange.ledger(EVENT)


def test_of_a_trade_that_is_told_in_two_ways_the_first_counts(store: HistoryStore) -> None:
    def twice(rows: list[Any]) -> list[Any]:
        return [*rows, *(row | {"count_fp": "9999.00"} for row in rows[:1])]

    exchange = PastExchange(change=on("/markets/trades", twice))
    exchange.fetch(store, (), weeks=(WEEK,))
    assert "reported in two ways" in doubts(store)
    assert kept(store, EVENT) == exchange.ledger(EVENT)


def test_rows_that_cannot_be_used_cost_only_themselves(store: HistoryStore) -> None:
    odd: list[dict[str, Any]] = [
        {"trade_id": "early", "created_time": "2026-04-01T00:00:00Z"},
        {"trade_id": "late", "created_time": "2026-04-20T04:10:00Z"},
        {"trade_id": "free", "yes_price_dollars": "0.0000", "no_price_dollars": "1.0000"},
        {"trade_id": "torn", "no_price_dollars": "0.9900"},
        {"trade_id": "less", "count_fp": "-1.00"},
        {"trade_id": "words", "count_fp": "ten"},
        {"trade_id": "other", "ticker": "KXTSAW-26APR19-A9.99"},
        {"trade_id": None},
    ]

    def add(rows: list[Any]) -> list[Any]:
        return [*rows, *(rows[0] | each for each in odd), 7, None]

    exchange = PastExchange(change=on("/markets/trades", add))
    exchange.fetch(store, (), weeks=(WEEK,))
    assert kept(store, EVENT) == exchange.ledger(EVENT)
    told = doubts(store)
    for clause in (
        "outside its market's life: 2 times, first 'early",
        "that cannot be read: 3 times",
        "two prices do not make a dollar: 'torn'",
        "invalid price or count",
        "of another market",
    ):
        assert clause in told
    assert missing(store) == []


def test_a_word_that_nobody_knows_is_not_guessed_at(store: HistoryStore) -> None:
    def change(rows: list[Any]) -> list[Any]:
        sideless = {"taker_outcome_side": "maybe", "taker_book_side": "both", "taker_side": None}
        return [row | sideless for row in rows]

    exchange = PastExchange(change=on("/markets/trades", change))
    exchange.fetch(store, (), weeks=(WEEK,))
    told = [trade for trades in kept(store, EVENT).values() for trade in trades]
    assert {trade.taker_side for trade in told} == {None}
    right = [t.trade_id for trades in exchange.ledger(EVENT).values() for t in trades]
    assert sorted(t.trade_id for t in told) == sorted(right)
    assert "an unknown word for a taker's side" in doubts(store)


def test_sides_that_contradict_each_other_are_not_guessed_at(store: HistoryStore) -> None:
    def change(rows: list[Any]) -> list[Any]:
        return [row | {"taker_outcome_side": "yes", "taker_book_side": "ask"} for row in rows]

    exchange = PastExchange(change=on("/markets/trades", change))
    exchange.fetch(store, (), weeks=(WEEK,))
    assert {t.taker_side for trades in kept(store, EVENT).values() for t in trades} == {None}


# Tiers


@pytest.mark.parametrize(
    "days", [0.5, 3.0, 6.0, 9.2, 12.0, 40.0], ids=lambda days: f"{days} days live"
)
def test_it_is_all_there_wherever_the_boundary_is(store: HistoryStore, days: float) -> None:
    exchange = PastExchange(live_for=dt.timedelta(days=days))
    exchange.fetch(store)
    for event in (EVENT_BEFORE, EVENT):
        assert kept(store, event) == exchange.ledger(event)
        assert store.manifest(event).is_complete((1, 60, 1440))


def test_both_shapes_of_candles_give_the_same(tmp_path: Path) -> None:
    live, old = HistoryStore(tmp_path / "live"), HistoryStore(tmp_path / "old")
    PastExchange().fetch(live)
    PastExchange(live_for=dt.timedelta(0)).fetch(old)
    for period in (1, 60, 1440):
        assert list(live.candles(EVENT, period)) == list(old.candles(EVENT, period))


def test_what_is_in_neither_tier_is_missing_and_comes_with_the_next_fetch(
    store: HistoryStore,
) -> None:
    exchange = PastExchange(live_for=dt.timedelta(days=6), tiers_overlap=dt.timedelta(days=-2))
    exchange.fetch(store, (), weeks=(WEEK,))
    assert any("contracts traded" in why for why in missing(store))
    exchange.wait_until(WEEK.settles + dt.timedelta(days=12))
    exchange.fetch(store, (), weeks=(WEEK,))
    assert missing(store) == []
    assert kept(store, EVENT) == exchange.ledger(EVENT)


def test_trades_that_never_make_the_volume_are_asked_for_three_times(store: HistoryStore) -> None:
    lost = on("/markets/trades", lambda rows: rows[1:])
    exchange = PastExchange(change=lost)
    for _ in range(2):
        exchange.fetch(store, (), weeks=(WEEK,))
        assert len(missing(store)) == 3
    exchange.fetch(store, (), weeks=(WEEK,))
    assert missing(store) == []
    assert "given up" in doubts(store)
    asked = len(exchange.asked)
    exchange.fetch(store, (), weeks=(WEEK,))
    assert {request.path for request in exchange.asked[asked:]} == {
        "/series/KXTSAW",
        "/series/fee_changes",
    }


# Again


def test_a_settled_week_is_not_asked_for_again(store: HistoryStore) -> None:
    exchange = PastExchange()
    exchange.fetch(store)
    asked = len(exchange.asked)
    exchange.fetch(store)
    assert {request.path for request in exchange.asked[asked:]} == {
        "/series/KXTSAW",
        "/series/fee_changes",
    }


def test_of_a_running_week_only_what_is_newer_is_asked_for(store: HistoryStore) -> None:
    exchange = PastExchange(RUNNING)
    exchange.fetch(store)
    asked, before = len(exchange.asked), exchange.now
    exchange.wait_until(WEEK.opens + dt.timedelta(days=3))
    exchange.fetch(store)
    again = [dict(r.query) for r in exchange.asked[asked:] if r.path == "/markets/trades"]
    assert len(again) == 3
    assert all(int(query["min_ts"]) > before / 1000 - 300 for query in again)
    assert kept(store, EVENT) == exchange.ledger(EVENT)


def test_pieces_of_a_running_week_make_the_whole_of_it(tmp_path: Path) -> None:
    pieces, whole = HistoryStore(tmp_path / "pieces"), HistoryStore(tmp_path / "whole")
    exchange = PastExchange(RUNNING)
    for hours in (50, 61, 61.5, 90, 157, 159, 168.1, 200):
        exchange.wait_until(WEEK.opens + dt.timedelta(hours=hours))
        exchange.fetch(pieces)
    exchange.fetch(whole)
    assert kept(pieces, EVENT) == kept(whole, EVENT) == exchange.ledger(EVENT)
    for period in (1, 60, 1440):
        assert list(pieces.candles(EVENT, period)) == list(whole.candles(EVENT, period))
    assert pieces.manifest(EVENT).is_complete((1, 60, 1440))


def test_what_was_lost_of_a_running_week_is_found_once_its_volume_is_known(
    store: HistoryStore,
) -> None:
    exchange = PastExchange(RUNNING, change=on("/markets/trades", lambda rows: rows[3:]))
    exchange.wait_until(WEEK.opens + dt.timedelta(days=4))
    exchange.fetch(store, (), weeks=(WEEK,))
    assert kept(store, EVENT) != exchange.ledger(EVENT)
    exchange.change = None
    exchange.wait_until(WEEK.settles + dt.timedelta(days=1))
    exchange.fetch(store, (), weeks=(WEEK,))
    assert kept(store, EVENT) == exchange.ledger(EVENT)
    assert missing(store) == []


@pytest.mark.parametrize("hours", [-7, 7])
def test_a_clock_that_is_wrong_loses_nothing(tmp_path: Path, hours: int) -> None:
    store, whole = HistoryStore(tmp_path / "store"), HistoryStore(tmp_path / "whole")
    exchange = PastExchange(RUNNING)
    exchange.ahead_ms = hours * 3_600_000
    exchange.fetch(store)
    exchange.wait_until(SETTLED)
    exchange.fetch(store)
    exchange.ahead_ms = 0
    exchange.fetch(whole)
    assert kept(store, EVENT) == exchange.ledger(EVENT)
    for period in (1, 60, 1440):
        assert list(store.candles(EVENT, period)) == list(whole.candles(EVENT, period))


def test_a_day_that_is_not_over_at_the_settlement_is_fetched_later(tmp_path: Path) -> None:
    store, whole = HistoryStore(tmp_path / "store"), HistoryStore(tmp_path / "whole")
    exchange = PastExchange(RUNNING)

    def finished(request: HttpRequest, answer: HttpAnswer) -> HttpAnswer:
        """Return an answer of an exchange that tells a period only once it is over."""
        if "candlesticks" not in request.path:
            return answer
        only = changed_rows(
            "candlesticks",
            lambda rows: [row for row in rows if row["end_period_ts"] * 1000 <= exchange.now],
        )
        return msgspec.structs.replace(answer, body=only(answer.body))

    exchange.change = finished
    exchange.wait_until(WEEK.settles + dt.timedelta(minutes=5))
    exchange.fetch(store, weeks=(WEEK,))
    exchange.wait_until(WEEK.settles + dt.timedelta(days=2))
    exchange.fetch(store, weeks=(WEEK,))
    exchange.fetch(whole, weeks=(WEEK,))
    assert list(store.candles(EVENT, 1440)) == list(whole.candles(EVENT, 1440))


def test_a_file_that_was_damaged_is_fetched_again(store: HistoryStore) -> None:
    exchange = PastExchange()
    exchange.fetch(store, ())
    next(iter((store.directory / "KXTSAW" / EVENT).glob(f"{TICKER}.trades.*"))).write_bytes(b"")
    exchange.fetch(store, ())
    assert kept(store, EVENT) == exchange.ledger(EVENT)


def test_candles_that_are_wanted_later_are_fetched_later(store: HistoryStore) -> None:
    exchange = PastExchange()
    exchange.fetch(store, ())
    assert list(store.candles(EVENT, 60)) == []
    exchange.fetch(store, (60,))
    assert len(list(store.candles(EVENT, 60))) > 100


# Candles


def test_candles_agree_with_the_trades(store: HistoryStore) -> None:
    exchange = PastExchange()
    exchange.fetch(store)
    for period in (1, 60, 1440):
        by_end: dict[tuple[str, int], list[Trade]] = {}
        for trades in exchange.ledger(EVENT).values():
            for each in trades:
                end = each.at_ms // (period * 60_000) * period * 60_000 + period * 60_000
                by_end.setdefault((each.ticker, end), []).append(each)
        found = {(c.ticker, c.end_ms): c for c in store.candles(EVENT, period)}
        assert by_end.keys() <= found.keys()
        for key, candle in found.items():
            traded = by_end.get(key, [])
            assert candle.volume == sum(each.count for each in traded)
            if not traded:
                assert candle.price_open is None
            else:
                assert candle.price_open == traded[0].price
                assert candle.price_close == traded[-1].price
                mean = sum(t.count * t.price for t in traded) * 100 // candle.volume
                assert candle.price_mean == mean


def test_candles_that_cannot_be_cost_only_themselves(store: HistoryStore) -> None:
    path = f"/series/KXTSAW/markets/{TICKER}/candlesticks"

    def change(rows: list[Any]) -> list[Any]:
        odd = rows[0]["yes_bid"] | {"high_dollars": "0.0000", "low_dollars": "0.9900"}
        return [
            *rows,
            rows[0] | {"end_period_ts": 60},
            rows[0] | {"yes_bid": odd},
            rows[0] | {"volume_fp": "-3"},
            {},
        ]

    plain, exchange = PastExchange(), PastExchange(change=on(path, change, "candlesticks"))
    exchange.fetch(store, (60,), weeks=(WEEK,))
    other = HistoryStore(store.directory / "other")
    plain.fetch(other, (60,), weeks=(WEEK,))
    assert list(store.candles(EVENT, 60)) == list(other.candles(EVENT, 60))
    assert "candle of 60 minutes that was not asked for" in doubts(store)
    assert "an impossible candle of 60 minutes" in doubts(store)


def test_a_market_that_neither_tier_has_is_missing(store: HistoryStore) -> None:
    def gone(request: HttpRequest, answer: HttpAnswer) -> HttpAnswer:
        return HttpAnswer(404, b"{}") if "candlesticks" in request.path else answer

    exchange = PastExchange(change=gone)
    exchange.fetch(store, (60,), weeks=(WEEK,))
    assert any("candlesticks: 404" in why for why in missing(store))
    assert kept(store, EVENT) == exchange.ledger(EVENT)


@pytest.mark.parametrize("hours", [1, 5, 30])
def test_a_market_that_was_just_opened_lacks_nothing(store: HistoryStore, hours: int) -> None:
    exchange = PastExchange(WEEK.opens + dt.timedelta(hours=hours))
    exchange.fetch(store, weeks=(WEEK,))
    assert missing(store) == []
    assert kept(store, EVENT) == exchange.ledger(EVENT)


def test_the_weeks_before_are_listed_with_the_weeks_that_are_wanted_only(
    store: HistoryStore,
) -> None:
    exchange = PastExchange()
    exchange.fetch(store, (), weeks=(BEFORE,))
    assert [manifest.event_ticker for manifest in store.manifests("KXTSAW")] == [EVENT_BEFORE]
