"""Portfolio, ledger and account held against each other, alone and through the engine."""

from __future__ import annotations

import msgspec
import pytest

from mmbot.trading.commands import (
    Cancel,
    Command,
    ConfirmFills,
    Place,
    QueryOrder,
    ReadAccount,
    ReadListing,
    RecordFill,
    RenewStream,
    VoidFill,
)
from mmbot.trading.events import (
    BeliefFormed,
    Filled,
    ListingRead,
    OrderReported,
    Reconciled,
    StreamUp,
    Woken,
)
from mmbot.trading.fill_reports import MOST_UNDECIDED, FillReports
from mmbot.trading.gates import Gate
from mmbot.trading.position_check import contradiction_at_start, read_positions
from mmbot.trading.reading_requests import listing_request
from mmbot.trading.values import Fill, OrderReport
from mmbot.units import Count
from tests.trading.builders import (
    LOW,
    MIDDLE,
    NOW,
    PLENTY,
    Bench,
    belief,
    book,
    fill,
    group_ready,
    notes,
    only,
    order_cancelled,
    order_placed,
    reported,
)

REAL, GHOST = fill("real", "o-bid", 300), fill("ghost", "o-bid", 200)


def reading(
    bench: Bench, *fills: Fill, held: int, requested_at: int | None = None, ticker: str = MIDDLE
) -> Reconciled:
    """A reading of the account that was requested now, or at another time."""
    at = bench.now if requested_at is None else requested_at
    return Reconciled((), fills, {0: PLENTY}, {ticker: Count(held)}, at)


def read_later(bench: Bench, *fills: Fill, held: int) -> list[Command]:
    """Have the account read when its lists have everything that was reported by now."""
    bench.now += 6_000
    return bench.handle(reading(bench, *fills, held=held))


# The comparison alone


@pytest.mark.parametrize(
    ("told", "what"),
    [
        (fill("real", "o-bid", 3000), "+30.00 at 0.4100"),
        (fill("real", "o-bid", 300, price=4200), "+3.00 at 0.4200"),
        (fill("real", "o-bid", 300, side="ask"), "-3.00 at 0.4100"),
    ],
)
def test_a_fill_that_the_list_has_otherwise_is_named_as_both(told: Fill, what: str) -> None:
    reports = FillReports()
    reports.add(told, "stream", NOW)
    (found,) = read_positions(reports, [REAL], {MIDDLE: Count(300)}, NOW + 1)
    assert found.contradiction.startswith(
        f"the account lists trade real (+3.00 at 0.4100), booked as trade real ({what}): "
    )
    assert found.invented == ()


def test_a_fee_that_the_list_states_otherwise_is_no_contradiction() -> None:
    reports = FillReports()
    reports.add(fill("real", "o-bid", 300, fee=7), "stream", NOW)
    (found,) = read_positions(reports, [REAL], {MIDDLE: Count(300)}, NOW + 1)
    assert found.contradiction == ""


def test_books_that_agree_are_no_contradiction() -> None:
    reports = FillReports()
    reports.add(REAL, "list", NOW)
    (found,) = read_positions(reports, [REAL], {MIDDLE: Count(300)}, NOW + 1)
    assert found.contradiction == ""


def test_a_fill_too_recent_for_the_list_is_no_contradiction() -> None:
    reports = FillReports()
    reports.add(REAL, "stream", NOW)
    (found,) = read_positions(reports, [], {MIDDLE: Count(0)}, NOW)
    assert found.contradiction == ""


def test_a_fill_that_the_list_should_have_is_named_with_the_figures() -> None:
    reports = FillReports()
    reports.add(GHOST, "stream", NOW)
    (found,) = read_positions(reports, [], {MIDDLE: Count(0)}, NOW + 1)
    assert found.contradiction == (
        f"the account does not list trade ghost (+2.00 at 0.4100): 2.00 contracts of {MIDDLE} are "
        "booked, 0.00 are held, and the listed fills sum to 0.00"
    )
    assert [each.fill for each in found.invented] == [GHOST]


@pytest.mark.parametrize(("listed", "held"), [((REAL,), 0), ((), 300), ((REAL,), -300)])
def test_lists_that_contradict_each_other_are_a_contradiction(
    listed: tuple[Fill, ...], held: int
) -> None:
    reports = FillReports()
    for each in listed:
        reports.add(each, "list", NOW)
    (found,) = read_positions(reports, listed, {MIDDLE: Count(held)}, NOW + 1)
    assert found.contradiction
    assert found.invented == ()


