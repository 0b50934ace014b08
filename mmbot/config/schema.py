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
    """`[exchange]`: the series that is traded, and the subaccount."""

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
            "What is counted, when it is published and how it is read. `exchange.series`, "
            "`counts.url` and `counts.earliest_release` have to be of the same."
        ),
    ] = "tsa"


class CredentialSettings(Section, frozen=True, kw_only=True):
    """`[credentials]`: where the API key is found. The key itself is never in the file."""

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
            "Instead of the line above, where the key is: file:PATH, env:NAME (a variable of the "
            "environment), systemd:NAME (a credential that the unit loads), aws:SECRET (a secret "
            "of AWS Secrets Manager, of the fields key_id and private_key)."
        ),
    ] = ""
    aws_region: Annotated[
        str, key("The region of that secret. Empty: the one that the machine is configured for.")
    ] = ""


class CountsSettings(Section, frozen=True, kw_only=True):
    """`[counts]`: where and how often the daily counts are read."""

    url: Annotated[
        str,
        key("HTTPS, as whoever can change a count on its way can move the quotes."),
    ] = "https://www.tsa.gov"
    history_file: Annotated[
        str, key("A CSV of earlier counts, to spare the reading of archived pages; not needed.")
    ] = ""
    first_year: Annotated[
        int,
        msgspec.Meta(ge=2019, le=2100),
        key("The archived pages are read from this year on.", "year"),
    ] = 2019
    poll_seconds: Annotated[
        float,
        msgspec.Meta(ge=5.0, le=3600.0),
        key("How often the page is read while a count is due.", "seconds"),
    ] = 60.0
    earliest_release: Annotated[
        dt.time,
        key(
            "No quote stands from then until the day's count is known: whoever knows it first "
            "would trade against it.",
            "time in New York",
        ),
    ] = dt.time(6, 55)
    latest_release: Annotated[
        dt.time,
        key(
            "On the Saturday and Sunday of a holiday weekend, when counts come on some, one is "
            "waited for until then at the most.",
            "time in New York",
        ),
    ] = dt.time(10, 30)


class ForecastSettings(Section, frozen=True, kw_only=True):
    """`[forecast]`: the forecast method: the pool of all, or one; `seed` is the simplest."""

    method: Annotated[
        Literal["pool", "combined", "adaptive", "adaptive-normal", "boosted", "seed"],
        key(
            '"pool" joins all methods, with weights that follow their past scores; or one alone: '
            '"combined" (a level that moves slowly), "adaptive" (quickly), "adaptive-normal", '
            '"boosted" (trees), "seed" (last year\'s week times the recent trend).'
        ),
    ] = "pool"
    error_correction: Annotated[
        bool,
        key(
            'Moves "combined" by part of its own recent errors: insurance against a drift of all '
            "travel."
        ),
    ] = True


class PaperSettings(Section, frozen=True, kw_only=True):
    """`[paper]`: the account of paper trading; other modes do not use it."""

    balance_dollars: Annotated[
        Dollars,
        key("The cash that each start begins with, before what is held already.", "dollars"),
    ] = 1000.0

    @property
    def balance(self) -> Money:
        """The cash at the start of a session, before the cost of the positions held."""
        return Money(round(self.balance_dollars * MONEY_PER_DOLLAR))


class StateSettings(Section, frozen=True, kw_only=True):
    """`[state]`: what is kept on disk: the ledger, and the capture of every input beside it."""

    directory: Annotated[
        str,
        key(
            "Where they are kept, a directory of this bot's alone. Empty: systemd's, or "
            "~/.local/state/mmbot and below it the mode."
        ),
    ] = ""
    capture_megabytes: Annotated[
        int,
        msgspec.Meta(ge=0, le=1_000_000),
        key(
            "What the capture, which `mmbot replay` reads, may take up; the oldest sessions go "
            "first, 0 keeps none.",
            "megabytes",
        ),
    ] = 1024


class LogSettings(Section, frozen=True, kw_only=True):
    """`[log]`: the log on standard error."""

    level: Annotated[LogLevel, key("The least important lines that are written.")] = "info"
    heartbeat_seconds: Annotated[
        float,
        msgspec.Meta(ge=1.0, le=3600.0),
        key("How often a line tells what is quoted and held.", "seconds"),
    ] = 60.0


class DashboardSettings(Section, frozen=True, kw_only=True):
    """`[dashboard]`: a page that shows what the daemon does, live, and can halt it."""

    enabled: Annotated[
        bool, key("Whether the page is served. Nothing is spent on it while nobody looks.")
    ] = True
    address: Annotated[
        str,
        msgspec.Meta(pattern=r"\A[0-9a-fA-F.:]{2,45}\Z"),
        key(
            "The machine's address that it listens on. Whoever reaches it can read all figures: "
            "127.0.0.1 is reached from this machine alone, and from others through `ssh -L`."
        ),
    ] = "127.0.0.1"
    port: Annotated[
        int,
        msgspec.Meta(ge=0, le=65535),
        key("Its port; 0 takes a free one. `mmbot dashboard` says where the page is."),
    ] = 8780
    names: Annotated[
        tuple[Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9.-]{1,253}\Z")], ...],
        msgspec.Meta(max_length=16),
        key(
            "Names that it and the metrics may be reached by beside localhost and addresses, such "
            "as that of a proxy before them; any other is refused, as it could be another site's.",
            "host names",
        ),
    ] = ()


class Settings(Section, frozen=True, kw_only=True):
    """All settings, in the order of the template."""

    mode: Annotated[
        Mode,
        key(
            '"paper" reads the real market and keeps its orders inside, "demo" trades play money '
            'at Kalshi\'s demo exchange, "live" real money, and wants --live as well.'
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
