from __future__ import annotations

from typing import Any

import pytest

from mmbot.trading.events import (
    EventFeeChanged,
    GroupChanged,
    InputEvent,
    MarketActivity,
    MarketClosing,
    MarketSettled,
    PriceGridChanged,
)
from mmbot.trading.fees import ONE_TIME, FeeTerms
from mmbot.units import ONE_DOLLAR, Price
from tests.kalshi.builders import A, changed, frame
from tests.kalshi.stream_line import GROUP_SID, LIFECYCLE, LIFECYCLE_SID, Line

# Markets and events


@pytest.mark.parametrize(
    ("changes", "event"),
    [
        ({"event_type": "activated"}, MarketActivity(A, active=True)),
        ({"event_type": "deactivated"}, MarketActivity(A, active=False)),
        (
            {"event_type": "close_date_updated", "close_ts": 1795874400},
            MarketClosing(A, 1795874400000),
        ),
        ({"event_type": "determined", "result": "yes"}, MarketSettled(A, ONE_DOLLAR)),
        ({"event_type": "settled", "result": "no"}, MarketSettled(A, Price(0), final=True)),
    ],
)
def test_a_markets_lifecycle_becomes_events(
    line: Line, changes: dict[str, Any], event: InputEvent
) -> None:
    step = line.hear("market_lifecycle_v2", changed(LIFECYCLE, **changes), sid=LIFECYCLE_SID)
    assert step.events == [event]
    assert not step.listing_stale


@pytest.mark.parametrize(
    "changes",
    [
        {"event_type": "created"},
        {"event_type": "metadata_updated"},
        {"event_type": "price_level_structure_updated"},
        {"event_type": "close_date_updated"},
        {"event_type": "something new"},
    ],
)
def test_a_change_that_only_the_listing_can_tell_makes_it_stale(
    line: Line, changes: dict[str, Any]
) -> None:
    step = line.hear("market_lifecycle_v2", changed(LIFECYCLE, **changes), sid=LIFECYCLE_SID)
    assert step.listing_stale
    assert step.events == []


def test_a_settlement_without_a_result_changes_nothing(line: Line) -> None:
    step = line.hear("market_lifecycle_v2", changed(LIFECYCLE, event_type="settled"))
    assert (step.events, step.listing_stale) == ([], False)


def test_an_event_s_own_fee_is_told_before_the_listing_is_read(line: Line) -> None:
    told = {"event_ticker": "KXTSAW-26NOV29", "fee_multiplier_override": 0.5}
    (event,) = line.hear("event_fee_update", told | {"fee_type_override": "quadratic"}).events
    assert event == EventFeeChanged("KXTSAW-26NOV29", FeeTerms("quadratic", ONE_TIME // 2))
    (event,) = line.hear("event_fee_update", told | {"fee_multiplier_override": None}).events
    assert event == EventFeeChanged("KXTSAW-26NOV29", FeeTerms())


@pytest.mark.parametrize("kind", ["event_lifecycle", "event_fee_update"])
def test_a_change_of_one_of_our_events_makes_the_listing_stale(line: Line, kind: str) -> None:
    assert line.hear(kind, {"event_ticker": "KXTSAW-26NOV29"}).listing_stale
    assert not line.hear(kind, {"event_ticker": "KXTSAWX-26NOV29"}).listing_stale


@pytest.mark.parametrize("other", ["KXBTC-1", "KXTSAWX-26NOV29-A2.7", None])
def test_the_lifecycle_of_other_markets_is_ignored_even_if_unreadable(
    line: Line, other: str
) -> None:
    odd = {"market_ticker": other, "event_type": 3, "close_ts": "soon"}
    step = line.hear("market_lifecycle_v2", odd, sid=LIFECYCLE_SID)
    assert (step.events, step.reconnect, step.listing_stale) == ([], False, False)


def test_a_new_price_grid_is_read(line: Line) -> None:
    ranges = [{"start": "0.0000", "end": "1.0000", "step": "0.0010"}]
    change = changed(LIFECYCLE, event_type="price_level_structure_updated", price_ranges=ranges)
    step = line.hear("market_lifecycle_v2", change, sid=LIFECYCLE_SID)
    (event,) = step.events
    assert isinstance(event, PriceGridChanged)
    assert (event.ticker, event.grid.floor(Price(4_567))) == (A, 4_560)
    assert not step.listing_stale


def test_a_changed_price_grid_without_its_prices_makes_the_listing_stale(line: Line) -> None:
    change = changed(LIFECYCLE, event_type="price_level_structure_updated")
    assert line.hear("market_lifecycle_v2", change, sid=LIFECYCLE_SID).listing_stale


def test_a_market_paid_a_fraction_is_settled_at_it(line: Line) -> None:
    change = changed(LIFECYCLE, event_type="determined", result="scalar", settlement_value="0.3800")
    step = line.hear("market_lifecycle_v2", change, sid=LIFECYCLE_SID)
    assert step.events == [MarketSettled(A, Price(3_800))]


@pytest.mark.parametrize(
    "odd",
    [
        {"close_ts": "soon"},
        {"event_type": "price_level_structure_updated", "price_ranges": 3},
        {"event_type": "price_level_structure_updated", "price_ranges": [{"step": "0.01"}]},
    ],
)
def test_what_cannot_be_read_of_one_of_our_markets_makes_the_listing_stale(
    line: Line, odd: dict[str, Any]
) -> None:
    step = line.hear("market_lifecycle_v2", changed(LIFECYCLE, **odd), sid=LIFECYCLE_SID)
    assert (step.events, step.listing_stale, step.reconnect) == ([], True, False)


@pytest.mark.parametrize("kind", ["market_lifecycle_v2", "event_lifecycle", "event_fee_update"])
@pytest.mark.parametrize("odd", [3, [], "text", None])
def test_a_lifecycle_message_about_nobody_costs_nothing(line: Line, kind: str, odd: Any) -> None:
    step = line.feed.received(frame(kind, odd, sid=LIFECYCLE_SID), line.now)
    assert (step.events, step.listing_stale, step.reconnect) == ([], False, False)


# Order groups


@pytest.mark.parametrize("odd", [3, [], "text"])
def test_an_update_about_no_group_costs_nothing(line: Line, odd: Any) -> None:
    step = line.hear("order_group_updates", odd, sid=GROUP_SID, seq=1)
    assert (step.events, step.reconnect) == ([], False)


@pytest.mark.parametrize("news", ["triggered", "reset", "deleted"])
def test_an_order_groups_change_becomes_an_event(line: Line, news: str) -> None:
    message = {"event_type": news, "order_group_id": "g-1", "ts_ms": 1}
    (event,) = line.hear("order_group_updates", message, sid=GROUP_SID, seq=1).events
    assert isinstance(event, GroupChanged)
    assert (event.group, event.news) == ("g-1", news)


@pytest.mark.parametrize("news", ["created", "limit_updated"])
def test_an_update_that_does_not_affect_a_groups_orders_is_ignored(line: Line, news: str) -> None:
    message = {"event_type": news, "order_group_id": "g-1"}
    assert line.hear("order_group_updates", message, sid=GROUP_SID, seq=1).events == []
