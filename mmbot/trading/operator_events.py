"""The input events that come from whoever runs the engine."""

from __future__ import annotations

import datetime as dt
from typing import TypeAlias

import msgspec

from mmbot.config import Settings
from mmbot.units import Milliseconds


class SettingsChanged(msgspec.Struct, frozen=True, tag=True):
    """New settings are in force."""

    settings: Settings


class Halted(msgspec.Struct, frozen=True, tag=True):
    """The operator halted quoting at `since`: no quotes until `Resumed`."""

    since: Milliseconds
    reason: str = ""


class Resumed(msgspec.Struct, frozen=True, tag=True):
    """The operator resumed quoting."""


class MarketsPaused(msgspec.Struct, frozen=True, tag=True):
    """All markets that the operator has paused, listed or not: no quotes there."""

    tickers: tuple[str, ...]


class CountsMissing(msgspec.Struct, frozen=True, tag=True):
    """The days declared by the operator to get no count, and for which none has come."""

    days: tuple[dt.date, ...]


class Stopping(msgspec.Struct, frozen=True, tag=True):
    """The bot has to cancel its orders and stop."""


OperatorEvent: TypeAlias = (
    SettingsChanged | CountsMissing | MarketsPaused | Halted | Resumed | Stopping
)
