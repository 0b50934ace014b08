"""A REST call and its answer as values; sockets are elsewhere."""

from __future__ import annotations

import msgspec

BASE_PATH = "/trade-api/v2"
STREAM_PATH = "/trade-api/ws/v2"


class HttpRequest(msgspec.Struct, frozen=True):
    """One call; `path` is without the query, and from the host's root once it is signed."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


class HttpAnswer(msgspec.Struct, frozen=True):
    """The status, the undecoded body, and the headers that are read."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
