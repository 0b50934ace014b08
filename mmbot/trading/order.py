"""One order of ours: what is known of it, and how that changes.

The exchange's messages may come in any order, late or twice: the filled count only rises, and one
table says which state follows from what happened.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import msgspec

from mmbot.trading.quoting import Quote
from mmbot.trading.values import OrderReport, Side
from mmbot.units import Count, Milliseconds, Price

# How long an order of an earlier session may wait until this one knows enough to judge it: it has
# been unattended for longer than that already.
_SPARED_MS = 5_000


class OrderState(enum.StrEnum):
    """What is known of an order; the value is what log and explanations show."""

    # The place is not answered yet.
    PLACING = "placing"
    # The exchange has it, and no write is under way.
    RESTING = "resting"
    # That write is not answered yet.
    RENEWING = "renewing"
    DECREASING = "decreasing"
    CANCELLING = "cancelling"
    # The outcome of a write, or whether it still rests, is unknown: the exchange has to be queried.
    UNKNOWN = "unknown"
    # It is over, but fills that the exchange has counted are not booked yet.
    AWAITING_FILLS = "awaiting_fills"

    # An enum's own is several times slower, and states are looked up all the time.
    __hash__ = str.__hash__


class OrderCause(enum.Enum):
    """What changes an order's state."""

    # A place was applied, or a report settles that the order rests.
    CONFIRMED = enum.auto()
    CANCEL_SENT = enum.auto()
    DECREASE_SENT = enum.auto()
    RENEWAL_SENT = enum.auto()
    DECREASED = enum.auto()
    RENEWED = enum.auto()
    # A decrease, renewal or cancel was refused.
    CHANGE_REFUSED = enum.auto()
    # The outcome of a write, or whether the order still rests, is unknown.
    OUTCOME_UNKNOWN = enum.auto()
    # It is over before all of its fills are booked.
    ENDED_UNBOOKED = enum.auto()
    # A reading of the account lists it as resting, long after it was taken for over.
    LISTED_AGAIN = enum.auto()

    # As with states.
    __hash__ = object.__hash__


_S, _C = OrderState, OrderCause
# Answers to changes may be late, so that each is allowed in every state; most leave a state as it
# is. A confirmation is applied only to an order that needs one, and a change is sent only for a
# resting order.
_TRANSITIONS: Final[Mapping[OrderCause, Mapping[OrderState, OrderState]]] = MappingProxyType(
    {
        _C.CONFIRMED: {_S.PLACING: _S.RESTING, _S.UNKNOWN: _S.RESTING},
        _C.CANCEL_SENT: {_S.RESTING: _S.CANCELLING},
        _C.DECREASE_SENT: {_S.RESTING: _S.DECREASING},
        _C.RENEWAL_SENT: {_S.RESTING: _S.RENEWING},
        _C.DECREASED: {s: s for s in _S} | {_S.DECREASING: _S.RESTING, _S.UNKNOWN: _S.RESTING},
        _C.RENEWED: {s: s for s in _S} | {_S.RENEWING: _S.RESTING, _S.UNKNOWN: _S.RESTING},
        _C.CHANGE_REFUSED: {s: s for s in _S}
        | dict.fromkeys((_S.RENEWING, _S.DECREASING, _S.CANCELLING), _S.RESTING),
        _C.OUTCOME_UNKNOWN: dict.fromkeys(_S, _S.UNKNOWN) | {_S.AWAITING_FILLS: _S.AWAITING_FILLS},
        _C.ENDED_UNBOOKED: dict.fromkeys(_S, _S.AWAITING_FILLS),
        _C.LISTED_AGAIN: {_S.AWAITING_FILLS: _S.UNKNOWN},
    }
)
# States in which the exchange is asked for an order, or for its fills.
_QUERIED: Final = frozenset({_S.UNKNOWN, _S.AWAITING_FILLS})
# By itself, as what is left of an order is asked all the time, and an enum's members are slow.
_AWAITING_FILLS: Final = _S.AWAITING_FILLS
_NOTHING: Final = Count(0)


class InvalidTransition(Exception):
    """An order is in a state in which this cannot happen: a bug."""


class Order(msgspec.Struct):
    """One order of ours.

    Attributes:
        client_id: The id that we gave it.
        ticker: Its market.
        side: Its side, in YES.
        price: Its price, in YES.
        count: What is filled of it and what rests, together: decreases lower it, nothing raises it.
        expires: When it expires at the exchange.
        placed_at: When it was sent, or found.
        order_id: The exchange's id; empty until it is known.
        group: Its order group; empty if it is in none.
        state: What is known of it; only `change` sets it.
        filled: The highest filled count that any message stated.
        booked: How much of that has arrived as fills.
        queried_at: When the exchange was last queried for it.
        queries: How often it was queried since its outcome became unknown.
        cancel_after: A refused cancel is not sent again before then.
        change_after: A refused renewal or decrease is not sent again before then.
        spared_until: Until when it is kept if this session cannot judge it yet.
        reported: Whether the stream has reported it.
        over_since: Since when it is over, if it is.
        off_book: Whether the stream has shown that nothing of it is in the book any more.
        kept_for: The quote for which it was kept when it was last judged, if it was.
        kept_until: When the clock alone may lead to another judgement.
    """

    client_id: str
    ticker: str
    side: Side
    price: Price
    count: Count
    expires: Milliseconds
    placed_at: Milliseconds
    order_id: str = ""
    group: str = ""
    state: OrderState = OrderState.PLACING
    filled: Count = Count(0)
    booked: Count = Count(0)
    queried_at: Milliseconds = 0
    queries: int = 0
    cancel_after: Milliseconds = 0
    change_after: Milliseconds = 0
    spared_until: Milliseconds = 0
    reported: bool = False
    over_since: Milliseconds = 0
    off_book: bool = False
    kept_for: Quote | None = None
    kept_until: Milliseconds = 0

    def change(self, cause: OrderCause) -> None:
        """Go to the state that follows from `cause`.

        Raises:
            InvalidTransition: It cannot happen to an order in this state.
        """
        after = _TRANSITIONS[cause].get(self.state)
        if after is None:
            raise InvalidTransition(f"{self.client_id} is {self.state}: {cause.name}")
        if after in _QUERIED and after is not self.state:
            self.queries = 0
        self.state = after

    def mark_unknown(self) -> None:
        """Have the exchange queried for the order before it is written to again."""
        self.change(OrderCause.OUTCOME_UNKNOWN)

    @property
    def remaining(self) -> Count:
        """What may still rest in the book."""
        if self.state is _AWAITING_FILLS:
            return _NOTHING
        if not self.filled:
            return self.count
        left = self.count - self.filled
        return Count(left) if left > 0 else _NOTHING

    @property
    def exposed(self) -> Count:
        """What may still change the position: all that is not booked and could be."""
        left = (self.filled if self.state is _AWAITING_FILLS else self.count) - self.booked
        return Count(left) if left > 0 else _NOTHING


def adopted_order(report: OrderReport, now: Milliseconds) -> Order:
    """Return an order of an earlier session that was found at the exchange."""
    return Order(
        client_id=report.client_id,
        ticker=report.ticker,
        side=report.side,
        price=report.price,
        count=Count(report.filled + report.remaining),
        expires=report.expires,
        placed_at=now,
        order_id=report.order_id,
        group=report.group,
        state=OrderState.RESTING,
        filled=report.filled,
        spared_until=now + _SPARED_MS,
    )
