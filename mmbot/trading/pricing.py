"""From the fair values of a ladder to what may be paid, and for how much, in each of its markets.

The whole ladder is priced at once, since a position at one strike is a position at its neighbours.
With fair value p, reservation price r and margin m, YES may cost at most
min(r - delta, (1 - m) p) and NO at most min(1 - r - delta, (1 - m) (1 - p)), where
delta = max(minimum edge, kappa r (1 - r)). Makers pay no fee in this series; with any other
schedule nothing is quoted at all.

Sizes are a fraction of what Kelly's rule holds best if every bid on one side of the ladder were
filled, as happens when somebody knows more than the belief does; each side on its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import msgspec

from mmbot.config import QuotingSettings
from mmbot.trading.fair import Pooled
from mmbot.trading.sizing import kelly_sizes, reservation_prices
from mmbot.units import ONE_CONTRACT, Count, floor_price

# From Thursday's release on the belief may stand alone where no market has an opinion.
_KNOWN_ENOUGH_ALONE = 3


class Terms(msgspec.Struct, frozen=True):
    """What may be paid in one market, whatever its book looks like.

    Attributes:
        fair: The fair value of YES, in dollars.
        reservation: What YES is worth to the holder of the event's positions, in dollars.
        yes_value: The most that may be paid for YES, in dollars.
        no_value: The most that may be paid for NO, in dollars.
        yes_count: How much YES to bid for.
        no_count: How much NO to bid for.
        reason: Why nothing may be quoted here, or empty.
    """

    fair: float
    reservation: float
    yes_value: float
    no_value: float
    yes_count: Count
    no_count: Count
    reason: str = ""


def price_ladder(
    pooled: Pooled, wealth: Sequence[float], known: int, quoting: QuotingSettings
) -> list[Terms]:
    """Return the terms of each market.

    Args:
        pooled: The fair values in ascending order of strike.
        wealth: The wealth in each outcome cell in dollars, assigned cash included; all above zero.
        known: How many of the week's days are published.
        quoting: Margin, edges and sizes.
    """
    above = pooled.above
    cells = [low - high for low, high in pairwise((1.0, *above, 0.0))]
    reservation = reservation_prices(cells, wealth)
    share = 1 - quoting.margin_at(known)
    edges = [quoting.edge(r) for r in reservation]
    yes = [_value(r - e, share * p) for r, e, p in zip(reservation, edges, above, strict=True)]
    no = [
        _value(1 - r - e, share * (1 - p))
        for r, e, p in zip(reservation, edges, above, strict=True)
    ]
    alone = known >= _KNOWN_ENOUGH_ALONE
    blocked = [unheard and not alone for unheard in pooled.unheard]
    full = quoting.size_at(known) / ONE_CONTRACT / quoting.kelly_fraction
    offers = [
        full if quoting.minimum_fair <= p <= quoting.maximum_fair and not shut else 0.0
        for p, shut in zip(above, blocked, strict=True)
    ]
    yes_most = [
        most
        if quoting.bids_yes(p) and floor_price(value) >= floor_price(quoting.lowest_bid)
        else 0.0
        for most, p, value in zip(offers, above, yes, strict=True)
    ]
    no_most = [most if quoting.bids_no(p) else 0.0 for most, p in zip(offers, above, strict=True)]
    yes_sizes = kelly_sizes(cells, wealth, yes, yes_most)
    # Seen from above, NO is to its strike what YES is seen from below.
    no_sizes = kelly_sizes(cells[::-1], wealth[::-1], no[::-1], no_most[::-1])[::-1]
    return [
        Terms(
            fair=above[j],
            reservation=reservation[j],
            yes_value=yes[j],
            no_value=no[j],
            yes_count=_whole(quoting.kelly_fraction * yes_sizes[j]),
            no_count=_whole(quoting.kelly_fraction * no_sizes[j]),
            reason="no_market_price" if blocked[j] else "",
        )
        for j in range(len(above))
    ]


def _value(*bounds: float) -> float:
    return max(0.0, min(bounds))


def _whole(contracts: float) -> Count:
    """Return as many whole contracts; a hair's breadth below counts as one."""
    return int(contracts + 1e-6) * ONE_CONTRACT
