"""A daemon whose config is edited while it trades, by a real exchange's flood of frames."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import signal
import socket
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from websockets.exceptions import ConnectionClosed

from mmbot import config
from mmbot.daemon import control_client
from mmbot.daemon.ledger_reader import read_records
from mmbot.daemon_api import (
    DashboardReport,
    FindDashboard,
    Plan,
    PlanReport,
    QuotedMarket,
    Reload,
    ReloadReport,
)
from mmbot.errors import BadInput
from tests.daemon.processes import (
    PATIENCE_SECONDS,
    Mmbot,
    Process,
    Start,
    daemon,
    read_until,
    their_ledger,
)
from tests.daemon.stream_proxy import stream_proxy

RELOADS, LOOK_EVERY = 100, 5
# Another cap of fills is another order group at the exchange, for every order.
ANOTHER_GROUP = {"limits__contracts_per_15_seconds": 5000}
# Frames in a burst, and in all.
BURST, BURST_EVERY_SECONDS, FLOOD = 20, 0.02, 2_000
ONE_TICK = 0.0101


class Flood:
    """Stands between the daemon and the stream, and pours changes of a far level into it."""

    def __init__(self, venue: dict[str, Any], file: Path) -> None:
        self.sent = 0
        self.pours = False
        self._last: dict[int, int] = {}
        self._added: dict[int, int] = {}
        self._change: dict[str, Any] | None = None
        self._ready = threading.Event()
        self._venue, self._file = venue, file
        self._loop = asyncio.new_event_loop()
        self._over = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._run(),))
        self._thread.start()
        assert self._ready.wait(PATIENCE_SECONDS)

    def end(self) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(PATIENCE_SECONDS)
        self._loop.close()

    async def _run(self) -> None:
        async with stream_proxy(self._venue["ws_url"]) as proxy:
            proxy.rewrite = self._renumber
            self._file.write_bytes(orjson.dumps({**self._venue, "ws_url": proxy.url}))
            self._ready.set()
            while not self._over.is_set():
                # The daemon may close it at the end, before the pouring has.
                with contextlib.suppress(ConnectionClosed):
                    for _ in range(BURST if self.pours and self._change else 0):
                        await proxy.inject(self._next())
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._over.wait(), BURST_EVERY_SECONDS)

    def _renumber(self, message: dict[str, Any]) -> dict[str, Any]:
        """Count in what was poured in between."""
        sid, seq = message.get("sid", 0), message.get("seq", 0)
        if sid and seq:
            message["seq"] = self._last[sid] = seq + self._added.get(sid, 0)
        if message["type"] == "orderbook_delta" and "client_order_id" not in message["msg"]:
            self._change = message
        return message

    def _next(self) -> dict[str, Any]:
        assert self._change is not None
        sid = self._change["sid"]
        self._last[sid] += 1
        self._added[sid] = self._added.get(sid, 0) + 1
        self.sent += 1
        delta = "1.00" if self._added[sid] % 2 else "-1.00"
        far = {"side": "yes", "price_dollars": "0.0100", "delta_fp": delta}
        msg = {**self._change["msg"], **far, "ts_ms": time.time_ns() // 1_000_000}
        return {**self._change, "seq": self._last[sid], "msg": msg}


class Trading:
    """The daemon, its config file, and its log, which is read beside the test."""

    def __init__(
        self, process: Process, exchange: Any, flood: Flood, path: Path, state: Path
    ) -> None:
        self.process, self.exchange, self.flood, self.path = process, exchange, flood, path
        self.state = state / "demo" / "simulated"
        self.text = path.read_text()
        self.kept: dict[str, object] = {}
        self.log: list[dict[str, Any]] = []
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.log.append(orjson.loads(line))

    def edit(self, **changes: object) -> None:
        """Write the file anew with other values, as a careful editor does."""
        loaded = config.every_key(config.parse(self.text, "shipped"))
        self.kept |= {key.replace("__", "."): value for key, value in changes.items()}
        values = loaded | self.kept
        self.write(config.template(values))

    def write(self, text: str) -> None:
        other = self.path.with_suffix(".new")
        other.write_text(text)
        other.rename(self.path)

    def told(self, event: str) -> list[dict[str, Any]]:
        return [line for line in self.log if line["event"] == event]

    def ask(self, request: Any, kind: type[Any]) -> Any:
        answer = control_client.ask(self.state, request)
        assert isinstance(answer, kind)
        return answer

    def quoted(self) -> dict[str, QuotedMarket]:
        """Return what the daemon quotes now."""
        settings = config.load(self.path)
        markets = self.ask(Plan(settings), PlanReport).markets
        return {market.market: market.present for market in markets}


def until(done: Callable[[], Any], what: str) -> float:
    """Wait until something is so; return the seconds that it took."""
    began = time.monotonic()
    while not done():
        assert time.monotonic() < began + PATIENCE_SECONDS, what
        time.sleep(0.02)
    return time.monotonic() - began


def keeps(margin: float, quoted: QuotedMarket) -> bool:
    """Return whether both quotes keep a margin from fair value."""
    if quoted.fair is None:
        return quoted.bid is None and quoted.ask is None
    bid_fits = (
        quoted.bid is None or float(quoted.bid.price) <= quoted.fair * (1 - margin) + ONE_TICK
    )
    worth = 1 - quoted.fair
    ask_fits = quoted.ask is None or 1 - float(quoted.ask.price) <= worth * (1 - margin) + ONE_TICK
    return bid_fits and ask_fits


def sides_of(exchange: Any) -> list[tuple[str, str]]:
    return [(order["ticker"], order["side"]) for order in their_ledger(exchange)["orders"]]


@pytest.fixture
def trading(start_exchange: Start, quick_config: str, tmp_path: Path) -> Iterator[Trading]:
    """A daemon with quotes in a fast week."""
    exchange = start_exchange("--seed", "3", "--speed", "4000")
    path, state = Path(quick_config), tmp_path / "state"
    path.write_text(
        path.read_text().replace("heartbeat_seconds = 60.0", "heartbeat_seconds = 3600.0")
    )
    flood = Flood(exchange.venue, exchange.venue_file)
    try:
        with daemon(quick_config, exchange.venue_file, state) as process:
            read_until(process, "order.place", 4)
            running = Trading(process, exchange, flood, path, state)
            until(lambda: sides_of(exchange), "no order rests")
            yield running
    finally:
        flood.end()


def get(port: int, path: str) -> str:
    """Return what is served there; empty where nothing is."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return str(answer.read().decode())
    except OSError:
        return ""


