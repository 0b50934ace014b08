from __future__ import annotations

import datetime as dt
from operator import attrgetter
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from mmbot.forecast.belief import WeekWeight
from mmbot.trading.commands import (
    Cancel,
    Decrease,
    Note,
    Place,
    ReadAccount,
    ReadFeeType,
    ReadListing,
    RecordSettlement,
    RepairBooks,
    RequestBelief,
    StopConfirmed,
)
from mmbot.trading.engine import Engine
from mmbot.trading.events import (
    BeliefFormed,
    BookReplaced,
    BooksDistrusted,
    FeedLagged,
    Filled,
    InputEvent,
    LedgerBehind,
    LimitsRead,
    ListingRead,
    ListingStale,
    MarketActivity,
    MarketClosing,
    OrderReported,
    PriceGridChanged,
    ReadingFailed,
    Reconciled,
    SessionStarted,
    StreamLost,
    StreamUp,
    TasksDown,
    Woken,
)
from mmbot.trading.operator_events import CountsMissing, SettingsChanged, Stopping
from mmbot.trading.reading_requests import account_request, listing_request
from mmbot.trading.values import ListedEvent, Market
from mmbot.tsa.underlying import TSA
from mmbot.underlying.calendar import EASTERN, CalendarClock, Week, to_milliseconds
from mmbot.units import CENT_GRID, Money, Price, PriceBand, PriceGrid
from tests.trading.builders import (
    CAP,
    CLOSES,
    HIGH,
    LOW,
    MIDDLE,
    NOW,
    OPENS,
    PLENTY,
    WEEK,
    Bench,
    accounts_read,
    belief,
    book,
    book_changed,
    event,
    fill,
    fills_listed,
    group_ready,
    market,
    market_settled,
    notes,
    only,
    order_cancelled,
    order_placed,
    report,
    settings,
    settlement,
)

TICKERS = (LOW, MIDDLE, HIGH)
EVENT = event().ticker


# Starting


def test_a_stream_that_is_up_makes_the_engine_read_the_listing_first() -> None:
    commands = Bench().handle(StreamUp())
    assert only(ReadListing, commands) == [ReadListing(())]
    assert not only(ReadAccount, commands)


def test_a_new_event_is_believed_in_and_its_account_read() -> None:
    bench = Bench()
    bench.handle(StreamUp())
    commands = bench.handle(ListingRead("", (bench.listed,)))
    assert only(RequestBelief, commands) == [RequestBelief(WEEK, (2_600_000, 2_700_000, 2_800_000))]
    assert accounts_read(commands) == [ReadAccount(TICKERS, shards=(0,))]


def test_nothing_is_quoted_before_the_account_was_read() -> None:
    bench = Bench()
    bench.handle(StreamUp(), ListingRead("", (bench.listed,)), BeliefFormed(belief()))
    bench.handle(group_ready())
    assert not only(Place, bench.handle(book()))
    assert bench.reason() == "not_reconciled"
    bench.handle(Reconciled((), (), {0: PLENTY}))
    assert only(Place, bench.handle(Woken(), after=250))


def test_a_reading_that_ends_while_the_stream_is_down_reconciles_nothing() -> None:
    bench = Bench()
    bench.rest()
    bench.handle(StreamLost())
    commands = bench.handle(Reconciled((), (), None))
    assert "account.reconciled" not in notes(commands)
    commands = bench.handle(StreamUp())
    assert accounts_read(commands) == [ReadAccount(TICKERS, shards=(0,))]
    bench.handle(book())
    assert bench.reason() == "not_reconciled"


def test_fills_that_were_missed_are_booked_when_the_account_is_read_again() -> None:
    bench = Bench()
    bench.rest()
    bench.handle(StreamLost(), StreamUp())
    bench.handle(Reconciled((), (fill("t-1", "o-bid", 1000),), None))
    assert bench.engine.state.event_of_market[MIDDLE].portfolio.position(MIDDLE) == 1000


def test_the_account_is_read_every_minute() -> None:
    bench = Bench()
    bench.start()
    assert not only(ReadAccount, bench.handle(Woken(), after=59_999))
    assert accounts_read(bench.handle(Woken(), after=1)) == [ReadAccount(TICKERS, shards=(0,))]


