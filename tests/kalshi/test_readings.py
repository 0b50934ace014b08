from __future__ import annotations

from typing import Any

import pytest

from mmbot.kalshi.http import HttpAnswer
from mmbot.kalshi.listing_readings import read_listing
from mmbot.kalshi.messages import Malformed
from mmbot.kalshi.readings import ReadingError
from mmbot.trading.commands import ReadListing
from mmbot.trading.events import InputEvent, LimitsRead, ListingRead, MarketSettled
from mmbot.trading.fees import ONE_TIME, FeeChange, FeeTerms
from mmbot.underlying.calendar import Week
from mmbot.units import ONE_DOLLAR, Price
from tests.kalshi.builders import EVENT, LISTED, MARKET, A, B, changed
from tests.kalshi.exchange_table import Exchange


def listing(**changes: Any) -> Exchange:
    limits = {
        "read": {"refill_rate": 200, "bucket_capacity": 400},
        "write": {"refill_rate": 300, "bucket_capacity": 600},
    }
    costs = [
        {"method": "DELETE", "path": "/portfolio/events/orders/{order_id}", "cost": 2},
        {"method": "POST", "path": "/trade-api/v2/portfolio/events/orders", "cost": 11},
    ]
    return Exchange(
        **{
            "/account/limits": {"usage_tier": "basic", **limits},
            "/account/endpoint_costs": {"default_cost": 10, "endpoint_costs": costs},
            "/events": {"events": [LISTED], "cursor": ""},
            "/series/KXTSAW": {"series": {"fee_type": "quadratic", "fee_multiplier": 1}},
            "/series/fee_changes": {"series_fee_change_arr": []},
            "/events/fee_changes": {"event_fee_changes": [], "cursor": ""},
            "/exchange/status": {"exchange_active": True, "trading_active": True},
        }
        | changes
    )


def read_the_listing(exchange: Exchange, held: tuple[str, ...] = ()) -> list[InputEvent]:
    return exchange.read(read_listing(ReadListing(held), "KXTSAW", 1_795_874_400_000))


def shut(exchange: Exchange) -> str:
    (read,) = (event for event in read_the_listing(exchange) if isinstance(event, ListingRead))
    return read.shut


def test_the_listing_has_the_rate_limits_and_the_open_events_in_order_of_strike() -> None:
    exchange = listing()
    budget, read = read_the_listing(exchange)
    assert budget == LimitsRead(300.0, 600.0, 11.0, 2.0, 10.0, 10.0, 200.0, 400.0)
    assert isinstance(read, ListingRead)
    assert read.shut == ""
    (event,) = read.events
    assert (event.ticker, event.week) == (EVENT, Week.from_event_ticker(EVENT))
    assert [market.ticker for market in event.markets] == [A, B]
    assert exchange.queries("/events") == [
        {
            "series_ticker": "KXTSAW",
            "min_close_ts": "1795874400",
            "with_nested_markets": "true",
            "limit": "200",
        }
    ]


def test_a_null_in_a_market_counts_as_an_absent_key() -> None:
    odd = changed(LISTED, markets=[changed(MARKET, exchange_index=None, result=None)])
    read = read_the_listing(listing(**{"/events": {"events": [odd]}}))[1]
    assert isinstance(read, ListingRead)
    assert read.events[0].markets[0].shard == 0


def test_an_event_without_markets_is_left_out() -> None:
    read = read_the_listing(listing(**{"/events": {"events": [changed(LISTED, markets=[])]}}))[1]
    assert isinstance(read, ListingRead)
    assert read.events == ()


