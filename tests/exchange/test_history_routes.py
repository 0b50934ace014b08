"""The exchange's past: candles, two tiers whose boundaries move, and weeks that were played."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest

from mmbot.errors import BadInput
from mmbot.exchange.assembly import real_counts, weeks_until
from mmbot.tsa.underlying import TSA
from mmbot.underlying.calendar import Week
from mmbot.underlying.counts_file import read_counts_csv
from tests.exchange.conftest import OTHER, TICKER, WEEK, Bench

EVENT = "KXTSAW-26APR19"
LIVE = f"/series/KXTSAW/markets/{TICKER}/candlesticks"
OLD = f"/historical/markets/{TICKER}/candlesticks"
HOUR_MS = 3_600_000


@pytest.fixture
def traded(make_bench: Callable[..., Bench]) -> Bench:
    """Return an exchange on which TICKER was traded twice in one minute, and two hours later."""
    return trade(make_bench(candles=True))


def trade(bench: Bench) -> Bench:
    bench.wait(HOUR_MS // 2 + 1_000)
    bench.maker.place("ask", "0.4200", "10.00")
    bench.maker.place("bid", "0.4000", "10.00")
    bench.taker.place("bid", "0.4200", "1.00", time_in_force="immediate_or_cancel")
    bench.wait(5_000)
    bench.taker.place("ask", "0.4000", "3.00", time_in_force="immediate_or_cancel")
    bench.wait(2 * HOUR_MS)
    bench.taker.place("bid", "0.4200", "9.00", time_in_force="immediate_or_cancel")
    return bench


def candles(bench: Bench, path: str = LIVE, period: int = 1, **span: int) -> Any:
    start, end = span.get("start", 0), span.get("end", bench.now // 1000 + 90_000)
    query = {"start_ts": str(start), "end_ts": str(end), "period_interval": str(period)}
    status, body = bench.public(path, **query)
    assert status == 200, body
    return body["candlesticks"]


def test_a_minute_has_its_quotes_and_trades(traded: Bench) -> None:
    first, last = candles(traded)
    assert first["price"] == {
        "open_dollars": "0.4200",
        "low_dollars": "0.4000",
        "high_dollars": "0.4200",
        "close_dollars": "0.4000",
        "mean_dollars": "0.405000",
        "previous_dollars": None,
    }
    assert first["yes_bid"]["open_dollars"] == "0.0000"
    assert first["yes_bid"]["close_dollars"] == "0.4000"
    assert (first["yes_ask"]["open_dollars"], first["yes_ask"]["close_dollars"]) == (
        "1.0000",
        "0.4200",
    )
    assert (first["volume_fp"], first["open_interest_fp"]) == ("4.00", "2.00")
    assert last["price"]["previous_dollars"] == "0.4000"
    assert last["yes_ask"] == {
        "open_dollars": "0.4200",
        "low_dollars": "0.4200",
        "high_dollars": "1.0000",
        "close_dollars": "1.0000",
    }


@pytest.mark.parametrize(("period", "volumes"), [(60, ["4.00", "9.00"]), (1440, ["13.00"])])
def test_longer_periods_hold_the_same_trades(
    traded: Bench, period: int, volumes: list[str]
) -> None:
    assert [each["volume_fp"] for each in candles(traded, period=period)] == volumes


def test_a_candle_belongs_to_a_range_by_its_end(traded: Bench) -> None:
    first, last = (each["end_period_ts"] for each in candles(traded))
    assert len(candles(traded, start=first, end=last)) == 2
    assert len(candles(traded, start=first + 1, end=last)) == 1
    assert len(candles(traded, start=first, end=last - 1)) == 1


def test_all_of_a_range_is_required(traded: Bench) -> None:
    for query in (
        {},
        {"start_ts": "0", "end_ts": "9"},
        {"start_ts": "0", "end_ts": "9", "period_interval": "5"},
    ):
        assert traded.public(LIVE, **query)[0] == 400


def test_a_market_nobody_knows_has_no_candles(traded: Bench) -> None:
    query = {"start_ts": "0", "end_ts": "9", "period_interval": "60"}
    assert traded.public("/series/KXTSAW/markets/NONE/candlesticks", **query)[0] == 404
    assert traded.public(f"/series/OTHER/markets/{TICKER}/candlesticks", **query)[0] == 404
    assert traded.public(OLD, **query)[0] == 404


def test_several_markets_are_answered_together(traded: Bench) -> None:
    span = {"start_ts": "0", "end_ts": str(traded.now // 1000), "period_interval": "60"}
    status, body = traded.public(
        "/markets/candlesticks", market_tickers=f"{TICKER},{OTHER}", **span
    )
    assert status == 200
    assert [each["market_ticker"] for each in body["markets"]] == [TICKER, OTHER]
    assert body["markets"][1]["candlesticks"] == []
    assert traded.public("/markets/candlesticks", **span)[0] == 400


def test_an_events_candles_end_where_they_would_be_too_many(traded: Bench) -> None:
    path = f"/series/KXTSAW/events/{EVENT}/candlesticks"
    end = traded.now // 1000
    query = {"start_ts": str(end - 7 * 86_400), "end_ts": str(end), "period_interval": "1"}
    status, body = traded.public(path, **query)
    assert status == 200
    assert body["adjusted_end_ts"] < end
    assert len(body["market_tickers"]) == len(body["market_candlesticks"]) == 21
    hours = query | {"period_interval": "60"}
    status, body = traded.public(path, **hours)
    assert body["adjusted_end_ts"] == end
    volumes = dict(zip(body["market_tickers"], body["market_candlesticks"], strict=True))
    assert [each["volume_fp"] for each in volumes[TICKER]] == ["4.00"]


# Tiers


def tiers(bench: Bench) -> tuple[int, int, bool, bool]:
    """Return the trades and markets that each tier has: live, historical, live, historical."""
    live = bench.public("/markets/trades", ticker=TICKER)[1]["trades"]
    old = bench.public("/historical/trades", ticker=TICKER)[1]["trades"]
    return (
        len(live),
        len(old),
        bench.public(f"/markets/{TICKER}")[0] == 200,
        bench.public(f"/historical/markets/{TICKER}")[0] == 200,
    )


def test_what_is_older_moves_to_the_historical_tier(make_bench: Callable[..., Bench]) -> None:
    bench = trade(make_bench(candles=True, live_for=dt.timedelta(days=10)))
    assert tiers(bench) == (3, 0, True, False)
    live = candles(bench, period=60)
    bench.wait_until(WEEK.opens + dt.timedelta(days=10, hours=2, minutes=30))
    # The trades of the first hour are in both, as is the boundary's way.
    assert tiers(bench) == (1, 2, True, False)
    bench.wait_until(WEEK.settles + dt.timedelta(days=10, minutes=30))
    assert tiers(bench)[2:] == (False, True)
    assert bench.public(f"/events/{EVENT}")[0] == 404
    assert bench.public("/events", series_ticker="KXTSAW")[1]["events"] == []
    assert bench.public("/markets", status="settled")[1]["markets"] == []
    *old, closed = candles(bench, OLD, 60)
    # What rested was taken off after the close.
    assert (closed["yes_bid"]["close"], closed["volume"]) == ("0.0000", "0.00")
    assert [each["price"]["close"] for each in old] == [
        each["price"]["close_dollars"] for each in live
    ]
    assert old[0]["yes_bid"].keys() == {"open", "low", "high", "close"}
    assert (old[0]["volume"], old[0]["open_interest"]) == ("4.00", "2.00")


def test_for_a_while_a_trade_is_in_both_tiers_or_in_neither(
    make_bench: Callable[..., Bench],
) -> None:
    for hours, expected in ((30, (3, 3)), (-30, (0, 0))):
        overlap = dt.timedelta(hours=hours)
        bench = make_bench(live_for=dt.timedelta(days=3), tiers_overlap=overlap)
        trade(bench)
        days = 2 if hours > 0 else 3
        bench.wait_until(WEEK.opens + dt.timedelta(days=days, hours=12))
        assert tiers(bench)[:2] == expected


def test_the_boundary_is_told_and_moves(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench()
    before = bench.public("/historical/cutoff")[1]
    bench.wait(24 * HOUR_MS)
    after = bench.public("/historical/cutoff")[1]
    assert before.keys() == after.keys()
    assert all(after[name] > before[name] for name in after)


def test_historical_markets_are_listed_by_one_filter(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(live_for=dt.timedelta(0))
    bench.wait_until(WEEK.settles + dt.timedelta(hours=1))
    path = "/historical/markets"
    assert len(bench.public(path, event_ticker=EVENT)[1]["markets"]) == 21
    assert len(bench.public(path, tickers=f"{TICKER},{OTHER}")[1]["markets"]) == 2
    assert bench.public(path, series_ticker="OTHER")[1]["markets"] == []
    assert bench.public(path, series_ticker="KXTSAW", event_ticker=EVENT)[0] == 400
    page = bench.public(path, series_ticker="KXTSAW", limit="20")[1]
    rest = bench.public(path, series_ticker="KXTSAW", limit="20", cursor=page["cursor"])[1]
    tickers = [each["ticker"] for each in (*page["markets"], *rest["markets"])]
    assert len(set(tickers)) == len(tickers) == 21
    assert rest["cursor"] == ""
    assert page["markets"][0]["result"] in ("yes", "no")


# Weeks before


def test_the_weeks_before_are_in_order() -> None:
    sundays = [each.sunday.isoformat() for each in weeks_until(WEEK, 2)]
    assert sundays == ["2026-04-05", "2026-04-12", "2026-04-19"]


def test_counts_must_hold_the_weeks_before_as_well() -> None:
    lines = ["date,as_published,archived", *(f"{day},2400000," for day in WEEK.days)]
    counts = read_counts_csv(lines, "file", TSA)
    assert real_counts(counts, WEEK, "file").first
    with pytest.raises(BadInput, match=str(Week(dt.date(2026, 4, 12)).monday)):
        real_counts(counts, WEEK, "file", 1)