def test_a_session_reads_the_account_when_all_that_earlier_ones_did_can_be_read() -> None:
    bench = Bench()
    bench.handle(SessionStarted(bench.now))
    assert not only(
        ReadAccount, bench.handle(StreamUp(), ListingRead("", (bench.listed,)), after=500)
    )
    assert bench.wake == bench.now + 1_500
    assert not only(ReadAccount, bench.handle(Woken(), after=1_499))
    assert accounts_read(bench.handle(Woken(), after=1)) == [ReadAccount(TICKERS, shards=(0,))]


def test_a_clock_that_was_set_back_keeps_no_session_waiting() -> None:
    bench = Bench()
    bench.handle(SessionStarted(bench.now))
    commands = bench.handle(StreamUp(), ListingRead("", (bench.listed,)), after=-60_000)
    assert only(ReadAccount, commands)


def test_the_listing_is_read_every_five_minutes() -> None:
    bench = Bench()
    bench.start()
    assert not only(ReadListing, bench.handle(Woken(), after=299_999))
    assert only(ReadListing, bench.handle(Woken(), after=1)) == [ReadListing((EVENT,))]


def test_the_fee_type_of_the_series_is_read_every_minute() -> None:
    bench = Bench()
    bench.rest()
    for _ in range(4):
        assert not only(ReadFeeType, bench.handle(Woken(), after=59_999))
        commands = bench.handle(Woken(), after=1)
        assert len(only(ReadFeeType, commands)) == 1
        assert not only(ReadListing, commands)
    assert only(ReadListing, bench.handle(Woken(), after=60_000))


def test_a_dear_decrease_can_be_paid_beside_the_reserve_for_cancels() -> None:
    bench = Bench()
    bench.rest()
    bench.handle(LimitsRead(100.0, 100.0, 10.0, 2.0, 10.0, decrease_cost=98.0))
    bench.handle(Woken(), after=10_000)
    commands = bench.handle(SettingsChanged(settings(quoting={"contracts": 4})))
    assert only(Decrease, commands)


def test_the_listing_is_read_often_while_the_exchange_is_shut() -> None:
    bench = Bench()
    bench.start()
    commands = bench.handle(ListingRead("exchange_paused", (bench.listed,)))
    assert "exchange.shut" in notes(commands)
    assert only(ReadListing, bench.handle(Woken(), after=10_000))
    assert "exchange.open" in notes(bench.handle(ListingRead("", (bench.listed,))))


def test_every_book_is_read_anew_once_the_exchange_is_open_again() -> None:
    bench = Bench()
    bench.rest()
    bench.handle(ListingRead("exchange_paused", (bench.listed,)))
    commands = bench.handle(ListingRead("", (bench.listed,)))
    assert only(RepairBooks, commands) == [RepairBooks(TICKERS)]
    assert not only(Place, commands)
    assert bench.reason() == "no_book"
    assert not only(RepairBooks, bench.handle(ListingRead("", (bench.listed,))))


# Readings that fail


def test_one_failed_reading_of_the_account_is_tolerated() -> None:
    bench = Bench()
    bench.rest()
    commands = bench.handle(ReadingFailed("account", "no answer"))
    assert notes(commands) == {"account.not_read"}
    assert not only(Cancel, commands)
    assert only(ReadAccount, bench.handle(Woken(), after=2_000))


@pytest.mark.parametrize(
    ("what", "reason"), [("account", "not_reconciled"), ("listing", "listing_not_read")]
)
def test_three_failed_readings_in_a_row_take_the_quotes_off(what: str, reason: str) -> None:
    bench = Bench()
    bench.rest()
    failed = ReadingFailed("account" if what == "account" else "listing", "no answer")
    assert not only(Cancel, bench.handle(failed, failed))
    assert bench.cancelled_sides(bench.handle(failed)) == {"bid", "ask"}
    assert bench.reason() == reason


def test_a_good_reading_in_between_starts_the_count_afresh() -> None:
    bench = Bench()
    bench.rest()
    account, listing = ReadingFailed("account", "x"), ReadingFailed("listing", "x")
    commands = bench.handle(account, account, Reconciled((), (), None), account, account)
    commands += bench.handle(listing, listing, ListingRead("", (bench.listed,)), listing, listing)
    assert not only(Cancel, commands)


