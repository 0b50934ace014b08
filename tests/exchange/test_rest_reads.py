"""Reading markets and the portfolio over REST."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mmbot.exchange.fees import FeeSchedule

TICKER = "KXTSAW-26APR19-A2.45"
EVENT = "KXTSAW-26APR19"


def test_an_event_nests_its_markets_only_on_request(bench: Any) -> None:
    _, plain = bench.public(f"/events/{EVENT}")
    assert "markets" not in plain["event"]
    assert len(plain["markets"]) == 21
    _, nested = bench.public(f"/events/{EVENT}", with_nested_markets="true")
    assert (len(nested["event"]["markets"]), nested["markets"]) == (21, [])
    _, bare = bench.public(f"/events/{EVENT}", exclude_markets="true")
    assert bare["markets"] == []
    both = bench.public(f"/events/{EVENT}", exclude_markets="true", with_nested_markets="true")
    assert both[0] == 400


def test_the_ladder_is_twenty_one_strikes_above_which_yes_pays(bench: Any) -> None:
    _, body = bench.public(f"/events/{EVENT}")
    markets = body["markets"]
    assert markets[0]["ticker"] == "KXTSAW-26APR19-A1.80"
    assert [m["floor_strike"] for m in markets] == list(range(1_800_000, 2_800_001, 50_000))
    assert {m["strike_type"] for m in markets} == {"greater"}


def test_open_and_close_are_in_wall_time(bench: Any) -> None:
    _, body = bench.public(f"/markets/{TICKER}")
    market = body["market"]
    assert (market["open_time"], market["close_time"]) == (
        "2026-04-13T14:00:00Z",
        "2026-04-20T03:59:00Z",
    )


def test_a_market_shows_its_quotes_and_an_empty_side_has_no_size(bench: Any, maker: Any) -> None:
    maker.place("bid", "0.4200", "25")
    _, body = bench.public(f"/markets/{TICKER}")
    market = body["market"]
    assert (market["yes_bid_dollars"], market["yes_bid_size_fp"]) == ("0.4200", "25.00")
    assert (market["no_ask_dollars"], market["yes_ask_size_fp"]) == ("0.5800", "0.00")


@pytest.mark.parametrize(
    ("status", "listed"), [("open", 21), ("unopened", 0), ("settled", 0), ("paused", 0)]
)
def test_markets_are_filtered_by_status(bench: Any, status: str, listed: int) -> None:
    _, body = bench.public("/markets", status=status)
    assert len(body["markets"]) == listed


def test_an_unknown_status_is_refused(bench: Any) -> None:
    assert bench.public("/markets", status="active")[0] == 400


def test_pages_follow_each_other_without_gap_or_overlap(bench: Any) -> None:
    cursor, seen = "", []
    for _ in range(3):
        _, body = bench.public("/markets", limit="8", cursor=cursor)
        seen += [m["ticker"] for m in body["markets"]]
        cursor = body["cursor"]
    assert cursor == ""
    assert len(seen) == len(set(seen)) == 21


def test_a_page_is_not_shifted_by_what_happens_meanwhile(bench: Any, maker: Any) -> None:
    placed = [maker.place("bid", "0.0100", "1")["order_id"] for _ in range(4)]
    _, first = maker.call("GET", "/portfolio/orders", limit="2")
    maker.place("bid", "0.0100", "1")
    _, second = maker.call("GET", "/portfolio/orders", limit="2", cursor=first["cursor"])
    listed = [o["order_id"] for o in first["orders"] + second["orders"]]
    assert listed == placed[::-1]


@pytest.mark.parametrize("query", [{"limit": "1001"}, {"limit": "x"}, {"cursor": "!!"}])
def test_invalid_page_parameters_are_refused(bench: Any, query: dict[str, str]) -> None:
    assert bench.public("/markets/trades", **query)[0] == 400


def test_the_market_list_is_as_old_as_the_cdn_lets_it_be(bench: Any, maker: Any) -> None:
    assert bench.public("/markets", tickers=TICKER)[1]["markets"][0]["yes_bid_dollars"] == "0.0000"
    maker.place("bid", "0.4200")
    bench.wait(14_999)
    assert bench.public("/markets", tickers=TICKER)[1]["markets"][0]["yes_bid_dollars"] == "0.0000"
    bench.wait(1)
    assert bench.public("/markets", tickers=TICKER)[1]["markets"][0]["yes_bid_dollars"] == "0.4200"


def test_a_book_lists_bids_of_both_legs_best_last(bench: Any, maker: Any) -> None:
    for side, price in (("bid", "0.41"), ("bid", "0.42"), ("ask", "0.44"), ("ask", "0.45")):
        maker.place(side, price)
    _, body = bench.public(f"/markets/{TICKER}/orderbook")
    assert body["orderbook_fp"] == {
        "yes_dollars": [["0.4100", "10.00"], ["0.4200", "10.00"]],
        "no_dollars": [["0.5500", "10.00"], ["0.5600", "10.00"]],
    }
    _, body = bench.public(f"/markets/{TICKER}/orderbook", depth="1")
    assert body["orderbook_fp"]["yes_dollars"] == [["0.4200", "10.00"]]


def test_an_unknown_book_is_empty_and_an_unknown_market_is_not_found(bench: Any) -> None:
    empty: dict[str, Any] = {"orderbook_fp": {"yes_dollars": [], "no_dollars": []}}
    assert bench.public("/markets/NOPE/orderbook") == (200, empty)
    assert bench.public("/markets/NOPE")[0] == 404


def test_books_are_asked_for_by_repeating_the_parameter(maker: Any) -> None:
    other = "KXTSAW-26APR19-A2.50"
    _, body = maker.call("GET", "/markets/orderbooks", tickers=[TICKER, other])
    assert [b["ticker"] for b in body["orderbooks"]] == [TICKER, other]
    _, body = maker.call("GET", "/markets/orderbooks", tickers=[f"{TICKER},{other}"])
    assert len(body["orderbooks"]) == 1


def test_the_tape_is_newest_first_and_names_the_taker(bench: Any, maker: Any, taker: Any) -> None:
    maker.place("bid", "0.4200")
    taker.place("ask", "0.4200", "1")
    bench.wait(1_000)
    taker.place("ask", "0.4200", "2")
    _, body = bench.public("/markets/trades", ticker=TICKER)
    assert [t["count_fp"] for t in body["trades"]] == ["2.00", "1.00"]
    assert body["trades"][0]["taker_book_side"] == "ask"
    since = str(bench.now // 1000)
    assert len(bench.public("/markets/trades", min_ts=since)[1]["trades"]) == 1


@pytest.mark.parametrize(
    ("structure", "good", "bad"),
    [
        ("linear_cent", "0.4200", "0.4250"),
        ("deci_cent", "0.4250", "0.4255"),
        ("tapered_deci_cent", "0.0990", "0.4250"),
    ],
)
def test_orders_keep_to_the_markets_price_ranges(
    make_bench: Callable[..., Any], structure: str, good: str, bad: str
) -> None:
    bench = make_bench(structure=structure)
    _, body = bench.public(f"/markets/{TICKER}")
    assert body["market"]["price_level_structure"] == structure
    assert len(body["market"]["price_ranges"]) == (3 if structure.startswith("tapered") else 1)
    bench.maker.place("bid", good)
    assert bench.maker.refused("bid", bad)[2] == "invalid price"


def test_the_series_has_its_fees(bench: Any) -> None:
    _, body = bench.public("/series/KXTSAW")
    assert (body["series"]["fee_type"], body["series"]["fee_multiplier"]) == ("quadratic", 1.0)
    assert bench.public("/series/OTHER")[0] == 404


def test_past_fee_changes_are_hidden_unless_asked_for(bench: Any) -> None:
    bench.venue.schedule_fees(FeeSchedule("quadratic_with_maker_fees"), bench.now + 60_000)
    path = "/series/fee_changes"
    assert len(bench.public(path)[1]["series_fee_change_arr"]) == 1
    bench.wait(60_000)
    assert bench.public(path)[1]["series_fee_change_arr"] == []
    assert len(bench.public(path, show_historical="true")[1]["series_fee_change_arr"]) == 1
    assert bench.public("/series/KXTSAW")[1]["series"]["fee_type"] == "quadratic_with_maker_fees"


def test_maker_fees_are_charged_where_the_schedule_has_them(bench: Any) -> None:
    bench.venue.override_fees(EVENT, FeeSchedule("quadratic_with_maker_fees"), bench.now)
    bench.maker.place("bid", "0.5000", "100")
    bench.taker.place("ask", "0.5000", "100")
    _, body = bench.maker.call("GET", "/portfolio/fills")
    # 0.0175 x 100 x 0.5 x 0.5
    assert body["fills"][0]["fee_cost"] == "0.437500"
    _, event = bench.public(f"/events/{EVENT}")
    assert event["event"]["fee_type_override"] == "quadratic_with_maker_fees"


def test_the_schedule_names_the_thursday_windows(bench: Any) -> None:
    _, body = bench.public("/exchange/schedule")
    assert body["schedule"]["maintenance_windows"][0] == {
        "start_datetime": "2026-04-16T07:00:00Z",
        "end_datetime": "2026-04-16T09:00:00Z",
    }


# The portfolio


def test_a_fill_changes_cash_and_position_of_both(bench: Any, maker: Any, taker: Any) -> None:
    money = bench.total_money()
    maker.place("bid", "0.4200")
    taker.place("ask", "0.4200", "4")
    assert maker.call("GET", "/portfolio/balance")[1]["balance_dollars"] == "998.320000"
    # 4 x 0.58 for the NO and 0.0683 of fee: 0.07 x 4 x 0.42 x 0.58 = 0.068208, rounded up
    assert taker.call("GET", "/portfolio/balance")[1]["balance_dollars"] == "997.611700"
    (mine,) = maker.call("GET", "/portfolio/positions")[1]["market_positions"]
    (theirs,) = taker.call("GET", "/portfolio/positions")[1]["market_positions"]
    assert (mine["position_fp"], theirs["position_fp"]) == ("4.00", "-4.00")
    assert (mine["market_exposure_dollars"], theirs["fees_paid_dollars"]) == (
        "1.680000",
        "0.068300",
    )
    assert bench.total_money() == money


def test_fills_name_trade_order_and_role(maker: Any, taker: Any) -> None:
    order = maker.place("bid", "0.4200")
    taker.place("ask", "0.4200", "4")
    (fill,) = maker.call("GET", "/portfolio/fills", order_id=order["order_id"])[1]["fills"]
    (other,) = taker.call("GET", "/portfolio/fills", ticker=f"X,{TICKER}")[1]["fills"]
    assert fill["fill_id"] == fill["trade_id"] == other["trade_id"]
    assert (fill["is_taker"], other["is_taker"]) == (False, True)
    assert (fill["book_side"], other["outcome_side"]) == ("bid", "no")
    assert "client_order_id" not in fill


def test_orders_are_filtered_by_status_ticker_and_event(maker: Any) -> None:
    order = maker.place("bid", "0.4200")
    maker.place("bid", "0.4200", ticker="KXTSAW-26APR19-A2.50")
    maker.call("DELETE", f"/portfolio/events/orders/{order['order_id']}")

    def listed(**query: str) -> int:
        return len(maker.call("GET", "/portfolio/orders", **query)[1]["orders"])

    assert (listed(), listed(status="resting"), listed(status="canceled")) == (2, 1, 1)
    assert (listed(ticker=TICKER), listed(event_ticker=f"X,{EVENT}")) == (1, 2)
    assert (listed(event_ticker="X"), listed(exchange_index="1")) == (0, 0)


def test_queue_positions_count_everything_that_trades_before(maker: Any, taker: Any) -> None:
    taker.place("bid", "0.4300", "3")
    taker.place("bid", "0.4200", "4")
    order = maker.place("bid", "0.4200")
    _, body = maker.call("GET", "/portfolio/orders/queue_positions", market_tickers=TICKER)
    assert body["queue_positions"] == [
        {"order_id": order["order_id"], "market_ticker": TICKER, "queue_position_fp": "7.00"}
    ]
    assert maker.call("GET", "/portfolio/orders/queue_positions")[0] == 400


def test_portfolio_reads_lag_where_configured(make_bench: Callable[..., Any]) -> None:
    bench = make_bench(portfolio_lag_ms=1_000)
    bench.maker.place("bid", "0.4200")
    bench.taker.place("ask", "0.4200")
    bench.wait(999)
    paths = {"orders": "orders", "fills": "fills", "positions": "market_positions"}

    def seen() -> list[int]:
        return [len(bench.maker.call("GET", f"/portfolio/{p}")[1][k]) for p, k in paths.items()]

    assert seen() == [0, 0, 0]
    assert bench.maker.call("GET", "/portfolio/balance")[1]["balance"] == 100_000
    bench.wait(1)
    assert seen() == [1, 1, 1]
    assert bench.maker.call("GET", "/portfolio/balance")[1]["balance"] == 99_580


def test_subaccounts_have_cash_and_holdings_of_their_own(bench: Any, maker: Any) -> None:
    assert maker.call("POST", "/portfolio/subaccounts", {})[1] == {"subaccount_number": 1}
    transfer = {
        "client_transfer_id": "6f6f3b1e-7c53-4d0e-9a55-0d5a1f0f7a01",
        "from_subaccount": 0,
        "to_subaccount": 1,
        "amount_cents": 10_000,
    }
    assert maker.call("POST", "/portfolio/subaccounts/transfer", transfer)[0] == 200
    assert maker.call("POST", "/portfolio/subaccounts/transfer", transfer)[0] == 409
    _, body = maker.call("GET", "/portfolio/balance", subaccount="1")
    assert body["balance_dollars"] == "100.000000"
    maker.place("bid", "0.4200", subaccount=1)
    assert maker.call("GET", "/portfolio/orders", subaccount="0")[1]["orders"] == []
    assert len(maker.call("GET", "/portfolio/orders")[1]["orders"]) == 1


def test_cash_that_resting_orders_hold_cannot_be_moved(maker: Any) -> None:
    maker.call("POST", "/portfolio/subaccounts", {})
    maker.place("bid", "0.5000", "1900")
    transfer = {
        "client_transfer_id": "6f6f3b1e-7c53-4d0e-9a55-0d5a1f0f7a02",
        "from_subaccount": 0,
        "to_subaccount": 1,
        "amount_cents": 5_001,
    }
    status, body = maker.call("POST", "/portfolio/subaccounts/transfer", transfer)
    assert (status, body["error"]["code"]) == (400, "insufficient_balance")
