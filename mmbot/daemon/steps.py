"""Runs a generator that yields requests, such as a reading or a fetch."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from typing import TypeVar

_Request = TypeVar("_Request")
_Answer = TypeVar("_Answer")
_T = TypeVar("_T")


async def run_steps(
    steps: Generator[_Request, _Answer, _T], answer: Callable[[_Request], Awaitable[_Answer]]
) -> _T:
    """Return the result of `steps`; `answer` answers its requests, one at a time."""
    try:
        request = next(steps)
        while True:
            request = steps.send(await answer(request))
    except StopIteration as end:
        result: _T = end.value
        return result
