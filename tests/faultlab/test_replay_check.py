"""The bot of a simulated week can be replayed; one that depends on anything else is found."""

from __future__ import annotations

import random

import pytest

from mmbot.bot.bot import Bot
from mmbot.bot.inputs import BotInput
from mmbot.bot.outputs import Output
from mmbot.faultlab import campaign
from mmbot.faultlab.campaign import Job
from mmbot.faultlab.faults import named
from mmbot.trading.commands import Note
from mmbot.units import Milliseconds

ALL = named("all")


def test_every_session_of_a_week_is_replayed_identically_and_recording_changes_nothing() -> None:
    recorded, plain = (campaign.run(Job(7, ALL, replay=on)) for on in (True, False))
    assert recorded.violation is None
    assert recorded.restarts > 1
    assert recorded.replayed > 1_000
    assert recorded.digest == plain.digest
    assert plain.replayed == 0


def test_a_bot_that_depends_on_more_than_its_inputs_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    original, chance = Bot.handle, random.Random(1)

    def moody(bot: Bot, happened: BotInput, now: Milliseconds) -> list[Output]:
        outputs = original(bot, happened, now)
        return outputs if chance.random() < 0.5 else [*outputs, Note("mood", {})]

    monkeypatch.setattr(Bot, "handle", moody)
    violation = campaign.run(Job(7, (), replay=True)).violation
    assert violation is not None
    assert violation.invariant == "replay"
    assert "output" in violation.what


def test_a_seed_that_was_replayed_is_repeated_with_the_replay() -> None:
    assert Job(7, ("killed",), replay=True).command.endswith("--faults killed --replay")