def test_the_listing_has_the_fees_of_the_series_and_of_its_events_with_their_changes() -> None:
    kind = "quadratic_with_maker_fees"
    row = {"fee_type": "flat", "fee_multiplier": 1, "scheduled_ts": "2027-01-01T00:00:00Z"}
    own = changed(LISTED, fee_type_override=kind, fee_multiplier_override=0.5)
    exchange = listing(
        **{
            "/events": {"events": [own]},
            "/series/fee_changes": {
                "series_fee_change_arr": [row | {"series_ticker": "KXTSAW"}, row]
            },
            "/events/fee_changes": {
                "event_fee_changes": [
                    {"event_ticker": EVENT, "scheduled_ts": "2027-01-01T00:00:00Z"},
                    {"series_ticker": "KXTSAW", "scheduled_ts": "2027-01-01T00:00:00Z"},
                ]
            },
        }
    )
    read = read_the_listing(exchange)[1]
    assert isinstance(read, ListingRead)
    new_year = 1_798_761_600_000
    assert read.fee == FeeTerms("quadratic", ONE_TIME)
    assert read.fee_changes == (
        FeeChange(new_year, FeeTerms("flat", ONE_TIME)),
        FeeChange(new_year, FeeTerms("not_stated")),
    )
    assert read.events[0].fee == FeeTerms(kind, ONE_TIME // 2)
    assert read.events[0].fee_changes == (FeeChange(new_year, FeeTerms()),)
    assert exchange.queries("/series/fee_changes") == [{"series_ticker": "KXTSAW"}]


def test_changes_of_fees_beyond_fifty_pages_are_left_unread_with_a_word() -> None:
    row = {"event_ticker": EVENT, "scheduled_ts": "2027-01-01T00:00:00Z"}
    listed = [
        {"event_fee_changes": [row] if page == 49 else [], "cursor": str(page)}
        for page in range(51)
    ]
    exchange = listing(**{"/events/fee_changes": listed})
    read = read_the_listing(exchange)[1]
    assert isinstance(read, ListingRead)
    assert len(exchange.queries("/events/fee_changes")) == 50
    assert read.events[0].fee_changes == (FeeChange(1_798_761_600_000, FeeTerms()),)
    (word,) = read.unreadable
    assert word.ticker == "KXTSAW"
    assert word.reason.startswith("GET /events/fee_changes has more than 50 pages")


@pytest.mark.parametrize("key", ["exchange_active", "trading_active"])
def test_a_pause_of_the_exchange_shuts_the_series(key: str) -> None:
    status = {"exchange_active": True, "trading_active": True} | {key: False}
    assert shut(listing(**{"/exchange/status": status})) == "exchange_paused"


@pytest.mark.parametrize(("shard", "expected"), [(0, "exchange_paused"), (2, "")])
def test_a_pause_of_a_shard_in_use_shuts_the_series(shard: int, expected: str) -> None:
    paused = {"exchange_index": shard, "exchange_active": True, "trading_active": False}
    status = {
        "exchange_active": True,
        "trading_active": True,
        "exchange_index_statuses": [paused],
    }
    assert shut(listing(**{"/exchange/status": status})) == expected


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"event_ticker": "KXTSAW-26NOV28"}, "KXTSAW-26NOV28"),
        ({"markets": [changed(MARKET, strike_type="between")]}, "above a whole number"),
        (
            {"markets": [MARKET, changed(MARKET, ticker=B)]},
            "another market has its ticker, or its strike",
        ),
        (
            {"markets": [MARKET, changed(MARKET, floor_strike=2800000)]},
            "another market has its ticker",
        ),
    ],
)
def test_an_event_that_cannot_be_read_costs_only_itself(
    changes: dict[str, Any], complaint: str
) -> None:
    sound = changed(LISTED, event_ticker="KXTSAW-26DEC06")
    exchange = listing(**{"/events": {"events": [changed(LISTED, **changes), sound]}})
    read = read_the_listing(exchange)[1]
    assert isinstance(read, ListingRead)
    assert [event.ticker for event in read.events] == ["KXTSAW-26DEC06"]
    assert any(complaint in each.reason for each in read.unreadable)


def test_two_markets_at_one_strike_cost_only_themselves() -> None:
    sound = changed(MARKET, ticker="KXTSAW-26NOV29-A2.90", floor_strike=2_900_000)
    doubled = [MARKET, changed(MARKET, ticker=B), sound, sound]
    exchange = listing(**{"/events": {"events": [changed(LISTED, markets=doubled)]}})
    read = read_the_listing(exchange)[1]
    assert isinstance(read, ListingRead)
    assert [market.strike for event in read.events for market in event.markets] == [2_900_000]
    assert [each.ticker for each in read.unreadable] == [A, B]


def test_a_listing_of_which_hardly_anything_can_be_read_is_none() -> None:
    rows = [{"ticker": f"m-{number}"} for number in range(1_001)]
    exchange = listing(**{"/events": {"events": [changed(LISTED, markets=rows)]}})
    with pytest.raises(Malformed, match="more than 1000"):
        read_the_listing(exchange)


@pytest.mark.parametrize(
    "row", [None, 3, "event", {}, {"event_ticker": 3}, {"event_ticker": EVENT, "markets": 7}]
)
def test_a_row_that_is_no_event_costs_only_itself(row: Any) -> None:
    read = read_the_listing(listing(**{"/events": {"events": [row, LISTED]}}))[1]
    assert isinstance(read, ListingRead)
    assert [event.ticker for event in read.events] == [EVENT]
    assert len(read.unreadable) == 1


def test_an_event_of_another_series_costs_nothing() -> None:
    other = changed(LISTED, event_ticker="KXTSAWX-1", markets=[{}])
    read = read_the_listing(listing(**{"/events": {"events": [other, LISTED]}}))[1]
    assert isinstance(read, ListingRead)
    assert ([event.ticker for event in read.events], read.unreadable) == ([EVENT], ())


