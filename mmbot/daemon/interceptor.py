"""What stands between the bot and the exchange: nothing, or a layer that keeps orders inside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from mmbot.kalshi.http import HttpAnswer, HttpRequest


class Interceptor(Protocol):
    """A layer that every byte between the bot and the exchange goes through; sans I/O.

    Times are wall milliseconds. Each input may leave frames for the bot, which `take` returns.
    """

    def answer(self, request: HttpRequest, now: int, /) -> HttpAnswer | None:
        """Answer a request of the bot's, or return `None` to have it sent."""

    def learn(self, request: HttpRequest, answer: HttpAnswer | None, now: int, /) -> None:
        """Take note of what the exchange answered, `None` where no answer came."""

    def connected(self) -> None:
        """Take note of a new stream."""

    def disconnected(self) -> None:
        """Take note that the stream is gone."""

    def outgoing(self, frame: bytes, now: int, /) -> list[bytes]:
        """Take in a frame of the bot's; return the frames to send."""

    def incoming(self, data: bytes | str, now: int, /) -> Sequence[bytes | str]:
        """Take in a frame of the exchange's; return the frames for the bot."""

    def advance(self, now: int, /) -> None:
        """Take note of the time."""

    def take(self) -> Sequence[bytes | str]:
        """Return the frames that wait for the bot, once."""


class PassThrough:
    """Nothing between: what the bot says is said to the exchange, and the reverse."""

    def answer(self, _request: HttpRequest, _now: int, /) -> None:
        """Have every request sent."""

    def learn(self, _request: HttpRequest, _answer: HttpAnswer | None, _now: int, /) -> None:
        """Take note of nothing."""

    def connected(self) -> None:
        """Take note of nothing."""

    def disconnected(self) -> None:
        """Take note of nothing."""

    def outgoing(self, frame: bytes, _now: int, /) -> list[bytes]:
        """Send the frame."""
        return [frame]

    def incoming(self, data: bytes | str, _now: int, /) -> Sequence[bytes | str]:
        """Hand the frame on."""
        return [data]

    def advance(self, _now: int, /) -> None:
        """Take note of nothing."""

    def take(self) -> Sequence[bytes | str]:
        """Hold nothing back."""
        return []
