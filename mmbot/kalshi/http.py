"""A REST call and its answer as values; sockets are elsewhere."""

from __future__ import annotations

import datetime as dt
from email.utils import parsedate_to_datetime
from functools import lru_cache

import msgspec

from mmbot.underlying.calendar import to_milliseconds
from mmbot.units import Milliseconds

BASE_PATH = "/trade-api/v2"
STREAM_PATH = "/trade-api/ws/v2"

# The statuses of 400 to 499 that concern the moment, not the request.
_PASSING_STATUSES = frozenset({408, 425, 429})

# What caches keep for seconds, with the date of the copy.
_CACHED_PATHS = (f"{BASE_PATH}/markets", f"{BASE_PATH}/series")


class HttpRequest(msgspec.Struct, frozen=True, gc=False):
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


def is_passing(status: int) -> bool:
    """Return whether a status says that the same request may succeed later."""
    return status in _PASSING_STATUSES or status >= 500


def date_of(request: HttpRequest, answer: HttpAnswer | None) -> Milliseconds | None:
    """Return the beginning of the second in which the exchange itself answered, if it says so.

    A copy out of a cache bears the date at which it was made, and does not count.
    """
    headers = dict(answer.headers) if answer is not None else {}
    if headers.get("age", "0") != "0" or request.path.startswith(_CACHED_PATHS):
        return None
    date = headers.get("date", "")
    minute, second = date[:-6], date[-6:-4]
    if not (minute[-1:] == ":" and second.isdecimal() and second < "60"):
        return _milliseconds(date)
    start = _milliseconds(f"{minute}00{date[-4:]}")
    return None if start is None else start + 1000 * int(second)


@lru_cache(64)
def _milliseconds(date: str) -> Milliseconds | None:
    """Return an HTTP date as milliseconds; many answers bear one of the same minute."""
    try:
        at = parsedate_to_datetime(date)
    except (ValueError, OverflowError):
        return None
    # A zone of "-0000" is UTC without a word on where it was read.
    return to_milliseconds(at if at.tzinfo else at.replace(tzinfo=dt.UTC))
