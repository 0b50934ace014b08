"""Commands to write, of two orders."""

from __future__ import annotations

from mmbot.trading.commands import Cancel, Decrease, Place, Renew
from mmbot.trading.values import Side
from mmbot.units import Count, Milliseconds, Price
from tests.kalshi.builders import A


def place(client_id: str, side: Side, price: int, *, shard: int, expires: Milliseconds) -> Place:
    """Return a place of 25 contracts in market `A` and group `g-1`."""
    return Place(client_id, A, shard, side, Price(price), Count(2500), expires, "g-1")


NOW = 1_795_874_400_123
PLACE = place("mmbot-1", "bid", 4200, shard=3, expires=NOW + 60_000)
CANCEL = Cancel("mmbot-1", "e5d8", A, 3)
RENEW = Renew("mmbot-1", "e5d8", A, 3, "ask", Price(5800), Count(2500), NOW + 60_000)
DECREASE = Decrease("mmbot-1", "e5d8", A, 3, Count(1200))
SECOND_PLACE = place("mmbot-2", "ask", 5800, shard=3, expires=NOW + 60_000)
SECOND_CANCEL = Cancel("mmbot-2", "f00d", A, 3)
