"""An unknown word is never given a meaning: every enum of the protocol, at every place of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from mmbot.kalshi.account_readings import query_order, read_account
from mmbot.kalshi.group_readings import ensure_group
from mmbot.kalshi.listing_readings import read_fee_type, read_listing
from mmbot.kalshi.vocabulary import ENUMS, FURTHER_ENUMS, REST, STREAM, UNREAD
from mmbot.kalshi.writes import outcomes
from mmbot.trading.commands import Cancel, QueryOrder, ReadAccount, ReadListing
from mmbot.trading.events import (
    BooksDistrusted,
    EventFeeChanged,
    FeeTypeRead,
    Filled,
    FillUnreadable,
    GroupChanged,
    ListingRead,
    MarketSettled,
    OrderReported,
    OrderUnreadable,
    Reconciled,
    WriteUnknown,
)
from mmbot.trading.fees import FREE_TERMS, FeeTerms
from tests.kalshi.builders import (
    DELTA,
    EVENT,
    FILL,
    LISTED,
    MARKET,
    REST_FILL,
    REST_ORDER,
    USER_ORDER,
    A,
    B,
    answer,
    changed,
    error,
)
from tests.kalshi.builders import (
    ensure_group as group_command,
)
from tests.kalshi.exchange_table import Exchange
from tests.kalshi.stream_line import GROUP_SID, LIFECYCLE, LIFECYCLE_SID, ORDER_SID, Line
from tests.kalshi.test_account_readings import account
from tests.kalshi.test_readings import listing

NOW = 1_795_874_400_000
STRANGE = ["frozen", "", None, ..., 7, True, ["yes"], {"word": "yes"}]


def odd_words(enum: str) -> Iterator[Any]:
    """Yield what is no word of an enum: another word, another case, none, another type."""
    yield from STRANGE
    yield from (word.swapcase() for word in ENUMS[enum].words)


def line() -> Line:
    started = Line(A, B)
    started.start()
    return started


def read_rows(**paths: Any) -> Reconciled:
    (event,) = account(**paths).read(read_account(ReadAccount((A, B), shards=(0,)), "KXTSAW", 7))
    assert isinstance(event, Reconciled)
    return event


def read_market(odd: Any, key: str) -> ListingRead:
    """Return the listing with one odd market beside another."""
    rows = [changed(MARKET, ticker=B, floor_strike=2_800_000), changed(MARKET, **{key: odd})]
    exchange = listing(**{"/events": {"events": [changed(LISTED, markets=rows)]}})
    read = exchange.read(read_listing(ReadListing(()), "KXTSAW", NOW))[1]
    assert isinstance(read, ListingRead)
    return read


# The safe reading of each place: the checks fail where a word is given a meaning.


def streamed_order_is_in_doubt(odd: Any) -> None:
    (event,) = line().hear("user_order", changed(USER_ORDER, status=odd)).events
    assert isinstance(event, OrderReported)
    assert event.report.status == "unknown"


def listed_order_is_in_doubt(odd: Any) -> None:
    rows = {"/portfolio/orders": {"orders": [changed(REST_ORDER, status=odd)]}}
    (report,) = read_rows(**rows).orders
    assert report.status == "unknown"
    exchange = Exchange(**{"/portfolio/orders/ee58": {"order": changed(REST_ORDER, status=odd)}})
    (found,) = exchange.read(query_order(QueryOrder("mmbot-1", "ee58", A, NOW), 7))
    assert isinstance(found, OrderReported)
    assert found.report.status == "unknown"


def streamed_order_cannot_be_read(odd: Any) -> None:
    (event,) = line().hear("user_order", changed(USER_ORDER, book_side=odd)).events
    assert isinstance(event, OrderUnreadable)
    assert (event.client_id, event.order_id, event.ticker) == ("mmbot-1", "ee58", A)


def listed_order_cannot_be_read(odd: Any) -> None:
    read = read_rows(**{"/portfolio/orders": {"orders": [changed(REST_ORDER, book_side=odd)]}})
    assert read.orders == ()
    assert [order.client_id for order in read.unreadable_orders] == ["mmbot-1"]


def streamed_fill_cannot_be_read(odd: Any) -> None:
    (event,) = line().hear("fill", changed(FILL, book_side=odd)).events
    assert isinstance(event, FillUnreadable)
    assert event.ticker == A


def listed_fill_cannot_be_read(odd: Any) -> None:
    read = read_rows(**{"/portfolio/fills": {"fills": [changed(REST_FILL, book_side=odd)]}})
    assert read.fills == ()
    assert [each.ticker for each in read.unreadable] == [A]


def book_is_dropped(odd: Any) -> None:
    step = line().books("orderbook_delta", changed(DELTA, side=odd))
    (event,) = step.events
    assert isinstance(event, BooksDistrusted)
    assert event.tickers == (A,)
    assert step.frames
    assert not step.reconnect


def group_takes_no_orders(odd: Any) -> None:
    message = changed({"order_group_id": "g-1"}, event_type=odd)
    step = line().hear("order_group_updates", message, sid=GROUP_SID, seq=1)
    assert step.events == [GroupChanged("g-1", "triggered")]


def listing_is_read(odd: Any) -> None:
    step = line().hear("market_lifecycle_v2", changed(LIFECYCLE, event_type=odd), sid=LIFECYCLE_SID)
    assert (step.events, step.listing_stale) == ([], True)


def market_is_decided_in_some_way(odd: Any) -> None:
    message = changed(LIFECYCLE, event_type="determined", result=odd)
    step = line().hear("market_lifecycle_v2", message, sid=LIFECYCLE_SID)
    assert step.events == [MarketSettled(A, None)]


def market_is_closed_to_orders(odd: Any) -> None:
    market = read_market(odd, "status").events[0].markets[0]
    assert (market.ticker, market.active, market.decided) == (A, False, False)


def market_has_no_result_that_counts(odd: Any) -> None:
    market = read_market(odd, "result").events[0].markets[0]
    # The exchange states that there is no result by none, or by an empty word.
    none = odd in (None, "", ...)
    assert (market.active, market.decided) == (none, not none)
    held = {"event": {"event_ticker": EVENT, "markets": [changed(MARKET, result=odd)]}}
    exchange = listing(**{"/events": {"events": []}, f"/events/{EVENT}": held})
    settlements = exchange.read(read_listing(ReadListing((EVENT,)), "KXTSAW", NOW))[2:]
    assert settlements == ([] if none else [MarketSettled(A, None, read=True)])


def market_is_not_quoted(key: str) -> Callable[[Any], None]:
    def check(odd: Any) -> None:
        read = read_market(odd, key)
        markets = {market.ticker: market for market in read.events[0].markets}
        named = {each.ticker for each in read.unreadable}
        assert not markets[B].unreadable
        assert A in named or markets[A].unreadable

    return check


def strike_type_is_above_or_not_quoted(odd: Any) -> None:
    if odd in (None, ...):
        # The exchange may leave it out; then nothing else may say that there is another bound.
        assert not read_market(odd, "strike_type").unreadable
        odd_market = changed(MARKET, strike_type=odd, cap_strike=2_900_000)
        rows = {"events": [changed(LISTED, markets=[odd_market])]}
        (_, read, *_) = listing(**{"/events": rows}).read(
            read_listing(ReadListing(()), "KXTSAW", NOW)
        )
        assert isinstance(read, ListingRead)
        assert {each.ticker for each in read.unreadable} == {A, EVENT}
        return
    market_is_not_quoted("strike_type")(odd)


def nothing_is_quoted_for_the_series(odd: Any) -> None:
    exchange = listing(**{"/series/KXTSAW": {"series": changed({}, fee_type=odd)}})
    read = exchange.read(read_listing(ReadListing(()), "KXTSAW", NOW))[1]
    assert isinstance(read, ListingRead)
    assert read.fee.fee is None
    (alone,) = exchange.read(read_fee_type("KXTSAW"))
    assert alone == FeeTypeRead(read.fee)


def nothing_is_quoted_for_an_override(odd: Any) -> None:
    exchange = listing(**{"/events": {"events": [changed(LISTED, fee_type_override=odd)]}})
    read = exchange.read(read_listing(ReadListing(()), "KXTSAW", NOW))[1]
    assert isinstance(read, ListingRead)
    assert is_unknown_unless_unset(read.events[0].fee, odd)


def nothing_is_quoted_for_an_override_that_is_told(odd: Any) -> None:
    message = changed({"event_ticker": EVENT}, fee_type_override=odd)
    step = line().hear("event_fee_update", message, sid=LIFECYCLE_SID)
    (event,) = step.events
    assert isinstance(event, EventFeeChanged)
    assert is_unknown_unless_unset(event.fee, odd)
    assert step.listing_stale


def nothing_is_quoted_once_a_change_holds(odd: Any) -> None:
    row = changed({"series_ticker": "KXTSAW"}, fee_type=odd)
    exchange = listing(**{"/series/fee_changes": {"series_fee_change_arr": [row]}})
    read = exchange.read(read_listing(ReadListing(()), "KXTSAW", NOW))[1]
    assert isinstance(read, ListingRead)
    assert [change.terms.fee for change in read.fee_changes] == [None]


def nothing_is_quoted_once_an_override_holds(odd: Any) -> None:
    row = changed({"event_ticker": EVENT}, fee_type_override=odd)
    exchange = listing(**{"/events/fee_changes": {"event_fee_changes": [row]}})
    read = exchange.read(read_listing(ReadListing(()), "KXTSAW", NOW))[1]
    assert isinstance(read, ListingRead)
    (change,) = read.events[0].fee_changes
    assert is_unknown_unless_unset(change.terms, odd)


def is_unknown_unless_unset(terms: FeeTerms, odd: Any) -> bool:
    return (terms.over(FREE_TERMS).fee is None) == (odd not in (None, ...))


def outcome_is_unknown(odd: Any) -> None:
    if odd in ("", None, ...):
        odd = "quota_of_luck"
    for status in (400, 409, 422):
        refused = {"error": {"code": odd, "message": "", "details": ""}}
        (event,) = outcomes([Cancel("mmbot-1", "o-1", A, 0)], answer(refused, status))
        known = isinstance(odd, str) and odd.lower() in ENUMS["refusal code"].words
        assert known or isinstance(event, WriteUnknown)


CHECKS: dict[tuple[str, str], Callable[[Any], None]] = {
    ("user_order", "status"): streamed_order_is_in_doubt,
    ("order", "status"): listed_order_is_in_doubt,
    ("user_order", "book_side"): streamed_order_cannot_be_read,
    ("order", "book_side"): listed_order_cannot_be_read,
    ("stream fill", "book_side"): streamed_fill_cannot_be_read,
    ("fill", "book_side"): listed_fill_cannot_be_read,
    ("orderbook_delta", "side"): book_is_dropped,
    ("order_group_updates", "event_type"): group_takes_no_orders,
    ("market_lifecycle_v2", "event_type"): listing_is_read,
    ("market_lifecycle_v2", "result"): market_is_decided_in_some_way,
    ("market", "status"): market_is_closed_to_orders,
    ("market", "result"): market_has_no_result_that_counts,
    ("market", "market_type"): market_is_not_quoted("market_type"),
    ("market", "strike_type"): strike_type_is_above_or_not_quoted,
    ("series", "fee_type"): nothing_is_quoted_for_the_series,
    ("event", "fee_type_override"): nothing_is_quoted_for_an_override,
    ("event_fee_update", "fee_type_override"): nothing_is_quoted_for_an_override_that_is_told,
    ("change of a series' fee", "fee_type"): nothing_is_quoted_once_a_change_holds,
    ("change of an event's fee", "fee_type_override"): nothing_is_quoted_once_an_override_holds,
    ("refusal", "code"): outcome_is_unknown,
}


def places() -> Iterator[tuple[str, str, str]]:
    """Yield every place of the protocol at which a word of an enum stands and is read."""
    names = {id(enum): name for name, enum in ENUMS.items()}
    for table in (STREAM, REST):
        for message, shape in table.items():
            where = "stream fill" if table is STREAM and message == "fill" else message
            for key, enum in shape.values.items():
                if enum.unknown != UNREAD:
                    yield where, key, names[id(enum)]


@pytest.mark.parametrize(("message", "key", "enum"), list(places()))
def test_an_unknown_word_has_the_safe_reading_wherever_it_stands(
    message: str, key: str, enum: str
) -> None:
    for odd in odd_words(enum):
        CHECKS[message, key](odd)


def test_the_table_has_a_check_for_every_place_and_no_other() -> None:
    assert set(CHECKS) == {(message, key) for message, key, _ in places()}


def test_a_word_that_nothing_depends_on_changes_nothing() -> None:
    for odd in STRANGE:
        (order,) = line().hear("user_order", changed(USER_ORDER, last_update_reason=odd)).events
        (fill,) = line().hear("fill", changed(FILL, outcome_side=odd, purchased_side=odd)).events
        assert isinstance(order, OrderReported)
        assert isinstance(fill, Filled)


# Enums outside the tables of keys


def test_each_further_enum_is_described() -> None:
    assert all(FURTHER_ENUMS.values())


@pytest.mark.parametrize("odd", STRANGE)
@pytest.mark.parametrize("key", ["exchange_active", "trading_active"])
def test_activity_that_is_not_stated_is_a_pause(key: str, odd: Any) -> None:
    if odd is True:
        return
    opened = {"exchange_active": True, "trading_active": True}
    for status in (
        changed(opened, **{key: odd}),
        opened
        | {"exchange_index_statuses": [changed(opened | {"exchange_index": 0}, **{key: odd})]},
        opened
        | {"exchange_index_statuses": [opened | {"exchange_index": "0", "trading_active": False}]},
    ):
        exchange = listing(**{"/exchange/status": status})
        read = exchange.read(read_listing(ReadListing(()), "KXTSAW", NOW))[1]
        assert isinstance(read, ListingRead)
        assert read.shut == "exchange_paused"


@pytest.mark.parametrize("odd", STRANGE)
def test_a_group_that_may_not_cancel_its_orders_is_not_used(odd: Any) -> None:
    if odd is True:
        return
    group = {"id": "g", "contracts_limit_fp": "100.00", "exchange_index": 3}
    rows = {"order_groups": [changed(group, is_auto_cancel_enabled=odd)]}
    exchange = Exchange(
        **{
            "/portfolio/order_groups": rows,
            "/portfolio/order_groups/create": answer({"order_group_id": "g-new"}, 201),
        }
    )
    (ready,) = exchange.read(ensure_group(group_command(3, 10_000), 7))
    assert getattr(ready, "group", "") == "g-new"


@pytest.mark.parametrize("code", [0, 6, 29, 99, "gone", None, ...])
def test_an_error_that_nobody_knows_ends_the_subscription_it_is_about(code: Any) -> None:
    message = changed({"msg": "?"}, code=code)
    known = code == 6
    assert line().hear("error", message, sid=ORDER_SID).reconnect is not known
    assert not line().hear("error", message).reconnect


def test_a_message_of_an_unknown_type_has_its_channel_doubted_once_a_minute() -> None:
    started = line()
    assert started.hear("order_frozen", {"x": 1}, sid=ORDER_SID).events == [
        FillUnreadable("", "message order_frozen")
    ]
    assert started.hear("order_frozen", {"x": 1}, sid=ORDER_SID).events == []
    started.now += 60_000
    assert started.hear("order_frozen", {"x": 1}, sid=ORDER_SID).events
    assert started.hear("market_frozen", {"x": 1}, sid=LIFECYCLE_SID).listing_stale
    assert started.hear("group_frozen", {"x": 1}, sid=GROUP_SID).reconnect


def test_a_book_message_of_an_unknown_type_has_every_book_renewed() -> None:
    step = line().books("orderbook_shuffle", {"x": 1})
    (event,) = step.events
    assert isinstance(event, BooksDistrusted)
    assert event.tickers == (A, B)
    assert step.frames


def test_the_types_that_are_remembered_are_bounded() -> None:
    started = line()
    for number in range(150):
        started.hear(f"type-{number}", {}, sid=LIFECYCLE_SID)
    assert started.hear("type-1", {}, sid=LIFECYCLE_SID).listing_stale is False
    assert started.hear("type-149", {}, sid=LIFECYCLE_SID).listing_stale is True


def test_an_error_without_a_known_code_but_a_telling_status_is_a_refusal() -> None:
    (event,) = outcomes([Cancel("mmbot-1", "o-1", A, 0)], error(404, "no_such_thing"))
    assert not isinstance(event, WriteUnknown)
