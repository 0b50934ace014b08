"""Cancels every own order without any local state, for when no bot is running.

Own orders are those whose client id has the bot's prefix; all others are left alone. They are
cancelled in batches, never by the exchange's cancel-all call, which would also cancel orders placed
in the minute after it. The batches' answers are not needed: the orders are listed again until two
listings in a row, further apart than the lists lag, show none.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any, TypeAlias

import msgspec

from mmbot.kalshi import messages as wire
from mmbot.kalshi.http import HttpAnswer, HttpRequest
from mmbot.kalshi.readings import PAGE_SIZE, ReadingError, Steps, own_subaccount, pages, rate_limits
from mmbot.kalshi.writes import write_request
from mmbot.trading.commands import Cancel
from mmbot.trading.events import LimitsRead
from mmbot.trading.values import CLIENT_ID_PREFIX

# The most listings, and how many empty ones in a row confirm success.
_MOST_LISTINGS, _EMPTY_LISTINGS = 8, 2
# The exchange's lists lag by about a second.
_LAG_SECONDS = 1.5
# The lowest limits of any account, assumed if the account's cannot be read.
_LEAST_LIMITS = LimitsRead(
    refill=100.0, capacity=100.0, place_cost=10.0, cancel_cost=2.0, renew_cost=10.0
)


class Pause(msgspec.Struct, frozen=True):
    """Wait this long before the next step."""

    seconds: float


class CancellationResult(msgspec.Struct, frozen=True):
    """How many orders were found, and how many are left.

    Attributes:
        found: Own orders seen in any listing.
        left: Own orders that still rest; `None` if unknown.
        others: Orders in the last listing that are not the bot's.
        reason: Why own orders are left, or why that is unknown.
    """

    found: int
    left: int | None
    others: int
    reason: str = ""

    @property
    def clean(self) -> bool:
        """Whether the exchange confirmed that no own order is left."""
        return self.left == 0


Cancellation: TypeAlias = Generator[HttpRequest | Pause, HttpAnswer | None, CancellationResult]


def cancel_own_orders(subaccount: int, session: str = "") -> Cancellation:
    """Cancel the account's own orders and verify that none is left.

    Args:
        subaccount: The subaccount.
        session: If given, only the orders of that session count as own.

    Raises:
        ReadingError: The exchange refuses to list the orders, not just for the moment.
    """
    prefix = f"{CLIENT_ID_PREFIX}{session}-" if session else CLIENT_ID_PREFIX
    found: set[str] = set()
    others = empty_listings = 0
    reason = ""
    for _ in range(_MOST_LISTINGS):
        try:
            orders = yield from _resting(subaccount)
        except (ReadingError, wire.Malformed) as error:
            if isinstance(error, ReadingError) and not error.transient:
                raise
            left, reason = None, str(error)
        else:
            own = [order for order in orders if order.client_order_id.startswith(prefix)]
            found |= {order.order_id for order in own}
            left, others = len(own), len(orders) - len(own)
            empty_listings = 0 if own else empty_listings + 1
            if empty_listings == _EMPTY_LISTINGS:
                return CancellationResult(len(found), 0, others)
            reason = (
                f"{left} are still listed" if own else "only one listing has none of them so far"
            )
            yield from _cancel(own, subaccount)
        yield Pause(_LAG_SECONDS)
    return CancellationResult(len(found), left or None, others, reason)


def list_own_orders(subaccount: int) -> Steps[frozenset[str]]:
    """Return the client ids of the resting own orders of any session.

    Raises:
        ReadingError, Malformed: They cannot be listed.
    """
    orders = yield from _resting(subaccount)
    ids = (order.client_order_id for order in orders)
    return frozenset(each for each in ids if each.startswith(CLIENT_ID_PREFIX))


class _Resting(msgspec.Struct, frozen=True):
    """What is needed to cancel an order; rows of others may lack any of it."""

    order_id: str
    client_order_id: str
    ticker: str
    exchange_index: int


def _resting(subaccount: int) -> Steps[list[_Resting]]:
    query = (("status", "resting"), ("limit", PAGE_SIZE), own_subaccount(subaccount))
    return [_read(row) for row in (yield from pages("/portfolio/orders", query, "orders", Any))]


def _read(row: Any) -> _Resting:
    """Read a row of any form: a malformed row must not hide our orders."""
    stated = row if isinstance(row, dict) else {}
    shard = stated.get("exchange_index")
    return _Resting(
        order_id=wire.word(stated.get("order_id")),
        client_order_id=wire.word(stated.get("client_order_id")),
        ticker=wire.word(stated.get("ticker")),
        exchange_index=shard if isinstance(shard, int) else 0,
    )


def _cancel(
    orders: Sequence[_Resting], subaccount: int
) -> Generator[HttpRequest | Pause, HttpAnswer | None, None]:
    """Cancel orders in batches of at most the bucket's capacity, no faster than its refill."""
    if not orders:
        return
    limits = yield from _limits()
    size = max(1, int(limits.capacity // limits.cancel_cost))
    for start in range(0, len(orders), size):
        batch = [
            Cancel(order.client_order_id, order.order_id, order.ticker, order.exchange_index)
            for order in orders[start : start + size]
        ]
        yield write_request(batch, subaccount)
        yield Pause(len(batch) * limits.cancel_cost / limits.refill)


def _limits() -> Steps[LimitsRead]:
    try:
        return (yield from rate_limits())
    except (ReadingError, wire.Malformed):
        return _LEAST_LIMITS
