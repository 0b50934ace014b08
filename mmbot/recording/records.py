"""Records: each input of a bot as a value, beside what the bot asked for, as bytes and back.

A life's first record says what its bot was begun with; replaying the others into another bot that
is begun with the same must make it ask for the same. What is asked for is kept without the headers
that sign it: they are secret enough, and differ from one signing to the next.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

import msgspec

from mmbot.bot.bot import Bot, Output
from mmbot.config import Settings
from mmbot.errors import BadInput
from mmbot.kalshi.gateway import Call
from mmbot.kalshi.http import HttpAnswer
from mmbot.trading.events import InputEvent
from mmbot.tsa.calendar import CalendarClock

# The tables of the config that decisions hang on; the others may hold what is nobody's business.
_DECISIVE = ("mode", "exchange", "counts", "quoting", "limits", "orders")


class SessionRecord(msgspec.Struct, frozen=True, array_like=True, tag="begun"):
    """A life began, of a bot with these settings, under these versions of what it hangs on."""

    settings: Settings
    clock: CalendarClock
    life: str
    held: tuple[str, ...]
    versions: dict[str, str]


class HeldEvents(msgspec.Struct, frozen=True, array_like=True, tag="hold"):
    """Events whose settlement is still to be booked."""

    events: tuple[str, ...]

    def give(self, bot: Bot) -> list[Output]:
        """Give it to a bot; return what that asks for."""
        bot.hold(self.events)
        return []


class Connected(msgspec.Struct, frozen=True, array_like=True, tag="connected"):
    """There is a stream."""

    now: int

    def give(self, bot: Bot) -> list[Output]:
        """Give it to a bot; return what that asks for."""
        return bot.connected(self.now)


class Disconnected(msgspec.Struct, frozen=True, array_like=True, tag="disconnected"):
    """The stream is gone."""

    now: int

    def give(self, bot: Bot) -> list[Output]:
        """Give it to a bot; return what that asks for."""
        return bot.disconnected(self.now)


class Received(msgspec.Struct, frozen=True, array_like=True, tag="received"):
    """A frame came."""

    now: int
    frame: bytes

    @classmethod
    def of(cls, now: int, frame: bytes | str) -> Received:
        """Return the input of a frame, whichever way the transport had it."""
        return cls(now, frame.encode(errors="surrogatepass") if isinstance(frame, str) else frame)

    def give(self, bot: Bot) -> list[Output]:
        """Give it to a bot; return what that asks for."""
        return bot.received(self.frame, self.now)


class Answered(msgspec.Struct, frozen=True, array_like=True, tag="answered"):
    """A call was answered, or not in time."""

    now: int
    call_id: int
    answer: HttpAnswer | None

    def give(self, bot: Bot) -> list[Output]:
        """Give it to a bot; return what that asks for."""
        return bot.answered(self.call_id, self.answer, self.now)


class EventGiven(msgspec.Struct, frozen=True, array_like=True, tag="told"):
    """A belief was formed, or the operator spoke."""

    now: int
    event: InputEvent

    def give(self, bot: Bot) -> list[Output]:
        """Give it to a bot; return what that asks for."""
        return bot.told(self.event, self.now)


class Woke(msgspec.Struct, frozen=True, array_like=True, tag="woken"):
    """The time of a `WakeAt` came."""

    now: int

    def give(self, bot: Bot) -> list[Output]:
        """Give it to a bot; return what that asks for."""
        return bot.woken(self.now)


Input: TypeAlias = HeldEvents | Connected | Disconnected | Received | Answered | EventGiven | Woke


class Record(msgspec.Struct, frozen=True, array_like=True):
    """One input, and what it made the bot ask for as `encode_outputs` writes it."""

    what: SessionRecord | Input
    outputs: msgspec.Raw


class _Asked(msgspec.Struct, frozen=True, tag="Call"):
    """A call without the headers that sign it."""

    id: int
    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    body: bytes


_ENCODER = msgspec.msgpack.Encoder(enc_hook=str)
_DECODER = msgspec.msgpack.Decoder(list[Record])


def decisive(settings: Settings) -> Settings:
    """Return the settings that decisions hang on, and the defaults in place of the others."""
    return Settings(**{name: getattr(settings, name) for name in _DECISIVE})


def encode(what: SessionRecord | Input, outputs: bytes) -> bytes:
    """Return the record of an input and of the outputs that `encode_outputs` wrote."""
    return _ENCODER.encode((what, msgspec.Raw(outputs)))


def encode_outputs(outputs: Iterable[Output]) -> bytes:
    """Return what a bot asked for as bytes; the same bytes if, and only if, it is the same."""
    asked = [_unsigned(output) for output in outputs]
    try:
        return _ENCODER.encode(asked)
    except (OverflowError, UnicodeEncodeError):
        # A number or a text from the wire that no message can carry is still no reason to fail.
        return _ENCODER.encode([ascii(asked)])


def encode_failure(error: Exception) -> bytes:
    """Return the outputs of an input at which the bot failed."""
    return _ENCODER.encode([{"type": "Failed", "error": ascii(error)}])


def _unsigned(output: Output) -> Output | _Asked:
    if not isinstance(output, Call):
        return output
    request = output.request
    return _Asked(output.id, request.method, request.path, request.query, request.body)


def apart(outputs: bytes) -> list[msgspec.Raw]:
    """Return recorded outputs one by one, each still as bytes."""
    return msgspec.msgpack.decode(outputs, type=list[msgspec.Raw])


def join(records: Iterable[bytes]) -> bytes:
    """Return several records as one message, which `split` takes apart."""
    parts = list(records)
    return b"".join((b"\xdd", len(parts).to_bytes(4, "big"), *parts))


def split(message: bytes) -> list[Record]:
    """Return the records in a message.

    Raises:
        BadInput: They are not such as this version writes.
    """
    try:
        return _DECODER.decode(message)
    except msgspec.MsgspecError as error:
        raise BadInput(
            f"a record cannot be read by this version of mmbot ({error}); replay it with the "
            "version that wrote it"
        ) from None