def test_a_listing_that_could_not_be_read_is_read_again_soon() -> None:
    bench = Bench()
    bench.handle(StreamUp(), ReadingFailed("listing", "no answer"))
    assert bench.wake == NOW + 2_000
    assert only(ReadListing, bench.handle(Woken(), after=2_000))


# The listing changes


def test_a_listing_that_says_the_same_changes_nothing() -> None:
    bench = Bench()
    bench.rest()
    commands = bench.handle(ListingRead("", (bench.listed,)))
    assert not only(RequestBelief, commands)
    assert not only(Cancel, commands)
    assert not notes(commands)


def test_a_market_that_is_added_leaves_books_and_fills_of_the_others() -> None:
    bench = Bench()
    bench.listed = event(market(LOW), market(HIGH))
    bench.start()
    bench.handle(
        BeliefFormed(belief((0.8, 0.2), strikes=(2_600_000, 2_800_000))), book(LOW, 6000, 9000)
    )
    bench.handle(fills_listed(fill("t-1", "o-1", 500, ticker=LOW)))
    commands = bench.handle(ListingRead("", (event(),)))
    event_state = bench.engine.state.events[EVENT]
    assert event_state.strikes == (2_600_000, 2_700_000, 2_800_000)
    assert only(RequestBelief, commands) == [RequestBelief(WEEK, event_state.strikes)]
    assert accounts_read(commands) == [ReadAccount((LOW, HIGH, MIDDLE), shards=(0,))]
    assert event_state.portfolio.position(LOW) == 500
    bench.handle(Reconciled((), (fill("t-1", "o-1", 500, ticker=LOW),), None))
    assert bench.reason(LOW) == "no_belief"
    bench.handle(BeliefFormed(belief()))
    assert bench.reason(LOW) == ""
    assert bench.reason(MIDDLE) == "no_book"


def test_a_market_that_is_no_longer_listed_is_kept() -> None:
    bench = Bench()
    bench.rest()
    commands = bench.handle(ListingRead("", (event(market(LOW)),)))
    assert not only(RequestBelief, commands)
    assert bench.engine.state.market(MIDDLE) is not None


def test_several_events_are_traded_side_by_side() -> None:
    bench = Bench()
    following = Market("T-26DEC06-A2.7", 2_700_000, CENT_GRID, OPENS, CLOSES + 7 * 86_400_000)
    other = ListedEvent(WEEK.following.event_ticker("T"), WEEK.following, (following,))
    bench.rest()
    commands = bench.handle(ListingRead("", (bench.listed, other)))
    assert only(RequestBelief, commands) == [RequestBelief(WEEK.following, (2_700_000,))]
    assert accounts_read(commands) == [ReadAccount((*TICKERS, following.ticker), shards=(0,))]
    assert not only(Cancel, commands)
    assert bench.reason(following.ticker) == "not_reconciled"
    formed = msgspec.structs.replace(
        belief((0.6,), known=0, strikes=(2_700_000,)), week=WEEK.following
    )
    bench.handle(BeliefFormed(formed), Reconciled((), (), None))
    places = only(Place, bench.handle(book(following.ticker)))
    assert {place.ticker for place in places} == {following.ticker}


def test_a_changed_market_is_quoted_as_it_is_now() -> None:
    bench = Bench()
    bench.start()
    moved = event(market(LOW), market(MIDDLE, shard=3), market(HIGH))
    assert "market.changed" in notes(bench.handle(ListingRead("", (moved,))))
    bench.handle(group_ready(3, "g-3", CAP))
    assert {place.shard for place in only(Place, bench.handle(book()))} == {3}


def test_a_moved_close_is_noted_and_watched() -> None:
    bench = Bench()
    bench.start()
    bench.handle(Woken(), after=2_000)
    bench.handle(MarketClosing(MIDDLE, NOW + 20_000))
    assert bench.wake == NOW + 19_000


