"""Rewrites frames between bot and exchange: parameters, levels and sequence numbers."""

from __future__ import annotations

from typing import Any, TypeAlias

import msgspec

from mmbot.exchange.stream_session import StreamCommand
from mmbot.paper.mirror import MirroredMarket
from mmbot.trading.values import Side
from mmbot.units import format_count, format_price

FrameData: TypeAlias = bytes | str


class Numbering(msgspec.Struct):
    """Sequence numbers of one subscription: the last received, and how many frames were added."""

    last: int = 0
    added: int = 0

    def passed_on(self, seq: int) -> int:
        """Return the number that the exchange's frame `seq` has for the bot."""
        self.last = max(self.last, seq)
        return seq + self.added

    def added_one(self) -> int:
        """Return the number for another added frame: the next that the bot expects."""
        self.added += 1
        return self.last + self.added


def with_params(command: StreamCommand, params: dict[str, Any]) -> bytes:
    """Return a command's frame, with these parameters."""
    return msgspec.json.encode({"id": command.id, "cmd": command.cmd, "params": params})


def with_fields(data: FrameData | msgspec.Raw, fields: dict[str, Any]) -> bytes:
    """Return a JSON object with some of its fields replaced."""
    return msgspec.json.encode({**msgspec.json.decode(data, type=dict[str, msgspec.Raw]), **fields})


def with_number(data: FrameData, old: int, new: int) -> FrameData:
    """Return a frame with another sequence number.

    If it is there once, in the exchange's own form, nothing has to be parsed.
    """
    if isinstance(data, bytes) and data.count(b'"seq"') == 1:
        before, found, after = data.partition(b'"seq":%d,' % old)
        if found:
            return before + b'"seq":%d,' % new + after
    return with_fields(data, {"seq": new})


def with_levels(message: msgspec.Raw, market: MirroredMarket) -> msgspec.Raw:
    """Return a snapshot's message with the levels of the book that the bot is shown."""
    sides: dict[str, Side] = {"yes_dollars_fp": "bid", "no_dollars_fp": "ask"}
    levels = {
        name: [[format_price(price), format_count(count)] for price, count in market.levels(side)]
        for name, side in sides.items()
    }
    return msgspec.Raw(with_fields(message, {k: v for k, v in levels.items() if v}))
