from __future__ import annotations

import pytest

from mmbot.trading.commands import (
    Cancel,
    EnsureGroup,
    Note,
    Place,
    QueryOrder,
    ReadListing,
    ResetGroup,
)
from mmbot.trading.events import (
    BeliefFormed,
    GroupChanged,
    GroupUnavailable,
    InputEvent,
    ListingRead,
    OrderReported,
    Reconciled,
    StreamUp,
    Woken,
    WriteRefused,
)
from mmbot.trading.operator_events import SettingsChanged, Stopping
from mmbot.units import Count
from tests.trading.builders import (
    CAP,
    HIGH,
    MIDDLE,
    PLENTY,
    Bench,
    belief,
    book,
    event,
    group_ready,
    market,
    notes,
    only,
    order_placed,
    report,
    settings,
)


def listed(bench: Bench) -> list[EnsureGroup]:
    return only(EnsureGroup, bench.handle(StreamUp(), ListingRead("", (bench.listed,))))


def triggered(bench: Bench) -> None:
    bench.rest()
    bench.handle(GroupChanged("g-0", "triggered"))


def test_a_shard_with_markets_gets_a_group_with_the_configured_cap() -> None:
    bench = Bench(limits={"contracts_per_15_seconds": 40})
    assert listed(bench) == [EnsureGroup(0, Count(4000))]


def test_a_group_is_asked_for_once_at_a_time() -> None:
    bench = Bench()
    listed(bench)
    assert not only(EnsureGroup, bench.handle(ListingRead("", (bench.listed,)), Woken()))


def test_each_shard_has_a_group_of_its_own() -> None:
    bench = Bench()
    bench.listed = event(market(MIDDLE), market(HIGH, shard=2))
    assert {request.shard for request in listed(bench)} == {0, 2}


def test_nothing_is_quoted_without_a_group_and_every_order_is_in_it() -> None:
    bench = Bench()
    listed(bench)
    bench.handle(Reconciled((), (), {0: PLENTY}), BeliefFormed(belief()))
    assert not only(Place, bench.handle(book()))
    assert bench.reason() == "no_group"
    places = only(Place, bench.handle(group_ready(0, "g-7", CAP), Woken(), after=250))
    assert {place.group for place in places} == {"g-7"}


def test_a_group_that_could_not_be_had_is_asked_for_again_after_a_while() -> None:
    bench = Bench()
    listed(bench)
    commands = bench.handle(GroupUnavailable(0, "no answer"))
    assert notes(commands) == {"group.not_secured"}
    assert not only(EnsureGroup, bench.handle(Woken(), after=1_999))
    assert only(EnsureGroup, bench.handle(Woken(), after=1))


def test_a_group_that_is_triggered_takes_every_quote_off_and_none_is_cancelled_again() -> None:
    bench = Bench()
    bench.rest()
    commands = bench.handle(GroupChanged("g-0", "triggered"))
    assert "group.triggered" in notes(commands)
    assert bench.reason() == "group_triggered"
    assert not only(Cancel, commands)
    # What each had filled is asked at once; the stream may say it first.
    assert {look_up.order_id for look_up in only(QueryOrder, commands)} == {"o-bid", "o-ask"}


def test_orders_of_a_triggered_group_are_over_when_the_exchange_says_so() -> None:
    bench = Bench()
    places = bench.rest()
    bench.handle(GroupChanged("g-0", "triggered"))
    for side, place in places.items():
        bench.handle(OrderReported(report(place, f"o-{side}", status="ended")))
    assert len(bench.engine.state.orders) == 0
    assert not only(Place, bench.handle(book()))


def test_a_triggered_group_is_reset_after_a_pause_and_quoted_in_again() -> None:
    bench = Bench()
    places = bench.rest()
    bench.handle(GroupChanged("g-0", "triggered"))
    for side, place in places.items():
        bench.handle(OrderReported(report(place, f"o-{side}", status="ended")))
    assert not only(ResetGroup, bench.handle(Woken(), after=59_999))
    assert only(ResetGroup, bench.handle(Woken(), after=1)) == [ResetGroup(0, "g-0")]
    assert bench.reason() == "group_triggered"
    commands = bench.handle(GroupChanged("g-0", "reset"))
    assert "group.reset" in notes(commands)
    assert {place.side for place in only(Place, commands)} == {"bid", "ask"}


def test_a_reset_that_failed_is_tried_again() -> None:
    bench = Bench()
    triggered(bench)
    bench.handle(Woken(), after=60_000)
    bench.handle(GroupUnavailable(0, "no answer"))
    assert only(ResetGroup, bench.handle(Woken(), after=2_000)) == [ResetGroup(0, "g-0")]