def test_a_fill_that_the_account_once_listed_is_never_taken_for_invented() -> None:
    reports = FillReports()
    reports.add(REAL, "stream", NOW)
    reports.add(REAL, "list", NOW)
    (found,) = read_positions(reports, [], {MIDDLE: Count(0)}, NOW + 1)
    assert found.contradiction
    assert found.invented == ()


# At the start


def test_a_start_finds_fills_that_the_account_does_not_list() -> None:
    assert "trade real" in contradiction_at_start([REAL], [], {MIDDLE: Count(0)})


def test_a_start_accepts_what_happened_since_the_ledger_was_written() -> None:
    missed = fill("missed", "o-bid", 200)
    assert contradiction_at_start([REAL], [missed, REAL], {MIDDLE: Count(500)}) == ""


# Through the engine


def quoting_with(*fills: Fill) -> Bench:
    """An engine with resting quotes, and these fills from the stream."""
    bench = Bench()
    bench.rest()
    for each in fills:
        bench.handle(Filled(each))
    return bench


def test_a_fill_on_the_stream_has_the_account_read_once_its_list_is_no_older() -> None:
    bench = quoting_with()
    commands = bench.handle(Filled(REAL))
    assert not only(ReadAccount, commands)
    assert bench.wake is not None
    assert bench.wake <= bench.now + 6_000
    assert not only(ReadAccount, bench.handle(Woken(), after=5_999))
    assert only(ReadAccount, bench.handle(Woken(), after=1))


def test_a_fill_that_the_account_does_not_list_shuts_its_market_and_no_other() -> None:
    bench = quoting_with(REAL, GHOST)
    bench.handle(book(LOW))
    bench.now += 6_000
    commands = bench.handle(reading(bench, REAL, held=300))
    assert "position.contradicts" in notes(commands)
    assert bench.reason().startswith("position_contradicts: ")
    assert "trade ghost" in bench.reason()
    assert "position_contradicts" not in bench.reason(LOW)


def stating(bench: Bench, filled: int) -> OrderReport:
    """What the exchange states of the resting bid, of which so much is filled."""
    order = next(each for each in bench.engine.state.orders if each.side == "bid")
    return reported(order.client_id, "o-bid", order.price, filled=filled, remaining=1000 - filled)


def listing(bench: Bench, *fills: Fill, held: int, filled: int) -> list[Command]:
    """Have the account read when its lists are no older, with the resting bid among its orders."""
    statement = stating(bench, filled)
    bench.now += 6_000
    event = msgspec.structs.replace(reading(bench, *fills, held=held), orders=(statement,))
    return bench.handle(event)


def test_a_fill_that_neither_lists_nor_order_confirm_is_voided_and_its_market_shut() -> None:
    bench = quoting_with(REAL, GHOST)
    commands = listing(bench, REAL, held=300, filled=300)
    (voided,) = only(VoidFill, commands)
    assert voided.fill == GHOST
    assert "trade ghost" in voided.reason
    assert bench.reason().startswith("position_contradicts: ")
    portfolio = bench.engine.state.event_of_market[MIDDLE].portfolio
    assert portfolio.position(MIDDLE) == 300
    assert (portfolio.cash, portfolio.filled("o-bid")) == (REAL.cash, 300)
    commands = read_later(bench, REAL, held=300)
    assert "position.agrees" in notes(commands)
    assert bench.engine.state.market(MIDDLE).contradiction == ""


@pytest.mark.parametrize(
    "told",
    [
        fill("real", "o-bid", 200),
        fill("real", "o-bid", 900),
        fill("real", "o-bid", 300, price=3100),
    ],
)
def test_a_fill_told_otherwise_than_it_is_listed_ends_as_the_account_has_it(told: Fill) -> None:
    bench = quoting_with(told)
    positions = {MIDDLE: Count(300), LOW: Count(0)}
    bench.now += 6_000
    commands = bench.handle(Reconciled((), (REAL,), {0: PLENTY}, positions, bench.now))
    (voided,) = only(VoidFill, commands)
    assert voided.fill == told
    assert [each.fill for each in only(RecordFill, commands)] == [REAL]
    (event_state,) = bench.engine.state.events.values()
    assert event_state.portfolio.fills == (REAL,)
    assert bench.reason().startswith("position_contradicts: the account lists trade real")
    bench.handle(Reconciled((), (REAL,), {0: PLENTY}, positions, bench.now))
    assert Gate.POSITION_CONTRADICTS not in bench.reason()


