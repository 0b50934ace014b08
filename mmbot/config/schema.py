"""Every key of the config, as one frozen tree."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal, TypeAlias

import msgspec

from mmbot.config.quoting import LimitSettings, OrderSettings, QuotingSettings
from mmbot.config.values import Dollars, Section
from mmbot.units import MONEY_PER_DOLLAR, Money

Mode: TypeAlias = Literal["paper", "demo", "live"]
LogLevel: TypeAlias = Literal["debug", "info", "warning", "error"]


class ExchangeSettings(Section, frozen=True, kw_only=True):
    """`[exchange]`: the series that is traded, and the subaccount."""

    series: Annotated[str, msgspec.Meta(pattern=r"\A[A-Z0-9]{2,32}\Z")] = "KXTSAW"
    subaccount: Annotated[int, msgspec.Meta(ge=0, le=63)] = 0


class CredentialSettings(Section, frozen=True, kw_only=True):
    """`[credentials]`: where the API key is found. The key itself is never in the file."""

    key_id: str = ""
    private_key_path: str = ""


class CountsSettings(Section, frozen=True, kw_only=True):
    """`[counts]`: where and how often the daily counts are read."""

    # HTTPS, as whoever can change a count on its way can move the quotes.
    url: str = "https://www.tsa.gov"
    history_file: str = ""
    first_year: Annotated[int, msgspec.Meta(ge=2019, le=2100)] = 2019
    poll_seconds: Annotated[float, msgspec.Meta(ge=5.0, le=3600.0)] = 60.0
    earliest_release: dt.time = dt.time(6, 55)
    latest_release: dt.time = dt.time(10, 30)


class ForecastSettings(Section, frozen=True, kw_only=True):
    """`[forecast]`: the forecast method: the pool of all, or one; `seed` is the simplest."""

    method: Literal["pool", "combined", "adaptive", "adaptive-normal", "boosted", "seed"] = "pool"
    # Whether a method whose level moves slowly is moved by part of its own recent errors.
    error_correction: bool = True


class PaperSettings(Section, frozen=True, kw_only=True):
    """`[paper]`: the account of paper trading; other modes do not use it."""

    balance_dollars: Dollars = 1000.0

    @property
    def balance(self) -> Money:
        """The cash at the start of a session, before the cost of the positions held."""
        return Money(round(self.balance_dollars * MONEY_PER_DOLLAR))


class StateSettings(Section, frozen=True, kw_only=True):
    """`[state]`: the directory of the ledger; if empty, systemd's or the user's state directory.

    The capture of every input, which `mmbot replay` reads, is beside it, up to a total size.
    """

    directory: str = ""
    capture_megabytes: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] = 1024


class LogSettings(Section, frozen=True, kw_only=True):
    """`[log]`: the log on standard error."""

    level: LogLevel = "info"
    heartbeat_seconds: Annotated[float, msgspec.Meta(ge=1.0, le=3600.0)] = 60.0


class Settings(Section, frozen=True, kw_only=True):
    """All settings."""

    mode: Mode = "paper"
    exchange: ExchangeSettings = ExchangeSettings()
    credentials: CredentialSettings = CredentialSettings()
    counts: CountsSettings = CountsSettings()
    forecast: ForecastSettings = ForecastSettings()
    quoting: QuotingSettings = QuotingSettings()
    limits: LimitSettings = LimitSettings()
    orders: OrderSettings = OrderSettings()
    paper: PaperSettings = PaperSettings()
    state: StateSettings = StateSettings()
    log: LogSettings = LogSettings()
