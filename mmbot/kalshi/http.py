"""A REST call and its answer as values."""

from __future__ import annotations

import datetime as dt
import re
from email.utils import parsedate_to_datetime
from functools import lru_cache

import msgspec

from mmbot.underlying.calendar import to_milliseconds
from mmbot.units import Milliseconds

BASE_PATH = "/trade-api/v2"
STREAM_PATH = "/trade-api/ws/v2"

# The 4xx statuses that are due to the moment, not the request.
_PASSING_STATUSES = frozenset({408, 425, 429})

# Paths whose answers are cached for seconds, with the date of the copy.
_CACHED_PATHS = (f"{BASE_PATH}/markets", f"{BASE_PATH}/series")
# An HTTP date: all up to the seconds, the seconds, the zone.
_DATE = re.compile(r"(.+:)([0-5][0-9])( GMT)")


class HttpRequest(msgspec.Struct, frozen=True, gc=False):
    """One call; `path` excludes the query, and once signed starts at the host's root."""

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
    """Return whether a status means that the same request may succeed later."""
    return status in _PASSING_STATUSES or status >= 500


def date_of(request: HttpRequest, answer: HttpAnswer | None) -> Milliseconds | None:
    """Return the start of the second in which the exchange itself answered, if it says so.

    A cached copy has the date at which it was made, and does not count.
    """
    headers = dict(answer.headers) if answer is not None else {}
    if headers.get("age", "0") != "0" or request.path.startswith(_CACHED_PATHS):
        return None
    date = headers.get("date", "")
    parts = _DATE.fullmatch(date)
    if parts is None:
        return _milliseconds(date)
    minute = _milliseconds(f"{parts[1]}00{parts[3]}")
    return None if minute is None else minute + 1000 * int(parts[2])


@lru_cache(64)
def _milliseconds(date: str) -> Milliseconds | None:
    """Return an HTTP date as milliseconds; cached, as many answers have the same minute."""
    try:
        at = parsedate_to_datetime(date)
    except (ValueError, OverflowError):
        return None
    # The zone "-0000" is parsed as a naive time, and means UTC.
    return to_milliseconds(at if at.tzinfo else at.replace(tzinfo=dt.UTC))
