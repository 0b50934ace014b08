from __future__ import annotations

from itertools import permutations
from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmbot.trading.commands import (
    Cancel,
    Command,
    MarketView,
    Note,
    Place,
    QueryOrder,
    ReadAccount,
    ReadListing,
    RecordFill,
    Renew,
    RepairBooks,
)
from mmbot.trading.events import (
    BeliefFormed,
    Filled,
    InputEvent,
    MarketActivity,
    OrderAbsent,
    OrderCancelled,
    OrderDecreased,
    OrderQueryFailed,
    OrderRenewed,
    OrderReported,
    Reconciled,
    Woken,
    WriteRefused,
    WriteUnknown,
)
from mmbot.trading.gates import Gate
from mmbot.trading.order import Order, OrderCause, OrderState
from mmbot.trading.values import OrderReport, OrderStatus, Refusal
from mmbot.units import Count
from tests.trading.builders import (
    HIGH,
    LOW,
    MIDDLE,
    NOW,
    Bench,
    belief,
    book,
    event,
    fill,
    market,
    notes,
    only,
    order_cancelled,
    order_decreased,
    order_placed,
    report,
    reported,
)


def live(bench: Bench, place: Place) -> Order:
    order = bench.engine.state.orders.get(place.client_id)
    assert order is not None
    return order


def gone(bench: Bench, place: Place) -> bool:
    return bench.engine.state.orders.get(place.client_id) is None


def stopped_from_quoting(bench: Bench) -> None:
    """Keep the engine from replacing what a test takes away."""
    bench.engine.state.market(MIDDLE).hold(bench.now + 10**9, Gate.OTHER)


def lower(bench: Bench) -> list[Command]:
    """Lower the fair value by so much that the bid, and only the bid, has to go."""
    return bench.handle(BeliefFormed(belief((0.8, 0.4, 0.2))))


def adopting() -> Bench:
    """A bench with a book that places nothing of its own."""
    bench = Bench()
    bench.start()
    stopped_from_quoting(bench)
    bench.handle(book())
    return bench


# Whatever the order of delivery


LATER = 10_000
ASKED_BY_ID = OrderRenewed | OrderDecreased | OrderCancelled


