"""The layer between the bot and the exchange; for example one that keeps orders in this process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from mmbot.kalshi.http import HttpAnswer, HttpRequest
from mmbot.recording.outside import PaperBegan, TapeBegan
from mmbot.units import Milliseconds


class Interceptor(Protocol):
    """Sees every request, answer and frame between the bot and the exchange; sans I/O.

    `now` is the wall clock's time. Any input may queue frames for the bot, which `take` returns.
    `began` is its initial state, for the record; `None` if there is nothing to record.
    """

    @property
    def began(self) -> PaperBegan | TapeBegan | None:
        """Its initial state."""

    def answer(self, request: HttpRequest, now: Milliseconds, /) -> HttpAnswer | None:
        """Answer the bot's request, or return `None` to send it to the exchange."""

    def observe_answer(
        self, request: HttpRequest, answer: HttpAnswer | None, now: Milliseconds, /
    ) -> None:
        """Handle the exchange's answer to a sent request; `None` if none came."""

    def connected(self) -> None:
        """Handle a new stream."""

    def disconnected(self) -> None:
        """Handle the loss of the stream."""

    def outgoing(self, frame: bytes, now: Milliseconds, /) -> list[bytes]:
        """Handle a frame from the bot; return the frames to send to the exchange."""

    def incoming(self, data: bytes | str, now: Milliseconds, /) -> Sequence[bytes | str]:
        """Handle a frame from the exchange; return the frames for the bot."""

    def advance(self, now: Milliseconds, /) -> None:
        """Handle the passing of time."""

    def take(self) -> Sequence[bytes | str]:
        """Return and forget the frames queued for the bot."""


class PassThrough:
    """An interceptor that passes everything on unchanged."""

    began: PaperBegan | TapeBegan | None = None

    def answer(self, _request: HttpRequest, _now: Milliseconds, /) -> None:
        """Have every request sent."""

    def observe_answer(
        self, _request: HttpRequest, _answer: HttpAnswer | None, _now: Milliseconds, /
    ) -> None:
        """Ignore the answer."""

    def connected(self) -> None:
        """Ignore the connection."""

    def disconnected(self) -> None:
        """Ignore the loss of the connection."""

    def outgoing(self, frame: bytes, _now: Milliseconds, /) -> list[bytes]:
        """Return the frame itself."""
        return [frame]

    def incoming(self, data: bytes | str, _now: Milliseconds, /) -> Sequence[bytes | str]:
        """Return the frame itself."""
        return [data]

    def advance(self, _now: Milliseconds, /) -> None:
        """Ignore the time."""

    def take(self) -> Sequence[bytes | str]:
        """Return nothing."""
        return []
