"""A past week as a stream: everything in the order in which it was known."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from mmbot.errors import BadInput
from mmbot.history.rows import Candle, Sighting, Trade
from mmbot.history.store import HistoryStore
from mmbot.history.weeks import Release, load_week, releases, stream
from mmbot.tsa.releases import assumed_release
from mmbot.underlying.calendar import CalendarClock, to_milliseconds
from tests.history.builders import EVENT, EVENT_BEFORE, WEEK, PastExchange


def seen(day: dt.date, count: int, at: dt.datetime, *, archived: bool = False) -> Sighting:
    return Sighting(day, count, to_milliseconds(at), None, archived, "tsa.gov")


@pytest.fixture
def store(tmp_path: Path) -> HistoryStore:
    store = HistoryStore(tmp_path)
    PastExchange().fetch(store)
    store.put_sightings(
        seen(day, 2_400_000 + i, assumed_release(day)) for i, day in enumerate(WEEK.days)
    )
    return store


def test_everything_comes_in_the_order_in_which_it_was_known(store: HistoryStore) -> None:
    week = load_week(store, EVENT)
    found = list(stream(store, week, store.counts()))
    at = [each.end_ms if isinstance(each, Candle) else each.at_ms for each in found]
    assert at == sorted(at)
    for kind, rows in (
        (Trade, list(store.trades(EVENT))),
        (Candle, list(store.candles(EVENT, 1))),
        (Release, list(releases(store.counts(), WEEK, CalendarClock()))),
    ):
        assert [each for each in found if isinstance(each, kind)] == rows
        assert rows


def test_a_count_is_out_when_it_was_seen_on_the_exchanges_clock(store: HistoryStore) -> None:
    fast = CalendarClock(1_000_000, to_milliseconds(WEEK.opens), 1000.0)
    first, *_ = releases(store.counts(), WEEK, fast)
    assert first.day == WEEK.monday
    assert fast.at(first.at_ms) == assumed_release(WEEK.monday)


def test_only_counts_that_anybody_could_trade_on_are_released(store: HistoryStore) -> None:
    day = WEEK.days[2]
    later = assumed_release(day) + dt.timedelta(days=1)
    store.put_sightings([seen(day, 2_500_000, later), seen(day, 2_600_000, later, archived=True)])
    told = [
        each.count for each in releases(store.counts(), WEEK, CalendarClock()) if each.day == day
    ]
    assert told == [2_400_002, 2_500_000]


def test_a_week_is_told_with_its_markets_in_order_and_what_is_missing(store: HistoryStore) -> None:
    week = load_week(store, EVENT)
    strikes = [market.strike for market in week.markets]
    assert strikes == [2_400_000, 2_450_000, 2_500_000]
    assert (week.week, week.missing, len(week.fees)) == (WEEK, {}, 1)
    assert load_week(store, EVENT_BEFORE).week == WEEK.__class__(WEEK.sunday - dt.timedelta(days=7))


def test_a_week_that_is_not_there_is_one_sentence(store: HistoryStore) -> None:
    with pytest.raises(BadInput, match="run `mmbot history fetch`"):
        load_week(store, "KXTSAW-25APR20")
