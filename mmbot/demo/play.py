"""Plays one week with the simulated exchange and the daemon as child processes.

The daemon is watched through its log alone. At the end its ledger is compared with the exchange's,
fill by fill and to the last 1e-6 dollar.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import orjson

from mmbot.daemon.ledger import Ledger
from mmbot.demo.processes import first_line, log_lines, run_command, stop
from mmbot.errors import NotReady
from mmbot.exchange.assembly import PublishedCounts, real_counts, synthetic_counts
from mmbot.history.store import load_counts
from mmbot.trading.values import Fill
from mmbot.underlying.calendar import EASTERN, Week
from mmbot.units import (
    MONEY_PER_DOLLAR,
    ONE_CONTRACT,
    format_count,
    format_money,
    format_price,
    parse_money,
)

# Calendar seconds per wall second: a week and the morning after it take about a minute.
SPEED = 10_000
# The calendar starts before the market opens, which gives the daemon time to start.
_START = dt.time(2, 0)
VENUE_FILE = "venue.json"
# Several times what it takes, for a busy machine.
_PLAY_SECONDS = 300.0


class DemoWeek(msgspec.Struct, frozen=True):
    """The week to play, the seed of the crowd, and where config and counts are read from.

    Without `counts` they are synthetic, from the seed. `fees` are the series', as for
    `mmbot exchange --fees`; if empty, makers pay none.
    """

    week: Week
    seed: int
    config: Path
    counts: Path | None = None
    fees: str = ""

    @property
    def start(self) -> dt.datetime:
        """The calendar's instant at the start."""
        return dt.datetime.combine(self.week.monday, _START, EASTERN)

    def published(self) -> PublishedCounts:
        """Return the counts that the simulated TSA site publishes."""
        if self.counts is None:
            return synthetic_counts(self.week, self.seed)
        return real_counts(load_counts(self.counts), self.week, str(self.counts))


class DemoResult(msgspec.Struct, frozen=True):
    """The result; money in dollars, counts in contracts, the settled value in passengers.

    `state` is the directory of the daemon's and the exchange's files.
    """

    seed: int
    event: str
    counts: str
    state: str
    days_published_traded: list[int] = msgspec.field(name="known_days_traded")
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
    demo_week: DemoWeek, directory: Path, watch: Callable[[dict[str, Any]], None]
) -> DemoResult:
    """Play a week in `directory`, pass every log line to `watch`, and compare the ledgers.

    Raises:
        NotReady: A process did not start, ended too early, or took too long.
    """
    orders = 0

    def count_orders(line: dict[str, Any]) -> None:
        nonlocal orders
        orders += line["event"] == "order.place"
        watch(line)

    async with _exchange(demo_week, directory / "exchange.log") as (venue, venue_file):
        run = ["run", "--config", str(demo_week.config), "--venue", str(venue_file)]
        environment = {"STATE_DIRECTORY": str(directory)}
        async with run_command(run, stdout=DEVNULL, stderr=PIPE, environment=environment) as daemon:
            try:
                async with asyncio.timeout(_PLAY_SECONDS):
                    await _watch_to_settlement(daemon, count_orders)
            except TimeoutError:
                raise NotReady(
                    f"the week was not over after {_PLAY_SECONDS:.0f} seconds: this machine is too "
                    "busy or too slow for a week in a minute; try again when it is idle"
                ) from None
            code = await stop(daemon)
        if code != 0:
            raise NotReady(f"the daemon ended with exit code {code}")
        return compare(demo_week, directory, orders, await _get_json(venue["ledger_url"]))


async def _watch_to_settlement(daemon: Process, watch: Callable[[dict[str, Any]], None]) -> None:
    async for line in log_lines(daemon):
        watch(line)
        if line["event"] == "event.settled":
            return
    raise NotReady("the daemon ended before the week was over; its last lines are above")


