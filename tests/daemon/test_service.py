"""The daemon as a real process against the simulated exchange, over real sockets and signals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.daemon.processes import (
    Mmbot,
    Start,
    daemon,
    read_until,
    terminate,
    their_ledger,
)

ASKED_AT_MOST = 1_000


def wait_for_resting_orders(exchange: Any) -> bool:
    return any(their_ledger(exchange)["resting_orders"] for _ in range(ASKED_AT_MOST))


@pytest.mark.parametrize(
    ("moment", "times"),
    [
        ("starting", 1),
        ("forecast.fitted", 1),
        ("event.listed", 1),
        ("order.place", 1),
        ("order.place", 4),
        ("fill", 1),
    ],
)
def test_sigterm_at_any_moment_leaves_no_order(
    start_exchange: Start, quick_config: str, tmp_path: Path, moment: str, times: int
) -> None:
    exchange = start_exchange("--seed", "3", "--speed", "2000")
    with daemon(quick_config, exchange.venue_file, tmp_path / "state") as process:
        read_until(process, moment, times)
        assert terminate(process) == 0
    assert their_ledger(exchange)["resting_orders"] == 0


def test_sigterm_takes_off_the_orders_of_a_life_that_was_killed(
    start_exchange: Start, quick_config: str, tmp_path: Path
) -> None:
    exchange = start_exchange("--seed", "3", "--speed", "1")
    with daemon(quick_config, exchange.venue_file, tmp_path / "state") as process:
        read_until(process, "order.place", 4)
        assert wait_for_resting_orders(exchange)
        process.kill()
        process.wait(timeout=10)
    assert their_ledger(exchange)["resting_orders"] > 0
    with daemon(quick_config, exchange.venue_file, tmp_path / "state") as process:
        read_until(process, "order.adopted")
        assert terminate(process) == 0
    assert their_ledger(exchange)["resting_orders"] == 0


def test_no_secret_is_logged(start_exchange: Start, quick_config: str, tmp_path: Path) -> None:
    exchange = start_exchange("--seed", "3", "--speed", "2000")
    with daemon(quick_config, exchange.venue_file, tmp_path / "state") as process:
        log = orjson.dumps(read_until(process, "fill"))
    key = Path(exchange.venue["private_key_path"]).read_bytes().splitlines()[1]
    assert key not in log
    assert b"KALSHI-ACCESS-SIGNATURE" not in log


def test_a_second_daemon_on_the_same_state_is_refused(
    start_exchange: Start, quick_config: str, tmp_path: Path, mmbot: Mmbot
) -> None:
    exchange = start_exchange("--quiet-crowd")
    with daemon(quick_config, exchange.venue_file, tmp_path / "state") as process:
        read_until(process, "starting")
        second = mmbot("run", "--config", quick_config, "--venue", str(exchange.venue_file))
    assert second.returncode == 3
    assert "another mmbot is running" in second.stderr


def test_a_wrong_key_is_refused_in_one_sentence(
    start_exchange: Start, quick_config: str, mmbot: Mmbot
) -> None:
    exchange = start_exchange("--quiet-crowd")
    venue = exchange.changed_venue("wrong.json", key_id="00000000-0000-0000-0000-000000000000")
    refused = mmbot("run", "--config", quick_config, "--venue", str(venue))
    assert refused.returncode == 2
    assert "refuses the API key: 401" in refused.stderr.splitlines()[-1]


def test_a_key_that_others_can_read_is_refused(
    start_exchange: Start, quick_config: str, mmbot: Mmbot
) -> None:
    exchange = start_exchange("--quiet-crowd")
    key = Path(exchange.venue["private_key_path"])
    key.chmod(0o644)
    refused = mmbot("run", "--config", quick_config, "--venue", str(exchange.venue_file))
    assert refused.returncode == 2
    assert f"chmod 600 {key}" in refused.stderr


def test_the_exchange_takes_every_quote_off_when_too_much_fills_at_once(
    start_exchange: Start, quick_config: str, tmp_path: Path
) -> None:
    config = Path(quick_config)
    text = config.read_text()
    config.write_text(
        text.replace("contracts_per_15_seconds = 10000", "contracts_per_15_seconds = 21")
    )
    exchange = start_exchange("--seed", "3", "--speed", "2000")
    with daemon(quick_config, exchange.venue_file, tmp_path / "state") as process:
        read_until(process, "group.triggered")
        read_until(process, "quotes.blocked")
        assert their_ledger(exchange)["resting_orders"] == 0
        assert terminate(process) == 0
