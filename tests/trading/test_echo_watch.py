from __future__ import annotations

from mmbot.trading.commands import Cancel, Place, ReadAccount, RenewStream, RepairBooks, WakeAt
from mmbot.trading.events import Filled, OrderReported, Reconciled, StreamLost, StreamUp, Woken
from mmbot.trading.gates import Gate
from mmbot.trading.values import Fill
from mmbot.units import Count
from tests.trading.builders import (
    HIGH,
    LOW,
    MIDDLE,
    PLENTY,
    Bench,
    book,
    book_changed,
    fill,
    notes,
    only,
    order_cancelled,
    order_placed,
    report,
    reported,
)


def unechoed() -> Bench:
    """An engine whose bid is confirmed and shows nowhere; its ask never was confirmed."""
    bench = Bench()
    bench.echoing = False
    places = bench.quote()
    bench.handle(order_placed(places["bid"].client_id, "o-bid"), after=100)
    return bench


def reconcile(bench: Bench, *fills: Fill) -> None:
    held = {MIDDLE: Count(sum(each.count for each in fills))}
    bench.handle(Reconciled((), fills, {0: PLENTY}, held, bench.now))


def test_an_order_that_is_reported_and_shows_in_its_book_distrusts_nothing() -> None:
    bench = Bench()
    bench.echoing = False
    bid = bench.quote()["bid"]
    bench.handle(book_changed(MIDDLE, "bid", bid.price, bid.count), after=50)
    bench.handle(OrderReported(report(bid, "o-bid")))
    bench.handle(order_placed(bid.client_id, "o-bid"))
    commands = bench.handle(Woken(), after=3_000)
    assert not notes(commands) & {"stream.silent", "book.distrusted"}


def test_a_report_after_the_confirmation_is_as_good() -> None:
    bench = unechoed()
    (order,) = [each for each in bench.engine.state.orders if each.order_id]
    bench.handle(book_changed(MIDDLE, "bid", order.price, order.count), after=1_000)
    bench.handle(OrderReported(reported(order.client_id, "o-bid", order.price)))
    assert not notes(bench.handle(Woken(), after=3_000)) & {"stream.silent", "book.distrusted"}


def test_a_book_that_does_not_show_a_confirmed_order_is_read_anew_within_two_seconds() -> None:
    bench = unechoed()
    assert not only(RepairBooks, bench.handle(Woken(), after=1_999))
    commands = bench.handle(Woken(), after=1)
    assert only(RepairBooks, commands) == [RepairBooks((MIDDLE,))]
    assert only(Cancel, commands)
    assert bench.reason() == "no_book"


def test_a_book_that_is_read_anew_already_is_not_asked_for_again() -> None:
    bench = unechoed()
    bench.engine.state.market(MIDDLE).book = None
    assert not only(RepairBooks, bench.handle(Woken(), after=2_000))


def test_quotes_come_off_and_the_account_is_read_if_a_confirmed_order_is_not_reported() -> None:
    bench = unechoed()
    commands = bench.handle(Woken(), after=3_000)
    assert "stream.silent" in notes(commands)
    assert only(ReadAccount, commands)
    assert only(Cancel, commands)
    assert not only(RenewStream, commands)
    assert bench.reason() == "not_reconciled"


def test_the_account_s_list_does_not_stand_in_for_a_report() -> None:
    bench = Bench()
    bench.echoing = False
    bid = bench.quote()["bid"]
    bench.handle(Reconciled((report(bid, "o-bid"),), (), {0: PLENTY}))
    bench.handle(order_placed(bid.client_id, "o-bid"))
    assert "stream.silent" in notes(bench.handle(Woken(), after=3_000))


def test_a_connection_that_is_silent_twice_is_replaced() -> None:
    bench = unechoed()
    bench.handle(Woken(), after=3_000)
    order = next(iter(bench.engine.state.orders))
    bench.engine._echoes.order_confirmed(order, bench.now)
    commands = bench.handle(Woken(), after=3_000)
    assert len(only(RenewStream, commands)) == 1


