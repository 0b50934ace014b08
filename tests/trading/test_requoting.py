from __future__ import annotations

import msgspec
import pytest

from mmbot.trading.commands import Cancel, Decrease, Note, Place, QueryOrder, ReadAccount, Renew
from mmbot.trading.events import (
    BeliefFormed,
    BookReplaced,
    FeedLagged,
    Filled,
    InputEvent,
    LimitsRead,
    ListingRead,
    MarketActivity,
    MarketClosing,
    OrderReported,
    Reconciled,
    StreamLost,
    StreamUp,
    Woken,
    WriteRefused,
)
from mmbot.trading.operator_events import MarketsPaused, SettingsChanged, Stopping
from mmbot.trading.values import OrderReport
from mmbot.units import Count, Money
from tests.trading.builders import (
    CAP,
    CLOSES,
    HIGH,
    LOW,
    MIDDLE,
    NOW,
    PLENTY,
    Bench,
    belief,
    book,
    book_changed,
    event,
    fill,
    fills_listed,
    group_ready,
    levels,
    market,
    notes,
    only,
    order_cancelled,
    order_decreased,
    order_placed,
    report,
    reported,
    settings,
)


def all_books() -> list[BookReplaced]:
    return [
        book(LOW, 6000, 9000),
        book(MIDDLE, 4000, 6000),
        book(HIGH, 1000, 4000),
    ]


def rest_everywhere(bench: Bench) -> dict[str, Place]:
    """Quotes resting in all three markets; returns them by order id."""
    bench.start()
    placed: dict[str, Place] = {}
    for shown in all_books():
        for place in only(Place, bench.handle(shown)):
            order_id = f"{place.ticker[-1]}-{place.side}"
            placed[order_id] = place
            bench.handle(order_placed(place.client_id, order_id))
    assert len(placed) == 6
    return placed


# Placing


def test_both_sides_are_placed_a_tick_better_than_the_others() -> None:
    bench = Bench()
    bench.start()
    places = only(Place, bench.handle(book()))
    assert [(p.side, p.price, p.count) for p in places] == [
        ("bid", 4100, 1000),
        ("ask", 5900, 1000),
    ]
    assert {p.expires for p in places} == {NOW + 60_000}
    assert len({p.client_id for p in places}) == 2


def test_an_expiry_is_a_whole_second_and_not_after_the_close() -> None:
    bench = Bench()
    bench.start()
    bench.handle(BeliefFormed(belief(known=7)))
    bench.now = CLOSES - 20_500
    assert {p.expires for p in only(Place, bench.handle(book()))} == {CLOSES}


def test_a_close_within_a_second_leaves_no_time_for_an_order() -> None:
    bench = Bench()
    bench.start()
    bench.handle(BeliefFormed(belief(known=7)))
    bench.now = CLOSES - 20_000
    bench.handle(MarketClosing(MIDDLE, bench.now + 1_999))
    assert not only(Place, bench.handle(book()))


def test_there_is_at_most_one_order_on_a_side() -> None:
    bench = Bench()
    bench.quote()
    assert not only(Place, bench.handle(book(), Woken()))


def test_a_place_waits_until_the_old_order_is_known_to_be_gone() -> None:
    bench = Bench()
    place = bench.rest()["bid"]
    commands = bench.handle(book(bid=3000), after=2000)
    assert bench.cancelled_sides(commands) == {"bid"}
    assert not only(Place, commands)
    commands = bench.handle(order_cancelled(place.client_id, 1000))
    assert [(p.side, p.price) for p in only(Place, commands)] == [("bid", 3100)]


def test_a_side_does_not_meet_our_own_order_on_the_other() -> None:
    bench = Bench()
    places = bench.rest()
    bench.handle(OrderReported(report(places["bid"], "o-bid", status="ended")))
    # The ask at 5900 cannot be taken off yet, and fair value rose beyond it.
    bench.handle(BeliefFormed(belief((0.9, 0.8, 0.2))))
    commands = bench.handle(book(bid=6500, ask=8000))
    assert "bid" not in {p.side for p in only(Place, commands)}


