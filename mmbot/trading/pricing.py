"""Quote limits: from an event's fair values to the highest prices and sizes in each market.

All markets are priced together, since a position at one strike is a position at its neighbours.
With fair value p, reservation price r and margin m, YES may cost at most
min(r - delta, (1 - m) p) and NO at most min(1 - r - delta', (1 - m) (1 - p)). The edges are
max(minimum edge, kappa r (1 - r)), and the longshot edge of the price on top of that. Makers pay no
fee in this series; under any other fee schedule nothing is quoted.

Sizes are a fraction of the Kelly sizes for the case that every bid on one side of the event is
filled, as happens when a counterparty knows more than the belief; each side on its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt

from mmbot.config import QuotingSettings
from mmbot.trading.fair import Pooled
from mmbot.trading.gates import Gate
from mmbot.trading.sizing import kelly_sizes, reservation_prices
from mmbot.units import ONE_CENT, ONE_CONTRACT, ONE_DOLLAR, Count, floor_price

_Floats: TypeAlias = npt.NDArray[np.float64]

# From Thursday's release on the belief may stand alone where there is no market mid.
_DAYS_WITHOUT_MID = 3
# The prices in dollars at which the longshot edge is set, and the first at which there is none.
_LONGSHOT_PRICES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6)


class QuoteLimits(msgspec.Struct, frozen=True):
    """The most that may be paid in one market, whatever its book.

    Attributes:
        fair: The fair value of YES, in dollars.
        reservation: What YES is worth to the holder of the event's positions, in dollars.
        yes_value: The most that may be paid for YES, in dollars.
        no_value: The most that may be paid for NO, in dollars.
        yes_count: How much YES to bid for.
        no_count: How much NO to bid for.
        gate: Why nothing may be quoted here, or `None`.
        yes_edge: The least edge of YES over the reservation price, in dollars.
        no_edge: The least edge of NO, likewise.
    """

    fair: float
    reservation: float
    yes_value: float
    no_value: float
    yes_count: Count
    no_count: Count
    gate: Gate | None = None
    yes_edge: float = 0.0
    no_edge: float = 0.0


def price_event(
    pooled: Pooled, wealth: Sequence[float], days_published: int, quoting: QuotingSettings
) -> list[QuoteLimits]:
    """Return the quote limits of each market.

    Args:
        pooled: The fair values in ascending order of strike.
        wealth: The wealth in each outcome cell in dollars, assigned cash included; all above zero.
        days_published: How many of the week's days are published.
        quoting: Margin, edges and sizes.
    """
    cells = [low - high for low, high in pairwise((1.0, *pooled.above, 0.0))]
    reservations = reservation_prices(cells, wealth)
    above, reserved = np.array(pooled.above), np.array(reservations)
    edges = np.array([quoting.edge(value) for value in reservations])
    yes_edges = edges + _longshot_edges(reserved - edges, quoting)
    no_edges = edges + _longshot_edges(1 - reserved - edges, quoting)
    share = 1 - quoting.margin_at(days_published)
    yes = np.maximum(np.minimum(reserved - yes_edges, share * above), 0.0)
    no = np.maximum(np.minimum(1 - reserved - no_edges, share * (1 - above)), 0.0)
    unpriced = np.array(pooled.without_mid) & (days_published < _DAYS_WITHOUT_MID)
    full = quoting.size_at(days_published) / ONE_CONTRACT / quoting.kelly_fraction
    likely = (above >= quoting.minimum_fair) & (above <= quoting.maximum_fair)
    most = np.where(likely & ~unpriced, full, 0.0)
    lowest = floor_price(quoting.lowest_bid)
    high = [floor_price(value) >= lowest for value in yes.tolist()]
    yes_most = most * high * [quoting.bids_yes(p) for p in pooled.above]
    no_most = most * [quoting.bids_no(p) for p in pooled.above]
    yes_sizes = kelly_sizes(cells, wealth, yes, yes_most)
    # With the cells in descending order, NO is what YES is with them in ascending order.
    no_sizes = kelly_sizes(cells[::-1], wealth[::-1], no[::-1], no_most[::-1])[::-1]
    return list(
        map(
            QuoteLimits,
            pooled.above,
            reservations,
            yes.tolist(),
            no.tolist(),
            [_whole(quoting.kelly_fraction * size) for size in yes_sizes],
            [_whole(quoting.kelly_fraction * size) for size in no_sizes],
            [Gate.NO_MARKET_PRICE if shut else None for shut in unpriced.tolist()],
            yes_edges.tolist(),
            no_edges.tolist(),
        )
    )


def _longshot_edges(most: _Floats, quoting: QuotingSettings) -> _Floats:
    """Return the further edge where otherwise `most` could be paid, in dollars.

    It is the edge that the settings want at the price p which is then paid, p + edge(p) = most. The
    left side rises with p, as no edge falls by more than the price rises; so the more a side is
    worth, the more is paid for it.
    """
    edges = np.array((*quoting.longshot_edge_cents, 0.0)) * ONE_CENT / ONE_DOLLAR
    found: _Floats = np.interp(most, np.array(_LONGSHOT_PRICES) + edges, edges)
    return found


def _whole(contracts: float) -> Count:
    """Return the whole contracts in a size, with a tolerance of 1e-6 contract."""
    return Count(int(contracts + 1e-6) * ONE_CONTRACT)