def token(trading: Trading) -> str:
    """Return the token of a page that is served; empty while none is."""
    report = trading.ask(FindDashboard(), DashboardReport)
    try:
        return Path(report.token_file).read_text() if report.url else ""
    except FileNotFoundError:
        # It went with the page since the status was made.
        return ""


def assert_the_pages_move_with_the_file(trading: Trading) -> None:
    with socket.socket() as taken, socket.socket() as free:
        for each in (taken, free):
            each.bind(("127.0.0.1", 0))
        taken.listen()
        port, other = taken.getsockname()[1], free.getsockname()[1]

        # Switched on where another listens already, which costs the page alone
        trading.edit(dashboard__enabled=True, dashboard__port=port)
        until(lambda: trading.told("dashboard.unavailable"), "a port that is taken was not told")
        report = trading.ask(FindDashboard(), DashboardReport)
        assert (report.url, f"cannot listen on 127.0.0.1:{port}" in report.problem) == ("", True)
    # Elsewhere, and the metrics beside it
    trading.edit(dashboard__port=other, metrics__port=other)
    moved = until(lambda: "mmbot_quoting 1" in get(other, "/metrics"), "no metrics are served")
    print(f"the pages are at another port {moved:.2f} s after the file")
    assert "<title>" in get(other, "/")
    first = token(trading)
    # What is not theirs leaves them open
    trading.edit(log__heartbeat_seconds=1800.0)
    trading.ask(Reload(), ReloadReport)
    assert token(trading) == first
    # The metrics go and the page stays, with another token
    trading.edit(metrics__port=0)
    until(lambda: token(trading) not in {"", first}, "the token is the same")
    assert (get(other, "/metrics"), "<title>" in get(other, "/")) == ("", True)
    trading.edit(dashboard__enabled=False)
    until(lambda: not get(other, "/"), "the page is still served")
    problem = trading.ask(FindDashboard(), DashboardReport).problem
    assert problem == "the config says enabled = false in [dashboard]"
    assert not (trading.state / "dashboard-token").exists()


