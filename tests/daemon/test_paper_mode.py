"""The daemon in paper mode, as a process of its own, against the simulated exchange's sockets."""

from __future__ import annotations

import asyncio
import contextlib
import os
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from mmbot.daemon.ledger import Ledger
from mmbot.trading.commands import RecordFill
from tests.daemon.builders import fill, settlement
from tests.preloaded import PRELOADED

_CONFIGS = Path(__file__).parents[2] / "config"
_PATIENCE = 120.0
_EXCHANGE = ("exchange", "--seed", "3", "--week", "2026-04-19", "--speed", "3000")
# Whatever of this stands in the log would mean that the bot's view of the book broke.
_BROKEN = {"stream.gap", "stream.given_up", "stream.malformed", "books.distrusted"}
_BROKEN |= {"book.distrusted", "account.not_read", "order.unknown"}


@contextlib.asynccontextmanager
async def running(*arguments: str, pipe: str, state: Path) -> AsyncIterator[Process]:
    child = await asyncio.create_subprocess_exec(
        PRELOADED,
        "-m",
        "mmbot",
        *arguments,
        stdout=PIPE if pipe == "stdout" else DEVNULL,
        stderr=PIPE if pipe == "stderr" else DEVNULL,
        env={**os.environ, "STATE_DIRECTORY": str(state)},
        limit=1 << 20,
    )
    try:
        yield child
    finally:
        if child.returncode is None:
            child.kill()
        await child.wait()


async def next_line(stream: asyncio.StreamReader | None) -> dict[str, Any]:
    assert stream is not None
    line: dict[str, Any] = orjson.loads(await stream.readline())
    return line


async def one_life(config: Path, venue: Path, state: Path, until: str) -> list[dict[str, Any]]:
    """Run the daemon until it logs `until`, then stop it; return its whole log."""
    arguments = ("run", "--config", str(config), "--venue", str(venue))
    async with running(*arguments, pipe="stderr", state=state) as daemon:
        log = [await next_line(daemon.stderr)]
        while log[-1]["event"] != until:
            log.append(await next_line(daemon.stderr))
        daemon.terminate()
        _, rest = await daemon.communicate()
        assert daemon.returncode == 0
    return log + [orjson.loads(line) for line in rest.splitlines()]


async def test_paper_orders_fill_inside_survive_a_restart_and_never_reach_the_exchange(
    tmp_path: Path,
) -> None:
    config, venue_file = tmp_path / "paper.toml", tmp_path / "venue.json"
    demo = (_CONFIGS / "demo.toml").read_text()
    config.write_text(demo.replace('mode = "demo"', 'mode = "paper"'))
    async with (
        asyncio.timeout(_PATIENCE),
        running(*_EXCHANGE, pipe="stdout", state=tmp_path) as exchange,
    ):
        venue = await next_line(exchange.stdout)
        venue_file.write_bytes(orjson.dumps(venue))
        first = await one_life(config, venue_file, tmp_path, until="fill")
        second = await one_life(config, venue_file, tmp_path, until="account.reconciled")
        async with aiohttp.ClientSession() as session, session.get(venue["ledger_url"]) as answer:
            theirs = await answer.json()
        exchange.terminate()
        await exchange.wait()

    events = {line["event"] for line in first + second}
    assert not events & _BROKEN
    assert {"order.place", "fill", "sweep.clean"} <= events
    fills = [line for line in first if line["event"] == "fill"]
    (reconciled,) = [line for line in second if line["event"] == "account.reconciled"]
    assert reconciled["fills"] == len(fills)
    assert (theirs["fills"], theirs["resting_orders"], theirs["positions"]) == ([], 0, [])
    assert theirs["cash_dollars"] == theirs["cash_at_start_dollars"]


def test_the_fills_of_settled_markets_are_left_out(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    fills = [
        fill(f"t-{ticker}", ticker=ticker, at=at)
        for at, ticker in enumerate(("KXTSAW-26NOV22-A2.70", "KXTSAW-26NOV29-A2.70"))
    ]
    for each in fills:
        ledger.add_fill(RecordFill(each, days_published=0))
    ledger.add_settlement(settlement(0, 100, ticker=fills[0].ticker))
    assert ledger.unsettled_fills() == [fills[1]]
    ledger.close()
