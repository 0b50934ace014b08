"""Every key of the config, as one frozen tree."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal, TypeAlias

import msgspec

from mmbot.config.quoting import LimitSettings, OrderSettings, QuotingSettings
from mmbot.config.reporting import AlertSettings, MetricsSettings
from mmbot.config.values import Dollars, Section, key
from mmbot.units import MONEY_PER_DOLLAR, Money

Mode: TypeAlias = Literal["paper", "demo", "live"]
LogLevel: TypeAlias = Literal["debug", "info", "warning", "error"]


class ExchangeSettings(Section, frozen=True, kw_only=True):
    """`[exchange]`: the series and the subaccount to trade."""

    series: Annotated[
        str,
        msgspec.Meta(pattern=r"\A[A-Z0-9]{2,32}\Z"),
        key("The series whose weekly events are traded."),
    ] = "KXTSAW"
    subaccount: Annotated[
        int,
        msgspec.Meta(ge=0, le=63),
        key("The subaccount that trades; 0 is the primary one."),
    ] = 0


class UnderlyingSettings(Section, frozen=True, kw_only=True):
    """`[underlying]`: the statistic that the series is about."""

    name: Annotated[
        str,
        msgspec.Meta(pattern=r"\A[a-z0-9-]{1,32}\Z"),
        key(
            "Which statistic it is; this sets when counts are published and how they are read. "
            "`exchange.series`, `counts.url` and `counts.earliest_release` must match it."
        ),
    ] = "tsa"


class CredentialSettings(Section, frozen=True, kw_only=True):
    """`[credentials]`: where the API key is stored. The key itself is never in this file."""

    key_id: Annotated[
        str,
        key(
            "The API key's id, or where it is: file:PATH, env:NAME, systemd:NAME or aws:SECRET. "
            "Empty: MMBOT_KEY_ID in the environment, or systemd's credential key_id."
        ),
    ] = ""
    private_key_path: Annotated[
        str,
        key(
            "The PEM file of the API key, which only its owner may read (chmod 600). Empty: "
            "MMBOT_PRIVATE_KEY_PATH in the environment, or systemd's credential private_key."
        ),
    ] = ""
    private_key: Annotated[
        str,
        key(
            "Instead of private_key_path, where the key is: file:PATH, env:NAME (an environment "
            "variable), systemd:NAME (a credential that the unit loads), aws:SECRET (a secret in "
            "AWS Secrets Manager with the fields key_id and private_key)."
        ),
    ] = ""
    aws_region: Annotated[
        str, key("The AWS region of the secret. Empty: the one configured on the machine.")
    ] = ""


class CountsSettings(Section, frozen=True, kw_only=True):
    """`[counts]`: where and how often the daily counts are read, and when they may come."""

    url: Annotated[
        str,
        key(
            "The site. It must be HTTPS: whoever can change a count in transit can move the quotes."
        ),
    ] = "https://www.tsa.gov"
    history_file: Annotated[
        str, key("Optional: a CSV file of earlier counts, which saves reading the archived pages.")
    ] = ""
    first_year: Annotated[
        int,
        msgspec.Meta(ge=2019, le=2100),
        key("The first year whose archived page is read.", "year"),
    ] = 2019
    poll_seconds: Annotated[
        float,
        msgspec.Meta(ge=5.0, le=3600.0),
        key("How often the page is read while a count is due.", "seconds"),
    ] = 60.0
    earliest_release: Annotated[
        dt.time,
        key(
            "Nothing is quoted from this time until the day's count is known, as whoever knew it "
            "first would trade against the quotes.",
            "time in New York",
        ),
    ] = dt.time(6, 55)
    latest_release: Annotated[
        dt.time,
        key(
            "On the Saturday and Sunday of a holiday weekend a count may or may not come: it is "
            "waited for until this time.",
            "time in New York",
        ),
    ] = dt.time(10, 30)


class ForecastSettings(Section, frozen=True, kw_only=True):
    """`[forecast]`: the forecast method."""

    method: Annotated[
        Literal["pool", "combined", "adaptive", "adaptive-normal", "boosted", "seed"],
        key(
            '"pool" combines all methods, weighted by their past scores. The methods alone: '
            '"combined" (a slowly moving level), "adaptive" (a quickly moving level), '
            '"adaptive-normal" (the same with a normal distribution), "boosted" (trees), "seed" '
            "(last year's week times the recent trend, the simplest)."
        ),
    ] = "pool"
    error_correction: Annotated[
        bool,
        key('Shifts "combined" by part of its recent errors, in case travel as a whole drifts.'),
    ] = True


class PaperSettings(Section, frozen=True, kw_only=True):
    """`[paper]`: the account of paper trading; other modes do not use it."""

    balance_dollars: Annotated[
        Dollars,
        key("The cash at each start, before the cost of the positions already held.", "dollars"),
    ] = 1000.0

    @property
    def balance(self) -> Money:
        """The cash at the start of a session, before the cost of the positions held."""
        return Money(round(self.balance_dollars * MONEY_PER_DOLLAR))


class StateSettings(Section, frozen=True, kw_only=True):
    """`[state]`: what is stored on disk: the ledger, and the capture of every input."""

    directory: Annotated[
        str,
        key(
            "The directory for both, used by this bot alone. Empty: systemd's state directory, or "
            "~/.local/state/mmbot/MODE."
        ),
    ] = ""
    capture_megabytes: Annotated[
        int,
        msgspec.Meta(ge=0, le=1_000_000),
        key(
            "The most disk space for the capture, which `mmbot replay` reads; the oldest sessions "
            "are deleted first, 0 stores none.",
            "megabytes",
        ),
    ] = 1024


class LogSettings(Section, frozen=True, kw_only=True):
    """`[log]`: the log on standard error."""

    level: Annotated[LogLevel, key("The lowest level that is written.")] = "info"
    heartbeat_seconds: Annotated[
        float,
        msgspec.Meta(ge=1.0, le=3600.0),
        key("How often a line summarizes what is quoted and held.", "seconds"),
    ] = 60.0


class DashboardSettings(Section, frozen=True, kw_only=True):
    """`[dashboard]`: a web page that shows live what the daemon does, and can halt it."""

    enabled: Annotated[
        bool, key("Whether the page is served. It costs nothing while nobody looks at it.")
    ] = True
    address: Annotated[
        str,
        msgspec.Meta(pattern=r"\A[0-9a-fA-F.:]{2,45}\Z"),
        key(
            "The local address to listen on. Whoever can reach it can read all figures: 127.0.0.1 "
            "can be reached from this machine only, and from others through `ssh -L`."
        ),
    ] = "127.0.0.1"
    port: Annotated[
        int,
        msgspec.Meta(ge=0, le=65535),
        key("The port; 0 picks a free one. `mmbot dashboard` prints the page's address."),
    ] = 8780
    names: Annotated[
        tuple[Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9.-]{1,253}\Z")], ...],
        msgspec.Meta(max_length=16),
        key(
            "Host names, besides localhost and IP addresses, by which the page and the metrics may "
            "be requested, such as a proxy's; others are refused, as they could be another site's.",
            "host names",
        ),
    ] = ()


class Settings(Section, frozen=True, kw_only=True):
    """All settings, in the order of the template."""

    mode: Annotated[
        Mode,
        key(
            '"paper" reads the real market and simulates its own orders; "demo" trades play money '
            'on Kalshi\'s demo exchange; "live" trades real money and also needs --live.'
        ),
    ] = "paper"
    exchange: ExchangeSettings = ExchangeSettings()
    underlying: UnderlyingSettings = UnderlyingSettings()
    credentials: CredentialSettings = CredentialSettings()
    counts: CountsSettings = CountsSettings()
    forecast: ForecastSettings = ForecastSettings()
    quoting: QuotingSettings = QuotingSettings()
    limits: LimitSettings = LimitSettings()
    orders: OrderSettings = OrderSettings()
    paper: PaperSettings = PaperSettings()
    state: StateSettings = StateSettings()
    log: LogSettings = LogSettings()
    dashboard: DashboardSettings = DashboardSettings()
    metrics: MetricsSettings = MetricsSettings()
    alerts: AlertSettings = AlertSettings()
