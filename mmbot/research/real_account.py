"""A recorded market without the account that was in it.

The books that a bot with real orders was given include these orders. They are taken out, which is
possible because the exchange marks own changes; what is left are the orders of the others. How the
others would have acted without them is unknown: the trades stay as they were.
"""

from __future__ import annotations

import contextlib
from typing import Any, TypeAlias

import msgspec

from mmbot.kalshi import messages as wire
from mmbot.units import Count, Price, format_count, format_price, parse_count

_Level: TypeAlias = tuple[str, str, Price]

_PRIVATE = frozenset({"fill", "market_positions", "order_group_updates", "user_orders"})


class WithoutAccount:
    """Takes a recorded account out of the frames of one session."""

    def __init__(self) -> None:
        """Begin without orders."""
        # The account's resting orders, and how many frames of each subscription were taken out.
        self._own: dict[_Level, int] = {}
        self._left_out: dict[int, int] = {}
        self._private: set[int] = set()

    def connected(self) -> None:
        """Begin with a new connection; the orders still rest."""
        self._left_out.clear()
        self._private.clear()

    def public(self, data: bytes) -> bytes | None:
        """Return a frame as a client without orders would get it; `None` for one about orders."""
        try:
            frame = wire.decode_frame(data)
            match frame.type:
                case "subscribed":
                    answer = wire.decode(frame.msg, wire.Subscribed)
                    if answer.channel in _PRIVATE:
                        self._private.add(answer.sid)
                        return None
                case "orderbook_delta":
                    return self._change(frame, data)
                case "orderbook_snapshot":
                    return self._renumbered(frame, data, self._snapshot(frame.msg))
                case _:
                    pass
        except wire.Malformed:
            return data
        return None if frame.sid in self._private else self._renumbered(frame, data, None)

    def _change(self, frame: wire.Frame, data: bytes) -> bytes | None:
        delta, side, price, count = wire.book_change(frame.msg)
        if delta.client_order_id is None:
            return self._renumbered(frame, data, None)
        level = delta.market_ticker, side, price
        before = self._own.get(level, 0)
        # What is cancelled beyond what was seen placed was taken for another's so far.
        after = max(0, before + count)
        self._own[level] = after
        others = Count(count - (after - before))
        if not others:
            self._left_out[frame.sid] = self._left_out.get(frame.sid, 0) + 1
            return None
        tree = msgspec.json.decode(frame.msg, type=dict[str, Any])
        tree["delta_fp"] = format_count(others)
        del tree["client_order_id"]
        return self._renumbered(frame, data, tree)

    def _snapshot(self, message: msgspec.Raw) -> dict[str, Any] | None:
        snapshot = wire.decode(message, wire.BookSnapshot)
        own = [(k, v) for k, v in self._own.items() if k[0] == snapshot.market_ticker and v]
        if not own:
            return None
        tree = msgspec.json.decode(message, type=dict[str, Any])
        for side, name in (("bid", "yes_dollars_fp"), ("ask", "no_dollars_fp")):
            ours = {format_price(key[2]): count for key, count in own if key[1] == side}
            kept = []
            for price, text in tree.get(name) or ():
                with contextlib.suppress(ValueError):
                    left = parse_count(text) - ours.get(price, 0)
                    if left > 0:
                        kept.append([price, format_count(Count(left))])
            tree[name] = kept
        return tree

    def _renumbered(self, frame: wire.Frame, data: bytes, message: dict[str, Any] | None) -> bytes:
        left_out = self._left_out.get(frame.sid, 0) if frame.seq else 0
        if not left_out and message is None:
            return data
        tree: dict[str, Any] = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
        if left_out:
            tree["seq"] = frame.seq - left_out
        if message is not None:
            tree["msg"] = message
        return msgspec.json.encode(tree)
