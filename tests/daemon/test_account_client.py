"""The self-check at the start: what is not known is asked again, without a real second of sleep."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from email.utils import formatdate
from typing import Any

import pytest
from structlog.testing import capture_logs

from mmbot.config import Settings
from mmbot.daemon import transport
from mmbot.daemon.account_client import CHECK_ATTEMPTS, AccountClient
from mmbot.daemon.endpoints import Venue
from mmbot.daemon.interceptor import PassThrough
from mmbot.kalshi.http import BASE_PATH, HttpAnswer, HttpRequest
from mmbot.kalshi.selfcheck import failures, is_ready, unknown
from tests.kalshi.builders import LISTED, SIGNER, answer

ORIGIN = "http://127.0.0.1:9"
VENUE = Venue(f"{ORIGIN}{BASE_PATH}", "ws://127.0.0.1:9/trade-api/ws/v2", ORIGIN)
OPEN = {"exchange_active": True, "trading_active": True}
KEY = {"api_key_id": SIGNER.key_id, "name": "n", "scopes": ["read", "write::trade"]}
BALANCE = "/portfolio/balance"
TOO_OFTEN = HttpAnswer(429)
ENOUGH, TOO_LITTLE = answer({"balance": 1_000_000_00}), answer({"balance": 1})

Sleep = Callable[[float], Any]


class FakeExchange(transport.RestClient):
    """Answers from a table of paths; some answer otherwise the first times."""

    def __init__(self) -> None:
        super().__init__(ORIGIN, 1.0)
        self.before: dict[str, list[HttpAnswer | None]] = {}
        self.answers: dict[str, HttpAnswer] = {
            path: answer(body)
            for path, body in {
                "/api_keys": {"api_keys": [KEY]},
                "/account/limits": {"write": {"refill_rate": 100, "bucket_capacity": 100}},
                "/account/endpoint_costs": {"default_cost": 10, "endpoint_costs": []},
                "/events": {"events": [LISTED], "cursor": ""},
                "/series/KXTSAW": {"series": {"fee_type": "quadratic"}},
                "/series/fee_changes": {"series_fee_change_arr": []},
                "/events/fee_changes": {"event_fee_changes": [], "cursor": ""},
                "/portfolio/orders": {"orders": []},
                "/portfolio/fills": {"fills": []},
                "/portfolio/positions": {"market_positions": []},
            }.items()
        } | {BALANCE: ENOUGH}

    async def try_call(self, request: HttpRequest) -> HttpAnswer | None:
        path = request.path.removeprefix(BASE_PATH)
        if self.before.get(path):
            return self.before[path].pop(0)
        if path == "/exchange/status":
            return HttpAnswer(200, answer(OPEN).body, (("date", formatdate(usegmt=True)),))
        return self.answers[path]


class Client(AccountClient):
    """A client whose pauses take no time and are kept."""

    def __init__(self, exchange: FakeExchange, sleep: Sleep | None = None) -> None:
        self.pauses: list[float] = []
        super().__init__(
            Settings(), VENUE, SIGNER, exchange, PassThrough(), sleep=sleep or self.keep_pause
        )

    async def keep_pause(self, seconds: float) -> None:
        self.pauses.append(seconds)


async def test_checks_that_succeed_are_made_once() -> None:
    client = Client(FakeExchange())
    with capture_logs() as log:
        _, findings = await client.examine(())
    assert is_ready(findings)
    assert (client.pauses, log) == ([], [])


@pytest.mark.parametrize("refused", [1, 3, 20])
async def test_enough_money_is_ready_once_the_balance_is_answered(refused: int) -> None:
    exchange = FakeExchange()
    exchange.before[BALANCE] = [TOO_OFTEN] * refused
    client = Client(exchange)
    with capture_logs() as log:
        _, findings = await client.examine(())
    assert is_ready(findings)
    assert len(client.pauses) == refused
    assert client.pauses == sorted(client.pauses)
    assert client.pauses[0] == 1.0
    assert client.pauses[-1] <= 10.0
    warnings = [(line["event"], line["log_level"], line["checks"]) for line in log]
    waiting = ("check.unknown", "warning", {"balance": "rate limited"})
    # Once, and then rarely.
    assert warnings == [waiting]


@pytest.mark.parametrize("refused", [1, 3, 20])
async def test_too_little_money_is_found_however_often_the_balance_is_refused(refused: int) -> None:
    exchange = FakeExchange()
    exchange.before[BALANCE] = [TOO_OFTEN] * refused
    exchange.answers[BALANCE] = TOO_LITTLE
    client = Client(exchange)
    with capture_logs():
        _, findings = await client.examine(())
    (reason,) = failures(findings)
    assert reason.startswith("balance: $0.01 on shard 0")
    assert len(client.pauses) == refused + CHECK_ATTEMPTS - 1


@pytest.mark.parametrize("passing", [None, HttpAnswer(429), HttpAnswer(500), HttpAnswer(503)])
@pytest.mark.parametrize(
    "path",
    ["/api_keys", "/account/limits", "/events", "/series/KXTSAW", "/portfolio/positions"],
)
async def test_no_check_is_passed_without_an_answer(path: str, passing: HttpAnswer | None) -> None:
    exchange = FakeExchange()
    exchange.before[path] = [passing] * 5
    client = Client(exchange)
    with capture_logs():
        _, findings = await client.examine(())
    assert is_ready(findings)
    assert len(client.pauses) == 5


async def test_a_check_that_fails_once_is_made_again() -> None:
    exchange = FakeExchange()
    exchange.before[BALANCE] = [TOO_LITTLE]
    client = Client(exchange)
    _, findings = await client.examine(())
    assert is_ready(findings)
    assert len(client.pauses) == 1


async def test_a_known_check_that_waits_is_not_made_again() -> None:
    exchange = FakeExchange()
    exchange.answers["/events"] = answer({"events": [], "cursor": ""})
    client = Client(exchange)
    _, findings = await client.examine(())
    assert not is_ready(findings)
    assert (failures(findings), unknown(findings), client.pauses) == ([], {}, [])


async def test_what_fails_is_not_waited_for_because_something_else_is_unknown() -> None:
    exchange = FakeExchange()
    exchange.before[BALANCE] = [TOO_OFTEN] * 1_000
    exchange.answers["/api_keys"] = answer({"api_keys": []})
    client = Client(exchange)
    with capture_logs():
        _, findings = await client.examine(())
    assert [reason.partition(":")[0] for reason in failures(findings)] == ["api key"]
    assert len(client.pauses) == CHECK_ATTEMPTS - 1


async def test_a_bounded_examination_returns_what_is_still_unknown() -> None:
    exchange = FakeExchange()
    exchange.before[BALANCE] = [TOO_OFTEN] * 1_000
    client = Client(exchange)
    with capture_logs() as log:
        _, findings = await client.examine((), most_attempts=CHECK_ATTEMPTS)
    assert not is_ready(findings)
    assert unknown(findings) == {"balance": "rate limited"}
    assert len(client.pauses) == CHECK_ATTEMPTS - 1
    assert log == []


async def test_an_examination_that_waits_can_be_cancelled() -> None:
    waits = asyncio.Event()

    async def never(_seconds: float) -> None:
        waits.set()
        await asyncio.Event().wait()

    exchange = FakeExchange()
    exchange.before[BALANCE] = [TOO_OFTEN]
    with capture_logs():
        examining = asyncio.create_task(Client(exchange, never).examine(()))
        await waits.wait()
        examining.cancel()
        with pytest.raises(asyncio.CancelledError):
            await examining
