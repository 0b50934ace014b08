"""Channels that die on a connection that lives, and channels that tell of what never was.

What is measured is printed; what is asserted leaves room for a slow machine.
"""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import orjson
import pytest

from mmbot.exchange.assembly import SimulatedExchange
from mmbot.exchange.order_types import ExchangeOrder, NewOrder
from mmbot.exchange.server import now_ms
from mmbot.trading.values import CLIENT_ID_PREFIX, opposite
from mmbot.units import MONEY_PER_DOLLAR, Money, format_count, format_price
from tests.daemon.processes import PATIENCE_SECONDS, Line, Mmbot, Session, session
from tests.daemon.stream_proxy import Message, StreamProxy, stream_proxy
from tests.daemon.test_unreadable import served

BOOKS = ("orderbook_delta", "orderbook_snapshot")
# How long quotes may stand on a stream that has died, and how much longer on a slow machine.
OFF_SECONDS, SLOW_SECONDS = 5.0, 5.0
LONGEST_BACKOFF_SECONDS = 30.0
GHOST = "ghost-1"


class Bench:
    """A daemon that quotes through the proxy, and the exchange's side of its account."""

    def __init__(self, site: SimulatedExchange, proxy: StreamProxy, running: Session) -> None:
        self.proxy = proxy
        self.running = running
        self._site = site
        self._engine = site.venue.exchange.engine
        self._taker = self._engine.open_account("taker", cash=Money(10**5 * MONEY_PER_DOLLAR))

    @property
    def orders(self) -> list[ExchangeOrder]:
        """The bot's resting orders, by the exchange's own book."""
        resting = (o for o in self._engine.orders.values() if o.status == "resting")
        return [o for o in resting if o.client_order_id.startswith(CLIENT_ID_PREFIX)]

    @property
    def positions(self) -> dict[str, int]:
        account = self._site.venue.account(self._site.user_id)
        return {t: n for t in self._engine.markets if (n := account.net(t))}

    async def until(self, true: Callable[[], bool]) -> float:
        """Wait until something is true, while the daemon lives; return the seconds."""
        began = time.monotonic()
        while not true():
            assert self.running.process.returncode is None, self.running.log[-3:]
            assert time.monotonic() - began < PATIENCE_SECONDS, self.running.log[-12:]
            await asyncio.sleep(0.02)
        return time.monotonic() - began

    async def until_quotes(self, least: int = 1) -> float:
        return await self.until(lambda: len(self.orders) >= least)

    async def until_none(self) -> float:
        return await self.until(lambda: not self.orders)

    async def until_heartbeats(self, more: int) -> None:
        """Wait for so many more heartbeats, a second apart."""
        seen = len(self.lines("heartbeat"))
        await self.until(lambda: len(self.lines("heartbeat")) >= seen + more)

    def lines(self, name: str) -> list[Line]:
        return [line for line in self.running.log if line["event"] == name]

    def placed(self) -> int:
        return len(self.lines("order.place"))

    def trade(self) -> ExchangeOrder:
        """Have somebody take the whole of one of the bot's orders; return it."""
        order, venue = self.orders[0], self._site.venue
        while order.status == "resting":
            # What rests at better prices, or came before it, is taken first.
            side, count = opposite(order.side), order.remaining
            taking = NewOrder(order.ticker, side, order.price, count, "immediate_or_cancel")
            self._engine.place(self._taker, taking, now_ms())
        venue.advance(now_ms())
        venue.publish(now_ms())
        return order

    async def stop(self) -> None:
        self.running.process.terminate()
        assert await self.running.ended() == 0
        assert not self.orders


@pytest.fixture
def config(quick_config: str) -> str:
    """Return the path of settings with a heartbeat every second."""
    path = Path(quick_config)
    path.write_text(path.read_text().replace("heartbeat_seconds = 60.0", "heartbeat_seconds = 1.0"))
    return quick_config


