"""Runs a generator of requests, such as a reading or a fetch, over whatever answers them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from typing import TypeVar

from mmbot.kalshi.http import HttpRequest

_Answer = TypeVar("_Answer")
_T = TypeVar("_T")


async def run_steps(
    steps: Generator[HttpRequest, _Answer, _T], answer: Callable[[HttpRequest], Awaitable[_Answer]]
) -> _T:
    """Return the result of `steps`, each of whose requests `answer` answers, one at a time."""
    try:
        request = next(steps)
        while True:
            request = steps.send(await answer(request))
    except StopIteration as end:
        result: _T = end.value
        return result