def state_directory(directory: Path) -> Path:
    """Return the daemon's state directory where `directory` is its `STATE_DIRECTORY`."""
    return directory / "demo" / "simulated"


def _exchange_arguments(demo_week: DemoWeek) -> list[str]:
    arguments = ["exchange", "--port", "0", "--seed", str(demo_week.seed), "--speed", str(SPEED)]
    arguments += ["--week", str(demo_week.week.sunday), "--at", demo_week.start.isoformat()]
    if demo_week.counts is not None:
        arguments += ["--counts", str(demo_week.counts)]
    if demo_week.fees:
        arguments += ["--fees", demo_week.fees]
    return arguments


@contextlib.asynccontextmanager
async def _exchange(demo_week: DemoWeek, log: Path) -> AsyncIterator[tuple[dict[str, Any], Path]]:
    """Run the simulated exchange; yield its venue description and the file that holds it."""
    with log.open("wb") as stderr:
        arguments = _exchange_arguments(demo_week)
        async with run_command(arguments, stdout=PIPE, stderr=stderr, environment={}) as child:
            line = await first_line(child)
            if not line:
                raise NotReady(f"the exchange did not start: {_text(log)}")
            venue_file = log.with_name(VENUE_FILE)
            venue_file.write_bytes(line)
            yield orjson.loads(line), venue_file


def _text(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace").strip()


async def _get_json(url: str) -> dict[str, Any]:
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        ledger: dict[str, Any] = await response.json()
        return ledger


def compare(
    demo_week: DemoWeek, directory: Path, orders: int, exchange: dict[str, Any]
) -> DemoResult:
    """Compare the daemon's ledger below `directory` with the exchange's; summarise the week.

    Args:
        demo_week: The week that was played.
        directory: The directory of the daemon's and the exchange's files.
        orders: The number of orders that the daemon placed.
        exchange: The exchange's ledger as JSON values.
    """
    event = demo_week.week.event_ticker("KXTSAW")
    ledger = Ledger(state_directory(directory))
    try:
        fills, totals = ledger.fills(event), ledger.totals(event)
    finally:
        ledger.close()
    ours = {
        "fills": sorted(_fill_texts(fill) for fill, _ in fills),
        "fees": totals.fees,
        "pnl": totals.pnl,
        "resting": 0,
    }
    theirs = _exchange_figures(exchange)
    differences = [name for name in ours if ours[name] != theirs[name]]
    average = exchange["settled_averages"].get(event)
    return DemoResult(
        seed=demo_week.seed,
        event=event,
        counts="synthetic" if demo_week.counts is None else "file",
        state=str(directory),
        days_published_traded=sorted({days_published for _, days_published in fills}),
        orders=orders,
        fills=len(fills),
        contracts=totals.contracts / ONE_CONTRACT,
        fees=totals.fees / MONEY_PER_DOLLAR,
        pnl=totals.pnl / MONEY_PER_DOLLAR,
        settled_value=None if average is None else float(average),
        resting_at_end=exchange["resting_orders"],
        reconciled=not differences,
        differences=differences,
    )


def _fill_texts(fill: Fill) -> tuple[str, ...]:
    """Return a fill as the exchange's ledger writes it."""
    return (
        fill.trade_id,
        fill.order_id,
        fill.ticker,
        fill.side,
        format_price(fill.price),
        format_count(fill.count),
        format_money(fill.fee),
    )


def _exchange_figures(ledger: dict[str, Any]) -> dict[str, object]:
    names = ("trade_id", "order_id", "ticker", "side", "yes_price_dollars", "count", "fee_dollars")
    cash, at_start = (parse_money(ledger[f"{name}_dollars"]) for name in ("cash", "cash_at_start"))
    return {
        "fills": sorted(tuple(fill[name] for name in names) for fill in ledger["fills"]),
        "fees": parse_money(ledger["fees_dollars"]),
        "pnl": cash - at_start,
        "resting": ledger["resting_orders"],
    }