MISFITS = [
    (fill("real", "o-bid", 1001), "10.01 of 10.00 left"),
    (fill("real", "o-bid", 300, price=5100), "bid at 0.5100, of an order bid at 0.4100"),
    (fill("real", "o-bid", 300, side="ask"), "ask at 0.4100, of an order bid at 0.4100"),
    (fill("real", "o-bid", 300, ticker=LOW), f"bid at 0.4100, of an order in {MIDDLE}"),
    (fill("real", "gone", 300), "bid at 0.4100, of an order that is not known to be live"),
    (
        fill("real", "by-hand", 300, client_id="by-hand-1"),
        "bid at 0.4100, of an order that is not known to be live",
    ),
]


@pytest.mark.parametrize(("told", "why"), MISFITS)
def test_a_fill_that_cannot_be_its_orders_is_doubt_until_a_reading_decides(
    told: Fill, why: str
) -> None:
    bench = quoting_with()
    commands = bench.handle(Filled(told))
    assert not only(RecordFill, commands)
    assert {cancel.ticker for cancel in only(Cancel, commands)} == {MIDDLE}
    for ticker in {told.ticker, MIDDLE}:
        assert bench.reason(ticker) == f"unreadable: trade real: {why}"
    (event_state,) = bench.engine.state.events.values()
    assert event_state.portfolio.fills == ()
    # A list that may not have it yet decides nothing.
    bench.handle(reading(bench, held=0, requested_at=bench.now + 2_000), after=2_000)
    assert why in bench.reason()
    assert only(ReadAccount, bench.handle(Woken(), after=4_000))
    commands = bench.handle(reading(bench, REAL, held=300))
    assert [each.fill for each in only(RecordFill, commands)] == [REAL]
    assert why not in bench.reason()


def over(bench: Bench) -> str:
    """The client id of the resting bid, which is over now, as far as the exchange has told."""
    order = next(each for each in bench.engine.state.orders if each.side == "bid")
    bench.handle(order_cancelled(order.client_id, order.count))
    assert bench.engine.state.orders.is_over(order.client_id)
    return order.client_id


def test_a_fill_of_an_order_that_is_over_is_booked_once_it_is_listed() -> None:
    bench = quoting_with()
    told = fill("real", "o-bid", 300, client_id=over(bench))
    assert not only(RecordFill, bench.handle(Filled(told)))
    assert "not known to be live" in bench.reason()
    commands = read_later(bench, REAL, held=300)
    assert [each.fill for each in only(RecordFill, commands)] == [REAL]
    assert "not known to be live" not in bench.reason()


def test_a_fill_that_is_in_doubt_makes_no_outcome_better_until_a_reading_denies_it() -> None:
    bench = quoting_with()
    state = bench.engine.state
    (event_state,) = state.events.values()
    flat = event_state.portfolio.wealth()
    told = fill("ghost", "gone", 300)
    bench.handle(Filled(told))
    event_state.portfolio.book(told)
    booked = event_state.portfolio.wealth()
    event_state.portfolio.void(told)
    for order in state.orders:
        state.orders.forget(order)
    doubted = event_state.portfolio.wealth(state.exposures(event_state))
    assert doubted == [min(outcomes) for outcomes in zip(flat, booked, strict=True)]
    read_later(bench, held=0)
    assert event_state.fills.doubted == ()


def test_a_fill_that_was_in_doubt_and_is_listed_was_told() -> None:
    bench = quoting_with()
    real = fill("real", "gone", 300, at=NOW + 2_000)
    bench.handle(Filled(real))
    read_later(bench, real, held=300)
    assert "stream.silent" not in notes(bench.handle(Woken(), after=6_000))


def flood(bench: Bench) -> None:
    """Tell as many fills of an order that is not known as are kept."""
    for number in range(MOST_UNDECIDED):
        bench.handle(Filled(fill(f"ghost-{number}", "gone", 1)))


