"""The request to stop the daemon: orderly at the first signal, at once at the second."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

_T = TypeVar("_T")


class Stop:
    """The request to stop, and work that it interrupts.

    Attributes:
        asked: Set once the daemon is to stop.
        hurried: Set once it is to stop without waiting for anything.
    """

    def __init__(self) -> None:
        """Begin without a request."""
        self.asked = asyncio.Event()
        self.hurried = asyncio.Event()

    def hurry(self) -> None:
        """Stop without waiting for anything."""
        self.asked.set()
        self.hurried.set()

    async def unless_asked(self, work: Coroutine[Any, Any, _T]) -> _T | None:
        """Return the result of `work`, or cancel it and return `None` at a stop."""
        return await _unless(self.asked, work)

    async def unless_hurried(self, work: Coroutine[Any, Any, _T]) -> _T | None:
        """Return the result of `work`, or cancel it and return `None` when hurried."""
        return await _unless(self.hurried, work)


async def _unless(event: asyncio.Event, work: Coroutine[Any, Any, _T]) -> _T | None:
    working = asyncio.create_task(work)
    waiting = asyncio.create_task(event.wait())
    try:
        await asyncio.wait({working, waiting}, return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        waiting.cancel()
        working.cancel()
        await asyncio.gather(working, waiting, return_exceptions=True)
