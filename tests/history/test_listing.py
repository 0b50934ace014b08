"""Events, markets and fees, from both tiers."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mmbot.exchange.fees import FeeSchedule
from mmbot.history.doubts import Doubts
from mmbot.history.listing import Listing, list_weeks, read_cutoff
from mmbot.history.steps import Refused
from mmbot.history.store import HistoryStore
from mmbot.kalshi.http import HttpAnswer, HttpRequest
from mmbot.underlying.calendar import Week
from tests.history.builders import (
    BEFORE,
    DAY_MS,
    EVENT,
    EVENT_BEFORE,
    SERIES,
    SETTLED,
    TICKER,
    WEEK,
    Change,
    PastExchange,
    kept,
)


def listed(exchange: PastExchange, *weeks: Week) -> Listing:
    cutoff = exchange.run(read_cutoff(Doubts()))
    at = exchange.clock.at(exchange.now)
    return exchange.run(list_weeks(SERIES, weeks or (BEFORE, WEEK), cutoff, exchange.clock, at))


def with_market(**other: Any) -> Change:
    """Return a change of one market's row in lists of events."""

    def change(request: HttpRequest, answer: HttpAnswer) -> HttpAnswer:
        if request.path != "/events":
            return answer
        page = msgspec.json.decode(answer.body)
        for event in page["events"]:
            for row in event["markets"]:
                if row["ticker"] == TICKER:
                    row.update(other)
        return msgspec.structs.replace(answer, body=msgspec.json.encode(page))

    return change


def test_the_terms_of_a_market_are_kept() -> None:
    exchange = PastExchange()
    found = listed(exchange, WEEK)
    market = next(each for each in found.markets if each.ticker == TICKER)
    terms = exchange.site.venue.exchange.engine.markets[TICKER].terms
    assert (market.opens_ms, market.closes_ms) == (terms.open_ms, terms.close_ms)
    assert (market.event_ticker, market.series, market.strike) == (EVENT, SERIES, 2_450_000)
    assert market.is_final
    assert market.grid is not None
    assert market.grid.accepts(market.grid.bands[0].step)
    assert [event.week for event in found.events] == [WEEK]


def test_an_event_of_the_historical_tier_alone_is_listed_without_a_title() -> None:
    found = listed(PastExchange(live_for=dt.timedelta(0)))
    assert [event.event_ticker for event in found.events] == [EVENT_BEFORE, EVENT]
    assert {event.title for event in found.events} == {""}
    assert found.archived == {market.ticker for market in found.markets}


def test_a_week_without_an_event_that_is_over_is_not_asked_for_again(tmp_path: Path) -> None:
    exchange, store = PastExchange(), HistoryStore(tmp_path)
    never = Week(dt.date(2026, 3, 22))
    exchange.fetch(store, (), weeks=(never,))
    assert store.manifest(never.event_ticker(SERIES)).has_no_event
    asked = len(exchange.asked)
    exchange.fetch(store, (), weeks=(never,))
    assert all("fee" in r.path or r.path == "/series/KXTSAW" for r in exchange.asked[asked:])


def test_a_list_that_goes_round_ends_and_proves_no_absence(tmp_path: Path) -> None:
    def round_(request: HttpRequest, answer: HttpAnswer) -> HttpAnswer:
        if request.path != "/events":
            return answer
        page = msgspec.json.decode(answer.body) | {"cursor": "again"}
        return msgspec.structs.replace(answer, body=msgspec.json.encode(page))

    exchange, store = PastExchange(change=round_), HistoryStore(tmp_path)
    exchange.is_deaf_to_cursors = True
    found = listed(exchange)
    assert not found.is_whole
    assert "whose pages repeat" in "".join(found.doubts)
    assert len(found.markets) == 6
    never = Week(dt.date(2026, 3, 22))
    exchange.fetch(store, (), weeks=(never,))
    assert not store.manifest(never.event_ticker(SERIES)).has_no_event


def test_a_list_that_goes_round_once_is_whole_in_the_end() -> None:
    pages: list[HttpAnswer] = []

    def repeat(request: HttpRequest, answer: HttpAnswer) -> HttpAnswer:
        if request.path == "/historical/markets":
            pages.append(answer)
            return pages[0] if len(pages) == 2 else answer
        return answer

    exchange = PastExchange(change=repeat, live_for=dt.timedelta(0))
    exchange.rows_a_page = 2
    found = listed(exchange)
    assert found.is_whole
    assert len(found.markets) == 6


