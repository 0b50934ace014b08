"""`mmbot record` as a real process against the simulated exchange."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner

from mmbot.cli import app
from mmbot.daemon.ledger_reader import read_records
from mmbot.errors import BadInput
from mmbot.kalshi.http import HttpAnswer, HttpRequest
from tests.cli.faulty_rest import faulty_rest
from tests.conftest import exchanges, quick_settings
from tests.daemon.processes import (
    PATIENCE_SECONDS,
    Account,
    Start,
    daemon,
    read_until,
    session,
    terminate,
    their_ledger,
)

runner = CliRunner()


def config_of(directory: Path, *changes: tuple[str, str]) -> Path:
    """Write the shipped demo settings, with a forecast that needs no fit, some of them changed."""
    path = directory / "record.toml"
    text = quick_settings()
    for before, after in changes:
        assert before in text
        text = text.replace(before, after)
    path.write_text(text, encoding="utf-8")
    return path


def megabytes(number: int) -> tuple[str, str]:
    return "capture_megabytes = 1024", f"capture_megabytes = {number}"


def read_only(exchange: Any, directory: Path, **changes: str) -> Path:
    """Have the exchange make a key that may only read; return the venue file that names it."""
    body = {"name": "reader", "key_type": "ed25519", "scopes": ["read"]}
    made = Account(exchange.venue).call("POST", "/api_keys/generate", body)
    key = directory / "reader.pem"
    key.touch(mode=0o600)
    key.write_text(made["private_key"])
    path: Path = exchange.changed_venue(
        "reader.json", key_id=made["api_key_id"], private_key_path=str(key), **changes
    )
    return path


async def test_a_key_that_may_only_read_records_and_no_write_request_arrives(
    start_exchange: Start, tmp_path: Path
) -> None:
    exchange = start_exchange("--seed", "3", "--speed", "5000")
    methods: list[str] = []

    def heard(request: HttpRequest, answer: HttpAnswer) -> HttpAnswer:
        methods.append(request.method)
        return answer

    async with (
        asyncio.timeout(PATIENCE_SECONDS),
        faulty_rest(exchange.venue["rest_url"]) as proxy,
    ):
        proxy.rewrite = heard
        venue = read_only(exchange, tmp_path, rest_url=proxy.rest_url)
        async with session(config_of(tmp_path), venue, tmp_path, command="record") as recorder:
            await recorder.until("recording")
            await recorder.until("counts.published")
            recorder.process.terminate()
            assert await recorder.ended() == 0
    assert set(methods) == {"GET"}
    ledger = their_ledger(exchange)
    assert (ledger["orders"], ledger["fills"]) == ([], [])
    assert "order.place" not in recorder.names


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state directory of a recorder that was to keep little, amid a week."""
    state = tmp_path_factory.mktemp("state")
    config = str(config_of(state, megabytes(1)))
    with exchanges(state) as start:
        exchange = start("--seed", "3", "--speed", "10000")
        with daemon(config, exchange.venue_file, state, command="record") as process:
            read_until(process, "recording.continues")
            read_until(process, "account.reconciled")
            assert terminate(process) == 0
    return state / "record" / "simulated"


def test_another_session_begins_before_one_fills_the_disk_alone(recording: Path) -> None:
    sizes = [path.stat().st_size for path in (recording / "capture").glob("*.capture")]
    assert len(sizes) == 2
    assert sum(sizes) <= 1024 * 1024


def test_the_recorder_itself_trades_nothing(recording: Path) -> None:
    assert read_records(recording).fills == ()


def test_a_recording_can_be_traded(recording: Path, tmp_path: Path) -> None:
    path = tmp_path / "again.json"
    options = ["--config", str(config_of(tmp_path)), "--json", str(path)]
    result = runner.invoke(app, ["backtest", "--recording", str(recording), *options])
    assert result.exit_code == 0, result.output
    found = json.loads(path.read_text())["recording"]
    assert len(found["sessions"]) == 2
    assert found["sessions"][0]["unserved"] == 0
    assert found["fills"]


def test_to_keep_nothing_is_refused(tmp_path: Path) -> None:
    venue = tmp_path / "venue.json"
    venue.write_bytes(orjson.dumps({}))
    config = str(config_of(tmp_path, megabytes(0)))
    result = runner.invoke(app, ["record", "--config", config, "--venue", str(venue)])
    assert isinstance(result.exception, BadInput)
    assert "state.capture_megabytes = 0 keeps no recording" in str(result.exception)
