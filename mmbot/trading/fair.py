"""Fair values: the belief pooled with the market's own opinion.

The pool is linear in log-odds: logit p = w logit p_belief + (1 - w) logit p_market. What the market
thinks of a strike is the midpoint of its book, own orders taken out, as long as both sides have
some depth and are close together. Where there is no such midpoint the market's disagreement with
the belief, in log-odds, is interpolated between the nearest strikes on either side that have one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

import msgspec
import numpy as np
import numpy.typing as npt

from mmbot.trading.book import Book
from mmbot.units import ONE_CENT, ONE_DOLLAR, Count, Price

# No market is surer than this: what moves the last half cent is not in any model.
_SUREST = 0.995

# A midpoint counts from the first of these spreads on, and stops to at the second, so that a
# spread that hovers around one bound does not switch it on and off.
_SPREAD_TO_BEGIN, _SPREAD_TO_END = 10 * ONE_CENT, 14 * ONE_CENT
# How long the last midpoint is remembered, in milliseconds.
_REMEMBERED = 30 * 60_000


class MarketMid(msgspec.Struct):
    """What one market last said of its fair value.

    Attributes:
        mid: The midpoint in dollars; `None` if there never was one.
        live: Whether the book shows it now.
        ended: When it was last shown, if it is not live.
    """

    mid: float | None = None
    live: bool = False
    ended: int = 0

    def look(
        self,
        book: Book | None,
        ours: tuple[Mapping[Price, Count], Mapping[Price, Count]],
        depth: Count,
        now: int,
    ) -> None:
        """Take in the book as it is at `now`; `ours` are our own bids and asks in it."""
        bid, ask = book.deep(*ours, depth) if book else (None, None)
        widest = _SPREAD_TO_END if self.live else _SPREAD_TO_BEGIN
        if bid is not None and ask is not None and ask - bid <= widest:
            self.mid, self.live = (bid + ask) / (2 * ONE_DOLLAR), True
        elif self.live:
            self.live, self.ended = False, now

    def at(self, now: int) -> float | None:
        """Return the midpoint if it is live or recent."""
        return self.mid if self.live or now < self.ended + _REMEMBERED else None


class Pooled(msgspec.Struct, frozen=True):
    """Fair values along a ladder, and where no market has had a say in them."""

    above: tuple[float, ...]
    without_mid: tuple[bool, ...]


def pool(belief: Sequence[float], mids: Sequence[float | None], weight: float) -> Pooled:
    """Return the fair value of each strike, non-increasing and never quite sure.

    Args:
        belief: P(above) as the forecast has it, for each strike in ascending order.
        mids: The market's midpoint at each strike, in dollars, where there is one.
        weight: The belief's share in the log-odds; the markets have the rest.
    """
    odds = logits(belief)
    stated = [j for j, mid in enumerate(mids) if mid is not None]
    gaps = np.full(len(odds), np.nan)
    if stated:
        said = logits([mid for mid in mids if mid is not None]) - odds[stated]
        every = np.arange(len(odds))
        gaps = np.interp(every, stated, said, left=np.nan, right=np.nan)
    pooled = odds + (1 - weight) * np.nan_to_num(gaps)
    above = monotone([1 / (1 + math.exp(-o)) for o in pooled.tolist()])
    unheard = (np.isnan(gaps) & (weight < 1)).tolist()
    return Pooled(tuple(_clipped(above).tolist()), tuple(unheard))


def logits(probabilities: Sequence[float]) -> npt.NDArray[np.float64]:
    """Return the log-odds of probabilities, which are clipped before."""
    clipped = _clipped(probabilities)
    # The logarithm of `math` is the same everywhere, which a vectorised one need not be.
    return np.array([math.log(odds) for odds in (clipped / (1 - clipped)).tolist()])


def monotone(values: Sequence[float]) -> list[float]:
    """Return the non-increasing sequence nearest to `values`, in squares.

    Pool adjacent violators: Ayer et al., "An empirical distribution function for sampling with
    incomplete information" (1955).
    """
    if all(before >= after for before, after in pairwise(values)):
        return list(values)
    blocks: list[tuple[float, int]] = []
    for value in values:
        mean, size = value, 1
        while blocks and blocks[-1][0] < mean:
            before, count = blocks.pop()
            mean, size = (before * count + mean * size) / (count + size), count + size
        blocks.append((mean, size))
    return [mean for mean, size in blocks for _ in range(size)]


def _clipped(probabilities: Sequence[float]) -> npt.NDArray[np.float64]:
    clipped: npt.NDArray[np.float64] = np.clip(probabilities, 1 - _SUREST, _SUREST)
    return clipped
