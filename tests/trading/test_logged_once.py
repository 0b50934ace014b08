"""A line is written for what happened, once."""

from __future__ import annotations

from mmbot.trading.commands import Note
from mmbot.trading.events import (
    OrderAbsent,
    OrderQueryFailed,
    OrderReported,
    ReadingFailed,
    Reconciled,
    WriteUnknown,
)
from tests.trading.builders import Bench, fill, notes, only, reported


def test_fills_that_an_earlier_session_recorded_are_one_line() -> None:
    bench = Bench()
    known, other = fill("t-1", "o-1", 400), fill("t-2", "o-1", 100)
    bench.engine.state.recorded = (known,)
    commands = bench.start()
    commands += bench.handle(Reconciled((), (known, other), None))
    lines = only(Note, commands)
    (restored,) = (line for line in lines if line.name == "fills.restored")
    (new,) = (line for line in lines if line.name == "fill")
    assert restored.fields["fills"] == 1
    assert new.fields["trade_id"] == "t-2"


def test_look_ups_that_fail_are_a_line_at_the_beginning_and_one_at_the_end() -> None:
    bench = Bench()
    place = bench.quote()["bid"]
    bench.handle(WriteUnknown(place.client_id, "place", ""))
    failed = OrderQueryFailed(place.client_id, "500")
    assert "order.look_up_failed" in notes(bench.handle(failed))
    assert "order.look_up_failed" not in notes(bench.handle(failed))
    (end,) = (
        line
        for line in only(Note, bench.handle(OrderAbsent(place.client_id)))
        if line.name == "order.look_up_answered"
    )
    assert end.fields == {"failed": 2, "orders": 1}
    answered = OrderReported(reported(place.client_id), queried=True)
    assert "order.look_up_answered" not in notes(bench.handle(answered))


def test_readings_that_fail_are_a_line_at_the_beginning_and_one_at_the_end() -> None:
    bench = Bench()
    bench.rest()
    assert "account.not_read" in notes(bench.handle(ReadingFailed("account", "503")))
    assert "account.not_read" not in notes(bench.handle(ReadingFailed("account", "503")))
    assert "account.read_again" in notes(bench.handle(Reconciled((), (), None)))
