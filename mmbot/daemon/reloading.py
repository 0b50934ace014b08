"""Puts an edited config in force while the daemon trades.

The file is read anew when it has changed and then stood still for a moment, so that none is read
half written; at SIGHUP and at `mmbot reload` at once. What can be taken is put in force between two
events; what cannot waits for a restart, and is named. A file that cannot be used changes nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

import structlog

from mmbot import config
from mmbot.config import Difference, Settings
from mmbot.daemon.alert_addresses import find_addresses
from mmbot.errors import BadInput
from mmbot.underlyings.registry import known

# A change is seen within one look, and is read once two looks found the same.
LOOK_SECONDS = 0.4

# What tells one state of a file from another: inode, size, last changes. `None`: none is there.
_Stamp = tuple[int, ...] | None


class ConfigFile:
    """The file that the daemon runs by."""

    def __init__(self, path: Path, environment: Mapping[str, str] | None = None) -> None:
        """Read nothing yet; alerts may have their addresses from the environment."""
        self.path = path.absolute()
        self._environment = environment or {}

    def stamp(self) -> _Stamp:
        """Return what changes whenever the file does."""
        try:
            status = self.path.stat()
        except OSError:
            return None
        return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns

    def load(self, in_force: Settings) -> Settings:
        """Read and check it, and the alerts' addresses where those are to change.

        Raises:
            BadInput: It cannot be used, or is empty, as a file is that is only being written.
        """
        text = config.read(self.path)
        if not text.strip():
            raise BadInput(f"{self.path} is empty")
        settings = config.parse(text, str(self.path))
        known(settings)
        if settings.alerts != in_force.alerts:
            find_addresses(settings.alerts, self._environment)
        return settings


class Reloader:
    """Keeps the settings in force, and changes them as the file says.

    Attributes:
        settings: The settings in force.
        problem: Why the file as it is now cannot be used; empty if it can.
        waits: The changes that wait for a restart.
    """

    def __init__(
        self,
        file: ConfigFile,
        settings: Settings,
        put_in_force: Callable[[Settings], None],
        reloading: Callable[[], AbstractContextManager[None]] = contextlib.nullcontext,
    ) -> None:
        """Begin with the settings that the daemon was started with.

        Args:
            file: Where others may come from.
            settings: Those in force.
            put_in_force: Gives the bot others between two events.
            reloading: Entered for as long as the file is read, to tell the service manager.
        """
        self._file = file
        self.settings = settings
        self._put_in_force = put_in_force
        self._reloading = reloading
        self.problem = ""
        self.waits: tuple[Difference, ...] = ()
        self.asked = asyncio.Event()
        self._read: _Stamp = None
        self._lock = asyncio.Lock()
        self._log = structlog.get_logger()

    async def watch(self) -> None:
        """Reload whenever the file has changed or `asked` is set, until cancelled."""
        seen: _Stamp = None
        while True:
            stamp = await asyncio.to_thread(self._file.stamp)
            # What is as it was read last, or still changing, is left alone.
            if self.asked.is_set() or (stamp == seen != self._read):
                forced = self.asked.is_set()
                self.asked.clear()
                with contextlib.suppress(BadInput):  # it has been said
                    await self.reload(tell_all=forced)
            seen = stamp
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self.asked.wait()

    async def reload(self, *, tell_all: bool = True) -> config.ReloadOutcome:
        """Read the file and put in force what can be; return what came of it.

        Args:
            tell_all: Whether it is logged as well that nothing has changed.

        Raises:
            BadInput: The file cannot be used; nothing has changed.
        """
        async with self._lock:
            with self._reloading():
                return await self._reload(tell_all=tell_all)

    async def _reload(self, *, tell_all: bool) -> config.ReloadOutcome:
        self._read = await asyncio.to_thread(self._file.stamp)
        try:
            wanted = await asyncio.to_thread(self._file.load, self.settings)
        except BadInput as error:
            self.problem = str(error)
            self._log.error("config.refused", reason=self.problem)
            raise
        found = config.merged(self.settings, wanted)
        news = found.changed or found.waits != self.waits or self.problem
        self.problem, self.waits = "", found.waits
        if found.changed:
            self.settings = found.settings
            self._put_in_force(found.settings)
        if news or tell_all:
            self._log.info(
                "config.reloaded",
                changed={each.key: str(each) for each in found.changed},
                waits_for_restart=[each.key for each in found.waits],
            )
        return found