def test_markets_near_even_odds_are_placed_first() -> None:
    bench = Bench()
    bench.start()
    bench.handle(FeedLagged(3_100, late=True), *all_books())
    places = only(Place, bench.handle(FeedLagged(900, late=False)))
    assert [p.ticker for p in places[:2]] == [MIDDLE, MIDDLE]
    assert len(places) == 6


# Order and budget


def test_cancels_go_before_renewals_before_places() -> None:
    bench = Bench()
    placed = rest_everywhere(bench)
    bench.engine.state.budget.drain(bench.now)
    bench.handle(OrderReported(report(placed["8-ask"], "8-ask", status="ended")))
    bench.handle(BeliefFormed(belief((0.8, 0.4, 0.2))))
    commands = bench.handle(Woken(), after=30_000)
    kinds = [type(c) for c in commands if isinstance(c, Cancel | Renew | Place)]
    assert kinds == sorted(kinds, key=[Cancel, Renew, Place].index)
    assert set(kinds) == {Cancel, Renew, Place}


def test_the_most_dangerous_order_is_cancelled_first() -> None:
    bench = Bench()
    rest_everywhere(bench)
    cancels = only(Cancel, bench.handle(BeliefFormed(belief((0.45, 0.15, 0.05)))))
    # The bids stand at 61, 41 and 11 cents, that is 16, 26 and 6 above what they are worth.
    assert [cancel.order_id for cancel in cancels[:3]] == ["7-bid", "6-bid", "8-bid"]


def test_what_cannot_be_paid_is_not_sent_but_looked_at_again_when_it_can_be() -> None:
    bench = Bench()
    rest_everywhere(bench)
    bench.engine.state.budget.drain(bench.now)
    assert not only(Cancel, bench.handle(Stopping()))
    sent = 0
    while sent < 6:
        assert bench.wake is not None
        assert bench.wake > bench.now
        sent += len(only(Cancel, bench.handle(Woken(), after=bench.wake - bench.now)))
    # Six cancels at two tokens each, a hundred tokens a second.
    assert bench.now - NOW <= 130


def test_places_leave_enough_to_cancel_everything() -> None:
    bench = Bench()
    bench.start()
    bench.handle(LimitsRead(0.001, 40.0, 10.0, 2.0, 10.0))
    for shown in all_books():
        for place in only(Place, bench.handle(shown)):
            bench.handle(order_placed(place.client_id, f"o-{place.client_id}"))
    placed = len(bench.engine.state.orders)
    assert 0 < placed < 6
    assert bench.wake is not None
    assert len(only(Cancel, bench.handle(Stopping()))) == placed


def test_renewals_leave_enough_to_cancel_everything() -> None:
    bench = Bench()
    rest_everywhere(bench)
    bench.handle(LimitsRead(0.001, 1000.0, 10.0, 2.0, 10.0))
    bench.engine.state.budget.level = 35.0
    assert len(only(Renew, bench.handle(Woken(), after=30_000))) == 2
    assert len(only(Cancel, bench.handle(Stopping()))) == 4


def test_the_order_that_runs_out_first_is_renewed_first() -> None:
    bench = Bench()
    placed = rest_everywhere(bench)
    order = bench.engine.state.orders.get(placed["8-bid"].client_id)
    assert order is not None
    order.expires -= 1000
    renewals = only(Renew, bench.handle(Woken(), after=30_000))
    assert renewals[0].order_id == "8-bid"
    assert len(renewals) == 6
    assert {renewal.count for renewal in renewals} == {1000}


def test_an_order_that_lives_until_the_close_is_kept_for_its_quote_and_not_judged_again() -> None:
    bench = Bench(orders={"lifetime_seconds": 3600})
    closes = bench.now // 1000 * 1000 + 1_500_000
    bench.listed = event(*(market(ticker, closes=closes) for ticker in (LOW, MIDDLE, HIGH)))
    placed = bench.rest()
    bench.handle(Woken(), after=2_000)
    orders = [bench.engine.state.orders.get(place.client_id) for place in placed.values()]
    assert {(o.kept_for and o.kept_for.side, o.kept_until) for o in orders if o is not None} == {
        ("bid", closes), ("ask", closes)
    }  # fmt: skip
    assert not only(Renew, bench.all_commands)