@pytest.mark.parametrize(
    "changes",
    [
        {"strike_type": "between"},
        {"floor_strike": ...},
        {"floor_strike": 2_700_000.5},
        {"open_time": "soon"},
        {"price_ranges": []},
        {"ticker": ...},
    ],
)
def test_a_market_that_cannot_be_read_costs_only_itself(changes: dict[str, Any]) -> None:
    sound = changed(MARKET, ticker=B, floor_strike=2_800_000)
    odd = changed(LISTED, markets=[sound, changed(MARKET, **changes)])
    read = read_the_listing(listing(**{"/events": {"events": [odd]}}))[1]
    assert isinstance(read, ListingRead)
    assert [market.ticker for market in read.events[0].markets] == [B]
    assert [each.ticker for each in read.unreadable] == [EVENT if "ticker" in changes else A]


def test_a_held_event_that_cannot_be_read_hides_no_other() -> None:
    exchange = listing(**{"/events/KXTSAW-26NOV22": {"event": {"markets": [{"ticker": "x"}]}}})
    read = read_the_listing(exchange, ("KXTSAW-26NOV22",))[1]
    assert isinstance(read, ListingRead)
    assert [event.ticker for event in read.events] == [EVENT]
    assert {each.ticker for each in read.unreadable} == {"x", "KXTSAW-26NOV22"}


@pytest.mark.parametrize("bucket", [{"refill_rate": 0, "bucket_capacity": 1}, {}])
def test_a_token_bucket_of_nothing_is_malformed(bucket: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        read_the_listing(listing(**{"/account/limits": {"write": bucket}}))


@pytest.mark.parametrize(
    "costs",
    [
        None,
        3,
        [None, {"method": "DELETE"}, {"method": "DELETE", "path": "/x", "cost": "two"}],
        [{"method": "DELETE", "path": "/portfolio/events/orders/{order_id}", "cost": -2}],
    ],
)
def test_a_cost_that_cannot_be_read_is_the_usual_one(costs: Any) -> None:
    stated = {"default_cost": 9, "endpoint_costs": costs}
    limits = read_the_listing(listing(**{"/account/endpoint_costs": stated}))[0]
    assert isinstance(limits, LimitsRead)
    assert (limits.place_cost, limits.cancel_cost) == (9.0, 9.0)


def test_a_cancel_that_could_never_be_paid_for_is_malformed() -> None:
    with pytest.raises(Malformed, match="more tokens"):
        read_the_listing(listing(**{"/account/endpoint_costs": {"default_cost": 601}}))


def test_the_results_of_held_events_that_have_closed_are_read() -> None:
    held = "KXTSAW-26NOV22"
    markets = [
        changed(MARKET, ticker="x", floor_strike=100_000, result="yes", status="finalized"),
        changed(MARKET, ticker="y", floor_strike=200_000, result="no", status="determined"),
        changed(MARKET, ticker="z", floor_strike=300_000, result="", status="closed"),
        changed(
            MARKET,
            ticker="s",
            floor_strike=400_000,
            result="scalar",
            settlement_value_dollars="0.3800",
            status="finalized",
        ),
    ]
    settled = {"event": {"event_ticker": held, "markets": markets}, "markets": []}
    exchange = listing(**{f"/events/{held}": settled})
    events = read_the_listing(exchange, (EVENT, held))
    assert events[2:] == [
        MarketSettled("x", ONE_DOLLAR, final=True, read=True),
        MarketSettled("y", Price(0), read=True),
        MarketSettled("s", Price(3_800), final=True, read=True),
    ]
    read = events[1]
    assert isinstance(read, ListingRead)
    assert [event.ticker for event in read.events] == [EVENT, held]
    assert f"/events/{EVENT}" not in exchange.paths


@pytest.mark.parametrize(
    "answered",
    [{}, {"event": None}, {"event": 3}, HttpAnswer(200, b"[]"), HttpAnswer(410), HttpAnswer(301)],
)
def test_a_held_event_of_which_nothing_can_be_read_costs_only_itself(answered: Any) -> None:
    exchange = listing(**{"/events/KXTSAW-26NOV22": answered})
    read = read_the_listing(exchange, ("KXTSAW-26NOV22",))[1]
    assert isinstance(read, ListingRead)
    assert [event.ticker for event in read.events] == [EVENT]
    assert [each.ticker for each in read.unreadable] == ["KXTSAW-26NOV22"]


def test_a_held_event_that_is_not_answered_fails_the_reading() -> None:
    with pytest.raises(ReadingError):
        read_the_listing(listing(**{"/events/KXTSAW-26NOV22": None}), ("KXTSAW-26NOV22",))


def test_a_held_event_that_the_exchange_does_not_know_is_left_out() -> None:
    exchange = listing(**{"/events/KXTSAW-26NOV22": HttpAnswer(404)})
    events = read_the_listing(exchange, ("KXTSAW-26NOV22",))
    assert [type(event) for event in events] == [LimitsRead, ListingRead]