def test_a_config_edited_while_it_trades_moves_the_quotes_and_loses_nothing(
    trading: Trading, mmbot: Mmbot
) -> None:
    where = ("--config", str(trading.path), "--venue", str(trading.exchange.venue_file))

    # The file alone
    trading.edit(quoting__margin=0.3)
    moved = until(
        lambda: (
            trading.told("config.reloaded")
            and all(keeps(0.3, quoted) for quoted in trading.quoted().values())
        ),
        "the quotes have not moved",
    )
    print(f"every quote has moved {moved:.2f} s after the file")
    (told,) = trading.told("config.reloaded")
    assert told["changed"] == {"quoting.margin": "0.06 -> 0.3"}

    # One that cannot be used
    trading.write("[quoting]\nmargin = 0,9\n")
    until(lambda: trading.told("config.refused"), "a bad file was not told")
    with pytest.raises(BadInput, match="a decimal comma"):
        control_client.ask(trading.state, Reload())
    until(
        lambda: any("decimal" in str(each.get("problems")) for each in trading.told("heartbeat")),
        "the heartbeat does not say what is wrong",
    )
    assert len(trading.told("config.reloaded")) == 1

    # By signal and by command, with a limit that is loosened and one below what is live
    trading.edit(limits__orders=300, limits__event_loss_dollars=20.0, **ANOTHER_GROUP)
    trading.process.send_signal(signal.SIGHUP)
    until(lambda: trading.told("config.reloaded")[1:], "the signal did nothing")
    line = trading.told("config.reloaded")[1]
    assert line["changed"] == {
        "limits.event_loss_dollars": "500.0 -> 20.0",
        "limits.contracts_per_15_seconds": "10000 -> 5000",
    }
    assert line["waits_for_restart"] == ["limits.orders"]
    said = mmbot("reload", *where)
    assert said.stdout == "limits.orders: 100 -> 300 waits for a restart\n", said.stderr

    assert_the_pages_move_with_the_file(trading)

    # In a flood
    margins = [0.3]
    trading.flood.pours = True
    for margin in itertools.islice(itertools.cycle((0.05, 0.2, 0.1)), RELOADS):
        trading.edit(quoting__margin=margin)
        trading.ask(Reload(), ReloadReport)
        margins.append(margin)
        if len(margins) % LOOK_EVERY == 0:
            sides = sides_of(trading.exchange)
            assert len(sides) == len(set(sides))
    until(lambda: trading.flood.sent >= FLOOD, "there is no flood")
    trading.flood.pours = False
    trading.edit(quoting__margin=0.4)
    until(lambda: all(keeps(0.4, q) for q in trading.quoted().values()), "the last has no effect")
    planned = mmbot("plan", *where, "--set", "quoting.margin=0.5").stdout
    assert "To apply quoting.margin 0.4 -> 0.5: write it into the daemon's config file" in planned
    assert "`mmbot reload`" in planned

    # Nothing lost, nothing doubled, and all of it on record
    trading.process.send_signal(signal.SIGTERM)
    trading.process.wait(PATIENCE_SECONDS)
    trading.reader.join(PATIENCE_SECONDS)
    assert trading.process.returncode == 0
    theirs = their_ledger(trading.exchange)
    assert theirs["resting_orders"] == 0
    ours = sorted(each.fill.trade_id for each in read_records(trading.state).fills)
    assert ours == sorted(fill["trade_id"] for fill in theirs["fills"])
    changes = [line["changed"] for line in trading.told("config.reloaded")]
    taken = [each["quoting.margin"] for each in changes if "quoting.margin" in each]
    assert taken == [f"{a} -> {b}" for a, b in itertools.pairwise([0.06, *margins, 0.4])]
    replayed = mmbot("replay", "--json", str(trading.state / "capture"))
    assert replayed.returncode == 0, replayed.stdout
    (session,) = orjson.loads(replayed.stdout)
    print(len(ours), "fills")
    print(f"{session['verdict']['inputs']:,} inputs were replayed")