def test_nothing_is_expected_of_a_connection_that_is_gone() -> None:
    bench = unechoed()
    bench.handle(StreamLost(), StreamUp(), after=1_000)
    assert "stream.silent" not in notes(bench.handle(Woken(), after=3_000))


def test_whatever_wakes_the_engine_before_leaves_it_to_be_woken_for_a_report() -> None:
    bench = unechoed()
    bench.engine.state.market(MIDDLE).book = None
    due = bench.now + 3_000
    assert any(wake.at <= due for wake in only(WakeAt, bench.handle(Woken(), after=2_500)))


def test_whatever_wakes_the_engine_before_leaves_it_to_be_woken_for_a_book() -> None:
    bench = unechoed()
    due = bench.now + 2_000
    assert any(wake.at <= due for wake in only(WakeAt, bench.handle(Woken(), after=1_500)))


def unheard() -> Bench:
    """An engine that did not hear of its orders and has taken them off."""
    bench = Bench()
    bench.echoing = False
    for side, place in bench.quote().items():
        bench.handle(order_placed(place.client_id, f"o-{side}"))
    bench.handle(Woken(), after=3_000)
    bench.handle(*(order_cancelled(o.client_id, o.remaining) for o in bench.engine.state.orders))
    return bench


def test_after_an_unreported_order_one_at_a_time_is_placed_until_a_report_comes() -> None:
    bench = unheard()
    reconcile(bench)
    bench.handle(StreamLost(), StreamUp(), after=1_000)
    reconcile(bench)
    books = book(LOW), book(MIDDLE), book(HIGH)
    bench.handle(*books)
    (order,) = bench.engine.state.orders
    bench.handle(OrderReported(reported(order.client_id, "o-1", order.price)))
    assert "stream.heard_again" in notes(bench.all_commands)
    assert len({each.ticker for each in bench.engine.state.orders}) == len(books)


def filled_unheard(at: int, *, told: bool = False) -> Bench:
    """An engine whose account lists a fill that the stream has told only if `told`."""
    bench = Bench()
    bench.rest()
    bench.now += 10_000
    happened = fill("t", "o-bid", 300, at=bench.now + at)
    reconcile(bench, happened)
    if told:
        bench.handle(Filled(happened), after=1_000)
    bench.handle(Woken(), after=5_000)
    return bench


def test_a_fill_that_the_stream_did_not_tell_has_the_account_read_before_anything_else() -> None:
    bench = filled_unheard(0)
    assert "stream.silent" in notes(bench.all_commands)
    assert bench.reason() == "not_reconciled"


def test_a_fill_that_the_stream_tells_late_is_no_silence() -> None:
    assert "stream.silent" not in notes(filled_unheard(0, told=True).all_commands)


def test_a_fill_of_before_the_connection_is_not_expected_on_it() -> None:
    assert "stream.silent" not in notes(filled_unheard(-60_000).all_commands)


def test_a_fill_of_an_event_that_is_forgotten_is_not_expected() -> None:
    bench = Bench()
    bench.rest()
    bench.now += 10_000
    reconcile(bench, fill("t", "o-bid", 300, at=bench.now))
    bench.engine.state.event_of_market.clear()
    bench.engine.state.events.clear()
    assert "stream.silent" not in notes(bench.handle(Woken(), after=5_000))


def test_nothing_is_placed_in_the_step_that_may_end_the_stream_but_in_the_next() -> None:
    bench = unechoed()
    bench.engine.state.market(LOW).hold(bench.now + 2_000, Gate.OTHER)
    bench.handle(book(LOW))
    commands = bench.handle(Woken(), after=2_000)
    assert only(RepairBooks, commands)
    assert not only(Place, commands)
    assert bench.wake == bench.now
    assert {place.ticker for place in only(Place, bench.handle(Woken()))} == {LOW}
