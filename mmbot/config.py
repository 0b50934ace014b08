"""One frozen tree of settings, read from a TOML file and refused unless every key makes sense.

Unknown keys, values out of range and contradictory combinations raise `BadInput` with the file, the
key and what to write instead. No key is ignored and no value is guessed.
"""

from __future__ import annotations

import datetime as dt
import difflib
import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias, get_args

import msgspec

from mmbot.errors import BadInput
from mmbot.units import (
    MONEY_PER_DOLLAR,
    ONE_CENT,
    ONE_CONTRACT,
    ONE_DOLLAR,
    Count,
    Milliseconds,
    Money,
    Price,
)

Mode: TypeAlias = Literal["paper", "demo", "live"]
Sides: TypeAlias = Literal["likelier", "both"]
AlertKind: TypeAlias = Literal[
    "start", "stop", "halt", "limit", "feed", "count", "fills", "settlement", "morning"
]
LogLevel: TypeAlias = Literal["debug", "info", "warning", "error"]

_PRODUCTION = (
    "https://external-api.kalshi.com/trade-api/v2",
    "wss://external-api-ws.kalshi.com/trade-api/ws/v2",
)
_DEMO = (
    "https://external-api.demo.kalshi.co/trade-api/v2",
    "wss://external-api-ws.demo.kalshi.co/trade-api/ws/v2",
)

# REST and stream address of each mode; paper reads the real market.
HOSTS: dict[Mode, tuple[str, str]] = {"paper": _PRODUCTION, "demo": _DEMO, "live": _PRODUCTION}

_Share = Annotated[float, msgspec.Meta(ge=0.0, lt=1.0)]
_Part = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]
# A value for each number of published days: none, one, two, three, and four or more.
_BY_DAYS_PUBLISHED = msgspec.Meta(min_length=5, max_length=5)
_Shares = Annotated[tuple[_Share, ...], _BY_DAYS_PUBLISHED]
_Parts = Annotated[tuple[_Part, ...], _BY_DAYS_PUBLISHED]
_Dollars = Annotated[float, msgspec.Meta(ge=0.01, le=1_000_000.0)]
# Cents at prices ten cents apart. Below ten, so that a higher price never needs so much less edge
# that a contract worth more would be bid for at less.
_LessThanTenCents = Annotated[float, msgspec.Meta(ge=0.0, lt=10.0)]
_AtTensOfCents = Annotated[tuple[_LessThanTenCents, ...], msgspec.Meta(min_length=5, max_length=5)]


