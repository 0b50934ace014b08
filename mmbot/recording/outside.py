"""Records of what happened outside a bot, between its interceptor and the real market.

A paper bot receives frames and answers that include its own paper orders, and no bot receives the
trades of others. These records hold the market as it arrived, and the times of requests to the
paper exchange, so that another bot can be given the same market. A replay ignores them.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import msgspec

from mmbot.kalshi.http import HttpAnswer
from mmbot.trading.values import Fill
from mmbot.units import Money

# Why a bot that `mmbot record` runs is halted.
ONLY_RECORDS: Final = "mmbot record"


class PaperBegan(msgspec.Struct, frozen=True, array_like=True, tag="paper"):
    """A paper exchange began.

    Attributes:
        series: The series that is traded.
        subaccount: The number of the subaccount that the bot trades on.
        balance: The cash at the start, before paying for `fills`.
        fills: The fills of earlier sessions in markets that are not settled yet.
        seed: The seed for the ids of orders and trades, different in every session.
    """

    series: str
    subaccount: int
    balance: Money
    fills: tuple[Fill, ...]
    seed: int


class TapeBegan(msgspec.Struct, frozen=True, array_like=True, tag="tape"):
    """The market's trades are recorded along with the inputs of a bot that traded real orders."""


class AlreadyRead(msgspec.Struct, frozen=True, array_like=True, tag="already read"):
    """The exchange's last answer to a reading before the session began."""

    path: str
    query: tuple[tuple[str, str], ...]
    answer: HttpAnswer


class FrameArrived(msgspec.Struct, frozen=True, array_like=True, tag="arrived"):
    """A frame of the exchange; `None` if it is the next one that the bot received."""

    frame: bytes | None


class AnsweredInside(msgspec.Struct, frozen=True, array_like=True, tag="inside"):
    """The paper exchange answered a request; if it was the bot's, the answer is the next record."""


class AnswerArrived(msgspec.Struct, frozen=True, array_like=True, tag="answered"):
    """The exchange's answer to a request arrived; it is the next record."""


class OrdersAged(msgspec.Struct, frozen=True, array_like=True, tag="aged"):
    """Time changed something in the paper exchange: an order expired, a market closed."""


Outside: TypeAlias = (
    PaperBegan
    | TapeBegan
    | AlreadyRead
    | FrameArrived
    | AnsweredInside
    | AnswerArrived
    | OrdersAged
)
