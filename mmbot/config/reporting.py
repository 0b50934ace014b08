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
        Literal["127.0.0.1", "::1"], key("Loopback alone: nothing asks for a password.")
    ] = "127.0.0.1"
    port: Annotated[
        int,
        msgspec.Meta(ge=0, le=65535),
        key(
            "Metrics are at http://127.0.0.1:PORT/metrics; 0 opens nothing, and the dashboard's "
            "port serves both.",
            "port",
        ),
    ] = 0


class AlertSettings(Section, frozen=True, kw_only=True):
    """`[alerts]`: what a person is told by mail or chat; nobody is while there are no addresses."""

    urls_file: Annotated[
        str,
        key(
            "The file of the addresses, one a line, in Apprise's form; they hold passwords, so "
            "only its owner may read it (chmod 600). Empty: MMBOT_ALERT_URLS in the environment, "
            "or systemd's."
        ),
    ] = ""
    events: Annotated[
        tuple[AlertKind, ...],
        key("What is told of; docs/service.md says what each is.", "kinds of alerts"),
    ] = get_args(AlertKind)
    fold_seconds: Annotated[
        float,
        msgspec.Meta(ge=0.0, le=3600.0),
        key("Fills within so long of the first are one message.", "seconds"),
    ] = 60.0
    most_an_hour: Annotated[
        int,
        msgspec.Meta(ge=1, le=1000),
        key("Of all kinds together; the next message says how many were dropped.", "messages"),
    ] = 30
    feed_dead_seconds: Annotated[
        float,
        msgspec.Meta(ge=5.0, le=3600.0),
        key("A stream that is down for so long is told of.", "seconds"),
    ] = 60.0
    morning_report: Annotated[
        dt.time,
        key("When the prediction, and what each market is worth, is sent.", "time in New York"),
    ] = dt.time(8, 0)
