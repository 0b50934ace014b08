from __future__ import annotations

from mmbot.bot.steady_clock import SteadyClock

HOUR_MS = 3_600_000


class Machine:
    def __init__(self) -> None:
        self.wall, self.elapsed = 1_000_000_000_000, 5_000
        self.clock = SteadyClock(lambda: self.wall, lambda: self.elapsed)

    def wait(self, milliseconds: int) -> None:
        self.wall += milliseconds
        self.elapsed += milliseconds


def test_a_step_of_the_machines_clock_moves_nothing_and_is_reported() -> None:
    machine = Machine()
    machine.wait(500)
    machine.wall += HOUR_MS
    assert machine.clock.now() == 1_000_000_000_500
    assert machine.clock.compared().off
    machine.wall -= HOUR_MS
    assert not machine.clock.compared().off


def test_it_stays_where_the_exchange_agrees_with_it() -> None:
    machine = Machine()
    machine.wall += HOUR_MS
    now = machine.clock.now()
    assert machine.clock.correct(now - 300, now - 20, now) == "none"
    assert machine.clock.now() == now


def test_it_follows_the_machines_clock_forwards_where_the_exchange_agrees_with_that() -> None:
    machine = Machine()
    sent = machine.clock.now()
    machine.wall += HOUR_MS
    assert machine.clock.correct(machine.wall - 300, sent, machine.clock.now()) == "anchored"
    assert machine.clock.now() == machine.wall


def test_it_is_set_back_by_seconds_but_not_by_more_than_a_minute() -> None:
    machine = Machine()
    sent = machine.clock.now()
    machine.wall -= 5_000
    assert machine.clock.correct(machine.wall - 300, sent, sent) == "anchored"
    sent = machine.clock.now()
    machine.wall -= 61_000
    assert machine.clock.correct(machine.wall - 300, sent, sent) == "refused"


def test_where_neither_clock_agrees_with_the_exchange_nothing_is_followed() -> None:
    machine = Machine()
    sent = machine.clock.now()
    machine.wall += HOUR_MS
    assert machine.clock.correct(sent + 2 * HOUR_MS, sent, sent) == "none"
