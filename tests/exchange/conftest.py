from __future__ import annotations

import base64
import datetime as dt
import json
import random
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mmbot.exchange.access import Credential
from mmbot.exchange.exchange_state import SimulatedExchangeSettings
from mmbot.exchange.stream_session import StreamSession
from mmbot.exchange.timetable import releases
from mmbot.exchange.venue import SimulatedVenue
from mmbot.kalshi.http import BASE_PATH, STREAM_PATH, HttpAnswer, HttpRequest
from mmbot.tsa.underlying import TSA
from mmbot.underlying.calendar import CalendarClock, Week, to_milliseconds
from mmbot.units import MONEY_PER_DOLLAR, Money

WEEK = Week(dt.date(2026, 4, 19))
# 2,460,000 on average: 2.45 is the highest strike that pays.
COUNTS = {day: 2_430_000 + 10_000 * i for i, day in enumerate(WEEK.days)}
TICKER = "KXTSAW-26APR19-A2.45"
OTHER = "KXTSAW-26APR19-A2.50"


class Member:
    """A member: its signed requests and streams, at the bench's time."""

    def __init__(self, bench: Bench, name: str, **credential: Any) -> None:
        self.bench = bench
        self.key = Ed25519PrivateKey.generate()
        self.user_id = name
        self.key_id = f"key-{name}"
        self.credential = Credential(self.key_id, name, self.key.public_key(), **credential)
        self._orders = 0

    def headers(self, method: str, path: str, at: int | None = None) -> tuple[tuple[str, str], ...]:
        timestamp = str(self.bench.now if at is None else at)
        signature = self.key.sign(f"{timestamp}{method}{path}".encode())
        return (
            ("KALSHI-ACCESS-KEY", self.key_id),
            ("KALSHI-ACCESS-TIMESTAMP", timestamp),
            ("KALSHI-ACCESS-SIGNATURE", base64.b64encode(signature).decode()),
        )

    def call(
        self, method: str, path: str, body: Any = None, **query: str | list[str]
    ) -> tuple[int, Any]:
        full = BASE_PATH + path
        pairs = tuple(
            (name, item)
            for name, value in query.items()
            for item in (value if isinstance(value, list) else [value])
        )
        raw = b"" if body is None else json.dumps(body).encode()
        request = HttpRequest(method, full, pairs, self.headers(method, full), raw)
        return read(self.bench.venue.handle(request, self.bench.now))

    def order(self, side: str, price: str, count: str = "10.00", **extra: Any) -> dict[str, Any]:
        self._orders += 1
        return {
            "ticker": TICKER,
            "side": side,
            "price": price,
            "count": count,
            "time_in_force": "good_till_canceled",
            "self_trade_prevention_type": "taker_at_cross",
            "client_order_id": f"{self.user_id}-{self._orders}",
        } | extra

    def place(self, side: str, price: str, count: str = "10.00", **extra: Any) -> Any:
        status, answer = self.call(
            "POST", "/portfolio/events/orders", self.order(side, price, count, **extra)
        )
        assert status == 201, answer
        return answer

    def refused(self, side: str, price: str, count: str = "10.00", **extra: Any) -> tuple[Any, ...]:
        status, answer = self.call(
            "POST", "/portfolio/events/orders", self.order(side, price, count, **extra)
        )
        return status, answer["error"]["code"], answer["error"].get("details")

    def cash(self) -> int:
        return self.bench.venue.account(self.user_id).cash

    def stream(self) -> Stream:
        opened = self.bench.venue.open_session(self.headers("GET", STREAM_PATH), self.bench.now)
        assert isinstance(opened, StreamSession)
        return Stream(self.bench, opened)


class Stream:
    """A client's end of one session."""

    def __init__(self, bench: Bench, session: StreamSession) -> None:
        self.bench = bench
        self.session = session
        self._id = 0

    def send(self, cmd: str, params: Any = None) -> list[dict[str, Any]]:
        self._id += 1
        command = {"id": self._id, "cmd": cmd}
        if params is not None:
            command["params"] = params
        self.bench.venue.receive(self.session, json.dumps(command), self.bench.now)
        return self.frames()

    def subscribe(self, *channels: str, **params: Any) -> list[dict[str, Any]]:
        return self.send("subscribe", {"channels": list(channels), **params})

    def frames(self, kind: str | None = None) -> list[dict[str, Any]]:
        drained = [json.loads(frame) for frame in self.session.outbox]
        self.session.outbox.clear()
        return [frame for frame in drained if kind in (None, frame["type"])]


class Bench:
    """A venue in virtual time without a crowd, and two funded members."""

    def __init__(
        self, settings: SimulatedExchangeSettings, weeks: tuple[Week, ...] = (WEEK,)
    ) -> None:
        start = to_milliseconds(weeks[0].opens) + 3_600_000
        clock = CalendarClock(start, start, 1.0)
        rng = random.Random(1)
        planned = releases(weeks[0].monday, weeks[-1].sunday, rng, TSA)
        self.venue = SimulatedVenue(
            settings, clock, weeks=weeks, counts=COUNTS, releases=planned, rng=rng
        )
        self.now = start
        self.maker, self.taker = self.join("maker"), self.join("taker")
        self.venue.advance(start)

    def join(self, name: str, dollars: int = 1_000, **credential: Any) -> Member:
        member = Member(self, name, **credential)
        self.venue.exchange.add_member(member.credential, cash=Money(dollars * MONEY_PER_DOLLAR))
        return member

    def wait(self, milliseconds: int) -> None:
        self.now += milliseconds
        self.venue.advance(self.now)

    def wait_until(self, at: dt.datetime) -> None:
        self.wait(to_milliseconds(at) - self.now)

    def public(self, path: str, **query: str) -> tuple[int, Any]:
        request = HttpRequest("GET", BASE_PATH + path, tuple(query.items()))
        return read(self.venue.handle(request, self.now))

    def total_money(self) -> int:
        engine = self.venue.exchange.engine
        cash = sum(account.cash for account in engine.accounts.values())
        pairs = sum(market.open_interest for market in engine.markets.values()) * 10_000
        return cash + pairs + engine.clearing.fee_income


def read(answer: HttpAnswer) -> tuple[int, Any]:
    return answer.status, msgspec.json.decode(answer.body) if answer.body else None


@pytest.fixture
def make_bench() -> Callable[..., Bench]:
    def make(**settings: Any) -> Bench:
        return Bench(SimulatedExchangeSettings(**{"tier": "prestige"} | settings))

    return make


@pytest.fixture
def bench(make_bench: Callable[..., Bench]) -> Bench:
    return make_bench()


@pytest.fixture
def maker(bench: Bench) -> Member:
    return bench.maker


@pytest.fixture
def taker(bench: Bench) -> Member:
    return bench.taker