def test_an_account_with_a_tiny_bucket_can_still_trade() -> None:
    bench = Bench()
    bench.start()
    bench.handle(LimitsRead(5.0, 10.0, 10.0, 2.0, 10.0))
    assert len(only(Place, bench.handle(book()))) == 1


# Gates


@pytest.mark.parametrize(
    ("shutting", "reason"),
    [
        (Stopping(), "stopping"),
        (StreamLost(), "no_stream"),
        (ListingRead("exchange_paused", ()), "exchange_paused"),
        (BeliefFormed(belief(known=0)), "release_due"),
        (MarketClosing(MIDDLE, NOW + 500), "closed"),
        (BookReplaced(MIDDLE, levels((6000, 1)), levels((5000, 1))), "no_book"),
        (BeliefFormed(belief((0.99, 0.98, 0.2))), "fair_extreme"),
    ],
)
def test_a_gate_that_shuts_takes_the_quotes_off_and_says_why(
    shutting: InputEvent, reason: str
) -> None:
    bench = Bench()
    bench.rest()
    commands = bench.handle(shutting)
    assert bench.cancelled_sides(commands) == {"bid", "ask"}
    assert bench.reason() == reason
    assert "quotes.blocked" in notes(commands)
    assert not only(Place, bench.handle(Woken()))


def test_orders_of_a_paused_market_are_looked_up_before_they_are_cancelled() -> None:
    bench = Bench()
    places = bench.rest()
    assert not only(Cancel, bench.handle(MarketActivity(MIDDLE, active=False)))
    assert bench.reason() == "market_paused"
    alive = OrderReported(report(places["bid"], "o-bid"), queried=True)
    assert bench.cancelled_sides(bench.handle(alive)) == {"bid"}


@pytest.mark.parametrize("missing", ["belief", "book"])
def test_nothing_is_placed_while_a_gate_is_still_shut(missing: str) -> None:
    bench = Bench()
    bench.start()
    if missing == "belief":
        bench.engine.state.event_of_market[MIDDLE].belief = None
        assert not only(Place, bench.handle(book()))
        assert bench.reason() == "no_belief"
    else:
        assert not only(Place, bench.handle(Woken()))
        assert bench.reason() == "no_book"


def test_a_reason_is_noted_once() -> None:
    bench = Bench()
    bench.rest()
    first = only(Note, bench.handle(StreamLost()))
    (blocked,) = (n.fields for n in first if n.name == "quotes.blocked")
    assert (blocked["reason"], blocked["markets"]) == ("no_stream", 3)
    assert "quotes.blocked" not in notes(bench.handle(StreamLost()))


def test_an_order_is_cancelled_in_time_before_the_close() -> None:
    bench = Bench()
    bench.rest()
    bench.handle(BeliefFormed(belief(known=7)))
    for order in bench.engine.state.orders:
        order.expires = CLOSES
    bench.now = CLOSES - 60_000
    bench.handle(Woken())
    cancelled: set[str] = set()
    wakes = 0
    while not cancelled:
        assert bench.wake is not None
        assert bench.now < bench.wake <= CLOSES - 1000
        wakes += 1
        cancelled = bench.cancelled_sides(bench.handle(Woken(), after=bench.wake - bench.now))
    assert cancelled == {"bid", "ask"}
    assert wakes < 60


def test_quotes_that_need_nothing_let_the_engine_sleep() -> None:
    bench = Bench()
    bench.rest()
    # Another bid within the tolerance: the best price moved, ours stays.
    bench.handle(book(bid=4100, count=20_000))
    bench.handle(Woken(), after=1_500)
    assert bench.wake is not None
    assert bench.wake >= NOW + 30_000


# Worst case


