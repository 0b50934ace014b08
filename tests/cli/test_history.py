"""`mmbot history` against a simulated exchange on real sockets."""

from __future__ import annotations

import asyncio
import csv
import datetime as dt
import itertools
import json
import random
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmbot.history.store import HistoryStore
from mmbot.history.verify import verify
from mmbot.kalshi.http import HttpAnswer, HttpRequest
from mmbot.units import parse_count, parse_price
from tests.cli.faulty_rest import Rewrite, faulty_rest
from tests.conftest import PROCESS_SECONDS, Exchange, exchanges
from tests.preloaded import PRELOADED

Run = Callable[..., "subprocess.CompletedProcess[str]"]
StartExchange = Callable[..., Exchange]

# Monday noon after the second of two weeks: the first one is in the historical tier, as are the
# trades of the second one's first days.
SETTLED = ("--week", "2026-04-19", "--at", "2026-04-20T12:00", "--past-weeks", "1")
TIERS = ("--live-days", "5")
WEEKS = ("--from", "2026-04-06", "--to", "2026-04-19")
FEW = ("--candles", "60")
EVENTS = ("KXTSAW-26APR12", "KXTSAW-26APR19")


@pytest.fixture(scope="module")
def settled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exchange]:
    """Start one exchange after two weeks, for all tests that only read it."""
    with exchanges(tmp_path_factory.mktemp("venue")) as start:
        yield start(*SETTLED, *TIERS)


def ledger(exchange: Exchange) -> dict[str, list[Any]]:
    """Return the exchange's own trades of each market."""
    with urllib.request.urlopen(f"{exchange.venue['ledger_url']}/tape") as answer:
        tape = json.loads(answer.read())["trades"]
    found: dict[str, list[Any]] = {}
    for each in tape:
        price, count = parse_price(each["yes_price_dollars"]), parse_count(each["count"])
        row = (each["ts_ms"], each["trade_id"], price, count, each["taker_side"])
        found.setdefault(each["ticker"], []).append(row)
    return found


def kept(directory: Path) -> dict[str, list[Any]]:
    """Return the trades of each market that the directory holds."""
    store, found = HistoryStore(directory), dict[str, list[Any]]()
    for event in EVENTS:
        for each in store.trades(event):
            row = (each.at_ms, each.trade_id, each.price, each.count, each.taker_side)
            found.setdefault(each.ticker, []).append(row)
    return found


def contents(directory: Path) -> dict[str, Any]:
    """Return all that a fetch gives but for when it was made."""
    store = HistoryStore(directory)
    rows: dict[str, Any] = {
        event: [row for period in (1, 60, 1440) for row in store.stream(event, period)]
        for event in EVENTS
    }
    return rows | {"markets": store.markets("KXTSAW"), "events": store.events("KXTSAW")}


def fetch(exchange: Exchange | Path, directory: Path, *options: str) -> list[str]:
    venue = exchange if isinstance(exchange, Path) else exchange.venue_file
    return ["history", "fetch", "--venue", str(venue), "--dir", str(directory), *options]


def test_two_weeks_are_fetched_to_the_trade(settled: Exchange, mmbot: Run, tmp_path: Path) -> None:
    directory = tmp_path / "history"
    result = mmbot(*fetch(settled, directory, *WEEKS, "--json"))
    assert result.returncode == 0, result.stderr
    done = json.loads(result.stdout)
    assert (done["markets"], done["failures"]) == (42, [])
    assert kept(directory) == ledger(settled)
    assert sum(map(len, kept(directory).values())) > 3_000

    status = json.loads(mmbot("history", "status", "--dir", str(directory), "--json").stdout)
    weeks = status["series"]["KXTSAW"]
    assert [(week["event"], week["state"]) for week in weeks] == [
        (event, "complete") for event in EVENTS
    ]
    assert all(week["trades"] and week["candles"]["1"] and week["megabytes"] for week in weeks)
    assert status["counts"]["last"] == "2026-04-19"
    verified = mmbot("history", "verify", "--dir", str(directory))
    assert (verified.returncode, verified.stdout) == (0, "nothing is wrong\n")
    assert "KXTSAW-26APR12" in mmbot("history", "status", "--dir", str(directory)).stdout

    again = json.loads(mmbot(*fetch(settled, directory, *WEEKS, "--json")).stdout)
    assert (again["rows"], again["sightings"], again["markets"]) == (0, 0, 0)
    # The pages of tsa.gov, most of them answered with 304, and the series' fees.
    assert again["requests"] < 15


