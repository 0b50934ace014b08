"""The combined point forecast: a weighted mean of the structural and the aligned analog forecast.

Bates and Granger, "The Combination of Forecasts" (1969), with a fixed weight.
"""

from __future__ import annotations

import msgspec
import numpy as np

from mmbot.forecast import analog, structural
from mmbot.forecast.history import Days, Floats, History
from mmbot.forecast.structural import Constants, Structural


class Combined(msgspec.Struct, frozen=True):
    """The combination with its structural part fitted, `None` if the history was too short."""

    fitted: Structural | None
    analog_share: float

    def predict(self, history: History, days: Days) -> Floats:
        """Return the expected logarithms of `days`, both of shape (n,); NaN without a fit.

        Where the analog has no count, the structural forecast is used alone.
        """
        if self.fitted is None:
            return np.full(len(days), np.nan)
        model = self.fitted.predict(history, days)
        year_ago = analog.predict(history, days)
        both = self.analog_share * year_ago + (1 - self.analog_share) * model
        return np.where(np.isfinite(both), both, model)


class Combination(msgspec.Struct, frozen=True):
    """The point method that fits `Combined`.

    Attributes:
        name: The name of the method.
        constants: The constants of the structural part.
        analog_share: The weight of the analog part.
    """

    name: str
    constants: Constants
    analog_share: float

    def fit(self, history: History) -> Combined:
        """Fit the structural part to a history that ends on a Sunday."""
        return Combined(structural.fit(history, self.constants), self.analog_share)