@pytest.mark.parametrize(
    "event",
    [
        MarketClosing("X", NOW),
        MarketActivity("X", active=False),
        PriceGridChanged("X", CENT_GRID),
        market_settled("X", 0),
        BookReplaced("X", (), ()),
        book_changed("X", "bid", 4000, 100),
        BooksDistrusted(("X",), "gap"),
    ],
)
def test_an_event_of_a_market_that_is_not_known_changes_nothing(event: InputEvent) -> None:
    bench = Bench()
    bench.rest()
    assert not only(Cancel, bench.handle(event))
    assert bench.reason() == ""


# News and readings


def test_news_of_a_market_is_not_undone_by_a_copy_of_the_listing_that_is_older() -> None:
    bench = Bench()
    bench.start()
    bench.handle(MarketActivity(MIDDLE, active=False))
    bench.handle(ListingRead("", (bench.listed,)), after=19_999)
    assert bench.reason() == "market_paused"
    assert only(ReadListing, bench.handle(Woken(), after=1))
    bench.handle(ListingRead("", (bench.listed,)))
    assert bench.reason() == "no_book"


def test_a_change_that_only_the_listing_tells_is_read_at_once_and_past_the_caches() -> None:
    bench = Bench()
    bench.start()
    assert only(ReadListing, bench.handle(ListingStale()))
    assert not only(ReadListing, bench.handle(Woken(), after=19_999))
    assert only(ReadListing, bench.handle(Woken(), after=1))


def test_other_prices_of_a_market_are_quoted_from_then_on() -> None:
    bench = Bench()
    bench.rest()
    finer = PriceGrid((PriceBand(Price(0), Price(10_000), Price(10)),))
    bench.handle(PriceGridChanged(MIDDLE, finer))
    commands = bench.handle(book(bid=4350), after=2_000)
    assert bench.cancelled_sides(commands) == {"bid"}
    place = next(o for o in bench.engine.state.orders if o.order_id == "o-bid")
    commands = bench.handle(order_cancelled(place.client_id, 1000))
    assert [p.price for p in only(Place, commands)] == [4360]


# Lag


def test_a_stream_that_is_late_takes_the_quotes_off_until_it_is_in_time() -> None:
    bench = Bench()
    bench.rest()
    commands = bench.handle(FeedLagged(3_100, late=True))
    assert bench.cancelled_sides(commands) == {"bid", "ask"}
    assert bench.reason() == "stale_feed"
    bench.handle(FeedLagged(900, late=False))
    assert bench.reason() == ""


# Settlement


def test_a_settlement_waits_for_the_fills_that_were_missed() -> None:
    bench = Bench()
    bench.rest()
    bench.handle(StreamLost(), StreamUp())
    commands = bench.handle(market_settled(MIDDLE, 10_000))
    assert not only(RecordSettlement, commands)
    request = account_request(bench.engine.state, NOW)
    assert (request.tickers, request.decided) == ((LOW, HIGH), (MIDDLE,))
    commands = bench.handle(Reconciled((), (fill("t-1", "o-bid", 700),), {0: Money(0)}))
    assert only(RecordSettlement, commands) == [settlement(MIDDLE, 10_000, 700, 7_000_000, NOW)]


def test_an_event_of_an_earlier_session_is_settled_when_its_fills_are_known() -> None:
    earlier = WEEK.following.event_ticker("T")
    bench = Bench()
    bench.engine = Engine(settings(), TSA, CalendarClock(), "session", (earlier,))
    closed = Market("T-26DEC06-A2.7", 2_700_000, CENT_GRID, OPENS - 10, NOW - 1)
    commands = bench.handle(StreamUp())
    assert only(ReadListing, commands) == [ReadListing((earlier,))]
    held = ListedEvent(earlier, WEEK.following, (closed,))
    commands = bench.handle(ListingRead("", (held,)), market_settled(closed.ticker, 0))
    assert not only(RequestBelief, commands)
    assert listing_request(bench.engine.state) == ReadListing((earlier,))
    bought = fill("t-1", "o-1", 1000, ticker=closed.ticker)
    commands = bench.handle(Reconciled((), (bought,), {0: Money(0)}))
    assert only(RecordSettlement, commands) == [settlement(closed.ticker, 0, 1000, 0, NOW)]
    assert "event.settled" in notes(commands)
    assert listing_request(bench.engine.state) == ReadListing((earlier,))
    bench.handle(market_settled(closed.ticker, 0, final=True))
    assert listing_request(bench.engine.state) == ReadListing(())


