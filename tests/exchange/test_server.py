"""The exchange on real sockets."""

from __future__ import annotations

import asyncio
import base64
import datetime as dt
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import websockets
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mmbot.exchange.assembly import SimulatedExchange, assemble, synthetic_counts
from mmbot.exchange.exchange_state import SimulatedExchangeSettings
from mmbot.exchange.server import Server, now_ms
from mmbot.kalshi.http import BASE_PATH, STREAM_PATH
from mmbot.underlying.calendar import CalendarClock, Week, to_milliseconds
from mmbot.units import MONEY_PER_DOLLAR, Money

WEEK = Week(dt.date(2026, 4, 19))
TICKER = "KXTSAW-26APR19-A2.45"
KEY = Ed25519PrivateKey.generate()


class Running:
    """A served exchange and a signing client of it."""

    def __init__(
        self, server: Server, site: SimulatedExchange, client: aiohttp.ClientSession
    ) -> None:
        self.server, self.site, self.client = server, site, client

    def headers(self, method: str, path: str) -> dict[str, str]:
        timestamp = str(now_ms())
        signature = KEY.sign(f"{timestamp}{method}{path}".encode())
        return {
            "KALSHI-ACCESS-KEY": self.site.key_id,
            "KALSHI-ACCESS-TIMESTAMP": timestamp,
            "KALSHI-ACCESS-SIGNATURE": base64.b64encode(signature).decode(),
        }

    async def call(self, method: str, path: str, **more: Any) -> tuple[int, Any]:
        headers = self.headers(method, BASE_PATH + path)
        url = self.server.rest_url + path
        async with self.client.request(method, url, headers=headers, **more) as answer:
            return answer.status, await answer.json() if answer.status != 204 else None

    async def place(self, name: str) -> Any:
        order = {
            "ticker": TICKER,
            "side": "bid",
            "price": "0.0100",
            "count": "1.00",
            "time_in_force": "good_till_canceled",
            "self_trade_prevention_type": "taker_at_cross",
            "client_order_id": name,
        }
        status, body = await self.call("POST", "/portfolio/events/orders", json=order)
        assert status == 201
        return body


@pytest.fixture
async def running() -> AsyncIterator[Running]:
    clock = CalendarClock(now_ms(), to_milliseconds(WEEK.opens) + 3_600_000, 1.0)
    site = assemble(
        settings=SimulatedExchangeSettings(),
        clock=clock,
        week=WEEK,
        published=synthetic_counts(WEEK, 1),
        public_key=KEY.public_key(),
        balance=Money(1_000 * MONEY_PER_DOLLAR),
        seed=1,
    )
    server = Server(site, heartbeat_s=0.02)
    await server.start()
    async with aiohttp.ClientSession() as client:
        yield Running(server, site, client)
        await server.stop()


async def test_orders_are_placed_and_cancelled_over_http(running: Running) -> None:
    orders = [(await running.place(name))["order_id"] for name in ("a", "b")]
    body = {"orders": [{"order_id": order_id} for order_id in orders]}
    status, answer = await running.call("DELETE", "/portfolio/events/orders/batched", json=body)
    assert status == 200
    assert [o["reduced_by"] for o in answer["orders"]] == ["1.00", "1.00"]


async def test_repeated_query_parameters_arrive(running: Running) -> None:
    params = [("tickers", TICKER), ("tickers", "KXTSAW-26APR19-A2.50")]
    _, answer = await running.call("GET", "/markets/orderbooks", params=params)
    assert len(answer["orderbooks"]) == 2


async def test_the_stream_reaches_a_websockets_client(running: Running) -> None:
    headers = running.headers("GET", STREAM_PATH)
    async with websockets.connect(running.server.ws_url, additional_headers=headers) as socket:
        params = {"channels": ["orderbook_delta"], "market_tickers": [TICKER]}
        await socket.send(json.dumps({"id": 1, "cmd": "subscribe", "params": params}))
        frames = [json.loads(await socket.recv()) for _ in range(2)]
        assert [f["type"] for f in frames] == ["subscribed", "orderbook_snapshot"]
        await running.place("seen")
        delta = json.loads(await socket.recv())
        assert (delta["type"], delta["msg"]["client_order_id"]) == ("orderbook_delta", "seen")


async def test_an_unsigned_stream_is_refused(running: Running) -> None:
    with pytest.raises(websockets.InvalidStatus) as refusal:
        await websockets.connect(running.server.ws_url)
    assert refusal.value.response.status_code == 401


async def test_a_dropped_session_closes_the_connection(running: Running) -> None:
    headers = running.headers("GET", STREAM_PATH)
    async with websockets.connect(running.server.ws_url, additional_headers=headers) as socket:
        running.site.venue.drop_sessions()
        with pytest.raises(websockets.ConnectionClosed):
            await socket.recv()


async def test_the_server_pings_with_a_heartbeat(running: Running) -> None:
    headers = running.headers("GET", STREAM_PATH)
    async with running.client.ws_connect(
        running.server.ws_url, headers=headers, autoping=False
    ) as socket:
        message = await socket.receive()
    assert (message.type, message.data) == (aiohttp.WSMsgType.PING, b"heartbeat")


async def test_what_breaks_the_exchange_is_raised(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_now: int) -> None:
        raise ArithmeticError("the books do not balance")

    monkeypatch.setattr(running.site.venue, "advance", fail)
    with pytest.raises(ArithmeticError, match="balance"):
        await running.server.run_until(asyncio.Event())


async def test_the_pages_and_the_ledger_are_on_the_same_port(running: Running) -> None:
    url = running.server.counts_url + "/travel/passenger-volumes"
    async with running.client.get(url) as refused:
        assert refused.status == 403
    async with running.client.get(url, headers={"User-Agent": "Mozilla/5.0"}) as page:
        assert (page.status, "ETag" in page.headers) == (200, True)
    await running.place("x")
    async with running.client.get(running.server.ledger_url) as answer:
        ledger = await answer.json()
    assert (ledger["cash_dollars"], ledger["resting_orders"]) == ("1000.000000", 1)
