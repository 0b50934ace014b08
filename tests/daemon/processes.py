"""The daemon as a process of its own, its log, and the account it trades on, read without it."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import signal
import subprocess
import time
import urllib.request
from asyncio.subprocess import PIPE
from asyncio.subprocess import Process as AsyncProcess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import orjson

from mmbot.kalshi.auth import Signer, read_private_key
from mmbot.kalshi.http import BASE_PATH
from mmbot.units import ONE_DOLLAR, parse_count, parse_money, parse_price
from tests.preloaded import PRELOADED

Start = Callable[..., Any]
Mmbot = Callable[..., subprocess.CompletedProcess[str]]
Process = subprocess.Popen[bytes]
Line = dict[str, Any]

PATIENCE_SECONDS = 180.0


@contextmanager
def daemon(
    config: str, venue: Path, state: Path, sabotage: str = "", command: str = "run"
) -> Iterator[Process]:
    """Start the daemon; kill it in the end unless it has ended by itself.

    `sabotage` is Python that is run in it beforehand, to break a part of it.
    """
    start = f"{sabotage}\nfrom mmbot.cli import main\nmain()"
    process = subprocess.Popen(
        [PRELOADED, "-c", start, command, "--config", config, "--venue", str(venue)],
        stderr=subprocess.PIPE,
        env={**os.environ, "STATE_DIRECTORY": str(state)},
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=30)


def log_until(process: Process, done: Callable[[Line], bool]) -> list[Line]:
    """Read the log up to the first line that `done` accepts; return all of it."""
    assert process.stderr is not None
    lines: list[Line] = []
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        raw = process.stderr.readline()
        assert raw, f"the daemon ended too early, after {lines[-3:]}"
        lines.append(orjson.loads(raw))
        if done(lines[-1]):
            return lines
    raise AssertionError(f"that was not logged, after {lines[-3:]}")


def is_off(reason: str) -> Callable[[Line], bool]:
    """Return what accepts the line that says that quotes came off for a reason.

    A heartbeat may say so a moment after they are back, as its status is made in turns.
    """
    return lambda line: line["event"] == "quotes.blocked" and line["reason"] == reason


def read_until(process: Process, name: str, times: int = 1) -> list[Line]:
    """Read the log up to the line of that name, so many times; return all of it."""
    lines: list[Line] = []
    for _ in range(times):
        lines += log_until(process, lambda line: bool(line["event"] == name))
    return lines


def rest_of_log(process: Process) -> list[Line]:
    """Wait for the daemon to end; return what it still logged."""
    _, rest = process.communicate(timeout=PATIENCE_SECONDS)
    return [orjson.loads(line) for line in rest.splitlines()]


def terminate(process: Process) -> int:
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=PATIENCE_SECONDS)
    return process.returncode


def kill(process: Process) -> None:
    process.kill()
    process.wait(timeout=10)


def their_ledger(exchange: Any) -> dict[str, Any]:
    """Return the exchange's own ledger of the account."""
    with urllib.request.urlopen(exchange.venue["ledger_url"], timeout=10) as answer:
        ledger: dict[str, Any] = orjson.loads(answer.read())
    return ledger


def await_resting(exchange: Any, *, some: bool) -> float:
    """Wait until orders rest at the exchange, or none does; return how many seconds it took."""
    began = time.monotonic()
    while bool(their_ledger(exchange)["resting_orders"]) != some:
        assert time.monotonic() < began + PATIENCE_SECONDS
        time.sleep(0.02)
    return time.monotonic() - began


def seconds_between(lines: list[Line], first: str, last: str) -> float:
    """Return the time from one event of the log to another, by its own timestamps."""
    at = {line["event"]: dt.datetime.fromisoformat(line["timestamp"]) for line in reversed(lines)}
    return (at[last] - at[first]).total_seconds()