def test_a_settlement_pays_the_position_and_the_last_one_says_the_profit() -> None:
    bench = Bench()
    bench.start()
    bench.handle(
        fills_listed(fill("t-1", "o-1", 1000, 4000, "bid", MIDDLE)),
        fills_listed(fill("t-2", "o-2", 500, 3000, "ask", HIGH)),
    )
    commands = bench.handle(
        market_settled(LOW, 10_000), market_settled(MIDDLE, 10_000), market_settled(HIGH, 0)
    )
    assert only(RecordSettlement, commands) == [
        settlement(LOW, 10_000, 0, 0, NOW),
        settlement(MIDDLE, 10_000, 1000, 10_000_000, NOW),
        settlement(HIGH, 0, -500, 0, NOW),
    ]
    (settled,) = (note for note in only(Note, commands) if note.name == "event.settled")
    # Ten contracts made 60 cents each, five sold at 30 cents paid nothing.
    assert settled.fields["pnl"] == "7.500000"


def test_an_event_is_dropped_two_weeks_after_it_was_settled_for_good() -> None:
    bench = Bench()
    bench.start()
    bench.handle(fills_listed(fill("t-1", "o-1", 1000)), Reconciled((), (), {0: Money(90_000_000)}))
    state = bench.engine.state
    for ticker in (LOW, MIDDLE, HIGH):
        bench.handle(market_settled(ticker, 0, final=True))
    two_weeks = 14 * 24 * 3_600_000
    bench.handle(ListingRead("", ()), after=CLOSES + two_weeks - NOW)
    assert state.events
    balance = state.balance(0)
    bench.handle(ListingRead("", ()), after=1)
    assert (state.events, state.event_of_market) == ({}, {})
    assert state.balance(0) == balance
    # Told once more, it is none of ours.
    assert not bench.handle(fills_listed(fill("t-1", "o-1", 1000)), market_settled(LOW, 10_000))


def test_a_settlement_is_booked_once_however_often_it_is_reported() -> None:
    bench = Bench()
    bench.start()
    bench.handle(market_settled(LOW, 0))
    assert not only(RecordSettlement, bench.handle(market_settled(LOW, 0)))
    assert only(RecordSettlement, bench.handle(market_settled(LOW, 10_000)))


def test_an_amended_settlement_is_booked_again_with_what_it_pays_now() -> None:
    bench = Bench()
    bench.start()
    bench.handle(fills_listed(fill("t-1", "o-1", 1000)), market_settled(MIDDLE, 10_000))
    commands = bench.handle(market_settled(MIDDLE, 0), after=60_000)
    assert only(RecordSettlement, commands) == [settlement(MIDDLE, 0, 1000, 0, bench.now)]
    assert "market.settled" in notes(commands)


def test_a_reading_does_not_take_back_what_the_stream_has_just_amended() -> None:
    bench = Bench()
    bench.start()
    bench.handle(market_settled(MIDDLE, 10_000), market_settled(MIDDLE, 0))
    old = market_settled(MIDDLE, 10_000, read=True)
    assert not only(RecordSettlement, bench.handle(old, after=19_999))
    assert only(ReadListing, bench.handle(Woken(), after=1))
    commands = bench.handle(old)
    assert [booked.value for booked in only(RecordSettlement, commands)] == [10_000]


def test_a_settlement_that_becomes_final_is_booked_so_without_a_word() -> None:
    bench = Bench()
    bench.start()
    bench.handle(market_settled(MIDDLE, 10_000))
    commands = bench.handle(market_settled(MIDDLE, 10_000, final=True))
    assert only(RecordSettlement, commands) == [settlement(MIDDLE, 10_000, 0, 0, NOW, final=True)]
    assert not notes(commands)
    assert not only(RecordSettlement, bench.handle(market_settled(MIDDLE, 10_000, final=True)))


