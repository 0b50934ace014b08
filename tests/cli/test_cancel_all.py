"""`mmbot cancel-all` against the simulated exchange's sockets."""

from __future__ import annotations

import time
import urllib.error
from pathlib import Path

import orjson
import pytest

from mmbot.kalshi import order_cancellation
from tests.cli.conftest import Mmbot
from tests.daemon.processes import Account, Process, Start, daemon, kill, log_until

# The smallest bucket pays for fifty cancels at once, and for ten creates.
OWN, OTHERS = 52, 3
REFILL_SECONDS = 0.1


def place(account: Account, client_ids: list[str]) -> None:
    """Place an order for each client id, ten at a time, as fast as the bucket allows."""
    events = account.call("GET", "/events?series_ticker=KXTSAW&with_nested_markets=true")["events"]
    ticker = events[0]["markets"][0]["ticker"]
    waiting = [
        {
            "ticker": ticker,
            "side": "bid",
            "count": "1.00",
            "price": "0.0100",
            "time_in_force": "good_till_canceled",
            "self_trade_prevention_type": "taker_at_cross",
            "client_order_id": client_id,
            "post_only": True,
        }
        for client_id in client_ids
    ]
    while waiting:
        try:
            account.call("POST", "/portfolio/events/orders/batched", {"orders": waiting[:10]})
        except urllib.error.HTTPError as error:
            if error.code != 429:
                raise
            time.sleep(REFILL_SECONDS)
        else:
            waiting = waiting[10:]


def test_own_orders_are_cancelled_in_batches_and_those_of_others_stay(
    start_exchange: Start, quick_config: str, invoke: Mmbot, tmp_path: Path
) -> None:
    exchange = start_exchange("--quiet-crowd", "--tier", "basic")
    account = Account(exchange.venue)
    own = [f"mmbot-0-{number}" for number in range(OWN)]
    others = [f"hand-{number}" for number in range(OTHERS)]
    place(account, [*own[:20], *others, *own[20:]])
    assert len(account.orders) == OWN + OTHERS

    done = invoke(
        "cancel-all", "--config", quick_config, "--venue", str(exchange.venue_file), "--json"
    )
    assert (done.returncode, done.stderr) == (0, "")
    printed = orjson.loads(done.stdout)
    assert printed == {"found": OWN, "left": 0, "others": OTHERS, "reason": ""}
    assert sorted(order["client_order_id"] for order in account.orders) == others
    # It needs no ledger, and creates none.
    assert not (tmp_path / "state").exists()


def test_what_a_killed_daemon_left_is_cancelled(
    start_exchange: Start, quick_config: str, invoke: Mmbot, tmp_path: Path
) -> None:
    exchange = start_exchange("--seed", "3")
    account = Account(exchange.venue)
    with daemon(quick_config, exchange.venue_file, tmp_path / "state") as process:
        until_quotes_stand(process, account)
        kill(process)
    assert account.orders
    done = invoke("cancel-all", "--config", quick_config, "--venue", str(exchange.venue_file))
    assert (done.returncode, done.stderr) == (0, "")
    assert "none of the bot's is left" in done.stdout
    assert not account.orders


def test_a_mistake_in_the_config_leaves_no_order_standing(
    start_exchange: Start, quick_config: str, invoke: Mmbot
) -> None:
    exchange = start_exchange("--quiet-crowd")
    account = Account(exchange.venue)
    place(account, ["mmbot-0-1"])
    with Path(quick_config).open("a") as config:
        config.write("[quoting]\nmargni = 0.1\n")
    done = invoke("cancel-all", "--config", quick_config, "--venue", str(exchange.venue_file))
    assert done.returncode == 0
    assert "did you mean" in done.stderr
    assert not account.orders


def until_quotes_stand(process: Process, account: Account) -> None:
    log_until(process, lambda line: line["event"] == "order.place" and bool(account.orders))


@pytest.mark.parametrize("directory", ["state", "another"])
def test_beside_a_daemon_that_would_quote_again_it_refuses(
    start_exchange: Start, quick_config: str, invoke: Mmbot, tmp_path: Path, directory: str
) -> None:
    exchange = start_exchange("--seed", "3")
    account = Account(exchange.venue)
    where = ("--config", quick_config, "--venue", str(exchange.venue_file))
    with daemon(quick_config, exchange.venue_file, tmp_path / directory) as process:
        until_quotes_stand(process, account)
        refused = invoke("cancel-all", *where)
        assert refused.returncode == 3
        assert "a daemon is running" in refused.stderr
        assert account.orders


def test_after_a_daemon_that_was_not_ready_nothing_is_touched(
    start_exchange: Start, quick_config: str, invoke: Mmbot, monkeypatch: pytest.MonkeyPatch
) -> None:
    exchange = start_exchange("--quiet-crowd")
    account = Account(exchange.venue)
    place(account, ["mmbot-0-1"])
    monkeypatch.setenv("EXIT_STATUS", "3")
    done = invoke("cancel-all", "--config", quick_config, "--venue", str(exchange.venue_file))
    assert done.returncode == 0
    assert len(account.orders) == 1


def test_an_exchange_that_is_not_there_leaves_it_unknown(
    start_exchange: Start, quick_config: str, invoke: Mmbot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(order_cancellation, "_LAG_SECONDS", 0.0)
    exchange = start_exchange("--quiet-crowd")
    nowhere = exchange.changed_venue("nowhere.json", rest_url="http://127.0.0.1:9/trade-api/v2")
    done = invoke("cancel-all", "--config", quick_config, "--venue", str(nowhere))
    assert done.returncode == 4
    assert "unknown" in done.stdout


def test_a_wrong_key_is_refused(start_exchange: Start, quick_config: str, invoke: Mmbot) -> None:
    exchange = start_exchange("--quiet-crowd")
    wrong = exchange.changed_venue("wrong.json", key_id="00000000-0000-0000-0000-000000000000")
    done = invoke("cancel-all", "--config", quick_config, "--venue", str(wrong))
    assert done.returncode == 2
    assert "refuses to list the orders" in done.stderr


def test_paper_orders_are_inside_so_nothing_real_is_touched(
    start_exchange: Start, quick_config: str, invoke: Mmbot
) -> None:
    exchange = start_exchange("--quiet-crowd")
    account = Account(exchange.venue)
    place(account, ["mmbot-0-1"])
    config = Path(quick_config)
    config.write_text(config.read_text().replace('mode = "demo"', 'mode = "paper"'))
    done = invoke("cancel-all", "--config", quick_config, "--venue", str(exchange.venue_file))
    assert done.returncode == 0
    assert "paper orders never reach an exchange" in done.stdout
    assert len(account.orders) == 1
