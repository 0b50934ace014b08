"""Fair values: the belief pooled with the market mids.

The pool is linear in log-odds: logit p = a logit p_belief + (1 - a) b logit p_mid. The market mid
of a strike is the midpoint of its book without our own orders, as long as both sides have some
depth and the spread is narrow. Its log-odds are multiplied by b, the sharpness, because prices near
the ends are not extreme enough.

Where a strike has no mid, the difference between b logit p_mid and logit p_belief is interpolated
between the nearest strikes on either side that have one: sharpened mids and belief are both
opinions of the same odds, so where the two agree all around, the belief's own shape fills the gap.
Beyond the last mid, and at a = 1, the belief stands alone and b has no effect.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import pairwise

import msgspec
import numpy as np
import numpy.typing as npt

from mmbot.trading.book import Book, Top
from mmbot.units import ONE_CENT, ONE_DOLLAR, Count, Milliseconds, Price

# Fair values are clipped to this: no model covers what moves the last half cent.
_GREATEST_PROBABILITY = 0.995
_LEAST_PROBABILITY = 1 - _GREATEST_PROBABILITY

# A mid becomes live at the first of these spreads and stays so up to the second, so that a spread
# around one bound does not switch it on and off.
_SPREAD_TO_BEGIN, _SPREAD_TO_END = 10 * ONE_CENT, 14 * ONE_CENT
# How long the last mid stays valid after the book stopped showing it.
_REMEMBERED_MS = 30 * 60_000

# Mids lie on a grid, and a belief stays for a day.
_LOGITS_KEPT = 4096

EMPTY = Top(None, None)


class MarketMid(msgspec.Struct):
    """The midpoint of one market, now or lately.

    Attributes:
        mid: The last midpoint in dollars; `None` if there never was one.
        live: Whether the book shows it now.
        ended: When the book stopped showing it, unless it is live.
    """

    mid: float | None = None
    live: bool = False
    ended: Milliseconds = 0

    def update(
        self,
        book: Book | None,
        ours: tuple[Mapping[Price, int], Mapping[Price, int]],
        depth: Count,
        now: Milliseconds,
    ) -> None:
        """Update from the book at `now`; `ours` are our own bids and asks in it."""
        self.update_from(book.deep(*ours, depth) if book else EMPTY, now)

    def update_from(self, deep: Top, now: Milliseconds) -> None:
        """Update from the best prices of others that are deep enough at `now`."""
        bid, ask = deep.bid, deep.ask
        widest = _SPREAD_TO_END if self.live else _SPREAD_TO_BEGIN
        if bid is not None and ask is not None and ask - bid <= widest:
            self.mid, self.live = (bid + ask) / (2 * ONE_DOLLAR), True
        elif self.live:
            self.live, self.ended = False, now

    def at(self, now: Milliseconds) -> float | None:
        """Return the midpoint in dollars if it is live or recent."""
        return self.mid if self.live or now < self.ended + _REMEMBERED_MS else None

    @property
    def forgotten_at(self) -> Milliseconds | None:
        """When the midpoint is recent no more, if it is not live."""
        return None if self.live or self.mid is None else self.ended + _REMEMBERED_MS


class Pooled(msgspec.Struct, frozen=True):
    """The fair value at each strike, and whether no market mid contributed to it."""

    above: tuple[float, ...]
    without_mid: tuple[bool, ...]


def pool(
    belief: Sequence[float], mids: Sequence[float | None], weight: float, sharpness: float = 1.0
) -> Pooled:
    """Return the fair value at each strike, non-increasing and clipped.

    Args:
        belief: The forecast's P(above) at each strike in ascending order.
        mids: The market mid at each strike in dollars, where there is one.
        weight: The belief's weight in the log-odds; the mids have the rest.
        sharpness: The factor of the mids' log-odds.
    """
    odds = [_logit(probability) for probability in belief]
    gaps = _gaps(odds, mids, sharpness)
    share = 1 - weight
    pooled = [
        own if gap is None else own + share * gap for own, gap in zip(odds, gaps, strict=True)
    ]
    above = monotone([1 / (1 + math.exp(-each)) for each in pooled])
    without_mid = tuple(gap is None and weight < 1 for gap in gaps)
    return Pooled(tuple(map(_clipped, above)), without_mid)


def _gaps(
    odds: Sequence[float], mids: Sequence[float | None], sharpness: float
) -> list[float | None]:
    """Return by how much the log-odds of the mids differ from these, where a mid is on both sides.

    Plain numbers: a strike or twenty are done before an array is made.
    """
    gaps = [
        None if mid is None else sharpness * _logit(mid) - own
        for own, mid in zip(odds, mids, strict=True)
    ]
    if None in gaps:
        with_mid = [(j, gap) for j, gap in enumerate(gaps) if gap is not None]
        for (low, first), (high, last) in pairwise(with_mid):
            slope = (last - first) / (high - low)
            for j in range(low + 1, high):
                gaps[j] = slope * (j - low) + first
    return gaps


def logits(probabilities: Sequence[float]) -> npt.NDArray[np.float64]:
    """Return the log-odds of probabilities, clipped first."""
    return np.array([_logit(probability) for probability in probabilities])


@lru_cache(_LOGITS_KEPT)
def _logit(probability: float) -> float:
    clipped = _clipped(probability)
    # `math.log` gives the same on every machine, which a vectorised one need not.
    return math.log(clipped / (1 - clipped))


def _clipped(probability: float) -> float:
    if probability < _LEAST_PROBABILITY:
        return _LEAST_PROBABILITY
    if probability > _GREATEST_PROBABILITY:
        return _GREATEST_PROBABILITY
    return probability


def monotone(values: Sequence[float]) -> list[float]:
    """Return the non-increasing sequence nearest to `values`, in squares.

    Pool adjacent violators: Ayer et al., "An empirical distribution function for sampling with
    incomplete information" (1955).
    """
    ordered = sorted(values, reverse=True)
    if ordered == list(values):
        return ordered
    blocks: list[tuple[float, int]] = []
    for value in values:
        mean, size = value, 1
        while blocks and blocks[-1][0] < mean:
            before, count = blocks.pop()
            mean, size = (before * count + mean * size) / (count + size), count + size
        blocks.append((mean, size))
    return [mean for mean, size in blocks for _ in range(size)]