def test_a_compressed_week_is_fetched_to_the_trade(
    start_exchange: StartExchange, mmbot: Run, tmp_path: Path
) -> None:
    directory = tmp_path / "history"
    exchange = start_exchange("--week", "2026-04-19", "--speed", "60000")
    deadline = time.monotonic() + PROCESS_SECONDS
    while time.monotonic() < deadline:
        result = mmbot(*fetch(exchange, directory, "--from", "2026-04-19", "--candles", "1"))
        assert result.returncode == 0, result.stdout + result.stderr
        held = HistoryStore(directory).markets("KXTSAW")
        if held and all(market.result for market in held):
            break
    mmbot(*fetch(exchange, directory, "--from", "2026-04-19", "--candles", "1"))
    assert kept(directory) == ledger(exchange)


def test_interrupted_ten_times_the_result_is_the_same(
    settled: Exchange, mmbot: Run, tmp_path: Path
) -> None:
    whole, torn = tmp_path / "whole", tmp_path / "torn"
    assert mmbot(*fetch(settled, whole, *WEEKS, *FEW)).returncode == 0
    rng = random.Random(14)
    for _ in range(10):
        command = [PRELOADED, "-m", "mmbot", *fetch(settled, torn, *WEEKS, *FEW)]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
            begun = len(list(torn.glob("*/*/*.parquet*")))
            # Killed between two files, or within one, at a random time after the first of them.
            while process.poll() is None and len(list(torn.glob("*/*/*.parquet*"))) == begun:
                time.sleep(0.02)
            time.sleep(rng.uniform(0, 0.5))
            process.kill()
        assert process.returncode in (-signal.SIGKILL, 0)
        # Whatever is in a manifest is whole.
        wrong = verify(HistoryStore(torn))
        assert [each for each in wrong if "can be deleted" not in each.wrong] == []
    assert mmbot(*fetch(settled, torn, *WEEKS, *FEW)).returncode == 0
    assert contents(torn) == contents(whole)
    assert list(verify(HistoryStore(torn))) == []


