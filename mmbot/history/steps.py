"""Fetches as generators that yield requests and are sent the answers; sans I/O.

The client retries what time heals (no answer, 429, a server error), so that only final answers are
sent in.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeAlias, TypeVar

import msgspec

from mmbot.history import wire
from mmbot.history.doubts import Doubts
from mmbot.kalshi.http import HttpAnswer, HttpRequest
from mmbot.kalshi.messages import Malformed, error_body

_T = TypeVar("_T")
Query: TypeAlias = tuple[tuple[str, str], ...]
Steps: TypeAlias = Generator[HttpRequest, HttpAnswer, _T]

# How often a page is requested while its body cannot be decoded.
_ATTEMPTS = 3
_MOST_PAGES = 2_000


class Refused(Exception):
    """The exchange answered with an error; the message is a clause."""

    def __init__(self, reason: str, status: int) -> None:
        super().__init__(reason)
        self.status = status


def get(path: str, query: Query = ()) -> Steps[HttpAnswer]:
    """Request one object of the public API.

    Raises:
        Refused: It does not exist, or may not be read.
    """
    answer = yield HttpRequest("GET", path, query)
    if answer.status != 200:
        error = error_body(answer.body)
        said = f"{answer.status} {error.code} {error.text}".rstrip()
        raise Refused(f"GET {path}: {said}", answer.status)
    return answer


def page(path: str, query: Query, field: str) -> Steps[tuple[list[msgspec.Raw], str]]:
    """Request a page of a list; return its undecoded rows and the cursor of the next page.

    Raises:
        Refused: It may not be read, or cannot be decoded after some attempts.
    """
    reason = ""
    for _ in range(_ATTEMPTS):
        answer = yield from get(path, query)
        try:
            return wire.rows_of(answer.body, field)
        except Malformed as error:
            reason = f"GET {path}: {error}"
    raise Refused(reason, 200)


class Listed(msgspec.Struct, frozen=True):
    """The undecoded rows of a list, and whether the list is complete."""

    rows: list[msgspec.Raw]
    is_whole: bool


def pages(path: str, query: Query, field: str, doubts: Doubts) -> Steps[Listed]:
    """Request a list, page by page.

    A list whose pages loop is started again. Rows may be returned more than once.

    Raises:
        Refused: A page may not be read.
    """
    rows: list[msgspec.Raw] = []
    for _ in range(_ATTEMPTS):
        asked: set[str] = set()
        cursor = ""
        while cursor not in asked and len(asked) < _MOST_PAGES:
            asked.add(cursor)
            paged = (*query, ("cursor", cursor)) if cursor else query
            found, cursor = yield from page(path, paged, field)
            rows += found
            if not cursor:
                return Listed(rows, is_whole=True)
        doubts.add("a list whose pages repeat", path)
    return Listed(rows, is_whole=False)