def test_more_fills_in_doubt_than_are_kept_take_every_quote_off_and_renew_the_stream() -> None:
    bench = quoting_with()
    for place in only(Place, bench.handle(book(LOW))):
        bench.handle(order_placed(place.client_id, f"low-{place.side}"))
    flood(bench)
    assert bench.engine.state.service.reconciled
    commands = bench.handle(Filled(fill("one-more", "gone", 1)))
    assert "fills.distrusted" in notes(commands)
    assert only(RenewStream, commands)
    assert {cancel.ticker for cancel in only(Cancel, commands)} == {LOW}
    assert bench.reason(LOW) == Gate.NOT_RECONCILED
    (event_state,) = bench.engine.state.events.values()
    assert len(event_state.fills.doubted) == MOST_UNDECIDED
    commands = bench.handle(Filled(fill("another", "gone", 1)))
    assert not only(RenewStream, commands)
    assert not notes(commands)


def test_after_a_flood_of_fills_nothing_is_quoted_before_a_reading_with_lists_that_have_them() -> (
    None
):
    bench = quoting_with()
    flood(bench)
    real = fill("real", "gone", 300, at=NOW + 2_000)
    bench.handle(Filled(real))
    early = reading(bench, held=0, requested_at=bench.now + 2_000)
    assert "account.reconciled" not in notes(bench.handle(early, after=2_000))
    assert not bench.engine.state.service.reconciled
    assert only(ReadAccount, bench.handle(Woken(), after=4_000))
    commands = bench.handle(reading(bench, real, held=300))
    assert [each.fill for each in only(RecordFill, commands)] == [real]
    assert bench.engine.state.service.reconciled
    (event_state,) = bench.engine.state.events.values()
    assert event_state.fills.doubted == ()


def test_more_booked_fills_that_no_list_has_than_are_kept_take_every_quote_off() -> None:
    bench = quoting_with()
    told = [fill(f"real-{number}", "o-bid", 1) for number in range(MOST_UNDECIDED)]
    for each in told[:-1]:
        bench.handle(Filled(each))
    assert bench.engine.state.service.reconciled
    commands = bench.handle(Filled(told[-1]))
    assert only(RecordFill, commands)
    assert only(RenewStream, commands)
    assert bench.reason() == Gate.NOT_RECONCILED
    read_later(bench, *told, held=MOST_UNDECIDED)
    assert bench.engine.state.service.reconciled


def test_a_fill_in_doubt_of_an_event_that_is_listed_no_more_is_decided_too() -> None:
    bench = quoting_with()
    bench.handle(Filled(fill("ghost", "gone", 300)))
    (event_state,) = bench.engine.state.events.values()
    bench.engine.state.forget(event_state)
    bench.now += 6_000
    bench.handle(Reconciled((), (), {0: PLENTY}, {}, bench.now))
    assert bench.engine.state.account_read_at == bench.now


def test_a_fill_without_our_id_may_be_an_orders_whose_place_is_not_answered() -> None:
    bench = Bench()
    place = bench.quote()["bid"]
    odd = fill("real", "o-bid", place.count + 1)
    assert not only(RecordFill, bench.handle(Filled(odd)))
    assert only(RecordFill, bench.handle(Filled(fill("first", "o-bid", 300))))


def test_a_fill_in_a_market_that_is_not_listed_shuts_that_of_its_order() -> None:
    bench = quoting_with(fill("real", "o-bid", 300, ticker="T-26NOV29-A9.9"))
    assert bench.reason() == f"unreadable: trade real: bid at 0.4100, of an order in {MIDDLE}"


def test_a_fill_that_was_booked_is_not_doubted_when_it_is_told_again() -> None:
    whole = fill("real", "o-bid", 1000)
    bench = quoting_with(fill("first", "o-bid", 300))
    commands = bench.handle(reading(bench, fill("first", "o-bid", 300), whole, held=1300))
    assert len(only(RecordFill, commands)) == 1
    assert "fill.unreadable" not in notes(bench.handle(Filled(whole)))


