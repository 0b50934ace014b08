"""Requests as values, written as generators: the answers that a fetch can use are sent in.

Whoever moves the bytes repeats what time heals (no answer, 429, a server's error), so that what is
sent in is an answer that will stay the same.
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

# How often the same page is asked for while its body cannot be read.
_ATTEMPTS = 3
_MOST_PAGES = 2_000


class Refused(Exception):
    """The exchange answered, and not with what was asked for; the message is a clause."""

    def __init__(self, reason: str, status: int) -> None:
        super().__init__(reason)
        self.status = status


def get(path: str, query: Query = ()) -> Steps[HttpAnswer]:
    """Request one object of the public API.

    Raises:
        Refused: It is not there, or may not be read.
    """
    answer = yield HttpRequest("GET", path, query)
    if answer.status != 200:
        error = error_body(answer.body)
        said = f"{answer.status} {error.code} {error.text}".rstrip()
        raise Refused(f"GET {path}: {said}", answer.status)
    return answer


def page(path: str, query: Query, field: str) -> Steps[tuple[list[msgspec.Raw], str]]:
    """Request a page of a list; return its rows, undecoded, and the cursor of the next.

    Raises:
        Refused: It may not be read, or is none, however often it is asked for.
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
    """The rows of a list, undecoded, and whether they are all."""

    rows: list[msgspec.Raw]
    is_whole: bool


def pages(path: str, query: Query, field: str, doubts: Doubts) -> Steps[Listed]:
    """Request a list, page by page.

    One that goes round in a circle is begun again. Rows may come more than once.

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
        doubts.add("a list that goes round in a circle", path)
    return Listed(rows, is_whole=False)