class Account:
    """The bot's account at the exchange, read without the bot."""

    def __init__(self, venue: dict[str, Any]) -> None:
        pem = Path(venue["private_key_path"]).read_bytes()
        self._signer = Signer(venue["key_id"], read_private_key(pem))
        self._origin = venue["rest_url"].removesuffix(BASE_PATH)

    def call(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        whole = BASE_PATH + path
        now = time.time_ns() // 1_000_000
        headers = dict(self._signer.headers(method, whole.partition("?")[0], now))
        data = None if body is None else orjson.dumps(body)
        if data is not None:
            headers["Content-Type"] = "application/json"
        request = urllib.request.Request(
            self._origin + whole, method=method, headers=headers, data=data
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            tree: dict[str, Any] = orjson.loads(answer.read())
        return tree

    @property
    def orders(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.call(
            "GET", "/portfolio/orders?status=resting&limit=1000"
        )["orders"]
        return rows

    @property
    def resting(self) -> set[str]:
        return {order["order_id"] for order in self.orders}

    @property
    def positions(self) -> dict[str, str]:
        rows = self.call("GET", "/portfolio/positions?count_filter=position")["market_positions"]
        return {row["ticker"]: row["position_fp"] for row in rows}


def worst_case(ledger: dict[str, Any]) -> int:
    """Return the event's least P&L in 1e-6 dollar, every order filled where that hurts."""
    rows = [
        (row["ticker"], row["side"], row["yes_price_dollars"], row["count"], row["fee_dollars"])
        for row in ledger["fills"]
    ]
    booked = [(t, s, parse_price(p), parse_count(c), parse_money(f)) for t, s, p, c, f in rows]
    resting = [
        (o["ticker"], o["side"], parse_price(o["yes_price_dollars"]), parse_count(o["remaining"]))
        for o in ledger["orders"]
    ]
    strikes = sorted({strike_of(row[0]) for row in booked + resting})

    def earned(cell: int, ticker: str, side: str, price: int, count: int) -> int:
        """Return a trade's P&L where the average is above the first `cell` strikes and no other."""
        pays = ONE_DOLLAR if strike_of(ticker) in strikes[:cell] else 0
        return count * (pays - price if side == "bid" else price - pays)

    return min(
        sum(earned(cell, *row[:4]) - row[4] for row in booked)
        + sum(min(0, earned(cell, *row)) for row in resting)
        for cell in range(len(strikes) + 1)
    )


def strike_of(ticker: str) -> float:
    return float(ticker.rpartition("-A")[2])


class Session:
    """One process of the daemon, and what it has logged so far."""

    def __init__(self, process: AsyncProcess) -> None:
        self.process = process
        self.log: list[Line] = []
        # An error of the command itself, which is no line of the log.
        self.last_words = ""
        self._news = asyncio.Event()
        self._listening = asyncio.create_task(self._listen())

    @property
    def names(self) -> list[str]:
        return [line["event"] for line in self.log]

    async def _listen(self) -> None:
        assert self.process.stderr is not None
        async for line in self.process.stderr:
            if line.startswith(b"{"):
                self.log.append(orjson.loads(line))
            else:
                self.last_words += line.decode()
            self._news.set()

    async def until(self, event: str) -> None:
        """Wait until it has logged that; nothing is logged from the beginning."""
        if event:
            await self.until_any(event)

    async def until_any(self, *events: str) -> None:
        """Wait until it has logged one of these."""
        while not set(events) & set(self.names):
            assert not self._listening.done(), f"the daemon ended too early: {self.log[-3:]}"
            self._news.clear()
            news = asyncio.create_task(self._news.wait())
            await asyncio.wait({news, self._listening}, return_when=asyncio.FIRST_COMPLETED)
            news.cancel()

    async def ended(self) -> int:
        """Wait for its end and its last line; return the exit code."""
        code = await self.process.wait()
        await self._listening
        return code


@asynccontextmanager
async def session(
    config: Path | str, venue: Path, state: Path, command: str = "run", python: str = PRELOADED
) -> AsyncIterator[Session]:
    """Run the daemon and listen to it; kill it in the end unless it has ended by itself."""
    process = await asyncio.create_subprocess_exec(
        *(python, "-m", "mmbot", command, "--config", str(config), "--venue", str(venue)),
        stderr=PIPE,
        env={**os.environ, "STATE_DIRECTORY": str(state)},
        limit=1 << 20,
    )
    running = Session(process)
    try:
        yield running
    finally:
        if process.returncode is None:
            process.kill()
        await running.ended()