def test_a_corrected_fill_of_the_ledger_is_no_news_of_the_stream() -> None:
    bench = Bench()
    bench.engine.state.recorded = (fill("real", "o-7", 200, at=NOW - 60_000),)
    bench.start()
    real = fill("real", "o-7", 300, at=NOW - 60_000)
    commands = read_later(bench, real, held=300)
    assert [each.fill for each in only(RecordFill, commands)] == [real]
    (event_state,) = bench.engine.state.events.values()
    assert [each.ids for each in event_state.fills] == [{"list": "real"}]


def test_a_fill_told_otherwise_was_told_all_the_same() -> None:
    bench = quoting_with(fill("real", "o-bid", 200, at=NOW + 2_000))
    real = fill("real", "o-bid", 300, at=NOW + 2_000)
    read_later(bench, real, held=300)
    bench.handle(reading(bench, real, held=300))
    assert "stream.silent" not in notes(bench.handle(Woken(), after=6_000))


def test_a_fill_told_otherwise_stays_booked_while_the_accounts_statements_differ() -> None:
    bench = quoting_with(fill("real", "o-bid", 200))
    commands = read_later(bench, REAL, held=200)
    assert not only(VoidFill, commands)
    assert Gate.POSITION_CONTRADICTS in bench.reason()


def test_an_order_that_is_not_listed_is_queried_before_its_fill_is_voided() -> None:
    bench = quoting_with(REAL, GHOST)
    statement = stating(bench, 300)
    commands = read_later(bench, REAL, held=300)
    assert not only(VoidFill, commands)
    assert "o-bid" in {query.order_id for query in only(QueryOrder, commands)}
    bench.handle(OrderReported(statement, queried=True))
    assert [voided.fill for voided in only(VoidFill, read_later(bench, REAL, held=300))] == [GHOST]


def test_lists_that_are_empty_void_no_fill_that_its_order_confirms() -> None:
    bench = quoting_with(REAL)
    for _ in range(3):
        assert not only(VoidFill, listing(bench, held=0, filled=300))
    assert bench.reason().startswith(Gate.POSITION_CONTRADICTS)


def test_the_order_of_a_voided_fill_is_queried_for_what_is_filled_of_it() -> None:
    bench = quoting_with(GHOST)
    commands = listing(bench, held=0, filled=0)
    order = bench.engine.state.orders.by_order_id("o-bid")
    assert order is not None
    assert (order.filled, order.booked) == (0, 0)
    assert only(VoidFill, commands)


def test_a_recorded_fill_of_an_order_that_nobody_knows_keeps_its_market_shut() -> None:
    bench = Bench()
    bench.engine.state.unconfirmed = (fill("ghost", "gone", 200, at=NOW - 60_000),)
    bench.start()
    for _ in range(2):
        commands = read_later(bench, held=0)
        assert not only(VoidFill, commands)
        assert "gone" not in {query.order_id for query in only(QueryOrder, commands)}
    assert bench.engine.state.market(MIDDLE).contradiction


def test_a_voided_fill_of_an_order_that_is_over_leaves_the_other_orders_alone() -> None:
    whole = fill("ghost", "o-bid", 1000)
    bench = quoting_with(whole)
    client_id = next(p.client_id for p in only(Place, bench.all_commands) if p.side == "bid")
    queries = only(QueryOrder, read_later(bench, held=0))
    assert "o-bid" in {query.order_id for query in queries}
    gone = reported(client_id, "o-bid", filled=0, status="ended")
    bench.handle(OrderReported(gone, queried=True))
    assert [voided.fill for voided in only(VoidFill, read_later(bench, held=0))] == [whole]
    assert bench.engine.state.orders.by_order_id("o-bid") is None


def test_what_the_list_confirms_is_recorded_once() -> None:
    bench = quoting_with(REAL)
    commands = read_later(bench, REAL, held=300)
    assert [confirmed.fills for confirmed in only(ConfirmFills, commands)] == [(REAL,)]
    assert not only(ConfirmFills, read_later(bench, REAL, held=300))


def test_a_recorded_fill_that_no_list_ever_confirmed_may_be_voided() -> None:
    bench = Bench()
    bench.engine.state.unconfirmed = (fill("ghost", "o-7", 300, at=NOW - 60_000),)
    bench.handle(StreamUp(), ListingRead("", (bench.listed,)), group_ready())
    adopted = reported("mmbot-e-1", "o-7", filled=0)
    event = msgspec.structs.replace(reading(bench, held=0), orders=(adopted,))
    assert only(VoidFill, bench.handle(event))


