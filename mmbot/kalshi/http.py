"""A REST call and its answer as values, for whoever moves the bytes."""

from __future__ import annotations

import msgspec

BASE_PATH = "/trade-api/v2"
STREAM_PATH = "/trade-api/ws/v2"


class HttpRequest(msgspec.Struct, frozen=True):
    """One call: `path` is complete from the host root and without its query."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


class HttpAnswer(msgspec.Struct, frozen=True):
    """What came back: the status, the undecoded body, and headers where they matter."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
