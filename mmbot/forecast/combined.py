"""The constants of the method `combined`: a slow level, wide holiday windows.

They were chosen on the weeks of 2023 to 2025.
"""

from __future__ import annotations

from mmbot.forecast.calendar_effects import CalendarEffects
from mmbot.forecast.combination import Combination
from mmbot.forecast.structural import Constants

_EFFECTS = CalendarEffects(
    windows={
        "MLK": (-6, 4),
        "Presidents": (-6, 6),
        "Memorial": (-7, 6),
        "Juneteenth": (-2, 2),
        "July 4": (-6, 7),
        "Labor": (-7, 6),
        "Columbus": (-6, 4),
        "Veterans": (-5, 5),
        "Halloween": (-1, 1),
        "Thanksgiving": (-8, 6),
        "Super Bowl": (0, 2),
        "Christmas": (-9, 15),
        "Easter": (-3, 1),
    },
    by_weekday=("Juneteenth", "July 4", "Halloween", "Veterans", "Christmas"),
    day_penalty=0.06,
    weekday_penalty=0.12,
)

COMBINED = Combination(
    "combined",
    Constants(_EFFECTS, walk_penalty=120.0, ranges_days=(14.0, 2.0)),
    analog_share=0.25,
)
