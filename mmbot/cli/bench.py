"""`mmbot bench`: the cost of the hot path, the forecast and quoting, each beside its floor."""

from __future__ import annotations

import asyncio
import datetime as dt
import enum
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from mmbot.bench import sockets
from mmbot.cli import output
from mmbot.cli.bench_goals import goals
from mmbot.errors import BadInput
from mmbot.forecast.methods import DEFAULT, METHODS
from mmbot.kalshi.auth import Signer
from mmbot.research.forecast_bench import Timing, time_forecast
from mmbot.research.hot_path_bench import time_hot_path
from mmbot.research.quote_bench import time_quoting
from mmbot.tsa.synthetic import daily_counts
from mmbot.tsa.underlying import TSA
from mmbot.underlying.counts import Counts
from mmbot.underlying.counts_file import load_counts
from mmbot.underlying.simulated import LABEL

_LADDER = tuple(range(1_800_000, 2_850_000, 50_000))
_SYNTHETIC_END = dt.date(2026, 4, 19)
_MARKETS = (21, 210, 2_100)
_MANY_FRAMES = 10_000_000


class Part(enum.StrEnum):
    """The parts that can be measured separately."""

    forecast = "forecast"
    path = "path"
    trips = "trips"
    flood = "flood"
    start = "start"
    log = "log"


class Amounts:
    """The amount of measurements: a quick look, or figures to publish."""

    def __init__(self, *, quick: bool, method: str | None = None) -> None:
        self.quick = quick
        self.frames, self.rounds, self.orders = (2_000, 3, 400) if quick else (10_000, 15, 3_000)
        self.trips = 100 if quick else 1_000
        self.flood = 100_000 if quick else 1_000_000
        self.again = 0 if quick else _MANY_FRAMES
        # The pool's hindcasts of past weeks take a minute to compute.
        self.method = method or ("seed" if quick else DEFAULT)


def bench(
    counts: Annotated[
        Path | None,
        typer.Option(help="Daily counts to forecast from; synthetic ones unless given."),
    ] = None,
    repeat: Annotated[int, typer.Option(min=3, max=1000, help="Runs of each quick part.")] = 20,
    json_path: Annotated[
        str,
        typer.Option(
            "--json", metavar="[PATH]", help="Write JSON to this file; without a file, print it."
        ),
    ] = "",
    quick: Annotated[
        bool, typer.Option("--quick", help="Measure for less than a minute, and no memory growth.")
    ] = False,
    only: Annotated[
        list[Part] | None, typer.Option(help="Measure this part; may be repeated.")
    ] = None,
    method: Annotated[
        str | None,
        typer.Option(help="The forecast's method; the pool, or seed with --quick, unless given."),
    ] = None,
) -> None:
    """Measure latency from frame to order, floods, memory, start-up and the forecast.

    Each figure is shown beside its floor, measured in the same run, and its goal, because only
    the ratio can be compared between machines. Frames come over loopback sockets from a simulated
    exchange in another process. Nothing is asserted: the exit code is 0.

    Parts: path (in process: frame to best prices, quiet frame, frame to order), trips (socket to
    socket), flood (at 21, 210 and 2,100 markets, with the daemon's memory), start (cold start to
    the first quote), log (a line of the log), forecast (belief, ladder, quoting).
    """
    if method not in {None, *METHODS}:
        raise BadInput(f"--method {method!r} does not exist; choose from {', '.join(METHODS)}")
    parts = set(only or Part)
    if quick and not only:
        parts.remove(Part.forecast)
    found: dict[str, Any] = {}
    if Part.forecast in parts:
        found |= _forecast(counts, repeat, method or DEFAULT, printed=json_path != "-")
    measured = asyncio.run(_hot_path(parts, Amounts(quick=quick, method=method)))
    if json_path == "-":
        print(orjson.dumps(found | measured).decode())
        return
    if measured:
        output.console().print(_goals(measured))
    if json_path:
        _write(Path(json_path), found | measured)


