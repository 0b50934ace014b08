"""What a trade is worth to whoever holds a portfolio: reservation prices and Kelly sizes.

Both maximise the expected logarithm of wealth over the outcome cells of a ladder: cell c lies
above the strikes 0 ... c - 1 and nowhere else, so YES at strike j pays a dollar in the cells
j + 1 ... n. Wealth and money are dollars, sizes contracts, all as floats: nothing here is booked.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate, pairwise

import msgspec

# A cell between strikes of the same fair value has no probability; that much keeps the sums sane.
_LEAST_PROBABILITY = 1e-9
# Reservation prices that are met to a millionth of a dollar.
_TOLERANCE = 1e-6
_STEPS, _HALVINGS = 60, 30
# So near to a bound, a size is held by it.
_CRUMB = 1e-6

Cells = Sequence[float]
Strikes = Sequence[float]


def reservation_prices(cells: Cells, wealth: Cells) -> list[float]:
    """Return the price of YES at each strike at which a little of it changes nothing.

    r_j = sum over c > j of pi_c / W_c, divided by the same sum over all cells: exact for the
    logarithm, and all strikes together, so that a position at one lowers or lifts its neighbours.

    Args:
        cells: The probability of each cell, pi.
        wealth: The wealth in each cell, W, all above zero.
    """
    marginal = [max(p, _LEAST_PROBABILITY) / w for p, w in zip(cells, wealth, strict=True)]
    total = sum(marginal)
    return [above / total for above in _sums_above(marginal)]


def kelly_sizes(cells: Cells, wealth: Cells, costs: Strikes, most: Strikes) -> list[float]:
    """Return the sizes x_j, from 0 to `most`, that maximise sum pi_c ln(W_c + gain_c).

    gain_c = sum over j < c of x_j, less sum over all j of x_j cost_j: every order is taken to be
    filled (Kelly, "A new interpretation of information rate", 1956, on mutually exclusive cells).

    The method is Newton's on the sizes that no bound holds, projected onto the bounds (Bertsekas,
    "Projected Newton methods for optimization problems with simple constraints", 1982). Written
    in the gains of the cells the Hessian is diagonal, so that a step is linear in the strikes.

    Args:
        cells: The probability of each cell.
        wealth: The wealth in each cell, all above zero.
        costs: What YES at each strike would be bought at, non-increasing.
        most: The largest size at each strike.
    """
    problem = _Problem([max(p, _LEAST_PROBABILITY) for p in cells], wealth, costs, most)
    sizes = [0.0] * len(costs)
    for _ in range(_STEPS):
        better = problem.step(sizes)
        if better is None:
            break
        sizes = better
    return sizes


class _Problem(msgspec.Struct, frozen=True):
    cells: Cells
    wealth: Cells
    costs: Strikes
    most: Strikes

    def step(self, sizes: Strikes) -> list[float] | None:
        """Return better sizes, or `None` if these are the best."""
        after = self._after(sizes)
        marginal = [p / w for p, w in zip(self.cells, after, strict=True)]
        total = sum(marginal)
        gains = [
            above - cost * total
            for above, cost in zip(_sums_above(marginal), self.costs, strict=True)
        ]
        free = [
            j
            for j, (x, gain) in enumerate(zip(sizes, gains, strict=True))
            if (x > _CRUMB or gain > 0) and (x < self.most[j] - _CRUMB or gain < 0)
        ]
        if all(abs(gains[j]) <= _TOLERANCE * total for j in free):
            return None
        # Sizes that a bound is about to hold can spoil the whole step, but not that of one strike.
        worst = max(free, key=lambda j: abs(gains[j]))
        return self._searched(sizes, self._direction(free, marginal, after)) or self._searched(
            sizes, self._direction([worst], marginal, after)
        )

    def _direction(self, free: list[int], marginal: Cells, after: Cells) -> dict[int, float]:
        """Return Newton's step of the free sizes.

        Between two free strikes the gains of the cells move together, by d_g: maximise
        sum G_g d_g - H_g d_g^2 / 2 where sum Q_g d_g = 0, as each contract is paid for; Q_g is
        the price of a dollar in the cells of group g.
        """
        curvature = [m / w for m, w in zip(marginal, after, strict=True)]
        edges = [0, *(j + 1 for j in free), len(marginal)]
        slope = [sum(marginal[a:b]) for a, b in pairwise(edges)]
        bend = [sum(curvature[a:b]) for a, b in pairwise(edges)]
        prices = [a - b for a, b in pairwise((1.0, *(self.costs[j] for j in free), 0.0))]
        triples = list(zip(slope, bend, prices, strict=True))
        shadow = sum(q * g / h for g, h, q in triples) / sum(q * q / h for _, h, q in triples)
        moves = [(g - shadow * q) / h for g, h, q in triples]
        return {j: high - low for j, (low, high) in zip(free, pairwise(moves), strict=True)}

    def _searched(self, sizes: Strikes, direction: dict[int, float]) -> list[float] | None:
        """Return the sizes along the direction, halved until they are better."""
        before, share = self._utility(self._after(sizes)), 1.0
        for _ in range(_HALVINGS):
            moved = list(sizes)
            for j, move in direction.items():
                moved[j] = min(max(sizes[j] + share * move, 0.0), self.most[j])
            if self._utility(self._after(moved)) > before:
                return moved
            share /= 2
        return None

    def _after(self, sizes: Strikes) -> list[float]:
        """Return the wealth in each cell once everything is bought."""
        paid = sum(x * cost for x, cost in zip(sizes, self.costs, strict=True))
        paying = accumulate(sizes, initial=0.0)
        return [w + held - paid for w, held in zip(self.wealth, paying, strict=True)]

    def _utility(self, after: Cells) -> float:
        if min(after) <= 0:
            return -math.inf
        return sum(p * math.log(w) for p, w in zip(self.cells, after, strict=True))


def _sums_above(cells: Cells) -> list[float]:
    """Return, for each strike, the sum over the cells above it."""
    upwards = list(accumulate(reversed(cells)))
    return upwards[-2::-1]
