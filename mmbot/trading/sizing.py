"""Reservation prices and Kelly sizes, given the wealth in each outcome cell.

Both maximise the expected logarithm of wealth over the outcome cells of an event: cell c lies
above the strikes 0 ... c - 1 and nowhere else, so YES at strike j pays a dollar in the cells
j + 1 ... n. Wealth and money are dollars, sizes contracts, all as floats: nothing here is booked.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt

# A cell between strikes of equal fair value has probability zero; this keeps the sums finite.
_LEAST_PROBABILITY = 1e-9
# Convergence: the marginal prices meet the costs to a thousandth of a cent.
_TOLERANCE = 1e-5
# A bet that is better or worse than none by this much needs no search.
_CLEAR = 10 * _TOLERANCE
_STEPS, _HALVINGS = 60, 30
# A size this near to a bound counts as at the bound.
_BOUND_TOLERANCE = 1e-6
# How many bundles of bets are compared to choose the starting point.
_BUNDLES = 8
_PARTS = np.arange(_BUNDLES + 1)
_NONE_REACHES = np.array([math.inf])

_Floats: TypeAlias = npt.NDArray[np.float64]
_Flags: TypeAlias = npt.NDArray[np.bool_]
Cells: TypeAlias = Sequence[float] | _Floats
Strikes: TypeAlias = Sequence[float] | _Floats
_Indices: TypeAlias = npt.NDArray[np.intp]


def reservation_prices(cells: Cells, wealth: Cells) -> list[float]:
    """Return the price of YES at each strike at which a marginal trade leaves utility unchanged.

    r_j = sum over c > j of pi_c / W_c, divided by the same sum over all cells: exact for the
    logarithm and joint over all strikes, so a position at one lowers or raises its neighbours.

    Args:
        cells: The probability of each cell, pi.
        wealth: The wealth in each cell, W, all above zero.
    """
    marginal = np.maximum(cells, _LEAST_PROBABILITY) / np.asarray(wealth)
    above: list[float] = (_sums_above(marginal) / marginal.sum()).tolist()
    return above


def kelly_sizes(cells: Cells, wealth: Cells, costs: Strikes, most: Strikes) -> list[float]:
    """Return the sizes x_j, from 0 to `most`, that maximise sum pi_c ln(W_c + gain_c).

    gain_c = sum over j < c of x_j, less sum over all j of x_j cost_j: every order is assumed
    filled (Kelly, "A new interpretation of information rate", 1956, on mutually exclusive cells).

    The method is Newton's on the sizes that are not at a bound, projected onto the bounds
    (Bertsekas, "Projected Newton methods for optimization problems with simple constraints",
    1982). In the gains of the cells the Hessian is diagonal, so a step takes time linear in the
    strikes. It starts from the bets with the most edge for their risk: neighbouring strikes are
    nearly the same bet, so in the solution hardly any size lies between its bounds.

    Args:
        cells: The probability of each cell.
        wealth: The wealth in each cell, all above zero.
        costs: The cost of YES at each strike, non-increasing.
        most: The largest size at each strike.
    """
    problem = _Problem(
        np.maximum(cells, _LEAST_PROBABILITY),
        np.asarray(wealth, float),
        np.asarray(costs, float),
        np.asarray(most, float),
    )
    found: list[float] = problem.searched().tolist()
    return found


def kelly_sizes_again(
    cells: _Floats, wealth: _Floats, costs: _Floats, most: _Floats, likely: _Flags
) -> list[_Floats]:
    """Return the sizes for several problems, one a row; `likely` are the bets of the last pricing.

    If these bets, each at its largest size, are clearly optimal again, nothing is searched. Utility
    has one maximum. It is there if less of any of these bets is worse, and so is more of any other;
    if both are by more than the tolerance, a search would end exactly there too.
    """
    cells = np.maximum(cells, _LEAST_PROBABILITY)
    sizes = np.where(likely, most, 0.0)
    after = _after(wealth, sizes, costs)
    ruined = after.min(axis=1) <= 0
    after[ruined] = 1.0
    gains, total = _gains(cells / after, costs)
    clear = np.where(sizes > 0, gains, -gains) > _CLEAR * total
    is_best = (clear | (most <= 0)).all(axis=1) & ~ruined
    return [
        sizes[i] if best else _Problem(cells[i], wealth[i], costs[i], most[i]).searched()
        for i, best in enumerate(is_best.tolist())
    ]


class _Problem(msgspec.Struct, frozen=True):
    cells: _Floats
    wealth: _Floats
    costs: _Floats
    most: _Floats

    def searched(self) -> _Floats:
        """Return the best sizes, starting from the best of some bundles of bets."""
        sizes = self.start()
        for _ in range(_STEPS):
            better = self.step(sizes)
            if better is None:
                break
            sizes = better
        return sizes

    def start(self) -> _Floats:
        """Return the best of some bundles of bets, each bet at its largest size or not at all."""
        marginal = self.cells / self.wealth
        edges = _sums_above(marginal) / marginal.sum() - self.costs
        costs = np.minimum(np.maximum(self.costs, _BOUND_TOLERANCE), 1 - _BOUND_TOLERANCE)
        risks = np.sqrt(costs * (1 - costs))
        merits = np.where(self.most > 0, edges / risks, 0.0)
        good = merits[merits > 0]
        if not good.size:
            return np.zeros_like(self.most)
        good.sort()
        ranked = np.concatenate((_NONE_REACHES, good[::-1]))
        bounds = ranked[_PARTS * good.size // _BUNDLES]
        bundles = np.where(merits >= bounds[:, None], self.most, 0.0)
        after = self.wealth - (bundles @ self.costs)[:, None]
        after[:, 1:] += bundles.cumsum(axis=1)
        ruinous = after.min(axis=1) <= 0
        after[ruinous] = 1.0
        utilities = np.log(after) @ self.cells
        utilities[ruinous] = -math.inf
        sizes: _Floats = bundles[utilities.argmax()]
        return sizes

    def step(self, sizes: _Floats) -> _Floats | None:
        """Return better sizes, or `None` at the optimum."""
        after = _after(self.wealth, sizes, self.costs)
        marginal = self.cells / after
        gains, total = _gains(marginal, self.costs)
        at_least, at_most = sizes <= _BOUND_TOLERANCE, sizes >= self.most - _BOUND_TOLERANCE
        free = np.flatnonzero((~at_least | (gains > 0)) & (~at_most | (gains < 0)))
        if not (np.abs(gains[free]) > _TOLERANCE * total).any():
            return None
        before = _utility(self.cells, after)
        while True:
            direction = self._direction(free, marginal, after)
            leaving = (at_least[free] & (direction < 0)) | (at_most[free] & (direction > 0))
            if not leaving.any():
                break
            # A size that would leave its bounds at once is held there; the rest is solved again.
            free = free[~leaving]
        return self._searched(sizes, before, free, direction)

    def _direction(self, free: _Indices, marginal: _Floats, after: _Floats) -> _Floats:
        """Return the Newton step of the free sizes.

        Between two free strikes the gains of the cells move together, by d_g: maximise
        sum G_g d_g - H_g d_g^2 / 2 where sum Q_g d_g = 0, as each contract is paid for; Q_g is
        the price of a dollar in the cells of group g.
        """
        starts = np.concatenate(([0], free + 1))
        slope = np.add.reduceat(marginal, starts)
        bend = np.add.reduceat(marginal / after, starts)
        edges = np.concatenate(([1.0], self.costs[free], [0.0]))
        prices = edges[:-1] - edges[1:]
        shadow = (prices * slope / bend).sum() / (prices * prices / bend).sum()
        gains: _Floats = (slope - shadow * prices) / bend
        between: _Floats = gains[1:] - gains[:-1]
        return between

    def _searched(
        self, sizes: _Floats, before: float, free: _Indices, direction: _Floats
    ) -> _Floats | None:
        """Return the sizes a step along the direction, halved until utility rises; else `None`."""
        steps = (direction / 2**halvings for halvings in range(_HALVINGS))
        moved = (self._moved(sizes, free, step) for step in steps)
        return next((s for s in moved if self._utility_of(s) > before), None)

    def _utility_of(self, sizes: _Floats) -> float:
        return _utility(self.cells, _after(self.wealth, sizes, self.costs))

    def _moved(self, sizes: _Floats, free: _Indices, step: _Floats) -> _Floats:
        moved = sizes.copy()
        moved[free] = np.minimum(np.maximum(sizes[free] + step, 0.0), self.most[free])
        return moved


# Of one problem, or of several with one in each row.


def _after(wealth: _Floats, sizes: _Floats, costs: _Floats) -> _Floats:
    """Return the wealth in each cell after buying these sizes."""
    after: _Floats = wealth - (sizes * costs).sum(axis=-1, keepdims=True)
    after[..., 1:] += sizes.cumsum(axis=-1)
    return after


def _gains(marginal: _Floats, costs: _Floats) -> tuple[_Floats, _Floats]:
    """Return the utility of one contract more at each strike, and of one dollar more."""
    total: _Floats = marginal.sum(axis=-1, keepdims=True)
    return _sums_above(marginal) - costs * total, total


def _utility(cells: _Floats, after: _Floats) -> float:
    if after.min() <= 0:
        return -math.inf
    return float((cells * np.log(after)).sum())


def _sums_above(cells: _Floats) -> _Floats:
    """Return, for each strike, the sum over the cells above it."""
    sums: _Floats = cells[..., ::-1].cumsum(axis=-1)[..., -2::-1]
    return sums
