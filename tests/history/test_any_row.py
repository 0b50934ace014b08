"""Whatever stands in a row of the exchange's, it costs only itself."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmbot.history import wire
from mmbot.history.doubts import Doubts
from mmbot.history.wire import Life
from mmbot.history.wire_listing import (
    RestFeeChange,
    RestPastEvent,
    RestPastMarket,
    read_event,
    read_fee_change,
    read_market,
)
from mmbot.kalshi.messages import Malformed
from tests.history.builders import EVENT, SERIES, TICKER, WEEK

LIFE = Life(TICKER, 1_776_175_200_000, 1_776_700_000_000)
OHLC = {"open_dollars": "0.4", "low": "0.4", "high_dollars": "0.5", "close": "0.5"}
TRADE = {
    "trade_id": "a",
    "ticker": TICKER,
    "count_fp": "10.00",
    "yes_price_dollars": "0.4200",
    "no_price_dollars": "0.5800",
    "taker_outcome_side": "yes",
    "taker_book_side": "bid",
    "created_time": "2026-04-15T12:00:00.123456Z",
    "is_block_trade": False,
}
CANDLE = {
    "end_period_ts": 1_776_179_100,
    "yes_bid": OHLC,
    "yes_ask": OHLC,
    "price": OHLC | {"mean": "0.456789", "previous_dollars": None},
    "volume_fp": "3.00",
    "open_interest": "4.00",
}
MARKET = {
    "ticker": TICKER,
    "event_ticker": EVENT,
    "open_time": "2026-04-13T14:00:00Z",
    "close_time": "2026-04-20T03:59:00Z",
    "status": "finalized",
    "result": "yes",
    "strike_type": "greater",
    "floor_strike": 2_450_000,
    "volume_fp": "7.00",
    "price_ranges": [{"start": "0", "end": "1", "step": "0.01"}],
    "settlement_ts": "2026-04-20T14:01:00Z",
}
EVENT_ROW: dict[str, Any] = {
    "event_ticker": EVENT,
    "title": "a week",
    "markets": [],
    "fee_type_override": None,
}
FEE = {
    "id": "x",
    "series_ticker": SERIES,
    "fee_type": "quadratic",
    "fee_multiplier": 1,
    "scheduled_ts": "2026-01-01T00:00:00Z",
}
ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from(["yes", "1e400", "-0.5", "0.12345678", "9" * 40, "2026-99-99T00:00:00Z"]),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2)
    ),
    max_leaves=4,
)


def readers(doubts: Doubts) -> dict[str, tuple[dict[str, Any], type, Callable[[Any], Any]]]:
    trade = partial(wire.read_trade, life=LIFE, doubts=doubts)
    span = (0, 2**40)
    candle = partial(wire.read_candle, life=LIFE, period=1, span=span, doubts=doubts)
    market = partial(read_market, series=SERIES, doubts=doubts)
    return {
        "trade": (TRADE, wire.RestTrade, trade),
        "candle": (CANDLE, wire.RestCandle, candle),
        "market": (MARKET, RestPastMarket, market),
        "event": (EVENT_ROW, RestPastEvent, partial(read_event, series=SERIES)),
        "fee": (FEE, RestFeeChange, partial(read_fee_change, series=SERIES)),
    }


def read_rows(what: str, rows: list[Any]) -> tuple[list[Any], tuple[str, ...]]:
    doubts = Doubts()
    _, kind, read = readers(doubts)[what]
    raw = [msgspec.Raw(json.dumps(row).encode()) for row in rows]
    return list(wire.usable(raw, kind, read, what, doubts)), doubts.told()


@pytest.mark.parametrize("what", readers(Doubts()))
def test_a_row_as_it_should_be_is_read_without_a_doubt(what: str) -> None:
    row, _, _ = readers(Doubts())[what]
    found, told = read_rows(what, [row, row | {"unheard_of": 1}])
    assert (len(found), told) == (2, ())


@given(st.data(), st.sampled_from(["trade", "candle", "market", "event", "fee"]))
def test_whatever_stands_in_a_row_its_neighbours_are_read(data: st.DataObject, what: str) -> None:
    row, _, _ = readers(Doubts())[what]
    names = st.sampled_from(sorted(row))
    odd = row | data.draw(st.dictionaries(names, ANYTHING, min_size=1, max_size=3))
    right, _ = read_rows(what, [row])
    found, told = read_rows(what, [row, data.draw(st.just(odd) | ANYTHING), row])
    assert found[0] == found[-1] == right[0]
    assert len(found) in (2, 3)
    assert len(found) == 3 or told


@given(st.binary(max_size=40) | ANYTHING.map(lambda value: json.dumps(value).encode()))
def test_a_page_is_read_or_malformed(body: bytes) -> None:
    with contextlib.suppress(Malformed):
        wire.rows_of(body, "trades")


def test_a_market_that_says_nothing_of_its_event_is_of_the_one_in_its_ticker() -> None:
    (found,), told = read_rows("market", [MARKET | {"event_ticker": None}])
    assert (found.event_ticker, found.strike, told) == (EVENT, 2_450_000, ())
    assert WEEK.event_ticker(SERIES) == EVENT


@pytest.mark.parametrize(
    "terms",
    [{"strike_type": "between"}, {"strike_type": None, "cap_strike": 1}, {"floor_strike": 0.5}],
)
def test_a_market_of_another_kind_has_no_strike(terms: dict[str, Any]) -> None:
    (found,), _ = read_rows("market", [MARKET | terms])
    assert found.strike is None
