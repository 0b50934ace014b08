from __future__ import annotations

from typing import Any

import pytest

from mmbot.kalshi.http import HttpAnswer, HttpRequest
from mmbot.kalshi.messages import Malformed
from mmbot.kalshi.readings import Reading, ReadingError, look_up, read_account, read_listing
from mmbot.trading.commands import QueryOrder, ReadAccount, ReadListing
from mmbot.trading.events import (
    InputEvent,
    LimitsRead,
    ListingRead,
    MarketSettled,
    OrderAbsent,
    OrderReported,
    Reconciled,
)
from mmbot.tsa.calendar import Week
from tests.kalshi.builders import (
    EVENT,
    LISTED,
    MARKET,
    REST_FILL,
    REST_ORDER,
    A,
    B,
    answer,
    changed,
)

SINCE = 1_795_874_400_123


class Exchange:
    """Answers a reading from a table of paths; a list is answered one by one, the last again."""

    def __init__(self, **paths: Any) -> None:
        self.answers = {path: list(a) if isinstance(a, list) else [a] for path, a in paths.items()}
        self.asked: list[HttpRequest] = []

    def read(self, reading: Reading) -> list[InputEvent]:
        request = next(reading)
        try:
            while True:
                self.asked.append(request)
                request = reading.send(self._answer(request.path))
        except StopIteration as end:
            events: list[InputEvent] = end.value
            return events

    def _answer(self, path: str) -> HttpAnswer | None:
        answers = self.answers[path]
        said = answers.pop(0) if len(answers) > 1 else answers[0]
        return answer(said) if isinstance(said, dict) else said

    def queries(self, path: str) -> list[dict[str, str]]:
        return [dict(request.query) for request in self.asked if request.path == path]

    @property
    def paths(self) -> list[str]:
        return [request.path for request in self.asked]


def account(**changes: Any) -> Exchange:
    return Exchange(
        **{
            "/portfolio/orders": {"orders": [REST_ORDER], "cursor": ""},
            "/portfolio/fills": {"fills": [REST_FILL], "cursor": ""},
            "/portfolio/positions": {"market_positions": [{"ticker": A, "position_fp": "10.00"}]},
            "/portfolio/balance": {"balance": 12345, "portfolio_value": 1},
        }
        | changes
    )


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
            "/exchange/status": {"exchange_active": True, "trading_active": True},
        }
        | changes
    )


def read_the_listing(exchange: Exchange, held: tuple[str, ...] = ()) -> list[InputEvent]:
    return exchange.read(read_listing(ReadListing(held), "KXTSAW", 1_795_874_400_000))


def read_the_account(exchange: Exchange, *tickers: str) -> list[InputEvent]:
    return exchange.read(read_account(ReadAccount(tickers, shards=(3,)), 7))


def shut(exchange: Exchange) -> str:
    (read,) = (event for event in read_the_listing(exchange) if isinstance(event, ListingRead))
    return read.shut


# Looking up


def test_an_order_with_an_id_is_looked_up_by_it() -> None:
    exchange = Exchange(**{"/portfolio/orders/ee58": {"order": REST_ORDER}})
    (event,) = exchange.read(look_up(QueryOrder("mmbot-1", "ee58", A, SINCE), 7))
    assert isinstance(event, OrderReported)
    assert event.looked_up
    assert (event.report.client_id, event.report.filled) == ("mmbot-1", 1000)


def test_an_id_that_the_exchange_does_not_know_is_absent() -> None:
    exchange = Exchange(**{"/portfolio/orders/ee58": HttpAnswer(404)})
    events = exchange.read(look_up(QueryOrder("mmbot-1", "ee58", A, SINCE), 7))
    assert events == [OrderAbsent("mmbot-1")]


def test_an_order_without_an_id_is_found_among_the_markets_orders_by_its_client_id() -> None:
    other = changed(REST_ORDER, client_order_id="somebody", order_id="other")
    pages = [{"orders": [other], "cursor": "c"}, {"orders": [REST_ORDER], "cursor": None}]
    exchange = Exchange(**{"/portfolio/orders": pages})
    (event,) = exchange.read(look_up(QueryOrder("mmbot-1", "", A, SINCE), 7))
    assert isinstance(event, OrderReported)
    assert event.report.order_id == "ee58"
    query = {"ticker": A, "min_ts": "1795874340", "limit": "1000", "subaccount": "7"}
    assert exchange.queries("/portfolio/orders") == [query, query | {"cursor": "c"}]