def test_what_is_settled_is_read_until_it_is_final() -> None:
    bench = Bench()
    bench.start()
    bench.handle(*(market_settled(ticker, 0) for ticker in TICKERS))
    assert listing_request(bench.engine.state) == ReadListing((EVENT,))
    bench.handle(*(market_settled(ticker, 0, final=True) for ticker in TICKERS))
    assert listing_request(bench.engine.state) == ReadListing(())


def test_a_fill_that_is_told_after_the_settlement_is_paid_out_once_it_is_listed() -> None:
    bench = Bench()
    bench.start()
    bench.handle(market_settled(MIDDLE, 10_000, final=True))
    late = fill("t-1", "o-1", 1000)
    assert not only(RecordSettlement, bench.handle(Filled(late)))
    commands = bench.handle(fills_listed(late))
    paid = settlement(MIDDLE, 10_000, 1000, 10_000_000, NOW, final=True)
    assert only(RecordSettlement, commands) == [paid]


def test_so_is_one_that_only_the_list_has_whether_the_stream_is_up_or_not() -> None:
    bench = Bench()
    bench.start()
    bench.handle(market_settled(MIDDLE, 10_000), StreamLost())
    commands = bench.handle(Reconciled((), (fill("t-1", "o-1", 1000),), None))
    assert only(RecordSettlement, commands) == [settlement(MIDDLE, 10_000, 1000, 10_000_000, NOW)]


def test_what_is_settled_is_neither_read_nor_asked_for_nor_quoted_any_more() -> None:
    bench = Bench()
    bench.rest()
    commands = bench.handle(*(market_settled(ticker, 0, final=True) for ticker in TICKERS))
    assert "order.abandoned" in notes(commands)
    assert bench.reason() == "settled"
    assert len(bench.engine.state.orders) == 0
    commands = bench.handle(Woken(), after=300_000)
    assert accounts_read(commands) == [ReadAccount((), shards=(0,))]
    assert only(ReadListing, commands) == [ReadListing(())]


def test_books_are_of_use_until_their_market_closes() -> None:
    bench = Bench()
    bench.start()
    assert bench.engine.state.unclosed(CLOSES - 1) == TICKERS
    assert bench.engine.state.unclosed(CLOSES) == ()


# Releases


def test_quotes_come_off_when_a_count_may_be_out_until_it_is_in_the_belief() -> None:
    bench = Bench()
    release = to_milliseconds(dt.datetime(2026, 11, 25, 6, 55, tzinfo=EASTERN))
    bench.now = release - 10
    bench.rest()
    assert bench.wake == release
    assert bench.cancelled_sides(bench.handle(Woken(), after=10)) == {"bid", "ask"}
    assert bench.reason() == "release_due"
    bench.handle(BeliefFormed(belief(known=2)))
    assert bench.reason() == ""


def test_on_a_holiday_weekend_a_count_is_waited_for_while_it_may_come() -> None:
    bench = Bench()
    opens = to_milliseconds(dt.datetime(2026, 11, 28, 6, 55, tzinfo=EASTERN))
    bench.now = opens - 10
    bench.start()
    bench.handle(BeliefFormed(belief(known=4)))
    for place in only(Place, bench.handle(book())):
        bench.handle(order_placed(place.client_id, f"o-{place.side}"))
    assert bench.wake == opens
    assert bench.cancelled_sides(bench.handle(Woken(), after=10)) == {"bid", "ask"}
    assert bench.reason() == "release_possible"
    bench.handle(BeliefFormed(belief(known=5)), after=60_000)
    assert bench.reason() == ""


def test_a_holiday_weekend_without_counts_is_quoted_again_when_none_will_come() -> None:
    bench = Bench()
    bench.now = to_milliseconds(dt.datetime(2026, 11, 29, 10, 29, tzinfo=EASTERN))
    bench.start()
    bench.handle(BeliefFormed(belief(known=5)), book())
    assert bench.reason() == "release_possible"
    bench.handle(Woken(), after=2_000)
    assert bench.wake == bench.now + 58_000
    assert len(only(Place, bench.handle(Woken(), after=58_000))) == 2


