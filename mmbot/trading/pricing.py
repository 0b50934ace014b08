"""Quote limits: from an event's fair values to the highest prices and sizes in each market.

All markets are priced together, since a position at one strike is a position at its neighbours.
With fair value p, reservation price r and margin m, YES may cost at most
min(r - delta, (1 - m) p) and NO at most min(1 - r - delta', (1 - m) (1 - p)). The edges are
max(minimum edge, kappa r (1 - r)) plus the longshot edge of the price. Where makers pay a fee, this
is the most that a contract may cost with its fee, and the price is lower by the fee.

Sizes are a fraction of the Kelly sizes for the case that every bid on one side of the event is
filled, as happens if a counterparty knows more than the belief; each side is sized by itself.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from functools import lru_cache
from typing import TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt

from mmbot.config import QuotingSettings
from mmbot.trading.fair import Pooled
from mmbot.trading.fees import NO_FEE, MakerFee, costs_in_dollars
from mmbot.trading.gates import Gate
from mmbot.trading.sizing import kelly_sizes, kelly_sizes_again, reservation_prices
from mmbot.units import ONE_CENT, ONE_CONTRACT, ONE_DOLLAR, Count, floor_price

_Floats: TypeAlias = npt.NDArray[np.float64]

# From Thursday's release on, the belief alone may price a market without a mid.
_DAYS_WITHOUT_MID = 3
# The prices in dollars at which the longshot edge is set, and the first at which there is none.
_LONGSHOT_PRICES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
# A process meets a handful of settings and fees.
_TABLES_KEPT = 16
# For one event.
_PRICINGS_KEPT = 16


class QuoteLimits(msgspec.Struct, frozen=True):
    """The most that may be paid in one market, whatever its book.

    Attributes:
        fair: The fair value of YES, in dollars.
        reservation: What YES is worth to the holder of the event's positions, in dollars.
        yes_value: The most that may be paid for YES, in dollars, before the fee.
        no_value: The most that may be paid for NO, likewise.
        yes_count: How much YES to bid for.
        no_count: How much NO to bid for.
        gate: Why nothing may be quoted here, or `None`.
        yes_edge: The least edge of YES over the reservation price after the fee, in dollars.
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
    pooled: Pooled,
    wealth: Sequence[float],
    days_published: int,
    quoting: QuotingSettings,
    fee: MakerFee = NO_FEE,
    before: Sequence[QuoteLimits] = (),
) -> list[QuoteLimits]:
    """Return the quote limits of each market.

    Args:
        pooled: The fair values in ascending order of strike.
        wealth: The wealth in each outcome cell in dollars, assigned cash included; all above zero.
        days_published: How many of the week's days are published.
        quoting: Margin, edges and sizes.
        fee: What makers pay.
        before: The present limits of these markets, if any. They do not change the result; if the
        same bids are still the best, it is found sooner.
    """
    ladder = np.array((1.0, *pooled.above, 0.0))
    cells, above, held = ladder[:-1] - ladder[1:], ladder[1:-1], np.array(wealth)
    reservations = reservation_prices(cells, held)
    reserved = np.array(reservations)
    # The second row is NO in descending order of strike: mirrored, it has the structure of YES.
    fair, worth = _rows(above, 1 - above), _rows(reserved, 1 - reserved)
    edges = _least_edges(worth[0], quoting)
    least = _rows(edges, edges)
    edges = least + np.interp(worth - least, *_longshot_edges(quoting.longshot_edge_cents, fee))
    share = 1 - quoting.margin_at(days_published)
    costs = np.maximum(np.minimum(worth - edges, share * fair), 0.0)
    prices = _prices(costs, fee)
    unpriced = np.array(pooled.without_mid) & (days_published < _DAYS_WITHOUT_MID)
    full = quoting.size_at(days_published) / ONE_CONTRACT / quoting.kelly_fraction
    most = _most(above, np.where(unpriced, 0.0, full), prices[0], quoting)
    sizes = quoting.kelly_fraction * _kelly_counts(cells, held, costs, most, before)
    return list(
        map(
            QuoteLimits,
            pooled.above,
            reservations,
            prices[0].tolist(),
            prices[1, ::-1].tolist(),
            _whole(sizes[0]),
            _whole(sizes[1, ::-1]),
            [Gate.NO_MARKET_PRICE if shut else None for shut in unpriced.tolist()],
            edges[0].tolist(),
            edges[1, ::-1].tolist(),
        )
    )


