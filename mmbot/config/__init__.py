"""The settings: every key with its default and bounds, read from a file and checked.

`schema` has the tables and their keys, `loading` reads and checks a file, `differences` compares.
"""

from mmbot.config.addresses import HOSTS, refuse_address
from mmbot.config.differences import Difference, compared, differences
from mmbot.config.loading import (
    LoadedConfig,
    changed,
    load,
    load_place,
    load_with_lines,
    parse,
    parse_change,
    read,
    shipped,
)
from mmbot.config.origins import Setting, settings_with_origins
from mmbot.config.problems import BadConfig, Problem
from mmbot.config.quoting import LimitSettings, OrderSettings, QuotingSettings, Sides
from mmbot.config.reloading import ReloadOutcome, is_live, merged
from mmbot.config.reporting import AlertKind, AlertSettings, MetricsSettings
from mmbot.config.schema import (
    CountsSettings,
    CredentialSettings,
    DashboardSettings,
    ExchangeSettings,
    ForecastSettings,
    LogLevel,
    LogSettings,
    Mode,
    PaperSettings,
    Settings,
    StateSettings,
    UnderlyingSettings,
)
from mmbot.config.template import every_key, template, values_of

__all__ = [
    "HOSTS",
    "AlertKind",
    "AlertSettings",
    "BadConfig",
    "CountsSettings",
    "CredentialSettings",
    "DashboardSettings",
    "Difference",
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
    "ReloadOutcome",
    "Setting",
    "Settings",
    "Sides",
    "StateSettings",
    "UnderlyingSettings",
    "changed",
    "compared",
    "differences",
    "every_key",
    "is_live",
    "load",
    "load_place",
    "load_with_lines",
    "merged",
    "parse",
    "parse_change",
    "read",
    "refuse_address",
    "settings_with_origins",
    "shipped",
    "template",
    "values_of",
]
