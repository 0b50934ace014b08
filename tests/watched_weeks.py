"""Whether the watchdog would end a healthy process: weeks in virtual time in which all breaks.

    python -m tests.watched_weeks --seeds 20

A look is taken every quarter of a second of virtual time. Printed is how long the watchdog would
have gone unfed at the longest, and why; the exit code is 1 if that is longer than `WatchdogSec` of
the unit, less the pause between two looks of a daemon.
"""

from __future__ import annotations

import argparse
import configparser
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mmbot.daemon.watchdog import unattended
from mmbot.faultlab.faults import named
from mmbot.faultlab.scenario import weeks
from mmbot.faultlab.world import World

STEP_MS = 250
PAUSE_MS = 5_000


class WatchedWorld(World):
    """A world whose process is looked at as the watchdog does."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.looks = 0
        # Each time that it went unfed: milliseconds, and why.
        self.unfed: list[tuple[int, str]] = []
        self._looked_at = 0
        self._since: tuple[int, str] | None = None

    def _look(self) -> None:
        now, process = self.scheduler.now, self.process
        if process is None or not process.alive:
            self._since = None
        elif now >= self._looked_at + STEP_MS:
            self._looked_at, self.looks = now, self.looks + 1
            bot, at = process.bot, process._clock.now()
            why = unattended(bot.engine.state, bot.feed_age(at), at)
            if why:
                self._since = self._since or (now, why)
            elif self._since is not None:
                self.unfed.append((now - self._since[0], self._since[1]))
                self._since = None

    def _perform(self, action: Callable[[], None]) -> None:
        super()._perform(action)
        self._look()

    def _run(self, until: int) -> None:
        while self.scheduler.now + STEP_MS < until:
            super()._run(self.scheduler.now + STEP_MS)
            self._look()
        super()._run(until)
        self._look()


def allowed_ms() -> int:
    """Return how long it may go unfed before systemd ends it."""
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.read_string(Path("systemd/mmbot.service").read_text(encoding="utf-8"))
    return int(parser["Service"]["WatchdogSec"]) * 1000 - PAUSE_MS


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=20)
    looks, unfed = 0, [(0, "it was fed at every look")]
    for seed in range(1, parser.parse_args().seeds + 1):
        world = WatchedWorld(str(seed), weeks(1), named("all"))
        world.run()
        looks += world.looks
        unfed += world.unfed
    longest, why = max(unfed)
    print(f"{looks:,} looks, unfed {len(unfed) - 1} times, at the longest {longest} ms: {why}")
    sys.exit(longest > allowed_ms())


if __name__ == "__main__":
    main()