def test_a_quote_is_cut_to_what_the_worst_case_has_room_for() -> None:
    bench = Bench(limits={"event_loss_dollars": 4.1})
    bench.start()
    # Ten contracts at 41 cents lose just that; the ask's cells have the same room.
    counts = {p.side: p.count for p in only(Place, bench.handle(book()))}
    assert counts == {"bid": 1000, "ask": 1000}
    tight = Bench(limits={"event_loss_dollars": 2.0})
    tight.start()
    counts = {p.side: p.count for p in only(Place, tight.handle(book()))}
    assert counts == {"bid": 20_000 * 100 // 4100, "ask": 20_000 * 100 // 4100}


def test_a_cut_quote_is_not_replaced_again_and_again() -> None:
    bench = Bench(limits={"event_loss_dollars": 1.0})
    places = bench.rest()
    assert places["bid"].count == 243
    for _ in range(5):
        assert not only(Cancel, bench.handle(Woken(), after=2_000))


def test_a_cut_quote_grows_when_there_is_room_again() -> None:
    bench = Bench(limits={"event_loss_dollars": 1.0})
    bench.rest()
    larger = settings(limits={"event_loss_dollars": 100.0})
    assert bench.cancelled_sides(bench.handle(SettingsChanged(larger), after=2_000)) == {
        "bid",
        "ask",
    }


def idle(bench: Bench) -> None:
    """Let everything pass that follows from what has happened, an own order's rest among it."""
    bench.handle(Woken(), after=2_000)
    bench.handle(Woken(), after=2_000)


def test_without_room_nothing_is_placed_and_the_engine_sleeps() -> None:
    bench = Bench(limits={"event_loss_dollars": 0.4})
    bench.start()
    assert not only(Place, bench.handle(book()))
    idle(bench)
    assert bench.wake is not None
    assert bench.wake >= bench.now + 30_000


@pytest.mark.parametrize("limits", [{"event_loss_dollars": 4.1}, {"orders": 2}])
def test_what_found_no_room_is_placed_once_orders_elsewhere_are_over(
    limits: dict[str, object],
) -> None:
    bench = Bench(limits=limits)
    places = bench.rest()
    assert not only(Place, bench.handle(book(HIGH, 1000, 4000)))
    idle(bench)
    bench.handle(MarketsPaused((MIDDLE,)))
    for place in places.values():
        assert not only(Place, bench.handle(order_cancelled(place.client_id, place.count)))
    assert bench.wake == bench.now + 1_000
    placed = only(Place, bench.handle(Woken(), after=1_000))
    assert {place.ticker for place in placed} == {HIGH}


def test_an_order_that_ended_by_itself_makes_room() -> None:
    bench = Bench(limits={"event_loss_dollars": 4.1})
    places = bench.rest()
    bench.handle(book(HIGH, 1000, 4000))
    idle(bench)
    bench.handle(OrderReported(report(places["ask"], "o-ask")))
    assert bench.wake is not None
    assert bench.wake > bench.now + 1_000
    bench.handle(OrderReported(report(places["ask"], "o-ask", status="ended")))
    assert bench.wake <= bench.now + 1_000


def test_a_limit_that_is_lowered_takes_off_what_exceeds_it() -> None:
    bench = Bench()
    bench.rest()
    lower = settings(limits={"event_loss_dollars": 2.0})
    commands = bench.handle(SettingsChanged(lower))
    assert bench.cancelled_sides(commands) == {"bid", "ask"}
    (first, _) = (n for n in only(Note, commands) if n.name == "order.cancel")
    assert first.fields["reason"] == "worst_case"


def test_a_loss_beyond_the_limit_leaves_room_to_reduce_it() -> None:
    bench = Bench(limits={"event_loss_dollars": 4.5})
    places = bench.rest()
    bought = fill("t-1", "o-bid", 1000)
    bench.handle(Filled(bought), Reconciled((), (bought,), {0: PLENTY}))
    lower = settings(limits={"event_loss_dollars": 2.0})
    commands = bench.handle(SettingsChanged(lower))
    assert not only(Cancel, commands)
    assert places["ask"].client_id in {o.client_id for o in bench.engine.state.orders}


def test_a_position_near_its_limit_makes_the_adding_side_smaller_in_its_place() -> None:
    bench = Bench(limits={"contracts_per_market": 10})
    place = bench.rest()["bid"]
    commands = bench.handle(Filled(fill("t-1", "o-bid", 100)))
    assert not only(Decrease, commands)
    commands = bench.handle(fills_listed(fill("t-2", "elsewhere", 300)))
    assert not only(Cancel, commands)
    assert only(Decrease, commands) == [Decrease(place.client_id, "o-bid", MIDDLE, 0, Count(600))]
    # The report comes with the answer, and says what is filled of it.
    smaller = msgspec.structs.replace(report(place, "o-bid", filled=100), remaining=600)
    bench.handle(OrderReported(smaller), order_decreased(place.client_id, 600))
    order = bench.engine.state.orders.get(place.client_id)
    assert order is not None
    assert (order.state, order.count, order.remaining) == ("resting", 700, 600)


def test_an_answer_to_a_decrease_without_a_report_makes_the_order_be_looked_up() -> None:
    bench = Bench(limits={"contracts_per_market": 10})
    place = bench.rest()["bid"]
    bench.handle(fills_listed(fill("t-1", "elsewhere", 300)))
    commands = bench.handle(order_decreased(place.client_id, 700))
    assert [look_up.order_id for look_up in only(QueryOrder, commands)] == ["o-bid"]


def test_a_decrease_that_is_refused_makes_the_order_go() -> None:
    bench = Bench(limits={"contracts_per_market": 10})
    place = bench.rest()["bid"]
    bench.handle(fills_listed(fill("t-1", "elsewhere", 300)))
    commands = bench.handle(WriteRefused(place.client_id, "decrease", "paused", ""))
    assert bench.cancelled_sides(commands) == {"bid"}


def test_a_decrease_that_changes_nothing_makes_the_order_be_looked_up() -> None:
    bench = Bench(limits={"contracts_per_market": 10})
    place = bench.rest()["bid"]
    bench.handle(fills_listed(fill("t-1", "elsewhere", 300)))
    commands = bench.handle(WriteRefused(place.client_id, "decrease", "no_change", ""))
    assert [look_up.order_id for look_up in only(QueryOrder, commands)] == ["o-bid"]


def test_a_decrease_waits_for_its_tokens() -> None:
    bench = Bench(limits={"contracts_per_market": 10})
    bench.rest()
    bench.engine.state.budget.drain(bench.now)
    assert not only(Decrease, bench.handle(fills_listed(fill("t-1", "elsewhere", 300))))
    assert bench.wake is not None
    assert only(Decrease, bench.handle(Woken(), after=bench.wake - bench.now))


def test_a_position_at_its_limit_takes_the_adding_side_off() -> None:
    bench = Bench(limits={"contracts_per_market": 10})
    bench.rest()
    commands = bench.handle(fills_listed(fill("t-1", "elsewhere", 1000)))
    assert bench.cancelled_sides(commands) == {"bid"}


# Orders of an earlier session


def earlier(**changes: object) -> OrderReport:
    return msgspec.structs.replace(reported("mmbot-e-1", group="g-0"), **changes)


def restarted(
    *events: InputEvent, balance: Money | None = PLENTY, **sections: dict[str, object]
) -> Bench:
    """A session that found one order, and has handled `events`."""
    bench = Bench(**sections)
    bench.handle(
        StreamUp(),
        LimitsRead(100.0, 1000.0, 10.0, 2.0, 10.0),
        ListingRead("", (bench.listed,)),
        Reconciled((earlier(),), (), None if balance is None else {0: balance}),
        *events,
    )
    return bench


def test_an_order_of_an_earlier_session_that_is_still_wanted_keeps_its_place() -> None:
    bench = restarted()
    seen = BookReplaced(MIDDLE, levels((4100, 1000), (4000, 5000)), levels((6000, 1000)))
    commands = bench.handle(group_ready(), BeliefFormed(belief()), seen, after=4_000)
    assert not only(Cancel, commands)
    assert [place.side for place in only(Place, commands)] == ["ask"]


def test_an_order_of_an_earlier_session_that_is_not_wanted_goes_as_soon_as_that_is_known() -> None:
    bench = restarted(group_ready(), BeliefFormed(belief((0.8, 0.3, 0.2))))
    assert [cancel.order_id for cancel in only(Cancel, bench.handle(book()))] == ["o-9"]


def test_an_order_of_an_earlier_session_does_not_wait_for_ever_to_be_judged() -> None:
    bench = restarted()
    assert bench.wake is not None
    assert bench.wake <= bench.now + 5_000
    assert [c.order_id for c in only(Cancel, bench.handle(Woken(), after=5_000))] == ["o-9"]


def test_an_order_of_an_earlier_session_is_not_judged_by_a_guess_at_the_cash() -> None:
    # Without a balance, an event may use no more than it may lose, which makes quotes small.
    known = group_ready(), BeliefFormed(belief()), book()
    bench = restarted(*known, balance=None, limits={"event_loss_dollars": 10.0})
    commands = bench.handle(Woken(), after=2_000)
    assert not only(Cancel, commands)
    assert not only(Decrease, commands)
    assert only(ReadAccount, commands)
    assert only(Cancel, bench.handle(Woken(), after=3_000))


@pytest.mark.parametrize("balance", [None, PLENTY])
@pytest.mark.parametrize("gate", [StreamLost(), Stopping()])
def test_a_gate_that_shuts_takes_off_what_was_found_as_well(
    gate: InputEvent, balance: Money | None
) -> None:
    bench = restarted(balance=balance)
    assert [cancel.order_id for cancel in only(Cancel, bench.handle(gate))] == ["o-9"]


def test_an_order_that_breaks_the_limit_is_not_spared() -> None:
    bench = Bench(limits={"event_loss_dollars": 10.0})
    bench.handle(StreamUp(), ListingRead("", (bench.listed,)))
    commands = bench.handle(Reconciled((earlier(remaining=9000),), (), {0: Money(0)}))
    assert [cancel.order_id for cancel in only(Cancel, commands)] == ["o-9"]


def test_an_order_in_another_group_moves_into_ours() -> None:
    bench = restarted(group_ready(0, "another", CAP), BeliefFormed(belief()))
    commands = bench.handle(book())
    (note,) = (note for note in only(Note, commands) if note.name == "order.cancel")
    assert note.fields["reason"] == "other_group"
    commands = bench.handle(order_cancelled("mmbot-e-1", 1000))
    assert {place.group for place in only(Place, commands)} == {"another"}


def test_settings_in_force_bound_the_next_orders() -> None:
    bench = Bench()
    bench.start()
    wider = msgspec.structs.replace(
        settings(), quoting=msgspec.structs.replace(settings().quoting, margin=0.5)
    )
    bench.handle(SettingsChanged(wider))
    places = {p.side: p.price for p in only(Place, bench.handle(book()))}
    assert places == {"bid": 2500, "ask": 7500}


def test_an_order_cut_for_want_of_room_grows_at_a_change_of_its_book_once_there_is() -> None:
    bench = Bench(limits={"event_loss_dollars": 5.0}, quoting={"sides": "likelier"})
    bench.start()
    (wide,) = only(Place, bench.handle(book(LOW)))
    bench.handle(order_placed(wide.client_id, "o-low"))
    (narrow,) = only(Place, bench.handle(book(MIDDLE)))
    assert 2 * narrow.count < wide.count
    bench.handle(order_placed(narrow.client_id, "o-middle"))
    assert only(Cancel, bench.handle(MarketsPaused((LOW,)), after=2_000))
    assert not only(Cancel, bench.handle(book_changed(MIDDLE, "ask", 5950, 10_000)))
    assert not only(Cancel, bench.handle(order_cancelled(wide.client_id, wide.count)))
    (cancel,) = only(Cancel, bench.handle(book_changed(MIDDLE, "ask", 5900, 10_000)))
    assert cancel.order_id == "o-middle"