class _Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the file; each field is a key, with its default and bounds."""


def _by_days_published(values: tuple[float, ...], days_published: int) -> float:
    return values[min(days_published, len(values) - 1)]


class ExchangeSettings(_Section, frozen=True, kw_only=True):
    """`[exchange]`: the series that is traded, and the subaccount."""

    series: Annotated[str, msgspec.Meta(pattern=r"\A[A-Z0-9]{2,32}\Z")] = "KXTSAW"
    subaccount: Annotated[int, msgspec.Meta(ge=0, le=63)] = 0


class CredentialSettings(_Section, frozen=True, kw_only=True):
    """`[credentials]`: where the API key is found. The key itself is never in the file."""

    key_id: str = ""
    private_key_path: str = ""


class CountsSettings(_Section, frozen=True, kw_only=True):
    """`[counts]`: where and how often the daily counts are read."""

    # HTTPS, as whoever can change a count on its way can move the quotes.
    url: str = "https://www.tsa.gov"
    history_file: str = ""
    first_year: Annotated[int, msgspec.Meta(ge=2019, le=2100)] = 2019
    poll_seconds: Annotated[float, msgspec.Meta(ge=5.0, le=3600.0)] = 60.0
    earliest_release: dt.time = dt.time(6, 55)
    latest_release: dt.time = dt.time(10, 30)


class ForecastSettings(_Section, frozen=True, kw_only=True):
    """`[forecast]`: the forecast method: the pool of all, or one; `seed` is the simplest."""

    method: Literal["pool", "combined", "adaptive", "adaptive-normal", "boosted", "seed"] = "pool"
    # Whether a method whose level moves slowly is moved by part of its own recent errors.
    error_correction: bool = True


class QuotingSettings(_Section, frozen=True, kw_only=True):
    """`[quoting]`: prices and sizes of quotes.

    `margin` is the main setting: a side is bid for at most (1 - margin) x its fair value. Lists
    have a value for each number of published days: none, one, two, three, and four or more.

    `belief_weight` (a) and `market_sharpness` (b, a factor of log-odds) make fair value:
    logit p = a logit p_belief + (1 - a) b logit p_mid. They are the best on ten quoted weeks and on
    128 Fridays, which is too little to tune them by; `mmbot report` says when a user's own weeks
    are enough.

    `longshot_edge_cents` is the further edge of a bid at 10, 20, 30, 40 and 50 cents, in proportion
    in between; below it is as at 10, and from 60 on there is none. In all 35,764 trades of
    October 2024 to November 2025 makers earned, in cents a contract after a fee of one: below .05
    -1.7; .05 to .2 +1.0, but on Fridays such longshots cost 18 and came true 10.5 times of 100;
    .2 to .4 -5.0; .4 to .6 +5.7; .6 to .8 +6.9; .8 to .95 +3.5; above +1.6.
    """

    margin: _Share | _Shares = 0.1
    sides: Sides = "likelier"
    longshot_edge_cents: _AtTensOfCents = (5.0, 5.0, 5.0, 2.5, 0.0)
    belief_weight: _Parts = (0.2, 0.1, 0.25, 0.4, 0.55)
    market_sharpness: Annotated[float, msgspec.Meta(ge=0.5, le=2.0)] = 1.2
    mid_depth_contracts: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 5
    contracts: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 10
    size_by_known: _Parts = (0.2, 0.2, 0.4, 0.4, 1.0)
    kelly_fraction: Annotated[float, msgspec.Meta(ge=0.01, le=1.0)] = 0.25
    # The finest grid's tick: with less, a bid and an ask around one fair value could meet.
    minimum_edge_cents: Annotated[float, msgspec.Meta(ge=0.01, le=50.0)] = 2.0
    uncertainty_edge: Annotated[float, msgspec.Meta(ge=0.0, lt=1.0)] = 0.1
    lowest_bid_cents: Annotated[float, msgspec.Meta(ge=0.0, le=50.0)] = 10.0
    minimum_fair: Annotated[float, msgspec.Meta(gt=0.0, lt=0.5)] = 0.03
    maximum_fair: Annotated[float, msgspec.Meta(gt=0.5, lt=1.0)] = 0.97
    reprice_tolerance_cents: Annotated[float, msgspec.Meta(ge=0.0, le=20.0)] = 1.0
    minimum_rest_seconds: Annotated[float, msgspec.Meta(ge=0.0, le=600.0)] = 2.0

    def margin_at(self, days_published: int) -> float:
        """Return the margin at a number of published days."""
        if isinstance(self.margin, float):
            return self.margin
        return _by_days_published(self.margin, days_published)

    def belief_weight_at(self, days_published: int) -> float:
        """Return the belief's weight in fair value, in log-odds; the rest is the market mid's."""
        return _by_days_published(self.belief_weight, days_published)

    def size_at(self, days_published: int) -> float:
        """Return the largest size of a quote that may open a position, in units of count."""
        return self.size * _by_days_published(self.size_by_known, days_published)

    def edge(self, value: float) -> float:
        """Return the least edge of a quote where YES is worth `value`, both in dollars."""
        least = self.minimum_edge_cents * ONE_CENT / ONE_DOLLAR
        return max(least, self.uncertainty_edge * value * (1 - value))

    def bids_yes(self, fair: float) -> bool:
        """Return whether YES is bid for at this fair value, in dollars."""
        return self.sides == "both" or fair >= 0.5

    def bids_no(self, fair: float) -> bool:
        """Return whether NO is bid for at this fair value, in dollars."""
        return self.sides == "both" or fair < 0.5

    @property
    def size(self) -> Count:
        """The size of a full quote."""
        return Count(self.contracts * ONE_CONTRACT)

    @property
    def mid_depth(self) -> Count:
        """The size that must rest at a price before it counts for the market mid."""
        return Count(self.mid_depth_contracts * ONE_CONTRACT)

    @property
    def lowest_bid(self) -> float:
        """The lowest bid for YES, in dollars."""
        return self.lowest_bid_cents * ONE_CENT / ONE_DOLLAR

    @property
    def reprice_tolerance(self) -> Price:
        """The distance of a quote from its best price beyond which it is moved."""
        return Price(round(self.reprice_tolerance_cents * ONE_CENT))

    @property
    def minimum_rest(self) -> Milliseconds:
        """The least time between moves of a quote that is not at risk, in milliseconds."""
        return round(self.minimum_rest_seconds * 1000)


class LimitSettings(_Section, frozen=True, kw_only=True):
    """`[limits]`: risk limits that override every quote."""

    contracts_per_market: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 100
    event_loss_dollars: _Dollars = 100.0
    contracts_per_15_seconds: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 100
    daily_loss_dollars: _Dollars = 100.0
    event_cash_share: Annotated[float, msgspec.Meta(gt=0.0, le=1.0)] = 0.5
    orders: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 100

    @property
    def position(self) -> Count:
        """The largest position in one market, on either side."""
        return Count(self.contracts_per_market * ONE_CONTRACT)

    @property
    def event_loss(self) -> Money:
        """The most that one event may lose in its worst case, with every order filled."""
        return Money(round(self.event_loss_dollars * MONEY_PER_DOLLAR))

    @property
    def fill_cap(self) -> Count:
        """The contracts that may fill in 15 seconds before the exchange cancels every order."""
        return Count(self.contracts_per_15_seconds * ONE_CONTRACT)

    @property
    def daily_loss(self) -> Money:
        """The loss of a day after which no position may grow until the next day."""
        return Money(round(self.daily_loss_dollars * MONEY_PER_DOLLAR))

    def cash_for_event(self, cash: Money) -> Money:
        """Return the share of the account's cash that one event may use."""
        return Money(int(cash * self.event_cash_share))