class LatestPricings:
    """The latest quote limits of one event: prices flicker, so the same inputs return soon."""

    def __init__(self) -> None:
        self._found: OrderedDict[tuple[object, ...], list[QuoteLimits]] = OrderedDict()
        self._quoting: QuotingSettings | None = None

    def price(
        self,
        pooled: Pooled,
        wealth: Sequence[float],
        days_published: int,
        quoting: QuotingSettings,
        fee: MakerFee,
        before: Sequence[QuoteLimits],
    ) -> list[QuoteLimits]:
        """Return what `price_event` returns."""
        if quoting is not self._quoting:
            self._found.clear()
            self._quoting = quoting
        asked = pooled, tuple(wealth), days_published, fee
        found = self._found.get(asked)
        if found is None:
            found = price_event(pooled, wealth, days_published, quoting, fee, before)
            self._found[asked] = found
            if len(self._found) > _PRICINGS_KEPT:
                self._found.popitem(last=False)
        else:
            self._found.move_to_end(asked)
        return found


def _kelly_counts(
    cells: _Floats, held: _Floats, costs: _Floats, most: _Floats, before: Sequence[QuoteLimits]
) -> _Floats:
    """Return the sizes of the bets on YES, and below them those on NO.

    Rows of `costs` and `most` are YES and NO; of all three, the second is in descending order of
    strike.
    """
    if not before:
        no = kelly_sizes(cells[::-1], held[::-1], costs[1], most[1])
        return np.array((kelly_sizes(cells, held, costs[0], most[0]), no))
    bid_yes, bid_no = [b.yes_count > 0 for b in before], [b.no_count > 0 for b in reversed(before)]
    likely = np.array((bid_yes, bid_no))
    return np.array(kelly_sizes_again(_rows(cells, cells), _rows(held, held), costs, most, likely))


def _least_edges(worth: _Floats, quoting: QuotingSettings) -> _Floats:
    """Return `quoting.edge` of each of these values."""
    edges: _Floats = np.maximum(quoting.edge(0.0), quoting.uncertainty_edge * worth * (1 - worth))
    return edges


def _most(above: _Floats, full: _Floats, yes_prices: _Floats, quoting: QuotingSettings) -> _Floats:
    """Return the largest sizes that may be bet on each side; 0 where no bid is wanted."""
    likely = (above >= quoting.minimum_fair) & (above <= quoting.maximum_fair)
    size = np.where(likely, full, 0.0)
    bids_yes = size * _high(yes_prices, quoting) * (above >= quoting.yes_from)
    return _rows(bids_yes, size * (above < quoting.no_below))


def _rows(yes: _Floats, no: _Floats) -> _Floats:
    """Return the values of YES, and below them those of NO in descending order of strike."""
    return np.array((yes, no[::-1]))


def _high(prices: _Floats, quoting: QuotingSettings) -> list[bool]:
    """Return which of the prices are high enough for a bid for YES."""
    lowest = floor_price(quoting.lowest_bid)
    return [floor_price(value) >= lowest for value in prices.tolist()]


def _prices(costs: _Floats, fee: MakerFee) -> _Floats:
    """Return the prices at which a contract costs this much with its fee, in dollars.

    Fees are rounded up, and the prices down to the finest grid.
    """
    if fee.is_free:
        return costs
    paid = [[fee.most_paid(floor_price(cost)) for cost in row] for row in costs.tolist()]
    return np.array(paid) / ONE_DOLLAR


@lru_cache(_TABLES_KEPT)
def _longshot_edges(cents: tuple[float, ...], fee: MakerFee) -> tuple[_Floats, _Floats]:
    """Return costs before the longshot edge, ascending, and that edge at each, in dollars.

    It is the edge that the settings require at the price p finally paid: the cost before it is
    p + fee(p) + edge(p), which rises with p, as no edge falls faster than the price rises; so the
    more a side is worth, the more is paid for it. Where the fee falls too, the running maximum is
    used.
    """
    prices = np.array(_LONGSHOT_PRICES)
    edges = np.array((*cents, 0.0)) * ONE_CENT / ONE_DOLLAR
    if not fee.is_free:
        all_prices = np.arange(ONE_DOLLAR + 1) / ONE_DOLLAR
        edges = np.interp(all_prices, prices, edges)
        prices = costs_in_dollars(fee)
    return np.maximum.accumulate(prices + edges), edges


def _whole(contracts: _Floats) -> list[Count]:
    """Return the whole contracts in sizes, with a tolerance of 1e-6 contract."""
    counts: list[Count] = ((contracts + 1e-6).astype(np.int64) * ONE_CONTRACT).tolist()
    return counts
