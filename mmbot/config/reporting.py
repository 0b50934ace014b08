"""The tables for what the daemon reports, to Prometheus and to people."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal, TypeAlias, get_args

import msgspec

from mmbot.config.values import Section, key

AlertKind: TypeAlias = Literal[
    "start", "stop", "halt", "limit", "feed", "count", "fills", "settlement", "morning"
]


class MetricsSettings(Section, frozen=True, kw_only=True):
    """`[metrics]`: where Prometheus reads the daemon's metrics."""

    address: Annotated[
        Literal["127.0.0.1", "::1"], key("Loopback only, because there is no password.")
    ] = "127.0.0.1"
    port: Annotated[
        int,
        msgspec.Meta(ge=0, le=65535),
        key(
            "Metrics are at http://127.0.0.1:PORT/metrics; 0 opens no port. With the port of the "
            "dashboard, both are served there.",
            "port",
        ),
    ] = 0


class AlertSettings(Section, frozen=True, kw_only=True):
    """`[alerts]`: alerts by mail or chat; without addresses none is sent."""

    urls_file: Annotated[
        str,
        key(
            "The file of the addresses, one Apprise URL per line; they contain passwords, so only "
            "its owner may read it (chmod 600). Empty: MMBOT_ALERT_URLS in the environment, or "
            "systemd's credential."
        ),
    ] = ""
    events: Annotated[
        tuple[AlertKind, ...],
        key("Which alerts are sent; docs/service.md describes each.", "kinds of alerts"),
    ] = get_args(AlertKind)
    fold_seconds: Annotated[
        float,
        msgspec.Meta(ge=0.0, le=3600.0),
        key("Fills within this time of the first are sent as one message.", "seconds"),
    ] = 60.0
    most_an_hour: Annotated[
        int,
        msgspec.Meta(ge=1, le=1000),
        key("The limit over all kinds; the next message says how many were dropped.", "messages"),
    ] = 30
    feed_dead_seconds: Annotated[
        float,
        msgspec.Meta(ge=5.0, le=3600.0),
        key("How long the stream must be down before an alert is sent.", "seconds"),
    ] = 60.0
    morning_report: Annotated[
        dt.time,
        key("When the forecast, and what each market is worth, is sent.", "time in New York"),
    ] = dt.time(8, 0)
