"""Changes of a book, decoded in one step to what is needed of them.

The wire has few different prices and sizes, so each text is parsed once. A frame that is anything
else, or that says anything in another form, is left to the general decoding in `messages`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Generic, Literal, TypeVar

import msgspec

from mmbot.kalshi import messages as wire
from mmbot.trading.values import Side
from mmbot.units import parse_count

_Number = TypeVar("_Number")

# With YES prices on both sides, the NO levels are the asks.
SIDES: Final[dict[str, Side]] = {"yes": "bid", "no": "ask"}
# Of a side of a thousand prices, and of the sizes in use, all texts find room.
_TEXTS_KEPT: Final = 16_384


# Fields are found soonest in the order in which the exchange sends them.


class _Change(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    market_ticker: str
    clock: wire.Integer = 0
    price_dollars: str
    delta_fp: str
    side: Literal["yes", "no"]
    ts_ms: wire.Integer = 0
    client_order_id: wire.Word = None


class ChangeFrame(
    msgspec.Struct, frozen=True, gc=False, kw_only=True, tag_field="type", tag="orderbook_delta"
):
    """A frame whose message is the change of a book."""

    id: wire.Integer = 0
    sid: wire.Integer
    seq: wire.Integer
    sending_ts_ms: wire.Integer = 0
    msg: _Change


class _Texts(dict[str, _Number | None], Generic[_Number]):
    """Numbers by their text on the wire, `None` where it is none; parsed when first looked up."""

    def __init__(self, parse: Callable[[str], _Number]) -> None:
        super().__init__()
        self._parse = parse

    def __missing__(self, text: str) -> _Number | None:
        try:
            number = self._parse(text)
        except ValueError:
            return None
        if len(self) >= _TEXTS_KEPT:
            self.clear()
        self[text] = number
        return number


PRICES: Final = _Texts(wire.level_price)
COUNTS: Final = _Texts(parse_count)
# Decodes a frame that is the change of a book; whatever else it is raises one of `wire.UNREADABLE`.
read_change: Final = msgspec.json.Decoder(ChangeFrame).decode
