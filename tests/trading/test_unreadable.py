"""What the exchange says that cannot be read costs only itself, and is told once."""

from __future__ import annotations

import msgspec
import pytest

from mmbot.trading.commands import (
    Cancel,
    Command,
    Note,
    Place,
    QueryOrder,
    ReadAccount,
    ReadListing,
)
from mmbot.trading.events import (
    BeliefFormed,
    Filled,
    FillUnreadable,
    ListingRead,
    MarketActivity,
    OrderReported,
    OrdersListed,
    OrderUnreadable,
    Reconciled,
    Woken,
    WriteUnknown,
)
from mmbot.trading.operator_events import Stopping
from mmbot.trading.values import Unreadable
from tests.trading.builders import (
    HIGH,
    LOW,
    MIDDLE,
    PLENTY,
    Bench,
    belief,
    book,
    event,
    fill,
    fills_listed,
    market,
    market_settled,
    notes,
    only,
    order_cancelled,
    report,
    reported,
    settlement,
)

EVENT = event().ticker


def quoting() -> Bench:
    """Quotes resting in the low and the middle market."""
    bench = Bench()
    bench.rest()
    bench.handle(book(LOW, 7000, 9000))
    return bench


def told(commands: list[Command], name: str) -> list[dict[str, object]]:
    return [note.fields for note in only(Note, commands) if note.name == name]


# The listing


def test_an_event_that_cannot_be_read_is_not_quoted_and_says_why_once() -> None:
    bench = quoting()
    odd = ListingRead("", (), (Unreadable(EVENT, "two markets at one strike"),))
    commands = bench.handle(odd)
    assert bench.cancelled_sides(commands) >= {"bid", "ask"}
    assert bench.reason() == "event_unreadable: two markets at one strike"
    assert told(commands, "listing.unreadable") == [
        {"ticker": EVENT, "reason": "two markets at one strike"}
    ]
    assert "listing.unreadable" not in notes(bench.handle(odd))
    bench.handle(ListingRead("", (bench.listed,)))
    assert bench.reason() == ""


def test_another_events_unreadable_parts_cost_an_event_nothing() -> None:
    bench = quoting()
    odd = ListingRead("", (bench.listed,), (Unreadable("T-26DEC06", "no market"),))
    assert not only(Cancel, bench.handle(odd))
    assert bench.engine.state.unreadable == {"T-26DEC06": "no market"}


def test_a_market_that_cannot_be_read_is_not_quoted_and_its_neighbours_are() -> None:
    bench = quoting()
    listed = event(market(LOW), market(HIGH))
    commands = bench.handle(ListingRead("", (listed,), (Unreadable(MIDDLE, "no grid"),)))
    assert {cancel.ticker for cancel in only(Cancel, commands)} == {MIDDLE}
    assert bench.reason() == "unreadable: no grid"
    assert bench.reason(LOW) == ""


def test_a_market_of_another_type_is_not_quoted() -> None:
    bench = quoting()
    odd = market(MIDDLE, unreadable="market type 'scalar'")
    bench.handle(ListingRead("", (event(market(LOW), odd, market(HIGH)),)))
    assert bench.reason() == "unreadable: market type 'scalar'"
    assert bench.reason(LOW) == ""


def test_a_market_whose_strike_moves_is_not_quoted_and_its_neighbours_are() -> None:
    bench = quoting()
    moved = event(market(LOW), market(MIDDLE, strike=2_750_000), market(HIGH))
    commands = bench.handle(ListingRead("", (moved,)))
    assert {cancel.ticker for cancel in only(Cancel, commands)} == {MIDDLE}
    assert bench.reason() == "unreadable: its strike was 2,700,000 and is 2,750,000"
    assert bench.reason(LOW) == ""
    bench.handle(ListingRead("", (bench.listed,)))
    assert bench.reason() == ""


def test_a_new_market_at_the_strike_of_a_known_one_is_not_added() -> None:
    bench = quoting()
    twin = msgspec.structs.replace(market(MIDDLE), ticker=f"{MIDDLE}-2")
    commands = bench.handle(ListingRead("", (event(market(LOW), twin, market(HIGH)),)))
    assert not only(Cancel, commands)
    assert told(commands, "listing.unreadable") == [
        {"ticker": f"{MIDDLE}-2", "reason": "another market has its strike of 2,700,000"}
    ]
    assert bench.engine.state.find_market(f"{MIDDLE}-2") is None


@pytest.mark.parametrize("strike", [2, 2_700, 270_000_000])
def test_a_market_at_a_strike_that_no_week_can_come_near_is_not_added(strike: int) -> None:
    bench = quoting()
    odd = msgspec.structs.replace(market(MIDDLE, strike=strike), ticker=f"{MIDDLE}-2")
    commands = bench.handle(ListingRead("", (event(market(LOW), odd, market(HIGH)),)))
    assert told(commands, "listing.unreadable") == [
        {"ticker": odd.ticker, "reason": f"no week can settle near its strike of {strike:,}"}
    ]
    assert bench.engine.state.find_market(odd.ticker) is None


