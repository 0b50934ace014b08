"""The constants of the method `adaptive`: a fast level, old counts down-weighted."""

from __future__ import annotations

from mmbot.forecast.calendar_effects import CalendarEffects
from mmbot.forecast.combination import Combination
from mmbot.forecast.structural import Constants, Recency

_EFFECTS = CalendarEffects(
    windows={
        "MLK": (-4, 2),
        "Presidents": (-5, 3),
        "Memorial": (-5, 3),
        "Juneteenth": (-2, 2),
        "July 4": (-6, 7),
        "Labor": (-5, 3),
        "Columbus": (-4, 2),
        "Veterans": (-3, 3),
        "Halloween": (-1, 1),
        "Thanksgiving": (-8, 6),
        "Super Bowl": (0, 2),
        "Christmas": (-9, 15),
        "Easter": (-3, 1),
    },
    by_weekday=("July 4", "Juneteenth", "Veterans", "Christmas"),
    day_penalty=0.2,
    weekday_penalty=0.4,
)

ADAPTIVE = Combination(
    "adaptive",
    Constants(
        _EFFECTS,
        walk_penalty=40.0,
        ranges_days=(21.0, 2.5),
        recency=Recency(half_life_days=2000.0, day_floor=0.08, walk_floor=0.15),
    ),
    analog_share=0.3,
)
