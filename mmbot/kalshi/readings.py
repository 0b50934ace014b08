"""Readings of the exchange: sequences of requests, written as generators.

A reading yields requests, is sent their answers (`None` if none came in time), and returns events.
It fails with `ReadingError` or `Malformed`, whose message is a sentence for the log.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from typing import Annotated, TypeAlias, TypeVar

import msgspec

from mmbot.kalshi import messages as wire
from mmbot.kalshi.http import BASE_PATH, HttpAnswer, HttpRequest, is_passing
from mmbot.texts import plain
from mmbot.trading.events import InputEvent, LimitsRead

_T = TypeVar("_T")

# Codes of refusals due to the moment, not the request, whatever their status.
_PASSING_CODES = frozenset(
    {
        "exchange_is_paused",
        "exchange_paused",
        "exchange_unavailable",
        "internal_error",
        "too_many_requests",
        "trading_is_paused",
    }
)
_Query: TypeAlias = tuple[tuple[str, str], ...]
Steps: TypeAlias = Generator[HttpRequest, HttpAnswer | None, _T]
Reading: TypeAlias = Generator[HttpRequest, HttpAnswer | None, list[InputEvent]]

ORDERS = "/portfolio/events/orders"
PAGE_SIZE = "1000"
MOST_PAGES = 50


class ReadingError(Exception):
    """A reading failed; `transient` if the same request may succeed later.

    `rate_limited` means that it was refused because the read bucket is empty.
    """

    def __init__(self, reason: str, *, transient: bool = False, rate_limited: bool = False) -> None:
        super().__init__(reason)
        self.transient = transient
        self.rate_limited = rate_limited


# Requests


def own_subaccount(subaccount: int) -> tuple[str, str]:
    """Return the query parameter that selects the subaccount."""
    # Without it the exchange covers all subaccounts.
    return "subaccount", str(subaccount)


def get(path: str, kind: type[_T], query: _Query = ()) -> Steps[_T]:
    """Request one object."""
    answer = yield HttpRequest("GET", path, query)
    return read(answer, path, kind)


def pages(path: str, query: _Query, field: str, kind: type[_T]) -> Steps[list[_T]]:
    """Request a list, page by page; its rows are in the answers' `field`."""
    rows = yield from raw_pages(path, query, field)
    return [wire.convert(wire.tree(row), kind) for row in rows]


def raw_pages(path: str, query: _Query, field: str) -> Steps[list[bytes]]:
    """Request a list page by page; return its rows undecoded."""
    rows, whole = yield from first_pages(path, query, field)
    if not whole:
        raise ReadingError(f"GET {path}: more than {MOST_PAGES} pages")
    return rows


def first_pages(path: str, query: _Query, field: str) -> Steps[tuple[list[bytes], bool]]:
    """Request the first `MOST_PAGES` of a list; return their rows, and whether these are all."""
    rows: list[bytes] = []
    cursor, before = "", set[str]()
    for _ in range(MOST_PAGES):
        page_query = (*query, ("cursor", cursor)) if cursor else query
        page = yield from get(path, dict[str, msgspec.Raw], page_query)
        try:
            listed = msgspec.json.decode(page.get(field, b""), type=list[msgspec.Raw])
        except wire.UNREADABLE:
            raise wire.Malformed(f"GET {path}: no list of {field}") from None
        rows += map(bytes, listed)
        cursor = plain(wire.tree(page.get("cursor", b"null")) or "")
        if not cursor:
            return rows, True
        if cursor in before:
            raise ReadingError(f"GET {path}: its pages repeat", transient=True)
        before.add(cursor)
    return rows, False


def read(answer: HttpAnswer | None, path: str, kind: type[_T]) -> _T:
    """Decode the answer to `GET path`.

    Raises:
        ReadingError: There is no answer, or its status is not 200.
        Malformed: Its body is not of this kind.
    """
    if answer is None or answer.status != 200:
        limited = answer is not None and answer.status == 429
        reason = f"GET {path}: {refusal_text(answer)}"
        raise ReadingError(reason, transient=_is_transient(answer), rate_limited=limited)
    return wire.decode(answer.body, kind)


def _is_transient(answer: HttpAnswer | None) -> bool:
    """Return whether the same request may succeed later, by its answer."""
    if answer is None or is_passing(answer.status):
        return True
    return wire.error_body(answer.body).code.lower() in _PASSING_CODES


def says_not_found(answer: HttpAnswer | None) -> bool:
    """Return whether the exchange itself says that the object does not exist.

    A proxy in front of it may answer 404 as well, with another text.
    """
    if answer is None or answer.status != 404:
        return False
    error = wire.error_body(answer.body)
    return "not found" in f"{error.code} {error.text}".lower().replace("_", " ")


def refusal_text(answer: HttpAnswer | None) -> str:
    """Return the status, code and text of an error, or that there is no answer."""
    if answer is None:
        return "no answer"
    error = wire.error_body(answer.body)
    return f"{answer.status} {error.code} {error.text}".rstrip()


# What calls cost


def rate_limits() -> Steps[LimitsRead]:
    """Read the account's rate limits and the costs of calls."""
    limits = yield from get("/account/limits", _Limits)
    costs = yield from get("/account/endpoint_costs", Costs)
    cancel_cost = costs.of("DELETE", f"{ORDERS}/{{order_id}}")
    if cancel_cost > limits.write.bucket_capacity:
        raise wire.Malformed("a cancel costs more tokens than there can be")
    return LimitsRead(
        read_refill=limits.read.refill_rate,
        read_capacity=limits.read.bucket_capacity,
        refill=limits.write.refill_rate,
        capacity=limits.write.bucket_capacity,
        place_cost=costs.of("POST", ORDERS),
        cancel_cost=cancel_cost,
        renew_cost=costs.of("POST", f"{ORDERS}/{{order_id}}/amend"),
        decrease_cost=costs.of("POST", f"{ORDERS}/{{order_id}}/decrease"),
    )


_Rate: TypeAlias = Annotated[float, msgspec.Meta(gt=0.0, le=1e12)]


class _Bucket(msgspec.Struct, frozen=True):
    """A token bucket; `refill_rate` is in tokens a second."""

    refill_rate: _Rate
    bucket_capacity: _Rate


class _Limits(msgspec.Struct, frozen=True):
    """The answer of `/account/limits`."""

    write: _Bucket
    read: _Bucket = _Bucket(200.0, 200.0)


_Tokens: TypeAlias = Annotated[float, msgspec.Meta(ge=0.0, le=1e9)]


class _Cost(msgspec.Struct, frozen=True):
    method: str
    path: str
    cost: _Tokens


class Costs(msgspec.Struct, frozen=True):
    """The answer of `/account/endpoint_costs`, in tokens."""

    default_cost: _Tokens
    endpoint_costs: wire.Word = None

    def of(self, method: str, path: str) -> float:
        """Return the cost of a call by its path template; the default if it is not readable."""
        for row in self.endpoint_costs if isinstance(self.endpoint_costs, list) else ():
            with contextlib.suppress(wire.Malformed):
                stated = wire.convert(row, _Cost)
                if stated.method == method and stated.path in {path, BASE_PATH + path}:
                    return stated.cost
        return self.default_cost
