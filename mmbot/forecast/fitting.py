"""What fits a forecaster to counts, and what comes of it.

An underlying is known to forecasters of its own. Whoever fits one, in a thread or in virtual time,
needs no more of them than this.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, TypeAlias

import msgspec

from mmbot.forecast.belief import Belief
from mmbot.underlying.calendar import Week
from mmbot.underlying.counts import Counts

if TYPE_CHECKING:  # it needs numpy, which takes long to import
    from mmbot.forecast.calibration import Calibration

# Is told how many of how many steps are done.
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
    """What a fit leaves for the next one, to spare it what takes long."""

    def encode(self) -> bytes:
        """Return it as bytes, to be stored."""


class Fit(msgspec.Struct, frozen=True):
    """A fitted forecaster.

    Attributes:
        predictor: The forecaster.
        method: Its method: the one asked for, or a simpler one where the history is too short.
        memory: What the next fit may go on from, if anything.
        without: The parts of the method that the history is too short for.
        calibration: How its past forecasts came true, by the number of published days.
    """

    predictor: Predictor
    method: str
    memory: Memory | None = None
    without: tuple[str, ...] = ()
    calibration: Mapping[int, Calibration] = {}


class Forecasters(Protocol):
    """The forecasters that know one underlying."""

    @property
    def methods(self) -> tuple[str, ...]:
        """The names that the config may call for."""

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
            progress: Is told of the steps.
            error_correction: Whether methods that can be corrected by their errors are.

        Raises:
            BadInput: There is no such method, or there are no counts.
        """

    def recall(self, data: bytes) -> Memory:
        """Return the memory that was stored as these bytes.

        Raises:
            BadInput: They are none of it.
        """
