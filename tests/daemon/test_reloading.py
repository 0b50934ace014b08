"""An edited file is put in force once it stands still; one that cannot be used changes nothing."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from mmbot import config
from mmbot.config import Settings
from mmbot.daemon.reloading import LOOK_SECONDS, ConfigFile, Reloader
from mmbot.errors import BadInput

PATIENCE_SECONDS = 30.0


class Watched:
    """A file that is watched, and the settings that were put in force by it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.write("")
        self.in_force: list[Settings] = []
        self.reloader = Reloader(ConfigFile(path), Settings(), self.in_force.append)

    def write(self, text: str) -> None:
        """Write it as a careful editor does: whole, under another name, then renamed."""
        other = self.path.with_suffix(".new")
        other.write_text(text or "# nothing\n")
        other.rename(self.path)

    async def until(self, log: list[Any], event: str, times: int = 1) -> dict[str, Any]:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                found = [line for line in log if line["event"] == event]
                if len(found) >= times:
                    return dict(found[-1])
                await asyncio.sleep(0.01)

    async def looks(self, number: int) -> None:
        """Let the watcher look so many times; what it would do by then it has done."""
        await asyncio.sleep((number + 0.5) * LOOK_SECONDS)


@asynccontextmanager
async def watching(tmp_path: Path) -> AsyncIterator[tuple[Watched, list[Any]]]:
    structlog.reset_defaults()
    with capture_logs() as log:
        watched = Watched(tmp_path / "c.toml")
        task = asyncio.create_task(watched.reloader.watch())
        try:
            yield watched, log
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def test_an_edited_file_is_put_in_force_and_told_old_and_new(tmp_path: Path) -> None:
    async with watching(tmp_path) as (watched, log):
        watched.write("[quoting]\nmargin = 0.2\n[limits]\norders = 500\n")
        line = await watched.until(log, "config.reloaded")
    assert line["changed"] == {"quoting.margin": "0.1 -> 0.2"}
    assert line["waits_for_restart"] == ["limits.orders"]
    assert [each.quoting.margin for each in watched.in_force] == [0.2]
    assert watched.in_force[-1] == watched.reloader.settings
    assert watched.in_force[-1].limits.orders == 100


async def test_a_file_that_cannot_be_used_is_told_once_and_changes_nothing(tmp_path: Path) -> None:
    async with watching(tmp_path) as (watched, log):
        watched.write("[quoting]\nmargin = 0,2\n")
        line = await watched.until(log, "config.refused")
        assert "c.toml:2: margin: a decimal comma" in line["reason"]
        assert watched.reloader.problem == line["reason"]
        # The next word is of the file after it: this one was not told again meanwhile.
        await watched.looks(3)
        watched.write("[quoting]\nmargin = 0.2\n")
        await watched.until(log, "config.reloaded")
        assert [each["event"] for each in log] == ["config.refused", "config.reloaded"]
        assert watched.reloader.problem == ""
    assert len(watched.in_force) == 1


async def test_a_file_that_is_mended_as_it_was_is_told_and_changes_nothing(tmp_path: Path) -> None:
    async with watching(tmp_path) as (watched, log):
        watched.write("margin =")
        await watched.until(log, "config.refused")
        watched.write("")
        line = await watched.until(log, "config.reloaded")
    assert line["changed"] == {}
    assert watched.in_force == []


async def test_a_file_whose_alerts_have_no_addresses_that_can_be_read_is_refused(
    tmp_path: Path,
) -> None:
    async with watching(tmp_path) as (watched, log):
        watched.write(f'[quoting]\nmargin = 0.2\n[alerts]\nurls_file = "{tmp_path}/none"\n')
        line = await watched.until(log, "config.refused")
    assert "cannot read the alerts' addresses" in line["reason"]
    assert watched.in_force == []


@pytest.mark.parametrize("state", ["gone", "empty", "a directory", "no text"])
async def test_a_file_that_is_none_is_refused(tmp_path: Path, state: str) -> None:
    async with watching(tmp_path) as (watched, log):
        await watched.looks(3)
        match state:
            case "gone":
                watched.path.unlink()
            case "empty":
                watched.path.write_text("")
            case "a directory":
                watched.path.unlink()
                watched.path.mkdir()
            case _:
                watched.path.write_bytes(b"\xff\xfe")
        await watched.until(log, "config.refused")
    assert watched.in_force == []


def test_a_file_about_an_underlying_that_is_not_known_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text('[underlying]\nname = "jobs"\n')
    with pytest.raises(BadInput, match=r"underlying.name is 'jobs'; choose from"):
        ConfigFile(path).load(config.Settings())


async def test_a_file_is_not_read_while_it_is_being_written(tmp_path: Path) -> None:
    """As long as it grows between any two looks, whatever stands in it is not taken."""
    async with watching(tmp_path) as (watched, log):
        await watched.looks(3)
        lines = ["[quoting]\n", "margin = 0.3\n", *["# more\n"] * 8, "sides = 'both'\n"]
        with watched.path.open("w") as file:
            for line in lines:
                file.write(line)
                file.flush()
                await asyncio.sleep(LOOK_SECONDS / 3)
        told = await watched.until(log, "config.reloaded")
    assert set(told["changed"]) == {"quoting.margin", "quoting.sides"}
    assert len(watched.in_force) == 1
    assert not [each for each in log if each["event"] == "config.refused"]


async def test_a_file_that_is_only_touched_says_nothing(tmp_path: Path) -> None:
    async with watching(tmp_path) as (watched, log):
        await watched.looks(3)
        os.utime(watched.path)
        await watched.looks(3)
        assert log == []


async def test_what_was_edited_before_the_watch_began_counts(tmp_path: Path) -> None:
    watched = Watched(tmp_path / "c.toml")
    watched.write("[quoting]\nmargin = 0.2\n")
    with capture_logs() as log:
        task = asyncio.create_task(watched.reloader.watch())
        await watched.until(log, "config.reloaded")
        task.cancel()
    assert [each.quoting.margin for each in watched.in_force] == [0.2]


async def test_who_asks_is_answered_at_once_even_where_nothing_changed(tmp_path: Path) -> None:
    async with watching(tmp_path) as (watched, log):
        watched.reloader.asked.set()
        assert (await watched.until(log, "config.reloaded"))["changed"] == {}
        watched.write("[quoting]\nmargin = 0.2\n")
        found = await watched.reloader.reload()
        assert [each.key for each in found.changed] == ["quoting.margin"]
        watched.write("[quoting]\nmargin = 2\n")
        with pytest.raises(BadInput, match=r"quoting\.margin"):
            await watched.reloader.reload()
    assert [each.quoting.margin for each in watched.in_force] == [0.2]


async def test_reloads_that_are_asked_for_together_happen_one_after_the_other(
    tmp_path: Path,
) -> None:
    watched = Watched(tmp_path / "c.toml")
    watched.write("[quoting]\nmargin = 0.2\n")
    found = await asyncio.gather(*(watched.reloader.reload() for _ in range(5)))
    assert [len(each.changed) for each in found] == [1, 0, 0, 0, 0]
    assert len(watched.in_force) == 1


def test_a_key_that_waits_is_named_without_its_value(tmp_path: Path) -> None:
    watched = Watched(tmp_path / "c.toml")
    watched.write('[credentials]\nprivate_key = "env:HUNTER2"\n')
    with capture_logs() as log:
        asyncio.run(watched.reloader.reload())
    assert "HUNTER2" not in str(log)
    assert log[-1]["waits_for_restart"] == ["credentials.private_key"]
    assert config.differences(watched.reloader.settings, Settings()) == ()
