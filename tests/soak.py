"""A soak: `mmbot exchange` and `mmbot run` at speed for a while; does the daemon grow?

    python -m tests.soak --minutes 60 --speed 150

The daemon has all its real parts: sockets, the stream, signatures, forecast, ledger, capture and
log. Every few seconds its resident memory, descriptors and threads are read from /proc, and from
its log how many orders it has placed and fills it has had. At the end there is a table and a
verdict. It is flat if over the second half

* it traded: orders were placed in each of its two quarters,
* its memory grew by no more than `--most-growth` MiB an hour (a least-squares line),
* no descriptor and no thread was left over: the fewest that were open in the last quarter are no
  more than the fewest in the quarter before,

and if SIGTERM then ended it with no order left. The exit code is 0 if so, otherwise 1.

The calendar begins on the Monday morning before the market opens. A week is 168 hours, and an hour
at 150 calendar seconds a second is 150: the market trades all the while.
"""

from __future__ import annotations

import datetime as dt
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
import orjson
import typer

from mmbot.demo.play import DemoWeek
from mmbot.errors import NotReady
from mmbot.underlying.calendar import Week

_WEEK = Week(dt.date(2026, 4, 19))
_END_SECONDS = 60.0
# Of every so many samples one is printed, and the table has so many rows.
_PRINTED_EVERY, _ROWS = 6, 20
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_MIB = 1024 * 1024


class Sample(msgspec.Struct, frozen=True):
    """What the daemon held at one instant, and what it had done until then."""

    seconds: float
    rss_mib: float
    descriptors: int
    threads: int
    orders: int
    fills: int


class Verdict(msgspec.Struct, frozen=True):
    """The figures of a soak; `reasons` says why it is not flat."""

    seconds: float
    speed: float
    first_rss_mib: float
    last_rss_mib: float
    growth_mib_per_hour: float
    descriptors: tuple[int, int]
    threads: tuple[int, int]
    orders: int
    fills: int
    exit_code: int
    reasons: tuple[str, ...]


class LogCount:
    """Counts what a growing log has told."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self._rest = b""
        self.events = {"order.place": 0, "fill": 0}

    def read(self) -> None:
        *lines, self._rest = (self._rest + self._file.read()).split(b"\n")
        for line in lines:
            event = orjson.loads(line)["event"] if line.startswith(b"{") else ""
            if event in self.events:
                self.events[event] += 1

    def close(self) -> None:
        self._file.close()


def soak(
    *,
    minutes: Annotated[float, typer.Option(min=0.5, max=24 * 60, help="How long.")] = 60.0,
    speed: Annotated[float, typer.Option(help="Calendar seconds in a wall second.")] = 150.0,
    every: Annotated[float, typer.Option(min=0.5, help="Seconds between two samples.")] = 5.0,
    most_growth: Annotated[
        float, typer.Option(help="MiB an hour by which memory may grow in the second half.")
    ] = 12.0,
    config: Annotated[Path, typer.Option(help="The daemon's settings.")] = Path("config/demo.toml"),
    directory: Annotated[
        Path | None, typer.Option(help="Keep ledger, capture and logs there; else a temporary one.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON at the end.")] = False,
) -> None:
    """Run exchange and daemon at speed, and say whether the daemon's memory and files are flat."""
    with tempfile.TemporaryDirectory(prefix="mmbot-soak-") as temporary:
        place = directory or Path(temporary)
        place.mkdir(parents=True, exist_ok=True)
        with _exchange(place, speed) as venue, _daemon(place, config, venue) as daemon:
            samples = _watch(daemon, place / "daemon.log", minutes * 60, every)
            code = _ended(daemon)
        verdict = _judge(samples, code, speed, most_growth)
    if as_json:
        tree = {"flat": not verdict.reasons, "samples": samples, **msgspec.to_builtins(verdict)}
        print(msgspec.json.encode(tree).decode())
    else:
        _show(samples, verdict)
    raise typer.Exit(1 if verdict.reasons else 0)


@contextmanager
def _exchange(place: Path, speed: float) -> Iterator[Path]:
    start = DemoWeek(_WEEK, seed=1, config=Path()).start + dt.timedelta(hours=7)
    options = ["--speed", str(speed), "--week", str(_WEEK.sunday), "--at", start.isoformat()]
    with (
        (place / "exchange.log").open("wb") as log,
        subprocess.Popen(
            [sys.executable, "-m", "mmbot", "exchange", "--port", "0", *options],
            stdout=subprocess.PIPE,
            stderr=log,
        ) as process,
    ):
        try:
            assert process.stdout is not None
            venue = place / "venue.json"
            venue.write_bytes(process.stdout.readline())
            yield venue
        finally:
            process.send_signal(signal.SIGTERM)
            _ended(process)


