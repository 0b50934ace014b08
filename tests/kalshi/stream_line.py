"""A feed with an exchange at the other end of the line."""

from __future__ import annotations

from typing import Any

import orjson

from mmbot.kalshi.feed import Feed
from mmbot.kalshi.subscriptions import FeedStep
from mmbot.trading.events import InputEvent
from tests.kalshi.builders import SNAPSHOT, A, B, changed, frame

CHANNELS = ("fill", "user_orders", "order_group_updates", "market_lifecycle_v2")
FILL_SID, ORDER_SID, GROUP_SID, LIFECYCLE_SID, BOOK_SID = SIDS = 11, 12, 15, 13, 14
MESSAGES = ("fill", "user_order", "orderbook_delta", "orderbook_snapshot", "market_lifecycle_v2")
LIFECYCLE = {"market_ticker": A, "event_type": "activated"}


class Line:
    """A feed, and the commands it sent, from which the exchange's replies are made."""

    def __init__(self, *tickers: str) -> None:
        self.feed = Feed("KXTSAW")
        self.now = 1_795_874_400_200
        self.sent: list[dict[str, Any]] = []
        self.seq = 0
        self.feed.watch(tickers, self.now)

    def note(self, step: FeedStep) -> FeedStep:
        self.sent += [orjson.loads(data) for data in step.frames]
        return step

    def connect(self) -> FeedStep:
        self.sent = []
        return self.note(self.feed.connected(self.now))

    def hear(self, kind: str, msg: Any = None, **envelope: Any) -> FeedStep:
        return self.note(self.feed.received(frame(kind, msg, **envelope), self.now))

    def books(self, kind: str, msg: Any = None, **envelope: Any) -> FeedStep:
        """Receive the next frame of the book subscription."""
        self.seq += 1
        return self.hear(kind, msg, **{"sid": BOOK_SID, "seq": self.seq, **envelope})

    def confirm(self, channel: str, sid: int) -> FeedStep:
        (command,) = (c for c in self.sent if c["params"].get("channels") == [channel])
        message = {"channel": channel, "sid": sid}
        return self.hear("subscribed", message, id=command["id"])

    def start(self) -> None:
        """Connect, confirm every subscription, and send every book's snapshot."""
        self.connect()
        for channel, sid in zip(CHANNELS, SIDS[:4], strict=True):
            self.confirm(channel, sid)
        self.confirm("orderbook_delta", BOOK_SID)
        for ticker in (A, B):
            self.books("orderbook_snapshot", changed(SNAPSHOT, market_ticker=ticker))

    def wait(self, milliseconds: int) -> FeedStep:
        self.now += milliseconds
        return self.note(self.feed.woken(self.now))

    def sent_since(self, count: int) -> list[tuple[str, dict[str, Any]]]:
        return [(command["cmd"], command["params"]) for command in self.sent[count:]]


def kinds(step: FeedStep) -> list[type[InputEvent]]:
    return [type(event) for event in step.events]