def test_a_count_that_the_operator_says_will_not_come_is_not_waited_for() -> None:
    bench = Bench()
    bench.now = to_milliseconds(dt.datetime(2026, 11, 28, 8, 0, tzinfo=EASTERN))
    bench.start()
    bench.handle(BeliefFormed(belief(known=4)), book())
    assert bench.reason() == "release_possible"
    bench.handle(CountsMissing((dt.date(2026, 11, 27),)))
    assert bench.reason() == ""
    # A day that has none is none of the days that Sunday's release would make known.
    sunday = dt.datetime(2026, 11, 29, 8, 0, tzinfo=EASTERN)
    bench.now = to_milliseconds(sunday)
    bench.handle(BeliefFormed(belief(known=5)))
    assert bench.reason() == ""


def test_a_settled_market_says_so_whatever_else_is_due() -> None:
    bench = Bench()
    bench.rest()
    bench.handle(market_settled(MIDDLE, 0), BeliefFormed(belief(known=0)))
    assert (bench.reason(MIDDLE), bench.reason(LOW)) == ("settled", "release_due")


def test_another_release_time_takes_effect_at_once() -> None:
    bench = Bench()
    bench.start()
    bench.handle(BeliefFormed(belief(known=0)))
    assert bench.reason() == "release_due"
    bench.handle(SettingsChanged(settings(counts={"earliest_release": "23:00:00"})))
    assert bench.reason() == "no_book"


def test_a_belief_is_noted_with_the_weeks_that_weigh_most_in_it() -> None:
    bench = Bench()
    bench.start()
    past = WeekWeight(Week(dt.date(2025, 11, 30)), 0.123456, 0.7, 0.9, 0.55555)
    formed = msgspec.structs.replace(belief(), heaviest=(past,))
    logged = only(Note, bench.handle(BeliefFormed(formed)))
    (line,) = (note for note in logged if note.name == "belief.updated")
    assert line.fields["heaviest"] == [
        {"week": "2025-11-30", "weight": 0.1235, "recent": 0.7, "season": 0.9, "alike": 0.556}
    ]


def test_a_belief_about_other_strikes_or_weeks_is_not_taken_up() -> None:
    bench = Bench()
    bench.rest()
    other = belief((0.5,), strikes=(2_500_000,))
    assert not notes(bench.handle(BeliefFormed(other)))


# Books


def test_a_corrupt_change_distrusts_and_repairs_the_book() -> None:
    bench = Bench()
    bench.rest()
    commands = bench.handle(book_changed(MIDDLE, "bid", 4000, -20_000))
    assert [repair.tickers for repair in only(RepairBooks, commands)] == [(MIDDLE,)]
    assert bench.cancelled_sides(commands) == {"bid", "ask"}
    assert bench.reason() == "no_book"
    assert not only(RepairBooks, bench.handle(book_changed(MIDDLE, "bid", 4000, -20_000)))


def test_a_changed_book_moves_the_quotes() -> None:
    bench = Bench()
    bench.rest()
    commands = bench.handle(book_changed(MIDDLE, "bid", 4400, 100), after=2_000)
    assert bench.cancelled_sides(commands) == {"bid"}


def test_distrusted_books_take_the_quotes_off_until_they_are_replaced() -> None:
    bench = Bench()
    bench.rest()
    commands = bench.handle(BooksDistrusted((MIDDLE, HIGH), "sequence gap"))
    assert bench.cancelled_sides(commands) == {"bid", "ask"}
    bench.handle(book())
    assert bench.reason() == ""


# Budget


def test_the_budget_is_what_the_exchange_says() -> None:
    bench = Bench()
    bench.start()
    budget = bench.engine.state.budget
    assert (budget.refill, budget.capacity, budget.cancel_cost) == (100.0, 1000.0, 2.0)
    assert not notes(bench.handle(LimitsRead(100.0, 1000.0, 10.0, 2.0, 10.0)))
    assert notes(bench.handle(LimitsRead(300.0, 600.0, 10.0, 2.0, 10.0))) == {"budget.read"}


def test_quotes_are_off_while_a_task_is_down() -> None:
    bench = Bench()
    bench.rest()
    assert bench.cancelled_sides(bench.handle(TasksDown(("poller",)))) == {"bid", "ask"}
    assert not only(Place, bench.handle(Woken(), after=60_000))
    assert "quotes.open" in notes(bench.handle(TasksDown(())))


