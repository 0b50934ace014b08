"""Paper trading between a bot and an exchange that are both scripted by a test."""

from __future__ import annotations

from typing import Any, TypeAlias

import orjson

from mmbot.kalshi.http import BASE_PATH, HttpRequest
from mmbot.paper.paper_trading import PaperTrading
from mmbot.recording.outside import PaperBegan
from mmbot.trading.values import Fill
from mmbot.units import (
    MONEY_PER_DOLLAR,
    Money,
)

Frame: TypeAlias = dict[str, Any]

EVENT = "KXTSAW-26NOV29"
TICKER = f"{EVENT}-A2.70"
NOW = 1_795_874_400_000
ORDERS = f"{BASE_PATH}/portfolio/events/orders"
BOOK_SID, LIFECYCLE_SID, TRADE_SID = 2, 3, 4
OWN = 1_000_000_000
PRIVATE = frozenset({"fill", "user_orders", "market_positions", "order_group_updates"})


class Bench:
    """Paper trading between a bot and an exchange that are both scripted by the test."""

    def __init__(self, balance: float = 1000.0, fills: tuple[Fill, ...] = ()) -> None:
        cash = Money(round(balance * MONEY_PER_DOLLAR))
        self.venue = PaperTrading(PaperBegan("KXTSAW", 0, cash, fills, seed=1))
        self.now = NOW
        self.real_seq = self.trades = self.changes = 0
        self.sent: list[Frame] = []

    def connect(self) -> list[Frame]:
        """Subscribe as the bot does, and answer as the exchange does."""
        self.venue.connected()
        self.real_seq = self.trades = self.changes = 0
        for number, channel in enumerate(("fill", "user_orders", "market_lifecycle_v2"), 1):
            self.send(number, "subscribe", channels=[channel])
        self.subscribe_books(4)
        heard = self.take()
        heard += self.hear(subscribed(4, "orderbook_delta", BOOK_SID))
        heard += self.hear(subscribed(3, "market_lifecycle_v2", LIFECYCLE_SID))
        return heard + self.hear(subscribed(self.sent[-1]["id"], "trade", TRADE_SID))

    def subscribe_books(self, number: int) -> list[Frame]:
        return self.send(
            number,
            "subscribe",
            channels=["orderbook_delta"],
            market_tickers=[TICKER],
            use_yes_price=True,
        )

    def send(self, number: int, cmd: str, **params: Any) -> list[Frame]:
        frame = orjson.dumps({"id": number, "cmd": cmd, "params": params})
        sent = [orjson.loads(data) for data in self.venue.outgoing(frame, self.now)]
        self.sent += sent
        return sent

    def hear(self, frame: Frame) -> list[Frame]:
        return [orjson.loads(f) for f in self.venue.incoming(orjson.dumps(frame), self.now)]

    def take(self) -> list[Frame]:
        return [orjson.loads(data) for data in self.venue.take()]

    def snapshot(self, bids: dict[str, str], asks: dict[str, str]) -> list[Frame]:
        return self.hear(self.numbered(snapshot_frame(bids, asks)))

    def delta(self, side: str, price: str, delta: str) -> list[Frame]:
        return self.hear(self.numbered(delta_frame(side, price, delta)))

    def numbered(self, frame: Frame, skipped: int = 0) -> Frame:
        self.real_seq += 1 + skipped
        return frame | {"seq": self.real_seq}

    def trade(self, price: str, count: str, **fields: Any) -> list[Frame]:
        message = {
            "trade_id": "d91b",
            "market_ticker": TICKER,
            "yes_price_dollars": price,
            "count_fp": count,
            "taker_book_side": "ask",
            "is_block_trade": False,
            **fields,
        }
        self.trades += 1
        return self.hear({"type": "trade", "sid": TRADE_SID, "seq": self.trades, "msg": message})

    def lifecycle(self, event_type: str, **fields: Any) -> list[Frame]:
        message = {"event_type": event_type, "market_ticker": TICKER, **fields}
        self.changes += 1
        frame = {"type": "market_lifecycle_v2", "sid": LIFECYCLE_SID, "seq": self.changes}
        return self.hear(frame | {"msg": message})

    def call(self, method: str, path: str, body: Any = None, **query: str) -> tuple[int, Any]:
        content = b"" if body is None else orjson.dumps(body)
        request = HttpRequest(method, path, tuple(query.items()), (), content)
        answer = self.venue.answer(request, self.now)
        assert answer is not None
        return answer.status, orjson.loads(answer.body) if answer.body else None

    def place(self, side: str, price: str, count: str = "10.00", **fields: Any) -> tuple[int, Any]:
        body = {
            "ticker": TICKER,
            "side": side,
            "count": count,
            "price": price,
            "time_in_force": "good_till_canceled",
            "self_trade_prevention_type": "taker_at_cross",
            "client_order_id": f"mmbot-{side}-{price[2:]}",
            "post_only": True,
            "cancel_order_on_pause": True,
            "expiration_time": self.now // 1000 + 60,
            "subaccount": 0,
            "exchange_index": 0,
        }
        return self.call("POST", ORDERS, body | fields)

    def rest(self, name: str, **query: str) -> Any:
        status, body = self.call("GET", f"{BASE_PATH}/portfolio/{name}", **query)
        assert status == 200
        return body

    def position(self) -> str:
        positions = self.rest("positions")["market_positions"]
        return str(positions[0]["position_fp"]) if positions else "0.00"


def subscribed(number: int, channel: str, sid: int) -> Frame:
    return {"id": number, "type": "subscribed", "msg": {"channel": channel, "sid": sid}}


def snapshot_frame(bids: dict[str, str], asks: dict[str, str]) -> Frame:
    message: Frame = {"market_ticker": TICKER, "market_id": "9b0f", "clock": 4_182_057}
    message |= {"yes_dollars_fp": list(bids.items())} if bids else {}
    message |= {"no_dollars_fp": list(asks.items())} if asks else {}
    return {"type": "orderbook_snapshot", "sid": BOOK_SID, "msg": message}


def delta_frame(side: str, price: str, delta: str) -> Frame:
    message = {
        "market_ticker": TICKER,
        "market_id": "9b0f",
        "clock": 4_182_061,
        "price_dollars": price,
        "delta_fp": delta,
        "side": side,
    }
    return {"type": "orderbook_delta", "sid": BOOK_SID, "msg": message}


def of_type(frames: list[Frame], kind: str) -> list[Frame]:
    return [frame["msg"] for frame in frames if frame["type"] == kind]