def test_a_place_that_is_refused_because_of_the_group_triggers_it() -> None:
    bench = Bench()
    places = bench.quote()
    bench.handle(order_placed(places["ask"].client_id, "o-ask"))
    commands = bench.handle(WriteRefused(places["bid"].client_id, "place", "group_triggered", ""))
    assert "group.triggered" in notes(commands)
    assert bench.reason() == "group_triggered"
    assert [look_up.order_id for look_up in only(QueryOrder, commands)] == ["o-ask"]


def test_a_trigger_is_logged_once() -> None:
    bench = Bench()
    triggered(bench)
    assert "group.triggered" not in notes(bench.handle(GroupChanged("g-0", "triggered")))


def test_a_reset_by_somebody_else_needs_no_other() -> None:
    bench = Bench()
    triggered(bench)
    bench.handle(GroupChanged("g-0", "reset"))
    assert not only(ResetGroup, bench.handle(Woken(), after=60_000))
    assert "group.reset" not in notes(bench.handle(GroupChanged("g-0", "reset")))


def test_a_group_that_is_deleted_is_replaced() -> None:
    bench = Bench()
    bench.rest()
    commands = bench.handle(GroupChanged("g-0", "deleted"))
    assert "group.gone" in notes(commands)
    assert only(EnsureGroup, commands)
    assert len(only(QueryOrder, commands)) == 2


@pytest.mark.parametrize("news", ["triggered", "deleted", "reset"])
def test_groups_of_others_are_ignored(news: str) -> None:
    bench = Bench()
    bench.rest()
    changed = GroupChanged("another", "deleted" if news == "deleted" else "triggered")
    assert bench.handle(changed) == []


def test_a_place_that_was_not_found_has_market_and_group_checked() -> None:
    bench = Bench()
    place = bench.quote()["bid"]
    commands = bench.handle(WriteRefused(place.client_id, "place", "not_found", ""))
    assert only(ReadListing, commands)
    assert only(EnsureGroup, commands)
    # The same group is no news, another one is.
    assert "group.secured" not in notes(bench.handle(group_ready()))
    assert "group.secured" in notes(bench.handle(group_ready(0, "g-1", CAP)))


def test_two_places_that_were_not_found_have_the_group_checked_once() -> None:
    bench = Bench()
    refusals = [WriteRefused(p.client_id, "place", "not_found", "") for p in bench.quote().values()]
    assert len(only(EnsureGroup, bench.handle(*refusals))) == 1


def test_another_cap_needs_another_group() -> None:
    bench = Bench()
    bench.rest()
    commands = bench.handle(SettingsChanged(settings(limits={"contracts_per_15_seconds": 33})))
    assert only(EnsureGroup, commands) == [EnsureGroup(0, Count(3300))]
    assert not only(EnsureGroup, bench.handle(SettingsChanged(bench.engine.state.settings)))


def capped(contracts: int) -> SettingsChanged:
    return SettingsChanged(settings(limits={"contracts_per_15_seconds": contracts}))


def test_a_group_that_was_asked_for_before_the_cap_changed_is_not_taken() -> None:
    bench = Bench()
    listed(bench)
    assert only(EnsureGroup, bench.handle(capped(33))) == [EnsureGroup(0, Count(3300))]
    assert "group.secured" not in notes(bench.handle(group_ready()))
    assert bench.engine.state.shard(0).group == ""
    assert "group.secured" in notes(bench.handle(group_ready(0, "g-1", 3300)))


def test_a_cap_that_changed_and_changed_back_takes_the_first_group() -> None:
    bench = Bench()
    listed(bench)
    bench.handle(capped(33), capped(CAP // 100))
    assert "group.secured" in notes(bench.handle(group_ready()))


@pytest.mark.parametrize("change", [capped(33), GroupChanged("g-0", "deleted")])
def test_a_group_is_had_whatever_became_of_the_reset_of_the_last(change: InputEvent) -> None:
    bench = Bench()
    triggered(bench)
    assert only(ResetGroup, bench.handle(Woken(), after=60_000))
    assert only(EnsureGroup, bench.handle(change, GroupChanged("g-0", "deleted")))


def test_a_bot_that_stops_needs_no_group_any_more() -> None:
    bench = Bench()
    listed(bench)
    bench.handle(Stopping(), GroupUnavailable(0, "no answer"))
    assert not only(EnsureGroup, bench.handle(Woken(), after=2_000))


def test_the_line_in_the_log_says_how_long_the_pause_is() -> None:
    bench = Bench()
    bench.rest()
    commands = bench.handle(GroupChanged("g-0", "triggered"))
    (line,) = (note for note in only(Note, commands) if note.name == "group.triggered")
    assert (line.level, line.fields["cap"], line.fields["pause_seconds"]) == ("warning", 100, 60)