def test_a_market_whose_name_is_of_another_strike_is_not_added() -> None:
    bench = quoting()
    ticker = MIDDLE.replace("A2.7", "A2.75")
    odd = msgspec.structs.replace(market(MIDDLE, strike=9_000_000), ticker=ticker)
    commands = bench.handle(ListingRead("", (event(market(LOW), market(HIGH), odd),)))
    assert told(commands, "listing.unreadable") == [
        {"ticker": ticker, "reason": "its name is not that of its strike of 9,000,000"}
    ]


# Results


def test_a_market_paid_a_fraction_is_booked_at_it() -> None:
    bench = quoting()
    bench.handle(fills_listed(fill("t-1", "o-7", 1000, price=4100, side="ask")))
    commands = bench.handle(market_settled(MIDDLE, 3_800, final=True))
    assert settlement(MIDDLE, 3_800, -1000, -3_800_000, bench.now, final=True) in commands
    assert bench.reason() == "settled"
    assert bench.reason(LOW) == ""


def test_a_market_decided_in_an_unknown_way_is_not_quoted_until_it_is_known() -> None:
    bench = quoting()
    decided = market_settled(MIDDLE, None)
    assert {cancel.ticker for cancel in only(Cancel, bench.handle(decided))} <= {MIDDLE}
    assert bench.reason() == "unreadable: it is decided, and what it pays cannot be read"
    assert bench.reason(LOW) == ""
    bench.handle(decided)
    # A position that was paid is no contradiction.
    (request,) = only(ReadAccount, bench.handle(Woken(), after=60_000))
    assert (MIDDLE in request.tickers, MIDDLE in request.decided) == (False, True)
    bench.handle(market_settled(MIDDLE, 3_800))
    assert bench.reason() == "settled"
    bench.handle(decided)
    assert bench.reason() == "settled"


# The account


def test_a_market_whose_fill_or_position_cannot_be_read_is_shut_alone() -> None:
    bench = quoting()
    odd = Reconciled((), (), None, unreadable=(Unreadable(MIDDLE, "fill t-9: no price"),))
    commands = bench.handle(odd)
    assert told(commands, "account.unreadable") == [
        {"market": MIDDLE, "reason": "fill t-9: no price"}
    ]
    assert bench.reason() == "unreadable: fill t-9: no price"
    assert bench.reason(LOW) == ""
    again = bench.handle(Woken(), after=5_000)
    assert only(ReadAccount, again)
    assert "account.unreadable" not in notes(bench.handle(odd))
    bench.handle(Reconciled((), (), None))
    assert bench.reason() == ""


def test_a_fill_that_cannot_be_read_shuts_its_market_until_the_account_was_read() -> None:
    bench = quoting()
    commands = bench.handle(FillUnreadable(MIDDLE, "no side"))
    assert bench.cancelled_sides(commands) == {"bid", "ask"}
    assert bench.reason() == "unreadable: no side"
    bench.handle(FillUnreadable(MIDDLE, "no price"), after=1_000)
    assert only(ReadAccount, bench.handle(Woken(), after=1_000))
    bench.handle(Reconciled((), (), None))
    assert bench.reason() == ""


def test_a_fill_of_no_known_market_has_the_account_read() -> None:
    bench = quoting()
    assert not only(Cancel, bench.handle(FillUnreadable("", "no market")))
    assert only(ReadAccount, bench.handle(Woken(), after=2_000))


# Own orders


def unreadable(client_id: str, order_id: str = "o-9", ticker: str = MIDDLE) -> OrderUnreadable:
    return OrderUnreadable(client_id, order_id, ticker, 2, "no side")


def test_an_own_order_that_cannot_be_read_is_queried_and_blocks_its_market() -> None:
    bench = Bench()
    bid = bench.rest()["bid"]
    commands = bench.handle(unreadable(bid.client_id, "o-bid"))
    assert [query.order_id for query in only(QueryOrder, commands)] == ["o-bid"]
    assert told(commands, "order.unreadable")
    assert "order.unreadable" not in notes(bench.handle(unreadable(bid.client_id, "o-bid")))


def test_an_order_of_an_earlier_session_that_cannot_be_adopted_is_cancelled() -> None:
    bench = Bench()
    bench.start()
    for rows in (
        bench.handle(unreadable("mmbot-e-1")),
        bench.handle(Reconciled((), (), None, unreadable_orders=(unreadable("mmbot-e-1"),))),
    ):
        assert only(Cancel, rows) == [Cancel("mmbot-e-1", "o-9", MIDDLE, 2)]
    assert not only(Cancel, bench.handle(unreadable("mmbot-e-2", order_id="")))


