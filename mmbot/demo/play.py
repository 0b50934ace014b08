"""Plays a week: the simulated exchange and the daemon as processes of their own.

The daemon is watched as anybody would watch it, by its log; the exchange is asked for its own
ledger. At the end the two ledgers are compared, fill by fill and to the last millionth of a
dollar.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import IO, Any

import aiohttp
import msgspec
import orjson

from mmbot.daemon.ledger import Ledger
from mmbot.errors import NotReady
from mmbot.exchange.assembly import Published, real, synthetic
from mmbot.tsa.calendar import EASTERN, Week
from mmbot.tsa.counts import load_counts
from mmbot.units import (
    MONEY_PER_DOLLAR,
    ONE_CONTRACT,
    format_count,
    format_money,
    format_price,
    parse_money,
)

# Calendar seconds a wall second: a week and the morning after it take about a minute.
SPEED = 10_000
# The calendar starts before the market opens, which gives the daemon time to start.
_START = dt.time(2, 0)
VENUE_FILE = "venue.json"
_START_SECONDS = 30.0
_PLAY_SECONDS = 90.0
_STOP_SECONDS = 30.0
_LONGEST_LINE = 1024 * 1024


class DemoWeek(msgspec.Struct, frozen=True):
    """What is played."""

    week: Week
    seed: int
    config: Path
    counts: Path | None = None

    @property
    def start(self) -> dt.datetime:
        """When the calendar starts to run."""
        return dt.datetime.combine(self.week.monday, _START, EASTERN)

    def published(self) -> Published:
        """Return the counts that are played."""
        if self.counts is None:
            return synthetic(self.week, self.seed)
        return real(load_counts(self.counts), self.week, str(self.counts))


class DemoResult(msgspec.Struct, frozen=True):
    """How it ended; money in dollars, counts in contracts, the settled value in passengers.

    `state` is the directory in which the daemon and the exchange left what they have written.
    """

    seed: int
    event: str
    counts: str
    state: str
    known_days_traded: list[int]
    orders: int
    fills: int
    contracts: float
    fees: float
    pnl: float
    settled_value: float | None
    resting_at_end: int
    reconciled: bool
    differences: list[str]


async def play(
    scene: DemoWeek, directory: Path, watch: Callable[[dict[str, Any]], None]
) -> DemoResult:
    """Play `scene` in `directory`, hand every log line to `watch`, and compare the ledgers.

    Raises:
        NotReady: A process did not start, ended before its time, or took too long.
    """
    orders = 0

    def count_orders(line: dict[str, Any]) -> None:
        nonlocal orders
        orders += line["event"] == "order.place"
        watch(line)

    async with _exchange(scene, directory / "exchange.log") as (venue, venue_file):
        run = ["run", "--config", str(scene.config), "--venue", str(venue_file)]
        environment = {"STATE_DIRECTORY": str(directory)}
        async with _process(run, stdout=DEVNULL, stderr=PIPE, environment=environment) as daemon:
            try:
                async with asyncio.timeout(_PLAY_SECONDS):
                    await _watch_to_settlement(daemon, count_orders)
            except TimeoutError:
                raise NotReady(f"the week was not over after {_PLAY_SECONDS:.0f} seconds") from None
            code = await _stop(daemon)
        if code != 0:
            raise NotReady(f"the daemon ended with exit code {code}")
        return compare(scene, directory, orders, await _ask(venue["ledger_url"]))


async def _watch_to_settlement(daemon: Process, watch: Callable[[dict[str, Any]], None]) -> None:
    async for line in _log(daemon):
        watch(line)
        if line["event"] == "event.settled":
            return
    raise NotReady("the daemon ended before the week was over; its last words are above")


def state_directory(directory: Path) -> Path:
    """Return where the daemon keeps its state when `directory` is systemd's for it."""
    return directory / "demo" / "simulated"


def _exchange_arguments(scene: DemoWeek) -> list[str]:
    arguments = ["exchange", "--port", "0", "--seed", str(scene.seed), "--speed", str(SPEED)]
    arguments += ["--week", str(scene.week.sunday), "--at", scene.start.isoformat()]
    if scene.counts is not None:
        arguments += ["--counts", str(scene.counts)]
    return arguments


# Processes


