"""What the operator says takes effect at once, and lasts."""

from __future__ import annotations

import datetime as dt

import pytest

from mmbot.trading.commands import Cancel, Note, Place
from mmbot.trading.events import BeliefFormed, LimitsRead, ListingRead, Reconciled, StreamUp, Woken
from mmbot.trading.operator_events import (
    CountsMissing,
    Halted,
    MarketsPaused,
    Resumed,
    SettingsChanged,
)
from mmbot.underlying.calendar import EASTERN, to_milliseconds
from mmbot.units import ONE_CONTRACT
from tests.trading.builders import (
    LOW,
    MIDDLE,
    NOW,
    PLENTY,
    Bench,
    belief,
    book,
    event,
    group_ready,
    market,
    notes,
    only,
    order_cancelled,
    order_placed,
    reported,
    settings,
)

TUESDAY = dt.date(2026, 11, 24)
# The count of Tuesday may be out.
DUE = to_milliseconds(dt.datetime(2026, 11, 25, 6, 55, tzinfo=EASTERN))


def test_a_halt_takes_every_quote_off_and_shows_none_until_it_is_ended() -> None:
    bench = Bench()
    placed = bench.rest()
    halted = bench.handle(Halted(bench.now, "storm"))
    assert bench.cancelled_sides(halted) == {"bid", "ask"}
    assert "halted" in notes(halted)
    assert bench.reason() == "halted"
    assert bench.engine.state.service.halt_reason == "storm"
    for place in placed.values():
        assert not only(Place, bench.handle(order_cancelled(place.client_id, place.count)))
    assert not only(Place, bench.handle(book(), Woken(), after=60_000))
    assert len(only(Place, bench.handle(Resumed()))) == 2
    assert bench.reason() == ""


def test_a_pause_takes_one_markets_quotes_off_until_it_is_ended() -> None:
    bench = Bench()
    bench.rest()
    assert only(Place, bench.handle(book(LOW, 7000, 9000)))
    paused = bench.handle(MarketsPaused((MIDDLE, "elsewhere")))
    assert bench.cancelled_sides(paused) == {"bid", "ask"}
    assert {note.fields["market"] for note in only(Note, paused) if note.name == "market.paused"}
    assert (bench.reason(), bench.reason(LOW)) == ("paused_by_operator", "")
    for each in only(Cancel, paused):
        bench.handle(order_cancelled(each.client_id, 1000))
    again = bench.handle(MarketsPaused(("elsewhere",)))
    assert [note.fields for note in only(Note, again) if note.name == "market.unpaused"] == [
        {"market": MIDDLE}
    ]
    assert {place.ticker for place in only(Place, again)} == {MIDDLE}


def test_a_paused_market_is_known_as_such_before_anything_else_is() -> None:
    bench = Bench()
    bench.handle(MarketsPaused((MIDDLE,)))
    bench.start()
    assert bench.reason() == "paused_by_operator"


def test_an_order_that_is_on_its_way_when_the_halt_comes_is_cancelled_as_it_arrives() -> None:
    bench = Bench()
    places = bench.quote()
    assert not only(Cancel, bench.handle(Halted(bench.now)))
    arrived = bench.handle(order_placed(places["bid"].client_id, "o-bid"))
    assert bench.cancelled_sides(arrived) == {"bid"}


def test_orders_of_an_earlier_session_are_not_spared_by_a_start_that_is_halted() -> None:
    bench = Bench()
    left = reported("mmbot-before-1", "o-left", remaining=ONE_CONTRACT)
    bench.handle(Halted(NOW - 1_000), StreamUp(), LimitsRead(100.0, 1000.0, 10.0, 2.0, 10.0))
    bench.handle(ListingRead("", (event(market()),)), group_ready())
    assert bench.cancelled_sides(bench.handle(Reconciled((left,), (), {0: PLENTY}))) == {"left"}


def test_a_count_that_will_not_come_is_waited_for_no_more() -> None:
    bench = Bench()
    bench.now = DUE
    bench.quote()
    assert bench.reason() == "release_due"
    assert len(only(Place, bench.handle(CountsMissing((TUESDAY,))))) == 2
    assert bench.reason() == ""


def test_the_next_count_is_waited_for_all_the_same() -> None:
    bench = Bench()
    bench.now = DUE
    bench.quote()
    bench.handle(CountsMissing((TUESDAY,)))
    wednesday_due = DUE + 86_400_000
    bench.handle(Woken(), after=wednesday_due - DUE)
    assert bench.reason() == "release_due"
    bench.handle(BeliefFormed(belief(known=2)))
    assert bench.reason() == ""


@pytest.mark.parametrize("known", [1, 2])
def test_a_count_that_comes_after_all_is_waited_for_until_it_is_in_the_belief(known: int) -> None:
    bench = Bench()
    bench.now = DUE
    bench.quote()
    bench.handle(CountsMissing((TUESDAY,)))
    bench.handle(CountsMissing(()))
    assert bench.reason() == "release_due"
    bench.handle(BeliefFormed(belief(known=known)))
    assert bench.reason() == ("release_due" if known == 1 else "")


def test_an_event_that_is_listed_later_knows_of_the_missing_count() -> None:
    bench = Bench()
    bench.now = DUE
    bench.handle(CountsMissing((TUESDAY,)))
    bench.quote()
    assert bench.reason() == ""


def test_settings_that_are_equal_ask_for_nothing() -> None:
    bench = Bench()
    bench.rest()
    assert bench.handle(SettingsChanged(settings())) == []