def test_what_is_said_unreadably_of_an_order_that_is_over_may_be_late() -> None:
    bench = Bench()
    bid = bench.rest()["bid"]
    bench.handle(OrderReported(report(bid, "o-bid", status="ended")))
    odd = unreadable(bid.client_id, "o-bid")
    listed = Reconciled((), (), None, unreadable_orders=(odd,))
    assert not only(Cancel, bench.handle(odd, listed))
    assert not only(Cancel, bench.handle(odd, after=6_000))
    assert [cancel.order_id for cancel in only(Cancel, bench.handle(listed))] == ["o-bid"]


def test_the_memory_of_what_was_told_is_bounded() -> None:
    bench = Bench()
    bench.start()
    for number in range(1_001):
        bench.handle(unreadable(f"mmbot-e-{number}", order_id=""))
    assert "order.unreadable" in notes(bench.handle(unreadable("mmbot-e-1", order_id="")))


def test_a_stray_is_told_once_and_looked_for_again_soon() -> None:
    bench = Bench()
    bench.start()
    stray = Reconciled((reported("mmbot-e-1", ticker="OTHER"),), (), {0: PLENTY})
    assert "order.stray" in notes(bench.handle(stray))
    assert only(ReadAccount, bench.handle(Woken(), after=5_000))
    commands = bench.handle(stray)
    assert only(Cancel, commands)
    assert "order.stray" not in notes(commands)


# Listed although it is over


@pytest.mark.parametrize("status", ["resting", "unknown"])
def test_an_order_that_is_listed_long_after_its_end_is_queried(status: str) -> None:
    bench = Bench()
    bid = bench.rest()["bid"]
    bench.handle(OrderReported(report(bid, "o-bid", status="ended")))
    listed = msgspec.structs.replace(report(bid, "o-bid"), status=status)
    # A list that was made before the end proves nothing yet.
    early = bench.handle(Reconciled((listed,), (), {0: PLENTY}), after=4_999)
    assert not only(QueryOrder, early)
    assert only(ReadAccount, bench.handle(Woken(), after=5_000))
    commands = bench.handle(Reconciled((listed,), (), {0: PLENTY}))
    assert "order.revived" in notes(commands)
    assert "o-bid" in {query.order_id for query in only(QueryOrder, commands)}
    order = bench.engine.state.orders.get(bid.client_id)
    assert order is not None
    assert order.state == "unknown"
    gone = msgspec.structs.replace(listed, remaining=0)
    bench.handle(OrderReported(report(bid, "o-bid", status="ended"), queried=True))
    assert "order.revived" not in notes(bench.handle(Reconciled((gone,), (), None), after=60_000))


def test_a_revived_order_that_rests_is_live_and_one_that_is_over_is_over_again() -> None:
    for status in ("resting", "ended"):
        bench = Bench()
        bid = bench.rest()["bid"]
        bench.handle(OrderReported(report(bid, "o-bid", status="ended")))
        bench.handle(Reconciled((report(bid, "o-bid"),), (), None), after=6_000)
        now = msgspec.structs.replace(report(bid, "o-bid"), status=status)
        bench.handle(OrderReported(now, queried=True))
        known = bench.engine.state.orders.get(bid.client_id)
        assert (known is not None) == (status == "resting")


def test_an_order_that_awaits_fills_that_never_were_is_revived_as_it_is_listed() -> None:
    bench = Bench()
    bid = bench.rest()["bid"]
    bench.handle(OrderReported(report(bid, "o-bid", filled=1000, status="ended")))
    order = bench.engine.state.orders.get(bid.client_id)
    assert order is not None
    assert order.state == "awaiting_fills"
    bench.handle(Reconciled((report(bid, "o-bid"),), (), None), after=6_000)
    assert (order.state, order.filled, order.remaining) == ("unknown", 0, 1000)


def test_an_order_that_is_listed_though_the_stream_alone_told_of_its_fill_is_cancelled() -> None:
    bench = Bench()
    bid = bench.rest()["bid"]
    bench.handle(Filled(fill("ghost", "o-bid", 1000)))
    listed = OrdersListed((report(bid, "o-bid"),))
    assert not only(Cancel, bench.handle(listed, after=4_999))
    assert [cancel.order_id for cancel in only(Cancel, bench.handle(listed, after=1))] == ["o-bid"]


def test_an_order_that_is_still_listed_after_a_fill_that_was_listed_too_is_left_alone() -> None:
    bench = Bench()
    bid = bench.rest()["bid"]
    bought = fill("t-1", "o-bid", 1000)
    bench.handle(Filled(bought))
    bench.handle(Reconciled((), (bought,), None), after=6_000)
    assert not only(Cancel, bench.handle(OrdersListed((report(bid, "o-bid"),)), after=6_000))


