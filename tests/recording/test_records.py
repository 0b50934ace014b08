"""A bot's inputs and outputs survive the way into bytes and back, and no secret goes with them."""

from __future__ import annotations

import msgspec
import pytest

from mmbot import config
from mmbot.bot.bot import Bot
from mmbot.bot.inputs import (
    CallAnswered,
    CountsGivenUp,
    EventOccurred,
    EventsHeld,
    FrameReceived,
    PageFetched,
    StreamClosed,
    StreamOpened,
    TimerFired,
)
from mmbot.bot.outputs import Output
from mmbot.errors import BadInput
from mmbot.kalshi.gateway import Call
from mmbot.kalshi.http import HttpAnswer, HttpRequest
from mmbot.recording.records import (
    FitRecord,
    FrameRecord,
    HistoryRecord,
    Record,
    SessionRecord,
    apart,
    encode,
    encode_outputs,
    join,
    recorded,
    split,
)
from mmbot.trading.commands import Note, WakeAt
from mmbot.trading.operator_events import SettingsChanged
from tests.kalshi.builders import SIGNER
from tests.recording.builders import NOW, SETTINGS, begin, live, session

SECRETIVE = config.parse(
    '[credentials]\nkey_id = "key-of-mine"\nprivate_key_path = "/home/me/key.pem"\n'
    "[counts]\nfirst_year = 2026\n"
    '[state]\ndirectory = "/home/me/state"\n[quoting]\nmargin = 0.17\n',
    "here",
)


def read(records: list[bytes]) -> list[object]:
    return [record.what for record in split(join(records))]


def test_every_kind_of_input_is_recorded_in_order() -> None:
    assert [type(what) for what in read(session())] == [
        SessionRecord,
        EventsHeld,
        HistoryRecord,
        PageFetched,
        FitRecord,
        EventOccurred,
        CountsGivenUp,
        StreamOpened,
        *[FrameRecord] * 4,
        CallAnswered,
        PageFetched,
        TimerFired,
        EventOccurred,
        StreamClosed,
    ]


def test_what_the_forecaster_answered_is_recorded_with_the_input_that_asked() -> None:
    forecasts = [record.forecasts for record in split(join(session()))]
    # Sunday's count is known; Monday's has to be judged.
    assert [each for each in forecasts if each] == [(2.5,)]


@pytest.mark.parametrize("answer", [None, HttpAnswer(200, b"{}", (("date", "now"),))])
def test_an_answer_is_read_as_it_was_written(answer: HttpAnswer | None) -> None:
    answered = CallAnswered(7, answer)
    assert split(join([encode(answered, NOW, encode_outputs(()), ["no", 1.5])])) == [
        Record(answered, NOW, msgspec.Raw(b"\x90"), ("no", 1.5))
    ]


def test_a_frame_of_text_is_a_frame_of_bytes() -> None:
    assert recorded(FrameReceived("{}")) == recorded(FrameReceived(b"{}")) == FrameRecord(b"{}")


def test_a_call_is_the_same_whatever_signs_it() -> None:
    def call(*headers: tuple[str, str]) -> Call:
        return Call(1, HttpRequest("GET", "/a", (), headers, b"{}"))

    assert encode_outputs([call(("a", "1"))]) == encode_outputs([call(("b", "2"))])


@pytest.mark.parametrize(
    "request_",
    [
        HttpRequest("PUT", "/a", (("q", "1"),), (), b"{}"),
        HttpRequest("GET", "/b", (("q", "1"),), (), b"{}"),
        HttpRequest("GET", "/a", (("q", "2"),), (), b"{}"),
        HttpRequest("GET", "/a", (("q", "1"),), (), b"[]"),
    ],
)
def test_another_call_is_another(request_: HttpRequest) -> None:
    one = Call(1, HttpRequest("GET", "/a", (("q", "1"),), (), b"{}"))
    assert encode_outputs([one]) != encode_outputs([Call(1, request_)])


@pytest.mark.parametrize("odd", [10**30, "\ud800"])
def test_what_no_message_can_carry_is_recorded_all_the_same(odd: object) -> None:
    outputs: list[Output] = [Note("odd", {"value": odd}), WakeAt(NOW)]
    assert encode_outputs(outputs) == encode_outputs(outputs)
    assert str(NOW).encode() in encode_outputs(outputs)


def test_neither_key_nor_signature_nor_place_is_recorded() -> None:
    records: list[bytes] = []
    bot = begin(records.append, SECRETIVE)
    live(bot)
    bot.handle(EventOccurred(SettingsChanged(SECRETIVE)), NOW + 4_000)
    everything = join(records)
    assert b"/portfolio/" in everything or b"/exchange/" in everything
    for secret in (b"KALSHI-ACCESS", b"key-of-mine", b"/home/me", SIGNER.key_id.encode()):
        assert secret not in everything


def test_the_settings_that_decide_are_recorded_and_in_force() -> None:
    records: list[bytes] = []
    bot = begin(records.append, SECRETIVE)
    (begun,) = read(records)
    assert isinstance(begun, SessionRecord)
    assert begun.settings.quoting.margin == 0.17
    assert bot.engine.state.settings == begun.settings


def test_a_session_from_before_a_key_is_read_as_it_quoted() -> None:
    message = msgspec.msgpack.decode(join(session()))
    (_, settings, *_), *_ = message[0]
    for key in ("market_sharpness", "longshot_edge_cents"):
        del settings["quoting"][key]
    begun = split(msgspec.msgpack.encode(message))[0].what
    assert isinstance(begun, SessionRecord)
    assert begun.settings.quoting.market_sharpness == 1.0
    assert begun.settings.quoting.longshot_edge_cents == (0.0,) * 5
    assert config.differences(begun.settings, SETTINGS) == (
        "quoting.longshot_edge_cents",
        "quoting.market_sharpness",
    )


def test_a_session_is_read_with_the_keys_that_it_has() -> None:
    begun = split(join(session()))[0].what
    assert isinstance(begun, SessionRecord)
    assert begun.settings == SETTINGS


def test_the_input_at_which_a_bot_fails_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> list[Output]:
        raise KeyError("gone")

    records: list[bytes] = []
    bot = begin(records.append)
    monkeypatch.setattr(Bot, "handle", fail)
    with pytest.raises(KeyError):
        bot.handle(TimerFired(), NOW)
    (record,) = split(join(records[1:]))
    assert (record.what, record.now) == (TimerFired(), NOW)
    (output,) = apart(record.outputs)
    assert msgspec.msgpack.decode(output) == {"type": "Failed", "error": "KeyError('gone')"}


@pytest.mark.parametrize("message", [b"", b"\xdd\0\0\0\1", b"\x91\x01", b"\xc0"])
def test_what_is_no_message_of_records_is_refused_in_a_sentence(message: bytes) -> None:
    with pytest.raises(BadInput, match="cannot be read by this version"):
        split(message)
