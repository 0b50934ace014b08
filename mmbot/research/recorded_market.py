"""The market of a recording, for what a new bot asks and the bot on record did not.

A reading is answered as the exchange last answered the same, with what the stream has told of the
markets since. A command of the stream is answered from the books as they are now, on the recorded
subscriptions: what follows on these is the recording itself.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from typing import Any, Final, TypeAlias

import msgspec

from mmbot.kalshi import messages as wire
from mmbot.kalshi.http import BASE_PATH, HttpAnswer, HttpRequest
from mmbot.paper.mirror import MirroredMarket
from mmbot.trading.book import Book
from mmbot.trading.values import Side
from mmbot.units import format_count, format_price

_Key: TypeAlias = tuple[str, tuple[tuple[str, str], ...]]
Books: TypeAlias = dict[str, tuple[str, Book]]

_EVENTS: Final = f"{BASE_PATH}/events"
# The only time in a query.
_VARYING: Final = "min_close_ts"
# Older recordings lack these readings; the answers say that no change was known.
_NOT_YET_READ: Final = {
    f"{BASE_PATH}/series/fee_changes": b'{"series_fee_change_arr":[]}',
    f"{_EVENTS}/fee_changes": b'{"event_fee_changes":[],"cursor":""}',
}
_STATUS: Final = {"determined": "determined", "settled": "finalized"}


class RecordedReadings:
    """The latest answer to each reading of the market."""

    def __init__(self) -> None:
        """Begin with nothing read."""
        self._answers: dict[_Key, HttpAnswer] = {}
        self._events: dict[str, dict[str, Any]] = {}
        self._told: dict[str, dict[str, Any]] = {}

    def learn(self, request: HttpRequest, answer: HttpAnswer) -> None:
        """Read an answer of the exchange."""
        if answer.status != 200 or request.method != "GET":
            return
        # Its date would be taken for the present one.
        self._answers[key_of(request)] = HttpAnswer(answer.status, answer.body)
        if request.path.startswith(_EVENTS):
            with contextlib.suppress(msgspec.DecodeError, AttributeError, TypeError):
                tree = msgspec.json.decode(answer.body)
                for event in (*tree.get("events", ()), *filter(None, (tree.get("event"),))):
                    self._events[event["event_ticker"]] = event

    def tell(self, message: msgspec.Raw) -> None:
        """Read what the stream tells of a market's life."""
        with contextlib.suppress(wire.Malformed):
            ticker = wire.word(wire.subject(message).market_ticker)
            change = wire.decode(message, wire.MarketLifecycle)
            kind = wire.word(change.event_type)
            if kind not in _STATUS:
                return
            told = self._told.setdefault(ticker, {})
            told["status"] = _STATUS[kind]
            if change.result not in (None, ""):
                told["result"] = change.result
                if change.settlement_value is not None:
                    told["settlement_value_dollars"] = change.settlement_value

    def answer(self, request: HttpRequest) -> HttpAnswer | None:
        """Return the answer to a reading; `None` if nothing like it was read yet."""
        path, _, ticker = request.path.rpartition("/")
        if path == _EVENTS and ticker in self._events:
            event = self._events[ticker]
            markets = [
                {**market, **self._told.get(market.get("ticker"), {})}
                for market in event.get("markets", ())
            ]
            body = msgspec.json.encode({"event": {**event, "markets": markets}})
            return HttpAnswer(200, body)
        empty = _NOT_YET_READ.get(request.path)
        return self._answers.get(key_of(request)) or (HttpAnswer(200, empty) if empty else None)


def key_of(request: HttpRequest) -> _Key:
    """Return what makes two readings the same."""
    return request.path, tuple(each for each in request.query if each[0] != _VARYING)