def test_a_voided_fill_stays_out_when_its_event_gains_a_market() -> None:
    bench = Bench()
    bench.engine.state.unconfirmed = (fill("ghost", "o-7", 300, at=NOW - 60_000),)
    first = msgspec.structs.replace(bench.listed, markets=bench.listed.markets[:2])
    adopted = reported("mmbot-e-1", "o-7", filled=0)
    empty = msgspec.structs.replace(reading(bench, held=0), orders=(adopted,))
    commands = bench.handle(StreamUp(), ListingRead("", (first,)), empty)
    assert only(VoidFill, commands)
    bench.handle(ListingRead("", (bench.listed,)))
    assert bench.engine.state.event_of_market[MIDDLE].portfolio.position(MIDDLE) == 0


def test_positions_that_stay_contradictory_keep_the_market_shut_and_are_read_again_soon() -> None:
    bench = quoting_with(REAL)
    read_later(bench, REAL, held=300)
    read_later(bench, held=0)
    commands = read_later(bench, held=0)
    assert not only(VoidFill, commands)
    assert bench.reason().startswith(Gate.POSITION_CONTRADICTS)
    assert not notes(commands) & {"position.contradicts"}
    assert only(ReadAccount, bench.handle(Woken(), after=2_000))


def test_a_fill_told_by_two_ids_is_booked_once() -> None:
    bench = quoting_with(REAL)
    listed = fill("other-id", "o-bid", 300)
    read_later(bench, listed, held=300)
    assert bench.engine.state.event_of_market[MIDDLE].portfolio.position(MIDDLE) == 300
    assert bench.engine.state.market(MIDDLE).contradiction == ""


def restarted(*recorded: Fill) -> Bench:
    """An engine that begins with these fills in its ledger, before its first reading."""
    bench = Bench()
    bench.engine.state.recorded = recorded
    bench.handle(StreamUp(), ListingRead("", (bench.listed,)), group_ready())
    return bench


def test_fills_in_the_ledger_are_booked_at_the_start_and_neither_recorded_nor_told_again() -> None:
    bench = restarted(REAL)
    missed = fill("missed", "o-bid", 200)
    commands = bench.handle(
        reading(bench, REAL, missed, held=500), BeliefFormed(belief()), book(MIDDLE)
    )
    assert bench.engine.state.event_of_market[MIDDLE].portfolio.position(MIDDLE) == 500
    assert [record.fill for record in only(RecordFill, commands)] == [missed]


def test_a_ledger_that_the_account_does_not_confirm_shuts_the_market() -> None:
    bench = restarted(fill("real", "o-bid", 300, at=NOW - 60_000))
    bench.handle(reading(bench, held=0), BeliefFormed(belief()), book(MIDDLE))
    assert bench.reason().startswith(Gate.POSITION_CONTRADICTS)


def test_recorded_fills_in_markets_that_are_not_listed_are_left_alone() -> None:
    bench = restarted(fill("real", "o-bid", 300, ticker="T-26NOV29-A9.9"))
    assert len(bench.engine.state.event_of_market[MIDDLE].portfolio) == 0


def test_the_event_of_a_recorded_fill_is_asked_for_until_its_market_is_known() -> None:
    elsewhere = fill("real", "o-bid", 300, ticker="T-26NOV22-A9.9")
    bench = restarted(REAL, elsewhere)
    state = bench.engine.state
    assert "T-26NOV22" in listing_request(state).held
    state.forget(state.events[bench.listed.ticker])
    assert list(state.recorded) == [elsewhere]


def test_no_more_than_so_many_orders_are_remembered_by_the_exchanges_id(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("mmbot.trading.orders._REMEMBERED", 1)
    orders = quoting_with().engine.state.orders
    assert [orders.client_id_of(name) != "" for name in ("o-bid", "o-ask")] == [False, True]


def test_a_contradiction_has_the_listing_read_as_a_settlement_may_have_been_missed() -> None:
    bench = quoting_with(REAL)
    bench.handle(Woken(), after=6_000)
    confirmed = read_later(bench, REAL, held=300)
    assert not only(ReadListing, confirmed)
    asked = [bool(only(ReadListing, read_later(bench, REAL, held=0))) for _ in range(4)]
    assert asked == [True, False, False, True]