@asynccontextmanager
async def quoting(config: str, directory: Path, state: Path | None = None) -> AsyncIterator[Bench]:
    """Run a daemon against an exchange of its own until it quotes several markets."""
    async with served(directory) as (site, venue_file):
        venue = orjson.loads(venue_file.read_bytes())
        async with stream_proxy(venue["ws_url"]) as proxy:
            through = directory / "proxy.json"
            through.write_bytes(orjson.dumps(venue | {"ws_url": proxy.url}))
            async with session(config, through, state or directory / "state") as running:
                bench = Bench(site, proxy, running)
                await bench.until_quotes()
                # By then every market is quoted, and nothing can have happened before the stream.
                await bench.until_heartbeats(3)
                yield bench


def ledger_rows(state: Path, query: str) -> list[tuple[Any, ...]]:
    path = state / "demo" / "simulated" / "ledger.sqlite"
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as db:
        return db.execute(query).fetchall()


def ledger_positions(state: Path) -> dict[str, int]:
    rows = ledger_rows(state, "SELECT ticker, side, count FROM fills")
    positions: dict[str, int] = {}
    for ticker, side, count in rows:
        positions[ticker] = positions.get(ticker, 0) + (count if side == "bid" else -count)
    return positions


def shown_position(bench: Bench, ticker: str) -> str:
    """Return a market's position as the log told it last."""
    told = [line for line in bench.lines("market.status") if line["market"] == ticker]
    position: str = told[-1]["position"]
    return position


@pytest.mark.parametrize("dead", [(), BOOKS], ids=["every channel", "the books"])
async def test_quotes_come_off_while_no_frames_come_and_are_back_once_they_do(
    config: str, tmp_path: Path, dead: tuple[str, ...]
) -> None:
    async with quoting(config, tmp_path) as bench:
        before = bench.placed()
        bench.proxy.drop(*dead)
        off = await bench.until_none()
        since = len(bench.running.log)
        # While a second connection is as dead.
        await bench.until(lambda: bench.proxy.connections >= 3)
        assert not bench.orders
        ages = [line["feed_age_ms"] for line in bench.lines("heartbeat")]
        shown = [line["streaming"] for line in bench.running.log[since:] if "streaming" in line]
        placed = bench.placed() - before
        bench.proxy.heal()
        on = await bench.until_quotes()
        await bench.stop()
    print(f"off after {off:.1f} s, on after {on:.1f} s, {placed} orders placed meanwhile")
    assert off < OFF_SECONDS + SLOW_SECONDS
    assert on < LONGEST_BACKOFF_SECONDS + SLOW_SECONDS
    assert placed == 0
    if not dead:
        assert max(ages) > 5_000
        assert False in shown


async def test_quotes_come_off_a_connection_that_is_half_open(config: str, tmp_path: Path) -> None:
    async with quoting(config, tmp_path) as bench:
        before = bench.placed()
        bench.proxy.freeze()
        off = await bench.until_none()
        placed = bench.placed() - before
        on = await bench.until_quotes()
        await bench.stop()
    print(f"off after {off:.1f} s, on after {on:.1f} s, {placed} orders placed meanwhile")
    assert off < OFF_SECONDS + SLOW_SECONDS
    assert placed == 0


def unnumbered(message: Message) -> Message:
    if message["type"] in BOOKS:
        message.pop("seq", None)
    return message


class NumberedAnew:
    """Numbers the books' frames from 1 again, on the connection that is there now."""

    def __init__(self, proxy: StreamProxy) -> None:
        self._proxy, self._connection = proxy, proxy.connections
        self._before: int | None = None

    def __call__(self, message: Message) -> Message:
        if message["type"] in BOOKS and self._proxy.connections == self._connection:
            if self._before is None:
                self._before = message["seq"] - 1
            message["seq"] -= self._before
        return message


