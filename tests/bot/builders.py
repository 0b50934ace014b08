"""A bot in the middle of its exchange, without sockets."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec
import orjson

from mmbot.bot.bot import Bot
from mmbot.bot.inputs import (
    BotInput,
    CallAnswered,
    ForecastFitted,
    FrameReceived,
    StreamOpened,
)
from mmbot.bot.outputs import Output, Transmit
from mmbot.config import Settings
from mmbot.forecast.belief import Belief
from mmbot.kalshi.gateway import Call
from mmbot.kalshi.http import HttpAnswer
from mmbot.underlying.calendar import CalendarClock, Week
from mmbot.underlying.counts import Counts
from tests.kalshi.builders import (
    LISTED,
    SIGNER,
    SNAPSHOT,
    answer,
    changed,
    frame,
)

_T = TypeVar("_T")
CHANNELS = ("fill", "user_orders", "market_lifecycle_v2", "orderbook_delta", "order_group_updates")
# The Tuesday noon of the listed week, New York time.
NOW = 1795539600000
# On the belief alone, and with a market that is always worth a quote.
QUOTING = {
    "sides": "both",
    "margin": 0.1,
    "longshot_edge_cents": [0.0] * 5,
    "belief_weight": [1.0] * 5,
    "market_sharpness": 1.0,
    "size_by_known": [1.0] * 5,
}


def only(kind: type[_T], outputs: list[Output]) -> list[_T]:
    return [output for output in outputs if isinstance(output, kind)]


class Forecasts:
    """Believes the same of every week; no count is implausible."""

    def __init__(self) -> None:
        self.asked: list[tuple[Week, tuple[int, ...]]] = []

    def belief(self, counts: Counts, week: Week, strikes: Sequence[int]) -> Belief:
        self.asked.append((week, tuple(strikes)))
        days = len(counts.published_days(week)) or 1
        above = (0.5, 0.2)[: len(strikes)]
        return Belief(week, days, tuple(strikes), above, 2.7e6, 8e4, "test", "digest")

    def deviations(self, _counts: Counts, _day: dt.date, _count: int) -> float:
        return 0.0


class World:
    """A bot, and an exchange that answers from a table."""

    def __init__(self) -> None:
        settings = msgspec.convert({"quoting": QUOTING}, Settings)
        self.bot = Bot(settings, CalendarClock(), SIGNER, "session", random.Random(1))
        self.now = NOW
        self.outputs: list[Output] = []
        self.orders = 0
        self.seq = 0
        self.answers: dict[str, Any] = {
            "/account/limits": {"write": {"refill_rate": 100, "bucket_capacity": 1000}},
            "/account/endpoint_costs": {"default_cost": 10, "endpoint_costs": []},
            "/events": {"events": [LISTED]},
            "/series/KXTSAW": {"series": {"fee_type": "quadratic"}},
            "/series/fee_changes": {"series_fee_change_arr": []},
            "/events/fee_changes": {"event_fee_changes": [], "cursor": ""},
            "/exchange/status": {"exchange_active": True, "trading_active": True},
            "/portfolio/orders": {"orders": []},
            "/portfolio/fills": {"fills": []},
            "/portfolio/positions": {"market_positions": []},
            "/portfolio/balance": {"balance": 100_000_000},
            "/portfolio/order_groups": {"order_groups": []},
        }

    def run(self, outputs: list[Output]) -> list[Output]:
        """Answer every call and every subscription that comes of some outputs."""
        done: list[Output] = []
        while outputs:
            done += outputs
            happened = [each for output in outputs for each in self.inputs(output)]
            outputs = [output for each in happened for output in self.bot.handle(each, self.now)]
        self.outputs += done
        return done

    def inputs(self, output: Output) -> list[BotInput]:
        """Return what the exchange makes of one output."""
        match output:
            case Call():
                return [CallAnswered(output.id, self.answer(output))]
            case Transmit():
                return self.reply(orjson.loads(output.frame))
            case _:
                return []

    def answer(self, call: Call) -> HttpAnswer:
        path = call.request.path.removeprefix("/trade-api/v2")
        body = orjson.loads(call.request.body or b"{}")
        if path == "/portfolio/order_groups/create":
            return answer({"order_group_id": "g-1"}, 201)
        if call.request.method == "POST":
            placed = [self.place(item) for item in body.get("orders", [body])]
            return answer({"orders": placed} if "orders" in body else placed[0], 201)
        if call.request.method == "DELETE":
            gone = [
                {"order_id": item["order_id"], "reduced_by": "10.00"} for item in body["orders"]
            ]
            return answer({"orders": gone})
        return answer(self.answers[path])

    def place(self, body: dict[str, Any]) -> dict[str, Any]:
        self.orders += 1
        return {"order_id": f"o-{self.orders}", "client_order_id": body["client_order_id"]}

    def reply(self, command: dict[str, Any]) -> list[BotInput]:
        if command["cmd"] != "subscribe":
            return []
        (channel,) = command["params"]["channels"]
        confirmed = {"channel": channel, "sid": CHANNELS.index(channel) + 1}
        return [FrameReceived(frame("subscribed", confirmed, id=command["id"]))]

    def hear(self, kind: str, msg: Any, **envelope: Any) -> list[Output]:
        return self.bot.handle(FrameReceived(frame(kind, msg, **envelope)), self.now)

    def show_book(self, ticker: str, **changes: Any) -> list[Output]:
        self.seq += 1
        message = changed(SNAPSHOT, market_ticker=ticker, **changes)
        return self.run(self.hear("orderbook_snapshot", message, sid=4, seq=self.seq))

    def start(self) -> None:
        self.run(self.bot.handle(StreamOpened(), self.now))
        self.run(self.bot.handle(ForecastFitted(Forecasts(), None), self.now))
