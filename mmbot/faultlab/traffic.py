"""What goes over the wire, read apart from the bot: orders asked for, and what a stream told."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from mmbot.exchange.accounts import Side
from mmbot.faultlab.faults import ORDERS_PATH
from mmbot.kalshi.http import HttpRequest
from mmbot.units import Count, Price, parse_count, parse_price

_BATCH: Final = f"{ORDERS_PATH}/batched"


class CreateRequest(msgspec.Struct, frozen=True):
    """An order that is being asked for."""

    client_id: str
    ticker: str
    side: Side
    price: Price
    count: Count


class _Frame(msgspec.Struct, frozen=True):
    type: str = ""
    sid: int = 0
    seq: int = 0
    msg: Any = None


class StreamTruth:
    """What one connection has told the bot, judged apart from the bot's own feed."""

    def __init__(self) -> None:
        self.fresh: set[str] = set()
        self.account_read = False
        self._last_seq: dict[int, int] = {}

    def delivered(self, data: bytes) -> str:
        """Follow a frame that reaches the bot; return its kind."""
        frame = msgspec.json.decode(data, type=_Frame)
        books = frame.type in ("orderbook_delta", "orderbook_snapshot")
        if frame.sid and frame.seq:
            last = self._last_seq.get(frame.sid, frame.seq - 1)
            if frame.seq <= last:
                return frame.type
            if frame.seq != last + 1 and books:
                self.fresh.clear()
            self._last_seq[frame.sid] = frame.seq
        if frame.type == "orderbook_snapshot":
            self.fresh.add(frame.msg["market_ticker"])
        elif frame.type == "error" or (
            frame.type == "subscribed" and frame.msg["channel"] == "orderbook_delta"
        ):
            self.fresh.clear()
        return frame.type


def created(request: HttpRequest) -> list[CreateRequest]:
    """Return the orders that a request asks for."""
    if request.method != "POST" or request.path not in (ORDERS_PATH, _BATCH):
        return []
    body = msgspec.json.decode(request.body)
    return [
        CreateRequest(
            order["client_order_id"],
            order["ticker"],
            order["side"],
            parse_price(order["price"]),
            parse_count(order["count"]),
        )
        for order in body.get("orders", [body])
    ]


def cancelled_ids(request: HttpRequest) -> list[str]:
    """Return the orders that a request takes off."""
    if request.method != "DELETE" or not request.path.startswith(ORDERS_PATH):
        return []
    if request.path == _BATCH:
        return [order["order_id"] for order in msgspec.json.decode(request.body)["orders"]]
    return [request.path.rpartition("/")[2]]


def kind_of(frame: bytes) -> str:
    """Return the type of a frame of the stream."""
    return msgspec.json.decode(frame, type=_Typed).type


class _Typed(msgspec.Struct, frozen=True):
    type: str = ""