async def run_beside(*arguments: str) -> tuple[int, str]:
    """Run a command while this process serves a proxy; return its exit code and output."""
    process = await asyncio.create_subprocess_exec(
        PRELOADED, "-m", "mmbot", *arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    output, _ = await asyncio.wait_for(process.communicate(), PROCESS_SECONDS)
    assert process.returncode is not None
    return process.returncode, output.decode()


def a_storm(share: float) -> Rewrite:
    rng = random.Random(1)

    def rewrite(_: HttpRequest, answer: HttpAnswer) -> HttpAnswer:
        return HttpAnswer(429, b'{"error":"too many requests"}') if rng.random() < share else answer

    return rewrite


def broken_answers() -> Rewrite:
    """Return what makes a server's error, half a body, or no JSON of some answers."""
    number = itertools.count()

    def rewrite(_: HttpRequest, answer: HttpAnswer) -> HttpAnswer:
        match next(number) % 15:
            case 3:
                return HttpAnswer(503, b"")
            case 7:
                return HttpAnswer(200, answer.body[: len(answer.body) // 2])
            case 11:
                return HttpAnswer(200, b"<html>Just a moment</html>")
            case _:
                return answer

    return rewrite


def a_page_that_repeats() -> Rewrite:
    """Return what gives the second page of every list as it gave the first one."""
    last: dict[str, HttpAnswer] = {}

    def rewrite(request: HttpRequest, answer: HttpAnswer) -> HttpAnswer:
        query = dict(request.query)
        key = f"{request.path} {query.get('ticker')}"
        if "cursor" in query and key in last:
            return last.pop(key)
        last[key] = answer
        return answer

    return rewrite


@pytest.mark.parametrize(
    "rewrite",
    [a_storm(0.15), a_page_that_repeats(), broken_answers()],
    ids=["a storm of refusals", "pages that repeat", "answers that break"],
)
async def test_faults_on_the_way_lose_nothing(
    rewrite: Rewrite, settled: Exchange, tmp_path: Path
) -> None:
    directory = tmp_path / "history"
    async with faulty_rest(settled.venue["rest_url"]) as proxy:
        proxy.rewrite, proxy.rows_a_page = rewrite, "90"
        venue = settled.changed_venue("proxy.json", rest_url=proxy.rest_url)
        options = (*WEEKS, "--no-counts", "--candles", "1440", "--json")
        code, output = await run_beside(*fetch(venue, directory, *options))
    assert code == 0, output
    assert json.loads(output)["requests"] > 100
    assert await asyncio.to_thread(ledger, settled) == kept(directory)
    assert list(verify(HistoryStore(directory))) == []


async def test_public_data_are_asked_for_without_a_signature_unless_refused(
    settled: Exchange, tmp_path: Path
) -> None:
    directory = tmp_path / "history"
    refused: list[HttpRequest] = []

    def refuse_once(request: HttpRequest, answer: HttpAnswer) -> HttpAnswer:
        if not refused:
            refused.append(request)
            return HttpAnswer(401, b'{"error":{"code":"authentication_error"}}')
        return answer

    async with faulty_rest(settled.venue["rest_url"]) as proxy:
        proxy.rewrite = refuse_once
        venue = settled.changed_venue("proxy.json", rest_url=proxy.rest_url)
        options = ("--from", "2026-04-19", "--to", "2026-04-19", "--no-counts", "--candles", "none")
        code, output = await run_beside(*fetch(venue, directory, *options))
    assert code == 0, output
    assert refused


def test_where_nobody_answers_one_sentence_says_so(
    settled: Exchange, mmbot: Run, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    gone = f"http://127.0.0.1:{port}"
    venue = settled.changed_venue("gone.json", rest_url=f"{gone}/trade-api/v2", counts_url=gone)
    result = mmbot(*fetch(venue, tmp_path / "history", *WEEKS))
    assert result.returncode == 3
    assert "same command" in result.stdout
    assert f"{gone}/travel/passenger-volumes" in result.stdout


def test_two_exchanges_are_not_mixed(
    start_exchange: StartExchange, mmbot: Run, tmp_path: Path
) -> None:
    directory = tmp_path / "history"
    first, second = start_exchange("--quiet-crowd"), start_exchange("--quiet-crowd")
    assert mmbot(*fetch(first, directory)).returncode == 0
    result = mmbot(*fetch(second, directory))
    assert result.returncode == 2
    assert "name another directory with --dir" in result.stderr


def test_one_command_writes_a_directory_at_a_time(
    settled: Exchange, mmbot: Run, tmp_path: Path
) -> None:
    directory = tmp_path / "history"
    command = [PRELOADED, "-m", "mmbot", *fetch(settled, directory, *WEEKS)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        while not (directory / "source.json").exists():
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGSTOP)
        result = mmbot(*fetch(settled, directory, *WEEKS))
        process.kill()
    assert result.returncode == 3
    assert "another command is writing" in result.stderr


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["fetch", "--from", "today"], "--from 'today' is not a date"),
        (["fetch", "--to", "9999-12-31"], "--to '9999-12-31' is not a date"),
        (["fetch", "--from", "2026-05-01", "--to", "2026-04-01"], "is after --to"),
        (["fetch", "--candles", "5"], "some of 1,60,1440"),
        (["fetch", "--series", "../x"], "is not a series"),
        (["verify"], "there is no directory"),
        (["import", "trades", "no.csv"], "no.csv cannot be read"),
        (["import", "fills", "no.csv"], "is not one of trades"),
    ],
)
def test_an_option_that_cannot_be_is_one_sentence(
    invoke: Run, options: list[str], sentence: str, tmp_path: Path
) -> None:
    result = invoke("history", options[0], "--dir", str(tmp_path / "none"), *options[1:])
    assert result.returncode == 2
    assert sentence in result.stderr


def test_an_empty_directory_says_which_command_fills_it(invoke: Run, tmp_path: Path) -> None:
    result = invoke("history", "status", "--dir", str(tmp_path))
    assert "run `mmbot history fetch`" in result.stdout


def test_damage_is_told_with_an_exit_code(invoke: Run, tmp_path: Path) -> None:
    (tmp_path / "counts.parquet").write_bytes(b"nonsense")
    result = invoke("history", "verify", "--dir", str(tmp_path))
    assert (result.returncode, "counts.parquet" in result.stdout) == (1, True)


# The study commands

CANDLE_PRICES = (
    *(f"yes_{side}_{name}" for name in ("open", "close") for side in ("bid", "ask")),
    *(f"price_{name}" for name in ("low", "high", "close")),
)


@pytest.fixture
def studied(tmp_path: Path, invoke: Run, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a file of counts that the user's directory of history holds as well."""
    path = tmp_path / "counts.csv"
    noise = np.random.default_rng(4).normal(0, 0.03, 7 * 120)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["date", "as_published", "archived"])
        for i, each in enumerate(noise):
            day = dt.date(2021, 6, 7) + dt.timedelta(days=i)
            writer.writerow([day, round(2.2e6 * np.exp(each)), ""])
    monkeypatch.setenv("MMBOT_HISTORY", str(tmp_path / "history"))
    assert invoke("history", "import", "counts", str(path)).returncode == 0
    return path


def test_without_a_file_a_study_takes_the_counts_of_the_directory(
    studied: Path, invoke: Run, tmp_path: Path
) -> None:
    ask = ("forecast", "--as-of", "2023-08-10T09:00-04:00", "--json", "--cache", str(tmp_path))
    by_file = invoke(*ask, "--counts", str(studied))
    assert by_file.returncode == 0, by_file.stderr
    assert invoke(*ask).stdout == by_file.stdout


@pytest.mark.parametrize("command", ["forecast", "evaluate", "backtest", "sweep", "demo"])
def test_where_nothing_is_there_the_sentence_names_the_command(
    invoke: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("MMBOT_HISTORY", str(tmp_path / "nothing"))
    columns = ("ticker", "end_period_ts", *CANDLE_PRICES, "volume_fp")
    for name, lines in (
        ("markets", ("event_ticker,ticker,floor_strike,result", f"{EVENTS[0]},X,2450000,yes")),
        ("candles", (",".join(columns), "X,1775620800" + "," * len(CANDLE_PRICES) + ",1.0")),
    ):
        (tmp_path / f"{name}.csv").write_text("\n".join(lines))
    files = (tmp_path / f"{name}.csv" for name in ("markets", "candles"))
    markets = ("--markets", str(next(files)), "--candles", str(next(files)))
    more: dict[str, tuple[str, ...]] = {
        "forecast": ("--as-of", "2023-08-10T09:00-04:00"),
        "backtest": markets,
        "sweep": (*markets, "--set", "quoting.margin=[0.1]"),
        "demo": ("--counts", "history"),
    }
    result = invoke(command, *more.get(command, ()))
    assert result.returncode == 2
    assert "run `mmbot history fetch --no-market`" in result.stderr