@contextmanager
def _daemon(place: Path, config: Path, venue: Path) -> Iterator[subprocess.Popen[bytes]]:
    with (
        (place / "daemon.log").open("wb") as log,
        subprocess.Popen(
            [sys.executable, "-m", "mmbot", "run", "--config", str(config), "--venue", str(venue)],
            stderr=log,
            env={**os.environ, "STATE_DIRECTORY": str(place.resolve())},
        ) as process,
    ):
        try:
            yield process
        finally:
            process.kill()


def _ended(process: subprocess.Popen[bytes]) -> int:
    """End a process by SIGTERM, after a minute by SIGKILL; return its exit code."""
    process.send_signal(signal.SIGTERM)
    try:
        return process.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def _watch(
    daemon: subprocess.Popen[bytes], log: Path, seconds: float, every: float
) -> list[Sample]:
    """Sample the daemon until the time is over; raise `NotReady` if it ends before."""
    samples: list[Sample] = []
    began = time.monotonic()
    count = LogCount(log)
    try:
        while (passed := time.monotonic() - began) < seconds:
            time.sleep(min(every, seconds - passed))
            if daemon.poll() is not None:
                tail = log.read_text(errors="replace").splitlines()[-3:]
                raise NotReady(f"the daemon ended with {daemon.returncode}: {tail}")
            count.read()
            samples.append(_sample(daemon.pid, time.monotonic() - began, count.events))
            if len(samples) % _PRINTED_EVERY == 0:
                print(_line(samples[-1]), file=sys.stderr, flush=True)
    finally:
        count.close()
    return samples


def _sample(pid: int, seconds: float, events: dict[str, int]) -> Sample:
    process = Path(f"/proc/{pid}")
    pages = int((process / "statm").read_text().split()[1])
    return Sample(
        seconds=seconds,
        rss_mib=pages * _PAGE_BYTES / _MIB,
        descriptors=len(list((process / "fd").iterdir())),
        threads=len(list((process / "task").iterdir())),
        orders=events["order.place"],
        fills=events["fill"],
    )


def _judge(samples: list[Sample], code: int, speed: float, most_growth: float) -> Verdict:
    half, last = samples[len(samples) // 2 :], samples[len(samples) * 3 // 4 :]
    third = half[: len(half) - len(last)]
    growth = 3600 * float(np.polyfit([s.seconds for s in half], [s.rss_mib for s in half], 1)[0])
    reasons = []
    if growth > most_growth:
        reasons.append(f"memory grows by {growth:.1f} MiB an hour, and may by {most_growth:g}")
    for name in ("descriptors", "threads"):
        before, after = (min(getattr(s, name) for s in part) for part in (third, last))
        if after > before:
            reasons.append(f"{after - before} more {name} are open in the last quarter")
    if not third[0].orders < third[-1].orders < last[-1].orders:
        reasons.append("it did not trade all the while")
    if code != 0:
        reasons.append(f"it ended with {code} on SIGTERM")
    return Verdict(
        seconds=samples[-1].seconds,
        speed=speed,
        first_rss_mib=samples[0].rss_mib,
        last_rss_mib=samples[-1].rss_mib,
        growth_mib_per_hour=growth,
        descriptors=_range(half, "descriptors"),
        threads=_range(half, "threads"),
        orders=samples[-1].orders,
        fills=samples[-1].fills,
        exit_code=code,
        reasons=tuple(reasons),
    )


def _range(samples: list[Sample], name: str) -> tuple[int, int]:
    values: list[Any] = [getattr(sample, name) for sample in samples]
    return min(values), max(values)


def _line(sample: Sample) -> str:
    return (
        f"{sample.seconds / 60:7.1f} min  {sample.rss_mib:7.1f} MiB  {sample.descriptors:3} files  "
        f"{sample.threads:3} threads  {sample.orders:7,} orders  {sample.fills:7,} fills"
    )


def _show(samples: list[Sample], verdict: Verdict) -> None:
    for sample in samples[:: max(1, len(samples) // _ROWS)]:
        print(_line(sample))
    verdict_in_words = "NOT FLAT: " + "; ".join(verdict.reasons) if verdict.reasons else "FLAT"
    print(
        f"{verdict_in_words}; second half: {verdict.growth_mib_per_hour:+.1f} MiB an hour, "
        f"{verdict.last_rss_mib:.0f} MiB at the end, "
        f"descriptors {verdict.descriptors[0]} to {verdict.descriptors[1]}, "
        f"threads {verdict.threads[0]} to {verdict.threads[1]}; {verdict.orders:,} orders, "
        f"{verdict.fills:,} fills, exit code {verdict.exit_code}"
    )


if __name__ == "__main__":
    typer.run(soak)
