"""`mmbot check` against the simulated exchange's sockets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from mmbot.cli.check import _print_table
from mmbot.daemon.endpoints import Venue
from mmbot.kalshi.selfcheck import Finding
from tests.cli.conftest import Mmbot

Start = Callable[..., Any]
CHECKS = {
    "clock",
    "api key",
    "rate limits",
    "markets",
    "exchange",
    "fees",
    "resting orders",
    "positions",
    "balance",
    "stream",
}


@pytest.mark.parametrize("mode", ["demo", "paper"])
def test_a_sound_exchange_is_ready(
    start_exchange: Start, quick_config: str, invoke: Mmbot, mode: str
) -> None:
    exchange = start_exchange("--quiet-crowd")
    config = Path(quick_config)
    config.write_text(config.read_text().replace('mode = "demo"', f'mode = "{mode}"'))
    done = invoke("check", "--config", quick_config, "--venue", str(exchange.venue_file), "--json")
    assert done.returncode == 0, done.stderr
    printed = orjson.loads(done.stdout)
    assert printed["ready"] is True
    assert {finding["name"] for finding in printed["findings"]} == CHECKS
    assert {finding["state"] for finding in printed["findings"]} <= {"ok", "warn"}


def test_too_little_money_is_not_ready_and_keeps_the_daemon_from_starting(
    start_exchange: Start, quick_config: str, invoke: Mmbot, mmbot: Mmbot
) -> None:
    exchange = start_exchange("--quiet-crowd", "--balance", "499.99")
    arguments = ("--config", quick_config, "--venue", str(exchange.venue_file))
    checked = invoke("check", *arguments)
    assert checked.returncode == 3
    assert "NOT READY" in checked.stdout
    assert "balance: $499.99 on shard 0" in checked.stdout
    refused = mmbot("run", *arguments)
    assert refused.returncode == 3
    assert refused.stderr.splitlines()[-1].startswith(
        "mmbot: not ready to trade: balance: $499.99 on shard 0"
    )


def test_a_stream_that_cannot_be_opened_is_not_ready(
    start_exchange: Start, quick_config: str, invoke: Mmbot
) -> None:
    exchange = start_exchange("--quiet-crowd")
    venue = exchange.changed_venue("deaf.json", ws_url="ws://127.0.0.1:9/trade-api/ws/v2")
    done = invoke("check", "--config", quick_config, "--venue", str(venue), "--json")
    assert done.returncode == 3
    (stream,) = (f for f in orjson.loads(done.stdout)["findings"] if f["name"] == "stream")
    assert stream["state"] == "fail"


def test_an_exchange_that_cannot_be_reached_is_not_ready(
    start_exchange: Start, quick_config: str, invoke: Mmbot
) -> None:
    nowhere = "http://127.0.0.1:9/trade-api/v2"
    venue = start_exchange("--quiet-crowd").changed_venue("gone.json", rest_url=nowhere)
    done = invoke("check", "--config", quick_config, "--venue", str(venue))
    assert done.returncode == 3
    assert "127.0.0.1:9" in done.stderr.splitlines()[-1]


def test_what_was_found_is_shown_letter_by_letter(capsys: pytest.CaptureFixture[str]) -> None:
    venue = Venue("http://127.0.0.1/trade-api/v2", "ws://127.0.0.1/", "http://127.0.0.1")
    _print_table((Finding("halt", "warn", "halted ([/red] [bold])"),), venue, ready=True)
    assert "([/red] [bold])" in capsys.readouterr().out


def test_bad_input_is_refused_in_one_sentence(invoke: Mmbot, tmp_path: Path) -> None:
    done = invoke("check", "--config", str(tmp_path / "none.toml"))
    assert done.returncode == 2
    assert done.stderr.startswith("mmbot: cannot read the config file")


def test_a_wrong_key_is_bad_input(start_exchange: Start, quick_config: str, invoke: Mmbot) -> None:
    exchange = start_exchange("--quiet-crowd")
    venue = exchange.changed_venue("wrong.json", key_id="00000000-0000-0000-0000-000000000000")
    done = invoke("check", "--config", quick_config, "--venue", str(venue))
    assert done.returncode == 2
    assert "refuses the API key: 401" in done.stderr
