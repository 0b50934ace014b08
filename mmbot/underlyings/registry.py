"""The underlyings that can be traded, each with its forecasters; the config names one of them.

A line in `_KNOWN` adds one; its parts are in a module or package of their own.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

import msgspec

from mmbot.config import Settings
from mmbot.errors import BadInput
from mmbot.forecast.fitting import Forecasters
from mmbot.forecast.pooled import POOLED
from mmbot.tsa.underlying import TSA
from mmbot.underlying.underlying import Underlying
from mmbot.underlyings.ferries import FERRIES, WEEKDAYS


class Known(msgspec.Struct, frozen=True):
    """An underlying with its forecasters."""

    underlying: Underlying
    forecasters: Forecasters


_KNOWN: Final = (
    Known(TSA, POOLED),
    Known(FERRIES, WEEKDAYS),
)
# The default of the settings.
DEFAULT: Final = Settings().underlying.name
UNDERLYINGS: Final = MappingProxyType({each.underlying.name: each for each in _KNOWN})


def refuse_others(settings: Settings) -> None:
    """Refuse settings of any underlying but the default, the only one with a stored history.

    Raises:
        BadInput: They are of another one.
    """
    if settings.underlying.name != DEFAULT:
        raise BadInput(
            f"past counts and forecasts are stored for {DEFAULT} only, and the config is about "
            f"{settings.underlying.name}"
        )


def known(settings: Settings) -> Known:
    """Return the underlying that the settings name.

    Raises:
        BadInput: There is no such underlying, its forecasters lack the method, or the series is
            about another one.
    """
    name, series = settings.underlying.name, settings.exchange.series
    chosen = UNDERLYINGS.get(name)
    if chosen is None:
        raise BadInput(f"underlying.name is {name!r}; choose from {', '.join(UNDERLYINGS)}")
    for other in UNDERLYINGS.values():
        if series == other.underlying.series and other is not chosen:
            raise BadInput(
                f"exchange.series is {series}, which is about {other.underlying.name}, but "
                f"underlying.name is {name!r}: the forecasts would be about something else"
            )
    method, methods = settings.forecast.method, chosen.forecasters.methods
    if method not in methods:
        raise BadInput(
            f"forecast.method is {method!r}, which does not support {name}; choose from "
            f"{', '.join(methods)}"
        )
    return chosen