@pytest.mark.parametrize("live_days", [0, 90])
def test_a_week_that_a_list_leaves_out_is_found_by_itself(tmp_path: Path, live_days: int) -> None:
    def lose(request: HttpRequest, answer: HttpAnswer) -> HttpAnswer:
        """Return the lists of the series, but not of one event, without any row."""
        single = {"tickers", "event_ticker"} & dict(request.query).keys()
        if request.path not in ("/events", "/historical/markets") or single:
            return answer
        return HttpAnswer(200, b'{"events":[],"markets":[],"cursor":""}')

    exchange = PastExchange(
        SETTLED + dt.timedelta(days=14), change=lose, live_for=dt.timedelta(days=live_days)
    )
    store = HistoryStore(tmp_path)
    exchange.fetch(store, ())
    for event in (EVENT_BEFORE, EVENT):
        assert kept(store, event) == exchange.ledger(event)


@pytest.mark.parametrize("live_days", [0, 9, 90])
def test_without_the_boundaries_both_tiers_are_asked(tmp_path: Path, live_days: int) -> None:
    def silent(request: HttpRequest, answer: HttpAnswer) -> HttpAnswer:
        return HttpAnswer(404) if request.path == "/historical/cutoff" else answer

    exchange = PastExchange(change=silent, live_for=dt.timedelta(days=live_days))
    store = HistoryStore(tmp_path)
    exchange.fetch(store, (60,))
    for event in (EVENT_BEFORE, EVENT):
        assert kept(store, event) == exchange.ledger(event)
        assert store.manifest(event).is_complete((60,))


@pytest.mark.parametrize(
    ("row", "clause"),
    [
        ({"status": "resting_in_peace"}, "an unknown word for a market's status"),
        ({"result": "perhaps"}, "result that cannot be read"),
        ({"result": "no", "settlement_value_dollars": "1.0000"}, "result that cannot be read"),
    ],
)
def test_a_word_that_nobody_knows_costs_only_its_meaning(row: dict[str, Any], clause: str) -> None:
    found = listed(PastExchange(change=with_market(**row)), WEEK)
    assert clause in "".join(found.doubts)
    market = next(each for each in found.markets if each.ticker == TICKER)
    assert market.yes_value is None or "result" not in row


@pytest.mark.parametrize(
    "row",
    [
        {"open_time": "never"},
        {"close_time": "2026-01-01T00:00:00Z"},
        {"ticker": "../../etc/passwd"},
        {"event_ticker": "KXHIGHNY-26APR19"},
    ],
)
def test_terms_that_cannot_be_cost_only_their_market(row: dict[str, Any]) -> None:
    found = listed(PastExchange(change=with_market(**row)), WEEK)
    assert len(found.markets) == 2
    assert found.doubts


def test_a_scalar_result_is_kept_with_its_value() -> None:
    row = {"result": "scalar", "settlement_value_dollars": "0.3800"}
    found = listed(PastExchange(change=with_market(**row)), WEEK)
    market = next(each for each in found.markets if each.ticker == TICKER)
    assert (market.result, market.yes_value) == ("scalar", 3_800)


def test_an_exchange_that_refuses_the_list_is_named() -> None:
    def refuse(request: HttpRequest, answer: HttpAnswer) -> HttpAnswer:
        return HttpAnswer(403, b'{"error":{"code":"permission_denied"}}')

    with pytest.raises(Refused, match="403 permission_denied"):
        listed(PastExchange(change=refuse))


# Fees


def test_fees_are_kept_with_their_changes_and_a_reading_is_kept_once(tmp_path: Path) -> None:
    exchange, store = PastExchange(), HistoryStore(tmp_path)
    exchange.fetch(store, ())
    exchange.fetch(store, ())
    (reading,) = store.fees(SERIES)
    assert (reading.fee_type, reading.multiplier, reading.is_reading) == (
        "quadratic",
        1_000_000,
        True,
    )
    dearer = FeeSchedule("quadratic_with_maker_fees", 0.5)
    exchange.site.venue.schedule_fees(dearer, exchange.now + DAY_MS)
    exchange.wait_until(exchange.clock.at(exchange.now + 2 * DAY_MS))
    exchange.fetch(store, ())
    first, change = store.fees(SERIES)
    assert first == reading
    assert (change.fee_type, change.multiplier, change.is_reading) == (
        "quadratic_with_maker_fees",
        500_000,
        False,
    )
