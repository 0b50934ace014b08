"""Decodes book changes in one step, to what is needed of them.

The wire has few different prices and sizes, so each text is parsed once. Any other frame, or one in
another form, is left to the general decoding in `messages`.
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
# Enough for every price on a side and for the sizes in use.
_TEXTS_KEPT: Final = 16_384


# Decoding is fastest with the fields in the order in which the exchange sends them.


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
    """Numbers by their text on the wire, parsed at first lookup; `None` if it is no number."""

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
# Decodes a frame that is a change of a book; for any other it raises one of `wire.UNREADABLE`.
read_change: Final = msgspec.json.Decoder(ChangeFrame).decode