class RecordedStream:
    """Answers the commands of a stream from the recorded subscriptions."""

    def __init__(self) -> None:
        """Begin without subscriptions."""
        self._sids: dict[str, int] = {}
        # Commands whose channel is not subscribed on the record either, by channel.
        self._waiting: dict[str, int] = {}
        # The numbers of the last frames, where these were received by an earlier connection.
        self._numbers: dict[int, int] = {}

    def closed(self) -> None:
        """Forget the subscriptions of a connection that is gone."""
        self._sids.clear()
        self._waiting.clear()
        self._numbers.clear()

    def resumed(self, numbers: dict[int, int]) -> None:
        """Begin a connection that is not on record, on the subscriptions of the one that is.

        The next frame of each follows the number given.
        """
        self._waiting.clear()
        self._numbers = dict(numbers)

    def subscribed(self, frame: wire.Frame, data: bytes) -> bytes:
        """Read a recorded confirmation; return it as the new bot is to receive it."""
        answer = wire.decode(frame.msg, wire.Subscribed)
        self._sids[answer.channel] = answer.sid
        waiting = self._waiting.pop(answer.channel, None)
        if waiting is None:
            return data
        tree = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
        return msgspec.json.encode({**tree, "id": waiting})

    def answers(self, command: bytes, books: Callable[[], Books]) -> list[bytes]:
        """Return the frames with which the exchange would answer a command."""
        tree = msgspec.json.decode(command, type=dict[str, Any])
        params = tree.get("params") or {}
        tickers = params.get("market_tickers") or ()
        if tree.get("cmd") == "subscribe":
            return self._subscribe(tree["id"], params.get("channels") or (), tickers, books)
        if params.get("action") in {"get_snapshot", "add_markets"}:
            return self._snapshots(tickers, books())
        return []

    def _subscribe(
        self,
        number: int,
        channels: Iterable[str],
        tickers: Iterable[str],
        books: Callable[[], Books],
    ) -> list[bytes]:
        frames: list[bytes] = []
        for channel in channels:
            sid = self._sids.get(channel)
            if sid is None:
                self._waiting[channel] = number
                continue
            told = {"channel": channel, "sid": sid}
            frame = {"type": "subscribed", "id": number, "msg": told}
            if last := self._numbers.pop(sid, 0):
                frame |= {"sid": sid, "seq": last}
            frames.append(msgspec.json.encode(frame))
            if channel == "orderbook_delta":
                frames += self._snapshots(tickers, books())
        return frames

    def _snapshots(self, tickers: Iterable[str], books: Books) -> list[bytes]:
        sid = self._sids.get("orderbook_delta", 0)
        return [
            msgspec.json.encode(
                {"type": "orderbook_snapshot", "sid": sid, "msg": _snapshot(ticker, *books[ticker])}
            )
            for ticker in tickers
            if ticker in books and sid
        ]


def books_of(markets: Iterable[MirroredMarket]) -> Books:
    """Return the real books that are known, each with the exchange's id of its market."""
    return {m.ticker: (m.terms.market_id, m.book) for m in markets if m.book is not None}


def read_frame(data: bytes, stream: RecordedStream, readings: RecordedReadings) -> bytes:
    """Read what a recorded frame tells of both; return it as the new bot is to receive it."""
    if b'"subscribed"' not in data and b"lifecycle" not in data:
        return data
    try:
        frame = wire.decode_frame(data)
        if frame.type == "subscribed":
            return stream.subscribed(frame, data)
    except wire.Malformed:
        return data
    if frame.type == "market_lifecycle_v2":
        readings.tell(frame.msg)
    return data


def _snapshot(ticker: str, market_id: str, book: Book) -> dict[str, Any]:
    """Return a book's snapshot in YES prices."""
    named: dict[str, Side] = {"yes_dollars_fp": "bid", "no_dollars_fp": "ask"}
    sides = {
        name: [[format_price(price), format_count(count)] for price, count in book.levels(side)]
        for name, side in named.items()
    }
    return {"market_ticker": ticker, "market_id": market_id} | {k: v for k, v in sides.items() if v}
