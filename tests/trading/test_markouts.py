"""Views of markets are recorded at their time, or not at all."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import pytest

from mmbot.trading import markouts as module
from mmbot.trading.commands import (
    Command,
    MarketSample,
    MarketView,
    Markout,
    RecordFill,
    RecordViews,
)
from mmbot.trading.events import (
    BeliefFormed,
    BooksDistrusted,
    FeedLagged,
    Filled,
    ListingRead,
    MarketClosing,
    Reconciled,
    StreamUp,
    Woken,
)
from tests.trading.builders import CLOSES, HIGH, LOW, MIDDLE, NOW, Bench, belief, book, fill, only

# 06:55 on Wednesday: from then on Tuesday's count may be out.
RELEASE = NOW + 18 * 3_600_000 + 55 * 60_000


def markouts(commands: Iterable[Command]) -> list[Markout]:
    return [markout for each in only(RecordViews, commands) for markout in each.markouts]


def samples(commands: Iterable[Command]) -> list[MarketSample]:
    return [sample for each in only(RecordViews, commands) for sample in each.samples]


def bench_with_fill() -> Bench:
    """A market shown at 40 to 60, believed at one half, bought at 41."""
    bench = Bench()
    bench.rest()
    bench.handle(Filled(fill("t-1", "o-bid", 300)))
    return bench


def test_a_fill_is_recorded_with_the_view_at_its_time() -> None:
    bench = Bench(quoting={"belief_weight": [0.5] * 5})
    bench.start()
    bench.handle(book(bid=5500, ask=6500), after=300)
    bench.handle(Woken(), after=300)
    (booked,) = only(RecordFill, bench.handle(Filled(fill("t-1", "o-1", 300))))
    assert (booked.view.belief, booked.view.mid) == (0.5, 0.6)
    # Half-way between the log-odds of 0.5 and of 0.6.
    assert booked.view.fair == pytest.approx(0.5505, abs=1e-4)


def test_the_midpoint_of_a_fill_leaves_our_own_orders_out() -> None:
    bench = Bench()
    places = bench.rest()
    ours = places["bid"]
    tight = book(bid=4500, ask=5400)
    bench.handle(msgspec.structs.replace(tight, bids=(*tight.bids, (ours.price, ours.count))))
    (booked,) = only(RecordFill, bench.handle(Filled(fill("t-1", "o-ask", 100, 5900, "ask"))))
    assert booked.view.mid == pytest.approx(0.495)


def test_a_fill_that_was_reported_late_has_no_view() -> None:
    bench = Bench()
    bench.rest()
    commands = bench.handle(Filled(fill("t-1", "o-bid", 300)), after=5_001)
    assert [each.view for each in only(RecordFill, commands)] == [MarketView()]
    assert not markouts(bench.handle(Woken(), after=1_000))


def test_a_fill_reported_after_a_restart_is_recorded_with_the_days_published_at_its_time() -> None:
    bench = Bench()
    bench.handle(StreamUp(), ListingRead("", (bench.listed,)))
    commands = bench.handle(Reconciled((), (fill("t-1", "o-1", 300),), {}), after=RELEASE - NOW)
    # On Tuesday noon Monday was known, on Wednesday morning this session has no belief yet.
    assert [each.days_published for each in only(RecordFill, commands)] == [1]


def test_a_fill_has_markouts_after_a_second_and_after_a_minute() -> None:
    bench = bench_with_fill()
    assert bench.wake is not None
    assert bench.wake <= NOW + 1_000
    assert not markouts(bench.handle(Woken(), after=999))
    (second,) = markouts(bench.handle(book(bid=4800, ask=5000), Woken(), after=1))
    assert second == Markout("t-1", "o-bid", "1s", NOW + 1_000, MarketView(0.5, 0.49, 0.5))
    (minute,) = markouts(bench.handle(book(bid=4400, ask=4600), Woken(), after=59_000))
    assert (minute.horizon, minute.view.mid) == ("1min", 0.45)


def test_a_markout_that_could_not_be_taken_in_time_is_never_made_up() -> None:
    bench = bench_with_fill()
    assert not markouts(bench.handle(Woken(), after=2_001))
    assert not markouts(bench.handle(Woken(), after=1_000))


def test_a_markout_is_not_taken_from_a_book_that_is_not_trusted() -> None:
    bench = bench_with_fill()
    bench.handle(BooksDistrusted((MIDDLE,), "gap"))
    assert not markouts(bench.handle(Woken(), after=1_000))


def test_no_view_is_taken_while_the_feed_is_late() -> None:
    bench = bench_with_fill()
    commands = bench.handle(book(bid=4600, ask=5400), FeedLagged(9_000, late=True), Woken())
    commands += bench.handle(Woken(), after=1_000)
    assert not only(RecordViews, commands)


def test_a_markout_is_not_taken_once_the_market_has_closed() -> None:
    bench = bench_with_fill()
    bench.handle(MarketClosing(MIDDLE, NOW + 500))
    assert not markouts(bench.handle(Woken(), after=1_000))


def test_a_fill_has_a_markout_a_minute_after_the_next_count_is_known() -> None:
    bench = bench_with_fill()
    assert not markouts(bench.handle(BeliefFormed(belief((0.9, 0.6, 0.3), known=1)), Woken()))
    bench.handle(BeliefFormed(belief((0.9, 0.7, 0.3), known=2)), after=RELEASE - NOW)
    assert not markouts(bench.handle(book(bid=6000, ask=6200), Woken(), after=59_999))
    (markout,) = markouts(bench.handle(Woken(), after=1))
    assert (markout.horizon, markout.view.belief, markout.view.mid) == ("release", 0.7, 0.61)
    assert markout.view.fair == pytest.approx(0.7)


def test_after_the_last_release_before_the_close_no_other_is_waited_for() -> None:
    bench = Bench()
    bench.rest()
    bench.handle(MarketClosing(MIDDLE, RELEASE - 1))
    bench.handle(Filled(fill("t-1", "o-bid", 300)))
    bench.handle(BeliefFormed(belief(known=2)))
    assert not [each for each in markouts(bench.handle(Woken(), after=60_000)) if
                each.horizon == "release"]  # fmt: skip


def test_a_fill_whose_next_count_never_came_is_dropped_after_the_close() -> None:
    bench = bench_with_fill()
    awaiting = bench.engine._markouts._awaiting_count
    bench.handle(BeliefFormed(belief(known=1)))
    assert len(awaiting) == 1
    bench.handle(BeliefFormed(belief(known=1)), after=CLOSES - NOW)
    assert not awaiting


def test_no_more_markouts_are_waited_for_than_there_is_room_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_MOST_PENDING", 1)
    bench = bench_with_fill()
    assert len(markouts(bench.handle(Woken(), after=1_000))) == 1
    assert not markouts(bench.handle(Woken(), after=59_000))


def test_a_market_is_sampled_once_at_the_first_two_sided_book() -> None:
    bench = Bench()
    bench.start()
    assert not samples(bench.handle(Woken()))
    shown = samples(bench.handle(book(bid=4600, ask=5400), Woken(), after=1_000))
    assert shown == [MarketSample(MIDDLE, 1, "first", NOW + 1_000, MarketView(0.5, 0.5, 0.5))]
    assert not samples(bench.handle(book(bid=4700, ask=5400), Woken(), after=1_000))
    bench.handle(BeliefFormed(belief(known=2)))
    assert [each.days_published for each in samples(bench.handle(Woken(), after=1_000))] == [2]


def test_every_market_is_sampled_just_before_the_next_count_may_be_out() -> None:
    bench = Bench()
    bench.start()
    bench.handle(*(book(ticker, 4600, 5400) for ticker in (LOW, MIDDLE, HIGH)), Woken())
    assert not samples(bench.handle(Woken(), after=RELEASE - 2_001 - NOW))
    last = samples(bench.handle(Woken(), after=1))
    assert {(each.ticker, each.moment) for each in last} == {
        (ticker, "last") for ticker in (LOW, MIDDLE, HIGH)
    }


def test_nothing_is_sampled_between_a_release_and_its_count() -> None:
    bench = Bench()
    bench.start()
    bench.handle(book(bid=4600, ask=5400), after=RELEASE - NOW)
    assert not samples(bench.handle(Woken()))


def test_the_engine_wakes_for_the_first_view_of_a_market_that_has_a_mid_at_last() -> None:
    bench = Bench()
    bench.start()
    bench.handle(Woken(), after=10_000)
    bench.handle(book(LOW, 7_800, 8_200))
    assert bench.wake == bench.now + 1_000
    # Another waking, for which it is too early, leaves it to be woken.
    bench.handle(Woken(), after=500)
    bench.handle(Woken(), after=400)
    assert bench.wake is not None
    assert bench.wake <= bench.now + 1_000
    taken = samples(bench.handle(Woken(), after=bench.wake - bench.now))
    assert [(each.ticker, each.moment) for each in taken] == [(LOW, "first")]


def test_the_engine_wakes_for_the_last_view() -> None:
    bench = Bench()
    bench.start()
    bench.handle(Woken(), after=RELEASE - 30_000 - NOW)
    wakes = []
    while bench.now < RELEASE - 2_000:
        assert bench.wake is not None
        bench.handle(Woken(), after=bench.wake - bench.now)
        wakes.append(bench.now)
    assert RELEASE - 2_000 in wakes
