"""Subscribes to the market's trades for the capture, alongside a bot that trades real orders.

Another bot can trade a recording only if the trades are in it. They are subscribed to together with
the books and hidden from the bot, so that a failure of that subscription does not affect it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

import msgspec

from mmbot.daemon.interceptor import PassThrough
from mmbot.exchange.stream_session import StreamCommand
from mmbot.kalshi import messages as wire
from mmbot.paper.paper_stream import FIRST_OWN_ID
from mmbot.recording.outside import TapeBegan
from mmbot.units import Milliseconds


class _Envelope(msgspec.Struct, frozen=True, gc=False):
    """The fields that identify the subscription of a frame."""

    type: str
    id: int = 0
    sid: int = 0


# Nearly all frames are changes of books, from the bot's own subscriptions.
_BOOK_CHANGE = b'{"type":"orderbook_delta",'
_DECODER = msgspec.json.Decoder(_Envelope)


class TradeTape(PassThrough):
    """An interceptor that passes everything on, and also subscribes to trades."""

    def __init__(self) -> None:
        """Begin unconnected."""
        self.began = TapeBegan()
        self.connected()

    def connected(self) -> None:
        """Begin without a subscription."""
        self._commands = 0
        self._sids: set[int] = set()
        self._tickers: set[str] = set()

    def outgoing(self, frame: bytes, _now: Milliseconds, /) -> list[bytes]:
        """Return the frame, and a subscription to the trades of the books that it subscribes to."""
        command = msgspec.json.decode(frame, type=StreamCommand)
        params = command.params or {}
        books = "orderbook_delta" in params.get("channels", ())
        tickers = params.get("market_tickers") or () if books else ()
        if params.get("action") == "add_markets":
            tickers = params.get("market_tickers") or ()
        added = [ticker for ticker in tickers if ticker not in self._tickers]
        if not added:
            return [frame]
        self._tickers.update(added)
        self._commands += 1
        told = {"channels": ["trade"], "market_tickers": added}
        asked = {"id": FIRST_OWN_ID + self._commands, "cmd": "subscribe", "params": told}
        return [frame, msgspec.json.encode(asked)]

    def incoming(self, data: bytes | str, _now: Milliseconds, /) -> Sequence[bytes | str]:
        """Return the frame, unless it belongs to the subscription to trades."""
        if not self._tickers or (isinstance(data, bytes) and data.startswith(_BOOK_CHANGE)):
            return [data]
        try:
            frame = _DECODER.decode(data)
        except wire.UNREADABLE:
            return [data]  # the bot reports what is wrong with it
        if frame.id > FIRST_OWN_ID:
            if frame.type == "subscribed":
                with contextlib.suppress(wire.Malformed):
                    answer = wire.decode_frame(data).msg
                    self._sids.add(wire.decode(answer, wire.Subscribed).sid)
            return []
        return [] if frame.sid in self._sids else [data]
