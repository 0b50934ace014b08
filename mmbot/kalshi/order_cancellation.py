"""Taking every own order off without knowing anything: for when there is no bot to do it.

Own orders are those whose client id begins as the bot's do; all others are left alone. They are
cancelled by batch and never by the exchange's cancel-everything call, which would also take off
what is placed in the minute after. What the batches answer does not matter: the orders are listed
again until two listings in a row, far enough apart for the lists to have caught up, show none.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import TypeAlias

import msgspec

from mmbot.kalshi import messages as wire
from mmbot.kalshi.http import HttpAnswer, HttpRequest
from mmbot.kalshi.readings import ReadingError, budget, own_subaccount, pages
from mmbot.kalshi.writes import write_request
from mmbot.trading.budget import WriteBudget
from mmbot.trading.commands import Cancel
from mmbot.trading.events import LimitsRead
from mmbot.trading.values import CLIENT_ID_PREFIX

_MOST_LISTINGS, _EMPTY_LISTINGS = 8, 2
# The exchange's lists lag what has happened by about a second.
_LAG_SECONDS = 1.5


class Pause(msgspec.Struct, frozen=True):
    """Let so many seconds pass."""

    seconds: float


class CancellationResult(msgspec.Struct, frozen=True):
    """What a sweep came to.

    `found` own orders were seen and `left` of them are, as far as that is known: `None` if the
    last listing could not be read, for the `reason` given. `others` are not the bot's.
    """

    found: int
    left: int | None
    others: int
    reason: str = ""

    @property
    def clean(self) -> bool:
        """Whether the exchange has confirmed that no own order is left."""
        return self.left == 0


Cancellation: TypeAlias = Generator[HttpRequest | Pause, HttpAnswer | None, CancellationResult]


def cancel_own_orders(subaccount: int) -> Cancellation:
    """Cancel the account's own orders and verify that none is left.

    Raises:
        ReadingError: The exchange refuses to list the orders, and would again.
    """
    found: set[str] = set()
    others = empty_listings = 0
    reason = ""
    for _ in range(_MOST_LISTINGS):
        try:
            orders = yield from _resting(subaccount)
        except (ReadingError, wire.Malformed) as error:
            if isinstance(error, ReadingError) and not error.passing:
                raise
            left, reason = None, str(error)
        else:
            own = [order for order in orders if order.client_order_id.startswith(CLIENT_ID_PREFIX)]
            found |= {order.order_id for order in own}
            left, others = len(own), len(orders) - len(own)
            empty_listings = 0 if own else empty_listings + 1
            if empty_listings == _EMPTY_LISTINGS:
                return CancellationResult(len(found), 0, others)
            reason = f"{left} are still listed" if own else "they were listed only once more"
            yield from _cancel(own, subaccount)
        yield Pause(_LAG_SECONDS)
    return CancellationResult(len(found), left or None, others, reason)


class _Resting(msgspec.Struct, frozen=True):
    """As much of an order as it takes to cancel it; those of others may be of any kind."""

    order_id: str = ""
    client_order_id: str = ""
    ticker: str = ""
    exchange_index: int = 0


def _resting(subaccount: int) -> Generator[HttpRequest, HttpAnswer | None, list[_Resting]]:
    query = (("status", "resting"), ("limit", "1000"), own_subaccount(subaccount))
    return (yield from pages("/portfolio/orders", query, "orders", _Resting))


def _cancel(
    orders: Sequence[_Resting], subaccount: int
) -> Generator[HttpRequest | Pause, HttpAnswer | None, None]:
    """Cancel orders, as many at once as the bucket holds, and no faster than it fills."""
    if not orders:
        return
    bucket = yield from _bucket()
    size = max(1, int(bucket.capacity // bucket.cancel_cost))
    for start in range(0, len(orders), size):
        batch = [
            Cancel(order.client_order_id, order.order_id, order.ticker, order.exchange_index)
            for order in orders[start : start + size]
        ]
        request = write_request(batch, subaccount)
        yield request
        yield Pause(len(batch) * bucket.cancel_cost / bucket.refill)


def _bucket() -> Generator[HttpRequest, HttpAnswer | None, WriteBudget | LimitsRead]:
    try:
        return (yield from budget())
    except (ReadingError, wire.Malformed):
        return WriteBudget()