def test_a_clock_that_was_set_back_hides_no_listed_order() -> None:
    bench = Bench()
    bid = bench.rest()["bid"]
    bench.handle(OrderReported(report(bid, "o-bid", status="ended")))
    commands = bench.handle(Reconciled((report(bid, "o-bid"),), (), None), after=-60_000)
    assert only(QueryOrder, commands)


def test_a_late_report_on_the_stream_revives_nothing() -> None:
    bench = Bench()
    bid = bench.rest()["bid"]
    bench.handle(OrderReported(report(bid, "o-bid", status="ended")))
    bench.handle(OrderReported(report(bid, "o-bid")), after=60_000)
    order = bench.engine.state.orders.get(bid.client_id)
    assert order is None


# Stopping


def test_a_stop_is_confirmed_by_the_list_of_orders_alone() -> None:
    bench = Bench()
    places = bench.rest()
    bench.handle(Stopping())
    assert not _confirmed(bench.handle(OrdersListed(())))
    bench.handle(OrderReported(report(places["bid"], "o-bid", filled=400, status="ended")))
    bench.handle(order_cancelled(places["ask"].client_id, 1000))
    for listed in (
        OrdersListed((reported("mmbot-e-1"),)),
        OrdersListed((), (unreadable("mmbot-e-2"),)),
    ):
        assert not _confirmed(bench.handle(listed))
    bench.handle(order_cancelled("mmbot-e-1", 1000))
    assert _confirmed(bench.handle(OrdersListed(())))


def test_a_stop_waits_for_no_fills_that_no_list_shows() -> None:
    bench = Bench()
    places = bench.rest()
    bench.handle(Stopping())
    bench.handle(OrderReported(report(places["bid"], "o-bid", filled=400, status="ended")))
    bench.handle(order_cancelled(places["ask"].client_id, 1000))
    empty = Reconciled((), (), None)
    assert not _confirmed(bench.handle(empty, after=4_999))
    assert _confirmed(bench.handle(empty, after=1))


def _confirmed(commands: list[Command]) -> bool:
    return any(type(command).__name__ == "StopConfirmed" for command in commands)


def test_orders_that_are_listed_are_applied_while_the_rest_cannot_be_read() -> None:
    bench = Bench()
    bench.start()
    assert "order.adopted" in notes(bench.handle(OrdersListed((reported("mmbot-e-1"),))))
    assert not _confirmed(bench.handle(MarketActivity(MIDDLE, active=True)))


def test_a_belief_alone_opens_no_unreadable_market() -> None:
    bench = quoting()
    bench.handle(FillUnreadable(MIDDLE, "no side"))
    commands = bench.handle(BeliefFormed(belief((0.8, 0.6, 0.2))))
    assert MIDDLE not in {place.ticker for place in only(Place, commands)}


# Ends that nobody asked for


def test_an_end_that_nobody_asked_for_has_the_account_read_once_its_lists_show_it() -> None:
    bench = Bench()
    bid = bench.rest()["bid"]
    bench.handle(OrderReported(report(bid, "o-bid", status="ended")))
    assert not only(ReadAccount, bench.handle(Woken(), after=5_999))
    assert only(ReadAccount, bench.handle(Woken(), after=1))


def test_an_end_whose_cancel_may_not_have_arrived_has_the_account_read() -> None:
    bench = Bench()
    bid = bench.rest()["bid"]
    bench.handle(Stopping(), OrderReported(report(bid, "o-bid", status="ended")))
    bench.handle(Reconciled((), (), {0: PLENTY}))
    bench.handle(WriteUnknown(bid.client_id, "cancel", "no answer"))
    assert bench.wake is not None
    assert only(ReadAccount, bench.handle(Woken(), after=5_000))


def test_a_listing_with_something_that_cannot_be_read_is_read_again_soon() -> None:
    bench = Bench()
    bench.rest()
    odd = Unreadable("T-26NOV29-A9.9", "it has no strike")
    bench.handle(ListingRead("", (bench.listed,), (odd,)))
    assert not only(ReadListing, bench.handle(Woken(), after=29_999))
    assert only(ReadListing, bench.handle(Woken(), after=1))


def test_a_listing_that_lacks_something_of_its_own_is_told_and_read_no_more_often() -> None:
    bench = quoting()
    commands = bench.handle(ListingRead("", (bench.listed,), (Unreadable("KXTSAW", "cut"),)))
    assert not only(Cancel, commands)
    assert told(commands, "listing.unreadable") == [{"ticker": "KXTSAW", "reason": "cut"}]
    assert not only(ReadListing, bench.handle(Woken(), after=30_000))