async def _hot_path(parts: set[Part], amounts: Amounts) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if Part.path in parts:
        found |= _in_process(amounts)
    with tempfile.TemporaryDirectory(prefix="mmbot-bench-") as directory:
        processes = sockets.Bench(Path(directory), amounts.method)
        if Part.start in parts:
            found["cold_start_s"] = await sockets.cold_start(processes)
        if Part.trips in parts:
            found["socket_us"] = await sockets.round_trips(processes, amounts.trips)
        if Part.flood in parts:
            found |= await _floods(processes, amounts)
    if Part.log in parts:
        line, floor = await sockets.log_line()
        found["log_line_us"] = {"line": line, "floor": floor}
    return found


def _in_process(amounts: Amounts) -> dict[str, Any]:
    signer = Signer("bench", Ed25519PrivateKey.generate())
    path = time_hot_path(
        time.thread_time_ns, signer, amounts.frames, amounts.orders, amounts.rounds
    )
    for sentence in path.missing:
        print(sentence)
    return {
        "decode_floor_us": path.decode_floor,
        "raw_to_top_us": path.raw_to_top,
        "peers": path.peers,
        "quiet_frame_us": path.quiet_frame,
        "raw_to_order_us": dict(zip(("p50", "p99"), path.order, strict=True)),
        "raw_to_signed_order_us": dict(zip(("p50", "p99"), path.signed, strict=True)),
    }


async def _floods(processes: sockets.Bench, amounts: Amounts) -> dict[str, Any]:
    floods, memory, growth = {}, {}, None
    for markets in _MARKETS:
        again = amounts.again if markets == _MARKETS[0] else 0
        flood = await sockets.flood(processes, markets, amounts.flood, again=again)
        memory[str(markets)] = flood.rss_mib
        growth = growth if flood.growth is None else flood.growth
        floods[str(markets)] = {
            "frames_per_s": flood.frames_per_s,
            "us_per_frame": flood.us_per_frame,
            "lag_p99_ms": flood.lag_p99_ms,
        }
    grown = {} if growth is None else {"rss_growth": growth}
    return {"flood": floods, "rss_mib": memory, **grown}


def _forecast(path: Path | None, repeat: int, method: str, *, printed: bool) -> dict[str, Any]:
    """Measure the forecast and quoting; return the figures by part."""
    history = load_counts(path, TSA) if path else _synthetic()
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("Forecasting past weeks", total=None)
        timings = time_forecast(
            history,
            _LADDER,
            repeat,
            method,
            lambda done, total: progress.update(task, completed=done, total=total),
        )
        timings += time_quoting(repeat)
    if printed:
        output.console().print(_table(timings, str(path) if path else LABEL))
    return {
        t.part: {
            "quickest_ms": t.quickest,
            "median_ms": t.median,
            "slowest_ms": t.slowest,
            "floor_ms": t.floor,
        }
        for t in timings
    }


def _synthetic() -> Counts:
    counts = Counts()
    for day, count in daily_counts(_SYNTHETIC_END, 1).items():
        counts, _ = counts.observe(day, count, TSA.assumed_release(day))
    return counts


def _table(timings: list[Timing], source: str) -> Table:
    names = ("part", "quickest ms", "median ms", "slowest ms", "runs", "x floor")
    table = Table(*names, title=f"on {source}")
    for column in table.columns[1:]:
        column.justify = "right"
    for t in timings:
        times = [f"{ms:,.3f}" for ms in (t.quickest, t.median, t.slowest)]
        table.add_row(t.part, *times, str(t.runs), f"{t.quickest / t.floor:,.2f}")
    return table


def _goals(measured: dict[str, Any]) -> Table:
    table = Table("measured", "is", "goal", "", title="medians of this run")
    table.columns[1].justify = table.columns[2].justify = "right"
    for goal in goals(measured):
        table.add_row(*goal)
    return table


def _write(path: Path, found: dict[str, Any]) -> None:
    try:
        path.write_bytes(orjson.dumps(found, option=orjson.OPT_INDENT_2) + b"\n")
    except OSError as error:
        raise BadInput(f"{path} cannot be written: {error.strerror}") from None