async def test_quotes_come_off_while_the_numbers_of_the_books_frames_tell_nothing(
    config: str, tmp_path: Path
) -> None:
    async with quoting(config, tmp_path) as bench:
        bench.proxy.rewrite = unnumbered
        none_off = await bench.until_none()
        connections = bench.proxy.connections
        await bench.until(lambda: bench.proxy.connections > connections)
        assert not bench.orders
        bench.proxy.heal()
        none_on = await bench.until_quotes()
        await bench.until_heartbeats(3)
        bench.proxy.rewrite = NumberedAnew(bench.proxy)
        anew_off = await bench.until_none()
        anew_on = await bench.until_quotes()
        await bench.stop()
    print(f"without numbers: off after {none_off:.1f} s, on {none_on:.1f} s after they are there")
    print(f"numbers begin anew: off after {anew_off:.1f} s, on {anew_on:.1f} s later")
    assert max(none_off, anew_off) < OFF_SECONDS + SLOW_SECONDS
    assert max(none_on, anew_on) < LONGEST_BACKOFF_SECONDS + SLOW_SECONDS


async def test_where_no_order_is_reported_one_at_a_time_is_tried_ever_more_rarely(
    config: str, tmp_path: Path
) -> None:
    async with quoting(config, tmp_path) as bench:
        usual = len(bench.orders)
        bench.proxy.drop("user_order", "fill")
        bench.trade()
        noticed = await bench.until(lambda: bool(bench.lines("stream.silent")))
        before, most = bench.placed(), 0
        while bench.proxy.connections < 4:
            assert bench.running.process.returncode is None
            await asyncio.sleep(0.05)
            if bench.lines("stream.lost"):
                most = max(most, len(bench.orders))
        placed = bench.placed() - before
        bench.proxy.heal()
        on = await bench.until_quotes(usual - 1)
        await bench.stop()
    print(f"noticed after {noticed:.1f} s, {placed} placed on 3 connections, on after {on:.1f} s")
    assert most == 1
    assert placed <= 3 * 3
    assert on < LONGEST_BACKOFF_SECONDS + SLOW_SECONDS
    assert "stream.heard_again" in bench.running.names


async def test_a_fill_that_is_not_told_is_read_and_distrusts_its_channel(
    config: str, tmp_path: Path
) -> None:
    async with quoting(config, tmp_path) as bench:
        bench.proxy.drop("fill")
        order = bench.trade()
        booked = await bench.until(lambda: bool(bench.lines("fill")))
        noticed = await bench.until(lambda: bool(bench.lines("stream.silent")))
        (line,) = bench.lines("stream.silent")
        await bench.until_quotes()
        position = bench.positions
        await bench.stop()
    print(f"booked after {booked:.1f} s, distrusted {noticed:.1f} s later")
    assert line["channel"] == "fill"
    assert ledger_positions(tmp_path / "state") == position
    assert set(position) == {order.ticker}
    assert booked + noticed < 15 + SLOW_SECONDS


def ghost_of(order: ExchangeOrder, count: str) -> Message:
    """Return a fill of an order that never was."""
    return {
        "type": "fill",
        "sid": 3,
        "msg": {
            "trade_id": GHOST,
            "order_id": order.order_id,
            "market_ticker": order.ticker,
            "book_side": order.side,
            "outcome_side": "yes" if order.side == "bid" else "no",
            "yes_price_dollars": format_price(order.price),
            "count_fp": count,
            "fee_cost": "0.000000",
            "ts_ms": now_ms(),
        },
    }


async def test_a_fill_that_never_was_shuts_its_market_and_is_voided(
    config: str, tmp_path: Path
) -> None:
    async with quoting(config, tmp_path) as bench:
        order = bench.orders[0]
        await bench.proxy.inject(ghost_of(order, "7.00"))
        await bench.until(lambda: bool(bench.lines("fill")))
        shut = await bench.until(lambda: bool(bench.lines("position.contradicts")))
        off = await bench.until(lambda: order.ticker not in {o.ticker for o in bench.orders})
        voided = await bench.until(lambda: bool(bench.lines("fill.voided")))
        on = await bench.until(lambda: order.ticker in {o.ticker for o in bench.orders})
        await bench.until_heartbeats(2)
        blocked = [str(line["reason"]) for line in bench.lines("quotes.blocked")]
        shown = shown_position(bench, order.ticker)
        position = bench.positions
        await bench.stop()
    print(f"shut after {shut:.1f} + {off:.1f} s, voided {voided:.1f} s, on {on:.1f} s later")
    assert any(r.startswith("position_contradicts: ") and GHOST in r for r in blocked)
    assert shut < 8 + SLOW_SECONDS
    assert shown == format_count(position.get(order.ticker, 0))
    state = tmp_path / "state"
    assert ledger_positions(state) == position
    assert [row[0] for row in ledger_rows(state, "SELECT trade_id FROM voided_fills")] == [GHOST]


