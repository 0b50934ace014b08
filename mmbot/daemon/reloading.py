"""Applies an edited config while the daemon trades.

The file is read again once it has changed and then stayed unchanged for a moment, so that it is
never read half written, and at once on SIGHUP and `mmbot reload`. Changes that can be applied take
effect between two events; the others wait for a restart and are reported. An invalid file changes
nothing.
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

# A change is seen at the next look, and read once two looks have found the same file.
LOOK_SECONDS = 0.4

# Identifies the state of a file: inode, size, times of change. `None`: there is no file.
_Stamp = tuple[int, ...] | None


class ConfigFile:
    """The daemon's config file."""

    def __init__(self, path: Path, environment: Mapping[str, str] | None = None) -> None:
        """Read nothing yet; alerts may have their addresses from the environment."""
        self.path = path.absolute()
        self._environment = environment or {}

    def stamp(self) -> _Stamp:
        """Return a stamp that changes whenever the file does."""
        try:
            status = self.path.stat()
        except OSError:
            return None
        return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns

    def load(self, in_force: Settings) -> Settings:
        """Read and check it, and the alerts' addresses if those change.

        Raises:
            BadInput: It is invalid, or empty, as a file may be while it is being written.
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
    """Holds the settings in force, and changes them when the file changes.

    Attributes:
        settings: The settings in force.
        problem: Why the present file is invalid; "" if it is valid.
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
            file: The config file.
            settings: The settings in force.
            put_in_force: Gives the bot other settings between two events.
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
            # A file that is unchanged since it was read, or still changing, is not read.
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
        """Read the file and apply what can be applied; return the result.

        Args:
            tell_all: Whether to log also that nothing has changed.

        Raises:
            BadInput: The file is invalid; nothing has changed.
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