def test_a_client_id_that_is_not_among_them_is_absent() -> None:
    exchange = Exchange(**{"/portfolio/orders": {"orders": [], "cursor": ""}})
    events = exchange.read(look_up(QueryOrder("mmbot-1", "", A, SINCE), 7))
    assert events == [OrderAbsent("mmbot-1")]


@pytest.mark.parametrize("order_id", ["ee58", ""])
@pytest.mark.parametrize("said", [None, HttpAnswer(500), HttpAnswer(429)])
def test_a_look_up_that_is_not_answered_says_nothing_about_the_order(
    order_id: str, said: HttpAnswer | None
) -> None:
    exchange = Exchange(**{"/portfolio/orders/ee58": said, "/portfolio/orders": said})
    with pytest.raises(ReadingError):
        exchange.read(look_up(QueryOrder("mmbot-1", order_id, A, SINCE), 7))


# The account


def test_the_account_is_orders_fills_positions_and_balance() -> None:
    exchange = account()
    (event,) = read_the_account(exchange, A, B)
    assert isinstance(event, Reconciled)
    assert [order.order_id for order in event.orders] == ["ee58"]
    assert [fill.trade_id for fill in event.fills] == ["d91b"]
    assert event.balances == {3: 123_450_000}
    own = {"subaccount": "7"}
    assert exchange.queries("/portfolio/orders") == [{"status": "resting", "limit": "1000"} | own]
    assert exchange.queries("/portfolio/fills") == [{"ticker": f"{A},{B}", "limit": "1000"} | own]
    assert exchange.queries("/portfolio/positions") == [
        {"count_filter": "position", "limit": "1000"} | own
    ]
    assert exchange.queries("/portfolio/balance") == [own | {"exchange_index": "3"}]


def test_without_markets_no_fills_are_asked_for() -> None:
    exchange = account()
    (event,) = read_the_account(exchange)
    assert isinstance(event, Reconciled)
    assert event.fills == ()
    assert exchange.queries("/portfolio/fills") == []


def test_a_fill_on_two_pages_counts_once() -> None:
    pages = [{"fills": [REST_FILL], "cursor": "c"}, {"fills": [REST_FILL], "cursor": ""}]
    assert len(read_the_account(account(**{"/portfolio/fills": pages}), A)) == 1


def test_a_position_that_a_fill_overtook_is_read_again() -> None:
    positions = [
        {"market_positions": []},
        {"market_positions": [{"ticker": A, "position_fp": "10.00"}]},
    ]
    exchange = account(**{"/portfolio/positions": positions})
    assert isinstance(read_the_account(exchange, A)[0], Reconciled)
    assert len(exchange.queries("/portfolio/fills")) == 2


def test_a_position_that_is_not_the_sum_of_its_fills_is_a_contradiction() -> None:
    exchange = account(**{"/portfolio/fills": {"fills": []}})
    with pytest.raises(ReadingError, match=f"position in {A} is 10.00 and its fills sum to 0.00"):
        read_the_account(exchange, A)
    assert len(exchange.queries("/portfolio/positions")) == 3


def test_positions_in_other_markets_are_none_of_our_business() -> None:
    positions = {"market_positions": [{"ticker": "OTHER", "position_fp": "5.00"}]}
    exchange = account(**{"/portfolio/positions": positions})
    assert isinstance(read_the_account(exchange, B)[0], Reconciled)


def test_a_position_that_is_no_number_is_malformed() -> None:
    positions = {"market_positions": [{"ticker": A, "position_fp": "many"}]}
    with pytest.raises(Malformed, match="/portfolio/positions"):
        read_the_account(account(**{"/portfolio/positions": positions}), A)


def test_a_list_without_end_is_given_up() -> None:
    endless = {"orders": [], "cursor": "again"}
    with pytest.raises(ReadingError, match="more than 50 pages"):
        read_the_account(account(**{"/portfolio/orders": endless}), A)