async def test_a_fill_under_two_ids_is_booked_once(config: str, tmp_path: Path) -> None:
    def renamed(message: Message) -> Message:
        if message["type"] == "fill":
            message["msg"]["trade_id"] = f"stream-{message['msg']['trade_id']}"
        return message

    async with quoting(config, tmp_path) as bench:
        bench.proxy.rewrite = renamed
        order = bench.trade()
        await bench.until(lambda: bool(bench.lines("fill")))
        # Meanwhile the account is read, and its list has the fill by another id.
        await bench.until_heartbeats(8)
        shown, position = shown_position(bench, order.ticker), bench.positions
        await bench.stop()
    assert shown == format_count(position[order.ticker])
    assert ledger_positions(tmp_path / "state") == position
    assert "position.contradicts" not in bench.running.names


async def test_a_ledger_with_a_position_that_the_account_has_not_is_not_ready(
    config: str, tmp_path: Path, mmbot: Mmbot
) -> None:
    state, other = tmp_path / "state", tmp_path / "other"
    async with quoting(config, tmp_path, state) as bench:
        order = bench.trade()
        await bench.until(lambda: bool(bench.lines("fill")))
        await bench.stop()
    ((trade, count),) = ledger_rows(state, "SELECT trade_id, sum(count) FROM fills")
    other.mkdir()
    async with served(other) as (_, venue), session(config, venue, state) as second:
        assert await second.ended() == 3
        arguments = ("check", "--config", config, "--venue", str(venue))
        checked: subprocess.CompletedProcess[str] = await asyncio.to_thread(mmbot, *arguments)
    assert "order.place" not in second.names
    for said in (second.last_words, checked.stdout.replace("\n", " ")):
        assert "NOT READY" in said.upper()
        assert order.ticker in said
        assert trade in said
        assert format_count(count) in said
    assert checked.returncode == 3


@pytest.fixture
def paper_config(config: str) -> str:
    """Return the path of the same settings for paper trading."""
    path = Path(config)
    path.write_text(path.read_text().replace('mode = "demo"', 'mode = "paper"'))
    return config


async def test_paper_orders_do_not_hide_that_the_books_have_died(
    paper_config: str, tmp_path: Path
) -> None:
    async with served(tmp_path) as (_, venue_file):
        venue = orjson.loads(venue_file.read_bytes())
        async with stream_proxy(venue["ws_url"]) as proxy:
            venue_file.write_bytes(orjson.dumps(venue | {"ws_url": proxy.url}))
            async with session(paper_config, venue_file, tmp_path / "state") as running:
                await running.until("order.place")
                await running.until("heartbeat")
                proxy.drop(*BOOKS)
                began = time.monotonic()
                await running.until("order.cancel")
                await running.until("stream.given_up")
                off = time.monotonic() - began
                placed = running.names.count("order.place")
                proxy.heal()
                began = time.monotonic()
                while running.names.count("order.place") == placed:
                    assert time.monotonic() - began < PATIENCE_SECONDS, running.log[-12:]
                    await asyncio.sleep(0.02)
                on = time.monotonic() - began
                running.process.terminate()
                assert await running.ended() == 0
    print(f"given up after {off:.1f} s, on after {on:.1f} s")
    assert off < 8 + SLOW_SECONDS
    assert on < LONGEST_BACKOFF_SECONDS + SLOW_SECONDS