def test_quotes_are_off_while_a_commit_is_overdue() -> None:
    bench = Bench()
    bench.rest()
    assert bench.cancelled_sides(bench.handle(LedgerBehind(behind=True))) == {"bid", "ask"}
    assert bench.reason() == "ledger_behind"
    assert not only(Place, bench.handle(Woken(), after=60_000))
    assert "quotes.open" in notes(bench.handle(LedgerBehind(behind=False)))


# Stopping


def test_stopping_cancels_reads_the_account_and_finishes_when_it_holds_nothing() -> None:
    bench = Bench()
    places = bench.rest()
    commands = bench.handle(Stopping())
    assert bench.cancelled_sides(commands) == {"bid", "ask"}
    assert not only(ReadAccount, commands)
    bench.handle(order_cancelled(places["bid"].client_id, 1000))
    commands = bench.handle(order_cancelled(places["ask"].client_id, 1000))
    assert accounts_read(commands) == [ReadAccount(TICKERS, shards=(0,))]
    assert only(StopConfirmed, bench.handle(Reconciled((), (), None)))


def test_stopping_with_no_orders_still_asks_the_exchange() -> None:
    bench = Bench()
    bench.start()
    assert accounts_read(bench.handle(Stopping())) == [ReadAccount(TICKERS, shards=(0,))]


def test_an_order_that_turns_up_at_the_end_is_cancelled_before_the_end() -> None:
    bench = Bench()
    places = bench.rest()
    bench.handle(Stopping())
    bench.handle(*(order_cancelled(place.client_id, 1000) for place in places.values()))
    bench.handle(OrderReported(report(places["bid"], "o-bid")))
    stray = msgspec.structs.replace(report(places["bid"], "o-7"), client_id="mmbot-earlier")
    commands = bench.handle(Reconciled((stray,), (), None))
    assert [cancel.order_id for cancel in only(Cancel, commands)] == ["o-7"]
    assert not only(StopConfirmed, commands)
    bench.handle(order_cancelled("mmbot-earlier", 1000))
    assert only(ReadAccount, bench.handle(Woken(), after=2_000))
    assert only(StopConfirmed, bench.handle(Reconciled((), (), None)))


def test_an_order_whose_place_is_still_unanswered_is_waited_for() -> None:
    bench = Bench()
    bench.quote()
    bench.handle(Stopping())
    assert not only(StopConfirmed, bench.handle(Reconciled((), (), None)))


def test_stopping_without_a_connection_still_finishes() -> None:
    bench = Bench()
    assert accounts_read(bench.handle(Stopping())) == [ReadAccount(())]
    assert only(StopConfirmed, bench.handle(Reconciled((), (), None)))


def test_the_end_is_asked_for_again_when_the_account_cannot_be_read() -> None:
    bench = Bench()
    bench.start()
    bench.handle(Stopping(), ReadingFailed("account", "no answer"))
    assert only(ReadAccount, bench.handle(Woken(), after=2_000))


# What cannot be


@pytest.mark.parametrize(
    "handler",
    [
        "_apply",
        "_apply_account",
        "_apply_operator",
        "_apply_process",
        "_listings.apply",
        "_market_data.stream_changed",
        "_order_groups.apply",
        "_order_groups._changed",
    ],
)
def test_what_is_no_event_is_refused(handler: str) -> None:
    bench = Bench()
    bench.rest()
    unknown: Any = SimpleNamespace(ticker=MIDDLE, group="g-0", news="renamed")
    handle = attrgetter(handler)(bench.engine)
    now = () if handler == "_market_data.stream_changed" else (bench.now,)
    with pytest.raises(AssertionError, match="renamed"):
        handle(unknown, *now)


def test_what_is_no_answer_to_a_write_is_refused() -> None:
    bench = Bench()
    place = bench.rest()["bid"]
    unknown: Any = SimpleNamespace(client_id=place.client_id)
    with pytest.raises(AssertionError, match="namespace"):
        bench.engine._orders.apply(unknown, bench.now)
