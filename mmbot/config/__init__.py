"""The settings: every key with its default and bounds, read from a file and checked.

`schema` has the tables and their keys, `loading` reads and checks a file, `differences` compares.
"""

from mmbot.config.addresses import HOSTS, refuse_address
from mmbot.config.differences import differences
from mmbot.config.loading import LoadedConfig, changed, load, load_with_lines, parse, shipped
from mmbot.config.problems import BadConfig, Problem
from mmbot.config.quoting import LimitSettings, OrderSettings, QuotingSettings, Sides
from mmbot.config.reporting import AlertKind, AlertSettings, MetricsSettings
from mmbot.config.schema import (
    CountsSettings,
    CredentialSettings,
    ExchangeSettings,
    ForecastSettings,
    LogLevel,
    LogSettings,
    Mode,
    PaperSettings,
    Settings,
    StateSettings,
)
from mmbot.config.template import every_key, template

__all__ = [
    "HOSTS",
    "AlertKind",
    "AlertSettings",
    "BadConfig",
    "CountsSettings",
    "CredentialSettings",
    "ExchangeSettings",
    "ForecastSettings",
    "LimitSettings",
    "LoadedConfig",
    "LogLevel",
    "LogSettings",
    "MetricsSettings",
    "Mode",
    "OrderSettings",
    "PaperSettings",
    "Problem",
    "QuotingSettings",
    "Settings",
    "Sides",
    "StateSettings",
    "changed",
    "differences",
    "every_key",
    "load",
    "load_with_lines",
    "parse",
    "refuse_address",
    "shipped",
    "template",
]