class History(msgspec.Struct):
    """Every message about one order of ten contracts, and the truth in the end."""

    messages: list[InputEvent]
    truth: OrderReport
    traded: int

    @classmethod
    def of(cls, place: Place, end: str, *, answered: bool, reported: bool) -> History:
        """Placed, renewed and four filled; then decreased to three, cancelled or executed.

        The place may never be answered, and what is true in the end never be reported.
        """
        renewed = place.expires + LATER
        first = report(place, "o-1")
        now = report(place, "o-1", filled=400, expires=renewed)
        messages: list[InputEvent] = [
            order_placed(place.client_id, "o-1")
            if answered
            else WriteUnknown(place.client_id, "place", "no answer"),
            OrderReported(first),
            OrderReported(msgspec.structs.replace(first, expires=renewed)),
            OrderRenewed(place.client_id, place.expires + LATER // 2),
            OrderRenewed(place.client_id, renewed),
            Filled(fill("t-1", "o-1", 400)),
            Filled(fill("t-1", "o-1", 400, client_id=place.client_id)),
        ]
        traded = 400
        if end == "decreased":
            now = msgspec.structs.replace(now, remaining=300)
            messages.append(order_decreased(place.client_id, 300))
        elif end == "cancelled":
            now = report(place, "o-1", filled=400, status="ended", expires=renewed)
            messages.append(order_cancelled(place.client_id, 600))
        elif end == "executed":
            now = report(place, "o-1", filled=1000, status="ended", expires=renewed)
            messages.append(Filled(fill("t-2", "o-1", 600)))
            messages.append(WriteRefused(place.client_id, "cancel", "not_found", ""))
            traded = 1000
        return cls([*messages, *[OrderReported(now)] * reported], now, traded)


@pytest.mark.parametrize("answered", [True, False])
@pytest.mark.parametrize("end", ["resting", "decreased", "cancelled", "executed"])
@settings(deadline=None)
@given(rng=st.randoms(use_true_random=False))
def test_one_orders_messages_come_to_the_same_in_any_order(
    end: str, answered: bool, rng: Random
) -> None:
    bench = Bench()
    place = bench.quote()["bid"]
    stopped_from_quoting(bench)
    history = History.of(place, end, answered=answered, reported=rng.random() < 0.5)
    pool = history.messages + rng.choices(history.messages, k=rng.randrange(4))
    # Nothing is asked of an order before its id is known.
    answers = [message for message in pool if isinstance(message, ASKED_BY_ID)]
    pool = [message for message in pool if not isinstance(message, ASKED_BY_ID)]
    while pool:
        commands = bench.handle(pool.pop(rng.randrange(len(pool))))
        pool += [OrderReported(history.truth, queried=True) for _ in only(QueryOrder, commands)]
        known = bench.engine.state.orders.get(place.client_id)
        if known is None or known.order_id:
            pool += answers
            answers = []
    if history.truth.status == "resting":
        order = live(bench, place)
        assert (order.state, order.order_id) == ("resting", "o-1")
        assert (order.filled, order.booked) == (400, 400)
        assert (order.remaining, order.expires) == (history.truth.remaining, history.truth.expires)
    else:
        assert gone(bench, place)
        assert bench.engine.state.orders.is_over(place.client_id)
    portfolio = bench.engine.state.event_of_market[MIDDLE].portfolio
    assert portfolio.position(MIDDLE) == history.traded


def test_a_cancel_and_what_it_crosses_come_to_the_same_in_any_order() -> None:
    for order_of_arrival in permutations(range(4)):
        bench = Bench()
        place = bench.rest()["bid"]
        stopped_from_quoting(bench)
        cancel = only(Cancel, lower(bench))
        assert [c.client_id for c in cancel] == [place.client_id]
        messages: list[InputEvent] = [
            order_cancelled(place.client_id, 700),
            OrderReported(report(place, "o-bid", filled=300, status="ended")),
            OrderReported(report(place, "o-bid", filled=300)),
            Filled(fill("t-1", "o-bid", 300)),
        ]
        bench.handle(*(messages[index] for index in order_of_arrival))
        assert gone(bench, place)
        assert bench.engine.state.event_of_market[MIDDLE].portfolio.position(MIDDLE) == 300


def test_a_fill_that_beats_its_places_answer_finds_its_order_by_the_client_id() -> None:
    bench = Bench()
    place = bench.quote()["bid"]
    bench.handle(Filled(fill("t-1", "o-1", 400, client_id=place.client_id)))
    order = live(bench, place)
    assert (order.state, order.exposed) == ("placing", 600)


def test_a_fill_without_a_client_id_is_found_by_the_places_answer() -> None:
    bench = Bench()
    place = bench.quote()["bid"]
    bench.handle(Filled(fill("t-1", "o-1", 400)), order_placed(place.client_id, "o-1"))
    assert live(bench, place).booked == 400


def test_a_fill_is_booked_once_and_with_the_days_that_were_known() -> None:
    bench = Bench()
    bench.rest()
    once = fill("t-1", "o-bid", 400)
    assert only(RecordFill, bench.handle(Filled(once), Filled(once))) == [
        RecordFill(once, 1, MarketView(belief=0.5, fair=0.5))
    ]


@pytest.mark.parametrize("at", [1_795_874_400_456_000, 2**53, -(2**53), -62_135_596_800_000])
def test_a_fill_of_no_time_that_there_is_is_booked_all_the_same(at: int) -> None:
    bench = Bench()
    bench.rest()
    odd = fill("t-1", "o-bid", 400, at=at)
    assert [record.fill for record in only(RecordFill, bench.handle(Filled(odd)))] == [odd]


def test_a_fill_of_a_market_that_is_not_known_is_left_to_the_next_reading() -> None:
    bench = Bench()
    bench.start()
    assert not only(RecordFill, bench.handle(Filled(fill("t-1", "o-1", 1, ticker="OTHER"))))


def test_a_filled_order_awaits_its_fills_and_keeps_its_side_until_they_come() -> None:
    bench = Bench()
    place = bench.rest()["bid"]
    commands = bench.handle(OrderReported(report(place, "o-bid", filled=1000, status="ended")))
    assert live(bench, place).state == "awaiting_fills"
    assert not only(Place, commands)
    commands = bench.handle(Filled(fill("t-1", "o-bid", 1000)))
    assert [p.side for p in only(Place, commands)] == ["bid"]


def test_fills_that_stay_away_are_read_once_for_all_orders() -> None:
    bench = Bench()
    places = bench.rest()
    for side, place in places.items():
        bench.handle(OrderReported(report(place, f"o-{side}", filled=1000, status="ended")))
    assert bench.wake == bench.now + 500
    assert len(only(ReadAccount, bench.handle(Woken(), after=500))) == 1
    assert bench.wake == bench.now + 1000


def test_what_a_cancel_did_not_take_off_was_filled() -> None:
    bench = Bench()
    place = bench.rest()["bid"]
    lower(bench)
    bench.handle(order_cancelled(place.client_id, 700))
    order = live(bench, place)
    assert (order.state, order.exposed) == ("awaiting_fills", 300)


def test_a_late_answer_to_a_look_up_does_not_revive_an_order() -> None:
    bench = Bench()
    place = bench.rest()["bid"]
    stopped_from_quoting(bench)
    bench.handle(OrderReported(report(place, "o-bid", filled=400, status="ended")))
    bench.handle(OrderReported(report(place, "o-bid"), queried=True))
    assert live(bench, place).state == "awaiting_fills"
    bench.handle(Filled(fill("t-1", "o-bid", 400)))
    bench.handle(OrderReported(report(place, "o-bid"), queried=True))
    assert gone(bench, place)


def test_a_late_answer_to_a_look_up_does_not_forget_a_cancel_under_way() -> None:
    bench = Bench()
    place = bench.rest()["bid"]
    lower(bench)
    assert live(bench, place).state == "cancelling"
    commands = bench.handle(OrderReported(report(place, "o-bid"), queried=True))
    assert live(bench, place).state == "cancelling"
    assert not only(Cancel, commands)


# Answers to orders that are over


@pytest.mark.parametrize(
    "answer",
    [
        order_placed("mmbot-x", "o-x"),
        order_cancelled("mmbot-x", 0),
        OrderRenewed("mmbot-x", NOW),
        order_decreased("mmbot-x", 0),
        WriteRefused("mmbot-x", "place", "other", ""),
        WriteUnknown("mmbot-x", "place", ""),
        OrderAbsent("mmbot-x"),
    ],
)
def test_an_answer_about_an_order_that_is_over_changes_nothing(answer: InputEvent) -> None:
    bench = Bench()
    bench.rest()
    before = [order.client_id for order in bench.engine.state.orders]
    bench.handle(answer)
    assert [order.client_id for order in bench.engine.state.orders] == before


# Renewals


def test_a_renewal_prolongs_an_order() -> None:
    bench = Bench()
    place = bench.rest()["bid"]
    renewals = only(Renew, bench.handle(Woken(), after=30_000))
    assert [renewal.order_id for renewal in renewals] == ["o-bid", "o-ask"]
    assert live(bench, place).state == "renewing"
    bench.handle(OrderRenewed(place.client_id, renewals[0].expires))
    assert (live(bench, place).state, live(bench, place).expires) == (
        "resting",
        renewals[0].expires,
    )


def test_a_renewal_that_is_answered_while_its_order_is_cancelling_does_not_revive_it() -> None:
    bench = Bench()
    place = bench.rest()["bid"]
    lower(bench)
    bench.handle(OrderRenewed(place.client_id, NOW + 90_000))
    assert live(bench, place).state == "cancelling"


def test_a_refused_renewal_is_tried_again_after_a_while() -> None:
    bench = Bench()
    place = bench.rest()["bid"]
    bench.handle(Woken(), after=30_000)
    refused = WriteRefused(place.client_id, "renew", "other", "")
    assert not only(Renew, bench.handle(refused))
    assert live(bench, place).state == "resting"
    assert bench.wake == bench.now + 1000
    assert [r.client_id for r in only(Renew, bench.handle(Woken(), after=1000))] == [
        place.client_id
    ]


def test_an_order_that_should_have_expired_is_queried_and_not_too_often() -> None:
    bench = Bench()
    place = bench.rest()["bid"]
    stopped_from_quoting(bench)
    live(bench, place).change(OrderCause.RENEWAL_SENT)
    looked_up = only(QueryOrder, bench.handle(Woken(), after=62_001))
    assert place.client_id in {look_up.client_id for look_up in looked_up}
    alive = OrderReported(report(place, "o-bid"), queried=True)
    commands = bench.handle(alive)
    assert place.client_id not in {look_up.client_id for look_up in only(QueryOrder, commands)}


def test_a_decrease_that_is_answered_while_its_order_is_cancelling_does_not_revive_it() -> None:
    bench = Bench()
    place = bench.rest()["bid"]
    lower(bench)
    bench.handle(order_decreased(place.client_id, place.count))
    assert live(bench, place).state == "cancelling"


# Refusals


@pytest.mark.parametrize(
    ("refusal", "hold"),
    [
        ("post_only_cross", 1_000),
        ("insufficient_balance", 60_000),
        ("paused", 5_000),
        ("rate_limited", 1_000),
        ("inactive", 5_000),
        ("unauthorised", 60_000),
        ("clock", 60_000),
        ("not_found", 30_000),
        ("no_change", 30_000),
        ("other", 30_000),
    ],
)
def test_a_refused_place_keeps_new_orders_off_its_market_for_a_while(
    refusal: Refusal, hold: int
) -> None:
    bench = Bench()
    places = bench.quote()
    bench.handle(order_placed(places["ask"].client_id, "o-ask"))
    commands = bench.handle(WriteRefused(places["bid"].client_id, "place", refusal, "why"))
    assert gone(bench, places["bid"])
    assert "order.refused" in notes(commands)
    assert bench.reason() == refusal
    assert not only(Place, bench.handle(Woken(), after=hold - 1))
    assert [p.side for p in only(Place, bench.handle(Woken(), after=1))] == ["bid"]


@pytest.mark.parametrize(
    ("refusal", "held"),
    [
        ("other", {MIDDLE}),
        ("insufficient_balance", {LOW, MIDDLE}),
        ("unauthorised", {LOW, MIDDLE, HIGH}),
        ("clock", {LOW, MIDDLE, HIGH}),
        ("forbidden", {LOW, MIDDLE, HIGH}),
    ],
)
def test_a_refusal_holds_for_its_market_its_shard_or_the_account(
    refusal: Refusal, held: set[str]
) -> None:
    bench = Bench()
    bench.listed = event(market(LOW), market(MIDDLE), market(HIGH, shard=2))
    place = bench.quote()["bid"]
    bench.handle(WriteRefused(place.client_id, "place", refusal, ""))
    markets = bench.engine.state.event_of_market[MIDDLE].markets
    assert {ticker for ticker, known in markets.items() if known.held_by} == held


@pytest.mark.parametrize("refusal", ["unauthorised", "clock", "forbidden"])
def test_a_refusal_of_the_account_itself_is_an_error_in_the_log(refusal: Refusal) -> None:
    bench = Bench()
    place = bench.quote()["bid"]
    commands = bench.handle(WriteRefused(place.client_id, "place", refusal, ""))
    (line,) = (note for note in only(Note, commands) if note.name == "order.refused")
    assert line.level == "error"


def test_a_cancel_that_a_closed_market_refuses_has_order_and_listing_looked_up() -> None:
    bench = Bench()
    place = bench.rest()["bid"]
    lower(bench)
    commands = bench.handle(WriteRefused(place.client_id, "cancel", "inactive", ""))
    assert only(ReadListing, commands)
    assert [look_up.order_id for look_up in only(QueryOrder, commands)] == ["o-bid"]


def test_looking_up_leaves_tokens_for_the_readings_and_goes_on_when_there_are_more() -> None:
    bench = Bench()
    places = bench.rest()
    bench.engine.state.budget.reads.drain(bench.now)
    commands = bench.handle(WriteUnknown(places["bid"].client_id, "cancel", ""))
    assert not only(QueryOrder, commands)
    assert bench.wake is not None
    # A hundred tokens for the readings and two for the question, two hundred a second.
    assert bench.wake - bench.now == 511
    assert only(QueryOrder, bench.handle(Woken(), after=511))


def test_a_refused_place_leaves_the_other_side_where_it_is() -> None:
    bench = Bench()
    places = bench.quote()
    bench.handle(order_placed(places["ask"].client_id, "o-ask"))
    refused = WriteRefused(places["bid"].client_id, "place", "post_only_cross", "")
    assert not only(Cancel, bench.handle(refused))


def test_a_refused_cancel_is_tried_again_but_not_at_once() -> None:
    bench = Bench()
    place = bench.rest()["bid"]
    lower(bench)
    commands = bench.handle(WriteRefused(place.client_id, "cancel", "paused", ""))
    assert live(bench, place).state == "resting"
    assert not only(Cancel, commands)
    assert only(ReadListing, commands)
    assert bench.wake == bench.now + 1000
    assert [c.client_id for c in only(Cancel, bench.handle(Woken(), after=1000))] == [
        place.client_id
    ]


def test_a_refused_cancel_leaves_an_unknown_order_unknown() -> None:
    bench = Bench()
    place = bench.rest()["bid"]
    lower(bench)
    bench.handle(MarketActivity(MIDDLE, active=False))
    bench.handle(WriteRefused(place.client_id, "cancel", "other", ""))
    assert live(bench, place).state == "unknown"


def test_a_spent_client_id_means_that_the_order_is_looked_up() -> None:
    bench = Bench()
    place = bench.quote()["bid"]
    commands = bench.handle(WriteRefused(place.client_id, "place", "already_exists", ""))
    assert only(QueryOrder, commands) == [QueryOrder(place.client_id, "", MIDDLE, NOW)]
    bench.handle(OrderReported(report(place, "o-1", filled=400), queried=True))
    assert (live(bench, place).state, live(bench, place).filled) == ("resting", 400)


def test_an_order_that_is_not_there_to_be_cancelled_is_looked_up() -> None:
    bench = Bench()
    place = bench.rest()["bid"]
    lower(bench)
    commands = bench.handle(WriteRefused(place.client_id, "cancel", "not_found", ""))
    assert [c.order_id for c in only(QueryOrder, commands)] == ["o-bid"]
    bench.handle(OrderReported(report(place, "o-bid", filled=1000, status="ended"), queried=True))
    assert live(bench, place).state == "awaiting_fills"


def test_too_many_requests_empty_the_budget() -> None:
    bench = Bench()
    place = bench.quote()["bid"]
    bench.handle(WriteRefused(place.client_id, "place", "rate_limited", ""))
    assert bench.engine.state.budget.level == 0.0


def test_post_only_refusals_again_and_again_mean_that_the_book_is_not_the_book() -> None:
    bench = Bench()
    place = bench.quote()["bid"]
    for _ in range(2):
        refused = WriteRefused(place.client_id, "place", "post_only_cross", "")
        assert not only(RepairBooks, bench.handle(refused))
        (place,) = (p for p in only(Place, bench.handle(Woken(), after=1000)) if p.side == "bid")
    refused = WriteRefused(place.client_id, "place", "post_only_cross", "")
    assert [repair.tickers for repair in only(RepairBooks, bench.handle(refused))] == [(MIDDLE,)]
    assert bench.reason() == "no_book"


def test_a_place_in_between_ends_the_count_of_post_only_refusals() -> None:
    bench = Bench()
    place = bench.quote()["bid"]
    bench.handle(WriteRefused(place.client_id, "place", "post_only_cross", ""))
    (place,) = (p for p in only(Place, bench.handle(Woken(), after=1000)) if p.side == "bid")
    bench.handle(order_placed(place.client_id, "o-2"))
    assert bench.engine.state.market(MIDDLE).post_only_refusals == 0


# Unknown outcomes


def test_an_unknown_place_is_looked_up_by_its_client_id_and_blocks_its_market() -> None:
    bench = Bench()
    places = bench.quote()
    commands = bench.handle(
        WriteUnknown(places["bid"].client_id, "place", "no answer"),
        order_placed(places["ask"].client_id, "o-ask"),
    )
    assert only(QueryOrder, commands) == [QueryOrder(places["bid"].client_id, "", MIDDLE, NOW)]
    bench.handle(OrderReported(report(places["ask"], "o-ask", status="ended")))
    commands = bench.handle(book(), after=31_000)
    assert not only(Place, commands)
    assert not only(Renew, commands)


def test_an_unknown_order_leaves_other_markets_alone() -> None:
    bench = Bench()
    bench.handle(WriteUnknown(bench.quote()["bid"].client_id, "place", ""))
    assert {place.ticker for place in only(Place, bench.handle(book(HIGH)))} == {HIGH}


def test_the_stream_may_say_that_an_unknown_place_came_to_be() -> None:
    bench = Bench()
    place = bench.quote()["bid"]
    bench.handle(WriteUnknown(place.client_id, "place", ""))
    bench.handle(OrderReported(report(place, "o-1")))
    assert live(bench, place).state == "resting"


def test_the_stream_does_not_say_what_became_of_an_unknown_cancel() -> None:
    bench = Bench()
    place = bench.rest()["bid"]
    lower(bench)
    bench.handle(WriteUnknown(place.client_id, "cancel", ""))
    bench.handle(OrderReported(report(place, "o-bid")))
    assert live(bench, place).state == "unknown"
    commands = bench.handle(OrderReported(report(place, "o-bid"), queried=True))
    assert [cancel.client_id for cancel in only(Cancel, commands)] == [place.client_id]


def test_the_question_is_asked_again_ever_more_seldom() -> None:
    bench = Bench()
    place = bench.quote()["bid"]
    bench.handle(WriteUnknown(place.client_id, "place", ""))
    waits = []
    for _ in range(8):
        assert bench.wake is not None
        started = bench.now
        while not only(QueryOrder, bench.handle(Woken(), after=bench.wake - bench.now)):
            pass
        waits.append(bench.now - started)
    assert waits == [500, 1000, 2000, 4000, 8000, 8000, 8000, 8000]


def test_an_order_that_the_exchange_does_not_know_yet_may_be_on_its_way() -> None:
    bench = Bench()
    place = bench.quote()["bid"]
    bench.handle(WriteUnknown(place.client_id, "place", ""))
    bench.handle(OrderAbsent(place.client_id), after=14_999)
    assert live(bench, place).state == "unknown"
    bench.handle(OrderAbsent(place.client_id), after=1)
    assert gone(bench, place)


def test_an_order_that_never_came_to_be_is_adopted_should_it_turn_up_after_all() -> None:
    bench = Bench()
    place = bench.quote()["bid"]
    stopped_from_quoting(bench)
    bench.handle(WriteUnknown(place.client_id, "place", ""))
    bench.handle(OrderAbsent(place.client_id), after=15_000)
    bench.handle(OrderReported(report(place, "o-1")))
    assert live(bench, place).order_id == "o-1"


def test_a_known_order_that_is_absent_later_is_over() -> None:
    bench = Bench()
    place = bench.rest()["bid"]
    stopped_from_quoting(bench)
    bench.handle(WriteUnknown(place.client_id, "cancel", ""))
    bench.handle(OrderAbsent(place.client_id), after=15_000)
    assert bench.engine.state.orders.is_over(place.client_id)


def test_an_answer_that_an_order_is_absent_is_ignored_unless_the_order_is_unknown() -> None:
    bench = Bench()
    place = bench.rest()["bid"]
    bench.handle(OrderAbsent(place.client_id), after=20_000)
    assert live(bench, place).state == "resting"


def test_a_look_up_without_an_answer_is_worth_a_line() -> None:
    bench = Bench()
    place = bench.quote()["bid"]
    bench.handle(WriteUnknown(place.client_id, "place", ""))
    assert "order.look_up_failed" in notes(bench.handle(OrderQueryFailed(place.client_id, "500")))
    assert live(bench, place).state == "unknown"


def test_a_look_up_that_is_refused_for_tokens_empties_the_bucket_of_reads() -> None:
    bench = Bench()
    place = bench.quote()["bid"]
    bench.handle(WriteUnknown(place.client_id, "place", ""))
    reads = bench.engine.state.budget.reads
    assert reads.available(bench.now)
    bench.handle(OrderQueryFailed(place.client_id, "429", rate_limited=True))
    assert reads.available(bench.now) == 0


# Adoption


def earlier(
    ticker: str = MIDDLE, client_id: str = "mmbot-earlier-1", expires: int = NOW + 60_000
) -> OrderReport:
    return reported(client_id, ticker=ticker, filled=300, remaining=700, expires=expires, shard=2)


def test_an_order_from_an_earlier_session_is_adopted_with_its_fills() -> None:
    bench = adopting()
    commands = bench.handle(Reconciled((earlier(),), (fill("t-1", "o-9", 300),), None))
    assert "order.adopted" in notes(commands)
    order = bench.engine.state.orders.get("mmbot-earlier-1")
    assert order is not None
    assert (order.state, order.count, order.booked, order.remaining) == ("resting", 1000, 300, 700)


def test_an_adopted_order_on_a_side_that_has_one_goes() -> None:
    bench = Bench()
    bench.rest()
    commands = bench.handle(OrderReported(earlier()))
    assert [cancel.order_id for cancel in only(Cancel, commands)] == ["o-9"]


def test_an_adopted_order_that_would_live_for_ever_gets_an_end() -> None:
    bench = adopting()
    commands = bench.handle(OrderReported(earlier(expires=0)))
    assert not only(QueryOrder, commands)
    (renewal,) = only(Renew, commands)
    assert renewal.order_id == "o-9"
    assert bench.now < renewal.expires <= bench.now + 60_000


def test_orders_of_others_are_left_alone() -> None:
    bench = Bench()
    bench.start()
    commands = bench.handle(
        OrderReported(earlier(client_id="somebody")),
        Reconciled((earlier(client_id="somebody", ticker="OTHER"),), (), None),
    )
    assert not only(Cancel, commands)
    assert len(bench.engine.state.orders) == 0


def test_an_ended_order_of_an_earlier_session_is_not_adopted() -> None:
    bench = Bench()
    bench.start()
    ended = reported("mmbot-e", filled=300, remaining=0, status="ended", expires=NOW)
    bench.handle(OrderReported(ended))
    assert len(bench.engine.state.orders) == 0


def test_our_orders_in_markets_we_know_nothing_about_are_taken_off() -> None:
    bench = Bench()
    bench.start()
    commands = bench.handle(Reconciled((earlier(ticker="OTHER"),), (), None))
    assert only(Cancel, commands) == [Cancel("mmbot-earlier-1", "o-9", "OTHER", 2)]


def test_strays_wait_for_the_budget() -> None:
    bench = Bench()
    bench.start()
    bench.engine.state.budget.drain(bench.now)
    assert not only(Cancel, bench.handle(Reconciled((earlier(ticker="OTHER"),), (), None)))


# Readings and pauses


def test_an_order_that_a_reading_should_have_shown_is_queried() -> None:
    bench = Bench()
    places = bench.rest()
    shown = report(places["ask"], "o-ask")
    assert not only(QueryOrder, bench.handle(Reconciled((shown,), (), None), after=5_000))
    commands = bench.handle(Reconciled((shown,), (), None), after=1)
    assert [look_up.order_id for look_up in only(QueryOrder, commands)] == ["o-bid"]


@pytest.mark.parametrize("ticker", [LOW, MIDDLE])
def test_a_pause_and_its_end_both_make_a_markets_orders_unknown(ticker: str) -> None:
    bench = Bench()
    bench.rest()
    commands = bench.handle(MarketActivity(ticker, active=False))
    assert len(only(QueryOrder, commands)) == (2 if ticker == MIDDLE else 0)


def test_an_order_that_is_being_placed_is_not_queried_after_a_pause() -> None:
    bench = Bench()
    bench.quote()
    assert not only(QueryOrder, bench.handle(MarketActivity(MIDDLE, active=False)))


# A status that the protocol does not define


def test_a_status_that_nobody_knows_neither_ends_an_order_nor_replaces_it() -> None:
    bench = Bench()
    bench.start()
    places = only(Place, bench.handle(book()))
    for number, place in enumerate(places):
        bench.handle(order_placed(place.client_id, f"o-{number}"))
    doubtful = msgspec.structs.replace(report(places[0], "o-0"), status="unknown")
    commands = bench.handle(OrderReported(doubtful))
    assert [query.order_id for query in only(QueryOrder, commands)] == ["o-0"]
    assert not only(Place, commands)
    assert live(bench, places[0]).state is OrderState.UNKNOWN
    assert live(bench, places[0]).exposed == places[0].count


def test_a_query_answered_with_such_a_status_is_asked_again_ever_later() -> None:
    bench = Bench()
    place, order_id = bench.rest()["bid"], "o-bid"
    doubtful = msgspec.structs.replace(report(place, order_id), status="unknown")
    bench.handle(OrderReported(doubtful))
    first = bench.handle(OrderReported(doubtful, queried=True))
    assert not only(QueryOrder, first)
    assert live(bench, place).state is OrderState.UNKNOWN
    again = bench.handle(Woken(), after=10_000)
    assert [query.order_id for query in only(QueryOrder, again)] == [order_id]
    bench.handle(OrderReported(report(place, order_id, status="resting"), queried=True))
    assert live(bench, place).state is OrderState.RESTING


def test_an_order_of_an_earlier_session_with_such_a_status_is_adopted_and_queried() -> None:
    bench = adopting()
    commands = bench.handle(OrderReported(reported("mmbot-0-1", status="unknown")))
    assert [query.client_id for query in only(QueryOrder, commands)] == ["mmbot-0-1"]


def test_an_order_that_such_a_report_says_is_filled_is_over() -> None:
    bench = Bench()
    place, order_id = bench.rest()["bid"], "o-bid"
    stopped_from_quoting(bench)
    bench.handle(Filled(fill("t-1", order_id, place.count)))
    doubtful = report(place, order_id, filled=place.count, status="unknown")
    bench.handle(OrderReported(doubtful))
    assert gone(bench, place)


@pytest.mark.parametrize("status", ["resting", "ended"])
def test_an_order_that_is_said_to_be_filled_beyond_its_size_is_queried(status: OrderStatus) -> None:
    bench = Bench()
    place, order_id = bench.rest()["bid"], "o-bid"
    beyond = msgspec.structs.replace(
        report(place, order_id, status=status), filled=Count(place.count + 1)
    )
    commands = bench.handle(OrderReported(beyond))
    assert [query.order_id for query in only(QueryOrder, commands)] == [order_id]
    assert live(bench, place).state is OrderState.UNKNOWN
    bench.handle(OrderReported(report(place, order_id), queried=True))
    assert live(bench, place).state is OrderState.RESTING
    assert live(bench, place).filled == 0


def test_an_order_said_to_have_fills_that_never_come_is_over_once_the_exchange_says_so() -> None:
    bench = Bench()
    place, order_id = bench.rest()["bid"], "o-bid"
    stopped_from_quoting(bench)
    bench.handle(order_cancelled(place.client_id, 0))
    assert live(bench, place).state is OrderState.AWAITING_FILLS
    asked = [bench.handle(Woken(), after=8_000) for _ in range(6)]
    assert [len(only(QueryOrder, commands)) for commands in asked] == [0, 0, 0, 0, 1, 1]
    ended = report(place, order_id, status="ended")
    bench.handle(OrderReported(msgspec.structs.replace(ended, filled=place.count), queried=True))
    assert live(bench, place).state is OrderState.AWAITING_FILLS
    bench.handle(OrderReported(ended))
    assert live(bench, place).state is OrderState.AWAITING_FILLS
    bench.handle(OrderReported(ended, queried=True))
    assert gone(bench, place)
