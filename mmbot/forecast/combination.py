"""The point forecast: a weighted mean of the structural one and the aligned analog's."""

from __future__ import annotations

import msgspec
import numpy as np

from mmbot.forecast import analog, structural
from mmbot.forecast.history import Days, Floats, History

# Weights between 0.15 and 0.3 do as well as each other.
_ANALOG_SHARE = 0.25


class Combined(msgspec.Struct, frozen=True):
    """The combination, its structural part fitted; without one it predicts nothing."""

    fitted: structural.Structural | None

    def predict(self, history: History, days: Days) -> Floats:
        """Return the expected logarithms of `days`; NaN if the history is too short."""
        if self.fitted is None:
            return np.full(len(days), np.nan)
        model = self.fitted.predict(history, days)
        year_ago = analog.predict(history, days)
        both = _ANALOG_SHARE * year_ago + (1 - _ANALOG_SHARE) * model
        return np.where(np.isfinite(both), both, model)


class Combination:
    """The method that fits `Combined`."""

    name = "combined"

    def fit(self, history: History) -> Combined:
        """Fit the structural part to a history that ends on a Sunday."""
        return Combined(structural.fit(history))
