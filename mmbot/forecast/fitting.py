"""The interface of an underlying's forecasters: how one is fitted to counts, and what it returns.

Callers, which fit in a thread or in virtual time, depend on nothing else of a forecaster.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, TypeAlias

import msgspec

from mmbot.forecast.belief import Belief
from mmbot.underlying.calendar import Week
from mmbot.underlying.counts import Counts

if TYPE_CHECKING:  # it imports numpy, which is slow
    from mmbot.forecast.calibration import Calibration

# Called with the number of steps done and their total.
Progress: TypeAlias = Callable[[int, int], None]


class Predictor(Protocol):
    """A forecaster fitted to the whole weeks of a history."""

    def belief(self, counts: Counts, week: Week, strikes: Sequence[int]) -> Belief:
        """Return the belief of a week at these strikes; raise `BadInput` if there can be none."""

    def deviations(self, counts: Counts, day: dt.date, count: int) -> float:
        """Return how far a count is from its forecast, in standard deviations.

        Raises:
            BadInput: The history is too short to judge it.
        """


class Memory(Protocol):
    """Results of a fit that spare the next one slow work."""

    def encode(self) -> bytes:
        """Return it as bytes, to be stored."""


class Fit(msgspec.Struct, frozen=True):
    """A fitted forecaster.

    Attributes:
        predictor: The forecaster.
        method: Its method: the requested one, or a simpler one if the history is too short.
        memory: What the next fit may start from, if anything.
        without: The parts of the method that the history is too short for.
        calibration: The calibration of its past forecasts, by the number of published days.
    """

    predictor: Predictor
    method: str
    memory: Memory | None = None
    without: tuple[str, ...] = ()
    calibration: Mapping[int, Calibration] = {}


class Forecasters(Protocol):
    """The forecasters of one underlying."""

    @property
    def methods(self) -> tuple[str, ...]:
        """The names that the config may use."""

    def fit(
        self,
        counts: Counts,
        method: str,
        memory: Memory | None,
        progress: Progress | None = None,
        *,
        error_correction: bool = True,
    ) -> Fit:
        """Fit a method to the whole weeks of the counts.

        Args:
            counts: The counts.
            method: One of `methods`.
            memory: That of an earlier fit, if there is one.
            progress: Called after each step.
            error_correction: Whether to correct methods that provide for it by their past errors.

        Raises:
            BadInput: There is no such method, or there are no counts.
        """

    def recall(self, data: bytes) -> Memory:
        """Return the memory that was stored as these bytes.

        Raises:
            BadInput: They are not a stored memory.
        """
