"""Parses the wire independently of the bot: requested orders, and the stream's frames."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from mmbot.exchange.order_types import ExchangeOrder
from mmbot.faultlab.faults import ORDERS_PATH
from mmbot.kalshi.http import HttpAnswer, HttpRequest
from mmbot.trading.values import CLIENT_ID_PREFIX, Side
from mmbot.units import (
    ONE_DOLLAR,
    Count,
    Milliseconds,
    Price,
    format_count,
    format_price,
    parse_count,
    parse_price,
)

_BATCH: Final = f"{ORDERS_PATH}/batched"


class CreateRequest(msgspec.Struct, frozen=True):
    """An order that a request creates."""

    client_id: str
    ticker: str
    side: Side
    price: Price
    count: Count


class _Frame(msgspec.Struct, frozen=True):
    type: str = ""
    sid: int = 0
    seq: int = 0
    # Most bodies are not needed, so they are left undecoded.
    msg: msgspec.Raw = msgspec.Raw()


class _FrameType(msgspec.Struct, frozen=True):
    type: str = ""


class _OrderBody(msgspec.Struct, frozen=True):
    # Another client's row may have anything here.
    status: Any = None
    client_order_id: Any = None


class _OrderReport(msgspec.Struct, frozen=True):
    msg: _OrderBody


class _Subscribed(msgspec.Struct, frozen=True):
    channel: str


class _Snapshot(msgspec.Struct, frozen=True):
    market_ticker: str


_FRAME: Final = msgspec.json.Decoder(_Frame)
_FRAME_TYPE: Final = msgspec.json.Decoder(_FrameType)
_ORDER_REPORT: Final = msgspec.json.Decoder(_OrderReport)
_SUBSCRIBED: Final = msgspec.json.Decoder(_Subscribed)
_SNAPSHOT: Final = msgspec.json.Decoder(_Snapshot)


class DeliveredStream:
    """What one connection has delivered to the bot, tracked independently of the bot's own feed.

    `gapless_books` has the tickers whose book has had a snapshot and no gap since. The auditor sets
    the others: `account_read` once the account was read on this connection, `books_silent_since`
    when its books' channel dies, `reports_silent` when that of own orders does, and
    `unreported_since` when an order is confirmed but its report is not delivered.
    """

    def __init__(self) -> None:
        self.gapless_books: set[str] = set()
        self.account_read = False
        # Since when the books' channel delivers nothing, in true milliseconds.
        self.books_silent_since: Milliseconds | None = None
        self.reports_silent = False
        self.unreported_since: Milliseconds | None = None
        self._last_seq: dict[int, int] = {}

    def follow(self, data: bytes) -> None:
        """Follow a frame that reaches the bot."""
        frame = _FRAME.decode(data)
        if frame.type == "user_order":
            self.unreported_since = None
        books = frame.type in ("orderbook_delta", "orderbook_snapshot")
        if frame.sid and frame.seq:
            last = self._last_seq.get(frame.sid, frame.seq - 1)
            if frame.seq <= last:
                return
            if frame.seq != last + 1 and books:
                self.gapless_books.clear()
            self._last_seq[frame.sid] = frame.seq
        if frame.type == "orderbook_snapshot":
            self.gapless_books.add(_SNAPSHOT.decode(frame.msg).market_ticker)
        elif frame.type == "error" or (
            frame.type == "subscribed"
            and _SUBSCRIBED.decode(frame.msg).channel == "orderbook_delta"
        ):
            self.gapless_books.clear()


def orders_created_by(request: HttpRequest) -> list[CreateRequest]:
    """Return the orders that a request creates."""
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


def confirms_an_order(request: HttpRequest, answer: HttpAnswer) -> bool:
    """Return whether an answer confirms that an order was created."""
    if answer.status != 201 or not orders_created_by(request):
        return False
    body = msgspec.json.decode(answer.body)
    return any("order_id" in order for order in body.get("orders", [body]))


def cancelled_ids(request: HttpRequest) -> list[str]:
    """Return the ids of the orders that a request cancels."""
    if request.method != "DELETE" or not request.path.startswith(ORDERS_PATH):
        return []
    if request.path == _BATCH:
        return [order["order_id"] for order in msgspec.json.decode(request.body)["orders"]]
    return [request.path.rpartition("/")[2]]


def kind_of(frame: bytes) -> str:
    """Return the type of a frame of the stream."""
    return _FRAME_TYPE.decode(frame).type


def resting_report(frame: bytes) -> str:
    """Return the client id of an own order that a report shows as resting; "" for any other."""
    report = _ORDER_REPORT.decode(frame).msg
    client_id = str(report.client_order_id)
    rests = report.status == "resting" and client_id.startswith(CLIENT_ID_PREFIX)
    return client_id if rests else ""


def with_statuses(body: bytes, status: str) -> bytes:
    """Return an answer with one order, or a list of orders, with another status."""
    tree = msgspec.json.decode(body)
    for order in tree.get("orders", [tree.get("order", {})]):
        order["status"] = status
    return msgspec.json.encode(tree)


def renamed_fill(frame: bytes) -> tuple[bytes, tuple[str, str], tuple[str, str]]:
    """Return a fill under another id, with its keys by the other id and by the true one."""
    tree = msgspec.json.decode(frame)
    fill = tree["msg"]
    true = fill["trade_id"], fill["order_id"]
    fill["trade_id"] = f"renamed-{true[0]}"
    return msgspec.json.encode(tree), (fill["trade_id"], true[1]), true


def is_own_fill(frame: bytes) -> bool:
    """Return whether a fill is of an own order."""
    client_id = msgspec.json.decode(frame)["msg"].get("client_order_id")
    return isinstance(client_id, str) and client_id.startswith(CLIENT_ID_PREFIX)


def misstated_fill(frame: bytes, by: int, *, worse: bool) -> tuple[bytes, tuple[str, str], str]:
    """Return a fill with wrong numbers, its key, and its order's client id.

    It has `by` more contracts, in hundredths, or a price worse by `by`, in 1e-4 dollar, which its
    order does not allow.
    """
    tree = msgspec.json.decode(frame)
    fill = tree["msg"]
    if worse:
        price: int = parse_price(fill["yes_price_dollars"])
        price += by if fill["book_side"] == "bid" else -by
        fill["yes_price_dollars"] = format_price(Price(min(max(price, 1), ONE_DOLLAR - 1)))
    else:
        fill["count_fp"] = format_count(Count(parse_count(fill["count_fp"]) + by))
    key = fill["trade_id"], fill["order_id"]
    return msgspec.json.encode(tree), key, fill["client_order_id"]


def invented_fill(
    order: ExchangeOrder, count: Count, trade_id: str, sid: int, now: Milliseconds
) -> bytes:
    """Return a report of a fill that never happened."""
    fill = {
        "trade_id": trade_id,
        "order_id": order.order_id,
        "market_ticker": order.ticker,
        "book_side": order.side,
        "yes_price_dollars": format_price(order.price),
        "count_fp": format_count(count),
        "fee_cost": "0.000000",
        "client_order_id": order.client_order_id,
        "ts_ms": now,
    }
    return msgspec.json.encode({"type": "fill", "sid": sid, "msg": fill})


def with_status(frame: bytes, status: str) -> bytes:
    """Return a report of an order with another status."""
    tree = msgspec.json.decode(frame)
    tree["msg"]["status"] = status
    return msgspec.json.encode(tree)


def with_remaining(frame: bytes, remaining: str) -> bytes:
    """Return a report of an order with another remaining count."""
    tree = msgspec.json.decode(frame)
    tree["msg"]["remaining_count_fp"] = remaining
    return msgspec.json.encode(tree)
