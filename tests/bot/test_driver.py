"""Inputs are handled one by one, and outputs executed in order, whatever they bring about."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from mmbot.bot.driver import Driver, execute
from mmbot.bot.inputs import BotInput, ForecastFitted, FrameReceived, StreamOpened, TimerFired
from mmbot.bot.outputs import Output
from mmbot.trading.commands import Note, WakeAt
from tests.bot.builders import NOW, Forecasts, World


class Scripted:
    """A bot that answers each input from a script."""

    def __init__(self, script: Callable[[BotInput], list[Output]]) -> None:
        self.script = script
        self.handled: list[tuple[BotInput, int]] = []

    def handle(self, happened: BotInput, now: int) -> list[Output]:
        self.handled.append((happened, now))
        return self.script(happened)


def notes(*names: str) -> list[Output]:
    return [Note(name, {}) for name in names]


def frame(text: str) -> FrameReceived:
    return FrameReceived(text)


def scripted(happened: BotInput) -> list[Output]:
    assert isinstance(happened, FrameReceived)
    return notes(f"{happened.frame!s} 1", f"{happened.frame!s} 2")


def test_an_input_that_an_output_brings_about_waits_until_all_outputs_are_executed() -> None:
    executed: list[str] = []
    bot = Scripted(scripted)

    def run(output: Output) -> None:
        assert isinstance(output, Note)
        executed.append(output.name)
        if output.name == "a 1":
            driver.handle(frame("b"))
            driver.handle(frame("c"))

    driver = Driver(bot.handle, lambda: NOW, run)
    driver.handle(frame("a"))
    assert executed == ["a 1", "a 2", "b 1", "b 2", "c 1", "c 2"]


def test_the_outputs_of_a_step_are_told_before_any_is_executed() -> None:
    events: list[object] = []

    def decided(outputs: Sequence[Output], now: int) -> None:
        events.append((len(outputs), now))

    driver = Driver(Scripted(scripted).handle, lambda: NOW, events.append, decided)
    driver.handle(frame("a"))
    assert events == [(2, NOW), *notes("a 1", "a 2")]


def test_nothing_follows_a_step_that_failed() -> None:
    bot = Scripted(scripted)

    def run(output: Output) -> None:
        driver.handle(frame("later"))
        raise OSError("the disk is full")

    driver = Driver(bot.handle, lambda: NOW, run)
    with pytest.raises(OSError, match="full"):
        driver.handle(frame("a"))
    assert bot.handled == [(frame("a"), NOW)]


def test_each_step_has_the_time_at_which_it_begins() -> None:
    times = iter((1, 2, 3))
    bot = Scripted(lambda _: [])
    driver = Driver(bot.handle, lambda: next(times), print)
    for _ in range(3):
        driver.handle(TimerFired())
    assert [now for _, now in bot.handled] == [1, 2, 3]


def test_a_belief_that_a_step_of_the_engine_asks_for_comes_after_what_the_step_has_to_say() -> None:
    world = World()
    executed: list[Output] = []
    driver = Driver(world.bot.handle, lambda: world.now, executed.append)
    driver.handle(ForecastFitted(Forecasts(), None))
    driver.handle(StreamOpened())
    position = 0
    while position < len(executed):
        for answer in world.inputs(executed[position]):
            driver.handle(answer)
        position += 1
    names = [output.name for output in executed if isinstance(output, Note)]
    assert names.index("event.listed") < names.index("belief.updated")
    blocked = [
        output
        for output in executed
        if isinstance(output, Note) and output.name == "quotes.blocked"
    ]
    assert blocked[0].fields["reason"] != "no_belief"


class Log:
    """An executor that keeps what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, object]] = []

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *values: self.asked.append((name, *values))


def test_an_output_is_executed_by_the_method_for_its_kind() -> None:
    log = Log()
    note = Note("said", {})
    execute(WakeAt(7), log)
    execute(note, log)
    assert log.asked == [("set_timer", 7), ("log", note)]
