"""A market as it is listed, beside what the forecast says."""

from __future__ import annotations

from typing import Any

from mmbot.config import Settings
from mmbot.observe.market_list import PublicMarket, list_markets
from tests.trading.builders import belief

ROW: dict[str, Any] = {
    "ticker": "T-26NOV29-A2.7",
    "status": "active",
    "floor_strike": 2_700_000,
    "yes_bid_dollars": "0.5600",
    "yes_ask_dollars": "0.6000",
    "volume_fp": "12.00",
    "result": "",
}


def only(row: dict[str, Any], *, forecast: bool = True) -> PublicMarket:
    above = belief((0.8, 0.3, 0.2)) if forecast else None
    (market,) = list_markets([row], above, Settings())
    return market


def test_prices_of_no_are_those_of_the_other_side() -> None:
    market = only(ROW)
    assert (market.yes_bid, market.yes_ask) == ("0.5600", "0.6000")
    assert (market.no_bid, market.no_ask) == ("0.4000", "0.4400")
    assert (market.spread, market.volume) == ("0.0400", "12.00")


def test_the_likelier_side_is_bid_for_at_no_more_than_the_margin_allows() -> None:
    market = only(ROW)
    assert (market.side, market.value) == ("no", 0.7)
    # A tenth less than 70 cents.
    assert market.margin_price == "0.6300"


def test_a_side_without_an_order_has_no_price() -> None:
    market = only(ROW | {"yes_bid_dollars": "0.0000", "yes_ask_dollars": "1.0000"})
    assert (market.yes_bid, market.yes_ask, market.spread) == (None, None, None)
    assert (market.no_bid, market.no_ask) == (None, None)


def test_without_a_forecast_nothing_is_claimed() -> None:
    market = only(ROW, forecast=False)
    assert (market.side, market.value, market.margin_price) == (None, None, None)


def test_what_cannot_be_read_is_left_out() -> None:
    market = only({"ticker": "x", "floor_strike": "high", "yes_bid_dollars": None})
    assert market == PublicMarket("x", None, "", None, None, None, None, None, volume="", result="")
