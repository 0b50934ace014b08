"""Round trips, floods, memory and the cold start, with the daemon as a process of its own."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median
from typing import Any

import aiohttp
import msgspec
import orjson

from mmbot.bench.exchange import WEEK
from mmbot.errors import NotReady

_LONGEST_LINE_BYTES = 1 << 20
_QUOTED_SECONDS = 120.0
_END_SECONDS = 30.0
_STRIKES = 21
# After its first order the daemon goes on reading and placing for a while.
_SETTLE_SECONDS = 2.0
# Both sides of every market by the belief alone, as near to it as the edge allows, and moved as
# soon as the best price has moved.
_CONFIG = """
mode = "demo"
[forecast]
method = "{method}"
[quoting]
sides = "both"
margin = 0.001
longshot_edge_cents = [0.0, 0.0, 0.0, 0.0, 0.0]
belief_weight = [1.0, 1.0, 1.0, 1.0, 1.0]
size_by_known = [1.0, 1.0, 1.0, 1.0, 1.0]
minimum_edge_cents = 1.0
uncertainty_edge = 0.0
lowest_bid_cents = 1.0
reprice_tolerance_cents = 0.0
minimum_rest_seconds = 0.0
[limits]
contracts_per_15_seconds = 100000
event_loss_dollars = 1000.0
[log]
heartbeat_seconds = 1.0
"""


class Flooded(msgspec.Struct, frozen=True):
    """What a flood did to the daemon.

    Attributes:
        frames_per_s: How many frames it read per second of wall time.
        us_per_frame: The CPU that it used for each, over all threads, capture included.
        lag_p99_ms: How late its loop was.
        rss_mib: Its memory after that.
        growth: The factor by which its memory grew in the frames that followed, if any.
    """

    frames_per_s: float
    us_per_frame: float
    lag_p99_ms: float
    rss_mib: float
    growth: float | None = None


class Bench:
    """Runs the processes in a directory; the forecaster's bank stays there for the next daemon."""

    def __init__(self, directory: Path, method: str) -> None:
        """Write the daemon's settings."""
        self._directory = directory
        self._config = directory / "bench.toml"
        self._config.write_text(_CONFIG.format(method=method))

    @asynccontextmanager
    async def exchange(self, markets: int, key: str, tier: str) -> AsyncIterator[Exchange]:
        """Run the exchange with `markets` markets."""
        directory = Path(tempfile.mkdtemp(dir=self._directory))
        arguments = (str(markets // _STRIKES), key, tier, str(directory))
        async with _process("mmbot.bench.exchange", *arguments, stdout=PIPE) as child:
            line = await _line(child)
            (directory / "venue.json").write_bytes(line)
            timeout = aiohttp.ClientTimeout(total=None)
            async with aiohttp.ClientSession(timeout=timeout) as session:
                yield Exchange(session, orjson.loads(line), directory / "venue.json")

    @asynccontextmanager
    async def daemon(self, exchange: Exchange) -> AsyncIterator[Daemon]:
        """Run the daemon, and wait until it quotes."""
        began = time.monotonic()
        arguments = ("run", "--config", str(self._config), "--venue", str(exchange.venue_file))
        environment = {"STATE_DIRECTORY": str(self._directory)}
        async with _process(*_DAEMON, *arguments, stderr=PIPE, environment=environment) as child:
            daemon = Daemon(child)
            await exchange.quoted(daemon)
            daemon.started_seconds = time.monotonic() - began
            try:
                yield daemon
            except NotReady as error:
                raise NotReady(f"{error}; the daemon said {daemon.warnings[-3:]}") from None


# The module that is run as the daemon.
_DAEMON = ("mmbot",)


class Exchange:
    """The exchange's process, controlled by requests."""

    def __init__(self, session: aiohttp.ClientSession, venue: dict[str, Any], file: Path) -> None:
        self.venue_file = file
        self.origin = venue["counts_url"]
        self._session = session

    async def told(self, what: str, **query: str | int) -> Any:
        """Have it do something; return its answer."""
        async with self._session.get(f"{self.origin}/bench/{what}", params=query) as answer:
            if answer.status != 200:
                raise NotReady(f"the bench's exchange failed: {await answer.text()}")
            return orjson.loads(await answer.read())

    async def quoted(self, daemon: Daemon) -> None:
        """Wait for the first order."""
        deadline = time.monotonic() + _QUOTED_SECONDS
        while not await self.told("orders"):
            if time.monotonic() > deadline or daemon.ended:
                raise NotReady(f"the daemon does not quote: {daemon.lines[-3:]}")
            await asyncio.sleep(0.01)


class Daemon:
    """The daemon's process and its log."""

    def __init__(self, child: Process) -> None:
        self._child = child
        self.started_seconds = 0.0
        self.lines: list[dict[str, Any]] = []
        self._listening = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        if self._child.stderr is None:
            raise RuntimeError("standard error is not in a pipe")
        async for line in self._child.stderr:
            if line.startswith(b"{"):
                self.lines.append(orjson.loads(line))

    @property
    def warnings(self) -> list[dict[str, Any]]:
        """Its warnings and errors so far."""
        return [line for line in self.lines if line.get("level") in {"warning", "error"}]

    @property
    def ended(self) -> bool:
        """Whether its process has ended."""
        return self._child.returncode is not None

    @property
    def cpu_seconds(self) -> float:
        """The seconds of CPU that it has used, in all its threads."""
        fields = Path(f"/proc/{self._child.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    @property
    def rss_mib(self) -> float:
        """Its memory."""
        status = Path(f"/proc/{self._child.pid}/status").read_text()
        (line,) = (line for line in status.splitlines() if line.startswith("VmRSS:"))
        return int(line.split()[1]) / 1024

    def lag_p99_ms(self, since: int) -> float:
        """Return the median of the loop's p99 lag over the seconds since a line of its log."""
        told = [line for line in self.lines[since:] if line["event"] == "latency"]
        lags = [line["lag_ms"]["p99"] for line in told if line["lag_ms"]]
        return median(lags) if lags else 0.0


async def round_trips(bench: Bench, count: int) -> dict[str, float]:
    """Return p50 of the daemon's round trips, and of the bare loop's with either kind of key."""
    async with bench.exchange(_STRIKES, "ed25519", "prestige") as exchange:
        async with bench.daemon(exchange):
            await asyncio.sleep(_SETTLE_SECONDS)
            own = await exchange.told("trips", count=count)
        floor = await _bare(exchange, count)
    async with bench.exchange(_STRIKES, "rsa", "prestige") as exchange:
        rsa = await _bare(exchange, count)
    return {"p50": median(own), "floor_p50": median(floor), "rsa_floor_p50": median(rsa)}


async def _bare(exchange: Exchange, count: int) -> list[float]:
    arguments = (str(exchange.venue_file), f"{WEEK.event_ticker('KXTSAW')}-A2.30")
    async with _process("mmbot.bench.bare_loop", *arguments, stdout=PIPE) as child:
        await _line(child)
        await asyncio.sleep(0.5)
        taken: list[float] = await exchange.told("trips", count=count, bare=1)
        return taken


async def flood(bench: Bench, markets: int, frames: int, *, again: int = 0) -> Flooded:
    """Flood the daemon in `markets` markets, then with `again` frames to see its memory grow."""
    async with (
        bench.exchange(markets, "ed25519", "advanced") as exchange,
        bench.daemon(exchange) as daemon,
    ):
        await asyncio.sleep(_SETTLE_SECONDS)
        await exchange.told("flood", frames=frames // 10)
        since, used = len(daemon.lines), daemon.cpu_seconds
        took = await exchange.told("flood", frames=frames)
        used = daemon.cpu_seconds - used
        # The next line reports the last second.
        await asyncio.sleep(1.1)
        rss = daemon.rss_mib
        if again:
            await exchange.told("flood", frames=again)
        return Flooded(
            took["frames"] / took["seconds"],
            used / took["frames"] * 1e6,
            daemon.lag_p99_ms(since),
            rss,
            daemon.rss_mib / rss if again else None,
        )


async def cold_start(bench: Bench) -> float:
    """Return the seconds from the daemon's start to its first order, with its bank cached."""
    seconds = 0.0
    for _ in range(2):
        async with (
            bench.exchange(_STRIKES, "ed25519", "advanced") as exchange,
            bench.daemon(exchange) as daemon,
        ):
            seconds = daemon.started_seconds
    return seconds


async def log_line() -> tuple[float, float]:
    """Return the microseconds that a log event takes, and those of its bare rendering."""
    async with _process("mmbot.bench.log_line", stdout=PIPE) as child:
        line, floor = orjson.loads(await _line(child))
        return line, floor


@asynccontextmanager
async def _process(
    module: str,
    *arguments: str,
    stdout: int = DEVNULL,
    stderr: int | None = None,
    environment: dict[str, str] | None = None,
) -> AsyncIterator[Process]:
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module, *arguments),
        stdout=stdout,
        stderr=stderr,
        env={**os.environ, **(environment or {})},
        limit=_LONGEST_LINE_BYTES,
    )
    try:
        yield child
    finally:
        if child.returncode is None:
            child.terminate()
            try:
                async with asyncio.timeout(_END_SECONDS):
                    await child.wait()
            except TimeoutError:
                child.kill()
                await child.wait()


async def _line(child: Process) -> bytes:
    if child.stdout is None:
        raise RuntimeError("standard output is not in a pipe")
    async with asyncio.timeout(_QUOTED_SECONDS):
        line = await child.stdout.readline()
    if not line:
        raise NotReady("a process of the bench ended before it was ready")
    return line