class OrderSettings(_Section, frozen=True, kw_only=True):
    """`[orders]`: lifetimes and timeouts of orders."""

    lifetime_seconds: Annotated[int, msgspec.Meta(ge=5, le=3600)] = 60
    answer_timeout_seconds: Annotated[float, msgspec.Meta(ge=0.5, le=60.0)] = 5.0

    @property
    def lifetime(self) -> Milliseconds:
        """The time from an order's placement or renewal to its expiry, in milliseconds."""
        return self.lifetime_seconds * 1000


class PaperSettings(_Section, frozen=True, kw_only=True):
    """`[paper]`: the account of paper trading; other modes do not use it."""

    balance_dollars: _Dollars = 1000.0

    @property
    def balance(self) -> Money:
        """The cash at the start of a session, before the cost of the positions held."""
        return Money(round(self.balance_dollars * MONEY_PER_DOLLAR))


class StateSettings(_Section, frozen=True, kw_only=True):
    """`[state]`: the directory of the ledger; if empty, systemd's or the user's state directory.

    The capture of every input, which `mmbot replay` reads, is beside it, up to a total size.
    """

    directory: str = ""
    capture_megabytes: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] = 1024


class LogSettings(_Section, frozen=True, kw_only=True):
    """`[log]`: the log on standard error."""

    level: LogLevel = "info"
    heartbeat_seconds: Annotated[float, msgspec.Meta(ge=1.0, le=3600.0)] = 60.0


class MetricsSettings(_Section, frozen=True, kw_only=True):
    """`[metrics]`: where Prometheus reads this daemon's metrics; nowhere while `port` is 0."""

    address: Literal["127.0.0.1", "::1"] = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 0


class AlertSettings(_Section, frozen=True, kw_only=True):
    """`[alerts]`: what a person is told of; nobody is while there are no addresses.

    The addresses, in Apprise's form, hold passwords and so are never in this file: they are in
    `urls_file`, one a line, in the environment variable `MMBOT_ALERT_URLS`, or in the systemd
    credential `alert_urls`.
    """

    urls_file: str = ""
    events: tuple[AlertKind, ...] = get_args(AlertKind)
    fold_seconds: Annotated[float, msgspec.Meta(ge=0.0, le=3600.0)] = 60.0
    most_an_hour: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 30
    feed_dead_seconds: Annotated[float, msgspec.Meta(ge=5.0, le=3600.0)] = 60.0
    # New York time.
    morning_report: dt.time = dt.time(8, 0)


class Settings(_Section, frozen=True, kw_only=True):
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
    metrics: MetricsSettings = MetricsSettings()
    alerts: AlertSettings = AlertSettings()