@pytest.mark.parametrize("page", [{}, {"orders": None}, {"orders": 3}, {"orders": [{"x": 1}]}])
def test_a_page_that_holds_no_list_of_orders_is_malformed(page: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        read_the_account(account(**{"/portfolio/orders": page}), A)


def test_an_error_is_repeated_in_the_sentence() -> None:
    refused = answer({"error": {"code": "forbidden", "message": "no scope"}}, 403)
    with pytest.raises(ReadingError, match="GET /portfolio/balance: 403 forbidden no scope"):
        read_the_account(account(**{"/portfolio/balance": refused}), A)


# The listing


def test_the_listing_is_the_budget_and_the_open_events_in_order_of_strike() -> None:
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


def test_a_null_among_the_markets_is_as_good_as_no_key() -> None:
    odd = changed(LISTED, markets=[changed(MARKET, exchange_index=None, result=None)])
    read = read_the_listing(listing(**{"/events": {"events": [odd]}}))[1]
    assert isinstance(read, ListingRead)
    assert read.events[0].markets[0].shard == 0


def test_an_event_without_markets_is_left_out() -> None:
    read = read_the_listing(listing(**{"/events": {"events": [changed(LISTED, markets=[])]}}))[1]
    assert isinstance(read, ListingRead)
    assert read.events == ()


@pytest.mark.parametrize("fee_type", ["quadratic_with_maker_fees", "flat", "something new"])
def test_a_fee_for_makers_shuts_everything(fee_type: str) -> None:
    assert shut(listing(**{"/series/KXTSAW": {"series": {"fee_type": fee_type}}})) == (
        f"fee_type_{fee_type}"
    )
    override = {"events": [changed(LISTED, fee_type_override=fee_type)]}
    assert shut(listing(**{"/events": override})) == f"fee_type_{fee_type}"


def test_an_override_that_charges_makers_nothing_shuts_nothing() -> None:
    override = {"events": [changed(LISTED, fee_type_override="quadratic")]}
    assert shut(listing(**{"/events": override})) == ""


@pytest.mark.parametrize("key", ["exchange_active", "trading_active"])
def test_a_pause_shuts_everything(key: str) -> None:
    status = {"exchange_active": True, "trading_active": True} | {key: False}
    assert shut(listing(**{"/exchange/status": status})) == "exchange_paused"


@pytest.mark.parametrize(("shard", "expected"), [(0, "exchange_paused"), (2, "")])
def test_a_pause_of_a_shard_shuts_what_is_on_it(shard: int, expected: str) -> None:
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
        ({"markets": [MARKET, changed(MARKET, ticker=B)]}, "two markets at one strike"),
    ],
)
def test_an_event_of_another_kind_is_malformed(changes: dict[str, Any], complaint: str) -> None:
    exchange = listing(**{"/events": {"events": [changed(LISTED, **changes)]}})
    with pytest.raises(Malformed, match=complaint):
        read_the_listing(exchange)


@pytest.mark.parametrize("bucket", [{"refill_rate": 0, "bucket_capacity": 1}, {}])
def test_a_budget_of_nothing_is_malformed(bucket: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        read_the_listing(listing(**{"/account/limits": {"write": bucket}}))


def test_results_are_read_of_what_is_held_and_no_longer_open() -> None:
    held = "KXTSAW-26NOV22"
    markets = [
        changed(MARKET, ticker="x", floor_strike=1, result="yes", status="finalized"),
        changed(MARKET, ticker="y", floor_strike=2, result="no", status="determined"),
        changed(MARKET, ticker="z", floor_strike=3, result="", status="closed"),
    ]
    settled = {"event": {"event_ticker": held, "markets": markets}, "markets": []}
    exchange = listing(**{f"/events/{held}": settled})
    events = read_the_listing(exchange, (EVENT, held))
    assert events[2:] == [
        MarketSettled("x", 10_000, final=True, read=True),
        MarketSettled("y", 0, read=True),
    ]
    read = events[1]
    assert isinstance(read, ListingRead)
    assert [event.ticker for event in read.events] == [EVENT, held]
    assert f"/events/{EVENT}" not in exchange.paths


def test_an_event_that_is_held_and_unknown_to_the_exchange_is_left_out() -> None:
    exchange = listing(**{"/events/KXTSAW-26NOV22": HttpAnswer(404)})
    events = read_the_listing(exchange, ("KXTSAW-26NOV22",))
    assert [type(event) for event in events] == [LimitsRead, ListingRead]


def test_the_balance_is_that_of_the_shards_in_use() -> None:
    exchange = account()
    (event,) = exchange.read(read_account(ReadAccount((), shards=(0, 3)), 7))
    assert isinstance(event, Reconciled)
    assert event.balances == {0: 123_450_000, 3: 123_450_000}
    asked = [query["exchange_index"] for query in exchange.queries("/portfolio/balance")]
    assert asked == ["0", "3"]


def test_a_decided_markets_position_is_gone_and_its_fills_are_still_read() -> None:
    exchange = account(**{"/portfolio/positions": {"market_positions": []}})
    (event,) = exchange.read(read_account(ReadAccount((), decided=(A,)), 7))
    assert isinstance(event, Reconciled)
    assert len(event.fills) == 1
