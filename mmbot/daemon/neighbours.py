"""Detects another daemon, on any machine, that trades the same account.

Every client order id contains its session, and a session's id is its start time, so orders show
whose they are and which session started first. A running daemon places new orders, a dead one does
not. The daemon that started later ends, and touches no order of the other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from mmbot.errors import NotReady
from mmbot.trading.values import CLIENT_ID_PREFIX

# Looks at the start; in-flight orders of a predecessor that was just killed show before the second.
_FIRST_LOOKS, _FIRST_PAUSE_SECONDS = 3, 1.2
_PAUSE_SECONDS = 10.0
_LOOKS_WITH_NEW = 2
# No session started earlier; an id with an earlier time was made by hand.
_EARLIEST_SESSION = 1_600_000_000_000

# Returns the client ids of the resting own orders; `None` if they cannot be listed.
Look = Callable[[], Awaitable[frozenset[str] | None]]


class OtherDaemon(NotReady):
    """A daemon that started earlier trades the account."""


class Neighbours:
    """Watches the orders of other sessions."""

    def __init__(
        self,
        session: str,
        look: Look,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Begin before the first look; `session` is the id of the own session."""
        self._session = session
        self._look = look
        self._sleep = sleep
        self._seen: frozenset[str] | None = None
        # The look before, as the exchange's lists lag and may show again what was gone.
        self._seen_before: frozenset[str] = frozenset()
        self._told = False
        self._log = structlog.get_logger()

    async def refuse_if_any(self) -> None:
        """Look a few times, if there are orders of earlier sessions at all.

        Raises:
            OtherDaemon: New orders appeared between every two looks.
        """
        for number in range(_FIRST_LOOKS):
            if number:
                await self._sleep(_FIRST_PAUSE_SECONDS)
            came = await self._came()
            if (number or not self._seen) and not came:
                return
        raise self._error()

    async def watch(self) -> None:
        """Look until cancelled, from a while after the start.

        Raises:
            OtherDaemon: New orders of earlier sessions appeared twice, so one of these is running.
                A dead session's orders in flight may also appear late, but only once.
        """
        looks_with_new = 0
        while looks_with_new < _LOOKS_WITH_NEW:
            await self._sleep(_PAUSE_SECONDS)
            came = await self._came()
            earlier = [_EARLIEST_SESSION < _session_of(each) < self._began for each in came]
            looks_with_new += any(earlier)
        raise self._error()

    @property
    def _began(self) -> int:
        return int(self._session, 16)

    async def _came(self) -> frozenset[str]:
        """Return the orders of other sessions that no earlier look has shown."""
        ids = await self._look()
        if ids is None:
            return frozenset()
        own = f"{CLIENT_ID_PREFIX}{self._session}-"
        others = frozenset(client_id for client_id in ids if not client_id.startswith(own))
        came: frozenset[str] = frozenset()
        if self._seen is not None:
            came = others - self._seen - self._seen_before
            self._seen_before = self._seen
        self._seen = others
        if came and not self._told and all(_session_of(each) > self._began for each in came):
            self._told = True
            self._log.error(
                "daemon.second", reason="a daemon that started later trades the account"
            )
        return came

    def _error(self) -> OtherDaemon:
        return OtherDaemon(
            "another mmbot, which started earlier, places orders on this account; stop it, or "
            "leave the account to it"
        )


def _session_of(client_id: str) -> int:
    """Return when the session of a client id started; 0 if that cannot be read."""
    try:
        return int(client_id.removeprefix(CLIENT_ID_PREFIX).partition("-")[0], 16)
    except ValueError:
        return 0