def load(path: Path) -> Settings:
    """Read the settings from a file.

    Raises:
        BadInput: It cannot be read, or its content is invalid.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"cannot read the config file {path}: {error}") from None
    return parse(text, str(path))


def parse(text: str, source: str) -> Settings:
    """Read the settings from TOML text; `source` names it in errors.

    Raises:
        BadInput: It is not TOML, or a key or value is invalid.
    """
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadInput(f"{source} is not valid TOML: {error}") from None
    return _checked(tree, source)


def changed(settings: Settings, changes: Mapping[str, object], source: str) -> Settings:
    """Return the settings with other values for some keys, each written as `section.key`.

    Raises:
        BadInput: There is no such key, or its value is invalid; `source` names the origin.
    """
    tree = msgspec.to_builtins(settings, builtin_types=(dt.time,))
    for key, value in changes.items():
        section, _, name = key.rpartition(".")
        holder = tree.setdefault(section, {}) if section else tree
        if not isinstance(holder, dict):
            raise BadInput(f"{source}: there is no table `{section}`")
        holder[name] = value
    return _checked(tree, source)


def differences(one: Settings, other: Settings) -> tuple[str, ...]:
    """Return the keys whose values differ, each written as `section.key`."""
    return tuple(_differences(msgspec.to_builtins(one), msgspec.to_builtins(other), ""))


def _differences(one: dict[str, Any], other: dict[str, Any], prefix: str) -> Iterator[str]:
    for name, value in one.items():
        if isinstance(value, dict):
            yield from _differences(value, other[name], f"{prefix}{name}.")
        elif value != other[name]:
            yield f"{prefix}{name}"


def _checked(tree: dict[str, Any], source: str) -> Settings:
    _refuse_unknown_keys(tree, Settings, source)
    try:
        settings = msgspec.convert(tree, Settings)
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at `$.")
        raise BadInput(f"{source}: {_explain(what, where.rstrip('`'))}") from None
    _refuse_contradictions(settings, source)
    return settings


def _refuse_unknown_keys(
    tree: dict[str, Any], section: type[msgspec.Struct], source: str, prefix: str = ""
) -> None:
    kinds = {field.name: field.type for field in msgspec.structs.fields(section)}
    for key, value in tree.items():
        if key not in kinds:
            near = difflib.get_close_matches(key, kinds, n=1)
            advice = f"did you mean `{near[0]}`?" if near else f"known are {', '.join(kinds)}"
            raise BadInput(f"{source}: there is no key `{prefix}{key}`; {advice}")
        kind = kinds[key]
        if isinstance(value, dict) and isinstance(kind, type) and issubclass(kind, _Section):
            _refuse_unknown_keys(value, kind, source, f"{prefix}{key}.")


def _explain(what: str, key: str) -> str:
    """Return a sentence on what is wrong with the value of `key`, and what to write instead."""
    *sections, name = key.partition("[")[0].split(".")
    holder: type[msgspec.Struct] = Settings
    for section in sections:
        holder = type(getattr(holder(), section))
    field = next(field for field in msgspec.structs.fields(holder) if field.name == name)
    if isinstance(field.default, _Section):
        return f"`{key}` is a table; write [{key}] and below it its keys"
    choices = get_args(field.type)
    if isinstance(field.default, str) and field.default in choices:
        return f"{key}: write one of {', '.join(map(_toml, choices))}"
    return f"{key}: {what[:1].lower()}{what[1:]}; write for example {name} = {_toml(field.default)}"


def _toml(value: object) -> str:
    return value.isoformat() if isinstance(value, dt.time) else json.dumps(value)


# Nothing else fits: no user, query, fragment, blank, nor a path that would need an escape.
_ADDRESS = re.compile(
    r"(?P<scheme>[a-z]+)://(?P<host>[A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\])(:(?P<port>\d{1,5}))?"
    r"(?P<path>(/[A-Za-z0-9._~-]+)*)\Z",
    re.ASCII,
)
_LOOPBACK = frozenset({"127.0.0.1", "[::1]", "localhost"})


def refuse_address(
    url: str, source: str, *, kind: Literal["http", "ws"] = "http", path: str = ""
) -> None:
    """Refuse an address unless it is encrypted or on loopback, and a scheme, host, port and path.

    Raises:
        BadInput: It is not; `source` names where it stands.
    """
    match = _ADDRESS.match(url)
    is_plain = match is not None and match["scheme"] == kind and match["host"] in _LOOPBACK
    fits = match is not None and (match["scheme"] == f"{kind}s" or is_plain)
    is_port = match is not None and 0 < int(match["port"] or 1) < 65536
    if match is None or not (fits and is_port and match["path"] == path):
        raise BadInput(
            f"{source}: {url!r:.200} is neither encrypted nor on loopback, or is not an address "
            f"alone; write {kind}s://HOST[:PORT]{path}, or {kind}://127.0.0.1:PORT{path}"
        )


def _refuse_contradictions(settings: Settings, source: str) -> None:
    refuse_address(settings.counts.url, f"{source}: counts.url")
    if settings.counts.latest_release <= settings.counts.earliest_release:
        raise BadInput(
            f"{source}: counts.latest_release ({settings.counts.latest_release}) must be after "
            f"counts.earliest_release ({settings.counts.earliest_release})"
        )
    if settings.quoting.contracts > settings.limits.contracts_per_market:
        raise BadInput(
            f"{source}: quoting.contracts ({settings.quoting.contracts}) is above "
            f"limits.contracts_per_market ({settings.limits.contracts_per_market}); lower one or "
            "raise the other"
        )
    if settings.quoting.contracts >= settings.limits.contracts_per_15_seconds:
        raise BadInput(
            f"{source}: limits.contracts_per_15_seconds "
            f"({settings.limits.contracts_per_15_seconds}) must be above quoting.contracts "
            f"({settings.quoting.contracts}), or the first full fill would take every quote off"
        )
    if settings.orders.lifetime_seconds < 2 * settings.orders.answer_timeout_seconds:
        raise BadInput(
            f"{source}: orders.lifetime_seconds ({settings.orders.lifetime_seconds}) must be at "
            f"least twice orders.answer_timeout_seconds ({settings.orders.answer_timeout_seconds}),"
            " or an order could run out while its renewal is under way"
        )