@contextlib.asynccontextmanager
async def _exchange(scene: DemoWeek, log: Path) -> AsyncIterator[tuple[dict[str, Any], Path]]:
    """Run the simulated exchange; yield what it printed and the file that holds it."""
    with log.open("wb") as stderr:
        arguments = _exchange_arguments(scene)
        async with _process(arguments, stdout=PIPE, stderr=stderr, environment={}) as child:
            line = await _first_line(child)
            if not line:
                raise NotReady(f"the exchange did not start: {_text(log)}")
            venue_file = log.with_name(VENUE_FILE)
            venue_file.write_bytes(line)
            yield orjson.loads(line), venue_file


@contextlib.asynccontextmanager
async def _process(
    arguments: list[str], *, stdout: int, stderr: int | IO[bytes], environment: dict[str, str]
) -> AsyncIterator[Process]:
    """Run `mmbot` as a process of its own, ended by SIGTERM when the block is left."""
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "mmbot",
        *arguments,
        stdout=stdout,
        stderr=stderr,
        env={**os.environ, **environment},
        limit=_LONGEST_LINE,
    )
    try:
        yield child
    finally:
        await _stop(child)


def _text(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace").strip()


async def _stop(child: Process) -> int:
    if child.returncode is None:
        child.terminate()
    try:
        async with asyncio.timeout(_STOP_SECONDS):
            # What it still has to say must be read, or it would wait for room in the pipe.
            await child.communicate()
    except TimeoutError:
        child.kill()
    return await child.wait()


async def _first_line(child: Process) -> bytes:
    if child.stdout is None:
        raise RuntimeError("standard output is not in a pipe")
    async with asyncio.timeout(_START_SECONDS):
        return await child.stdout.readline()


async def _log(child: Process) -> AsyncIterator[dict[str, Any]]:
    """Yield the daemon's log lines; what is not one is the reason why it ends."""
    if child.stderr is None:
        raise RuntimeError("standard error is not in a pipe")
    async for line in child.stderr:
        try:
            yield orjson.loads(line)
        except orjson.JSONDecodeError:
            sys.stderr.buffer.write(line)


async def _ask(url: str) -> dict[str, Any]:
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        ledger: dict[str, Any] = await response.json()
        return ledger


# The books


def compare(scene: DemoWeek, directory: Path, orders: int, theirs: dict[str, Any]) -> DemoResult:
    """Return how a week ended, by the daemon's ledger below `directory` and the exchange's."""
    event = scene.week.event_ticker("KXTSAW")
    ledger = Ledger(state_directory(directory))
    try:
        fills, totals = ledger.fills(event), ledger.totals(event)
    finally:
        ledger.close()
    ours = {
        "fills": sorted(
            (
                fill.trade_id,
                fill.order_id,
                fill.ticker,
                fill.side,
                format_price(fill.price),
                format_count(fill.count),
                format_money(fill.fee),
            )
            for fill, _ in fills
        ),
        "fees": totals.fees,
        "pnl": totals.pnl,
        "resting": 0,
    }
    other = {
        "fills": sorted(
            (
                fill["trade_id"],
                fill["order_id"],
                fill["ticker"],
                fill["side"],
                fill["yes_price_dollars"],
                fill["count"],
                fill["fee_dollars"],
            )
            for fill in theirs["fills"]
        ),
        "fees": parse_money(theirs["fees_dollars"]),
        "pnl": parse_money(theirs["cash_dollars"]) - parse_money(theirs["cash_at_start_dollars"]),
        "resting": theirs["resting_orders"],
    }
    differences = [name for name in ours if ours[name] != other[name]]
    average = theirs["settled_averages"].get(event)
    return DemoResult(
        seed=scene.seed,
        event=event,
        counts="synthetic" if scene.counts is None else "file",
        state=str(directory),
        known_days_traded=sorted({known for _, known in fills}),
        orders=orders,
        fills=len(fills),
        contracts=totals.contracts / ONE_CONTRACT,
        fees=totals.fees / MONEY_PER_DOLLAR,
        pnl=totals.pnl / MONEY_PER_DOLLAR,
        settled_value=None if average is None else float(average),
        resting_at_end=theirs["resting_orders"],
        reconciled=not differences,
        differences=differences,
    )
