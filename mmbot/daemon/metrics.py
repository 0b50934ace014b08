"""The daemon's metrics for Prometheus, in a registry of their own.

Gauges are read from the session's status at each scrape, so they agree with `mmbot status` and are
never stale; counters follow the bot's log lines (`heard`). Money is in dollars, times are in
seconds. `FIGURES` names every metric; `docs/metrics.md` is written from it.
"""

from __future__ import annotations

import os
import resource
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import accumulate, chain
from pathlib import Path
from typing import Any, Literal, TypeAlias

import msgspec
from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from mmbot.bot.latency import BOUNDS, Latency
from mmbot.status_report import EventStatus, MarketStatus, StatusReport
from mmbot.trading.gates import Gate

_Kind: TypeAlias = Literal["gauge", "counter", "histogram"]
_Values: TypeAlias = Iterable[tuple[tuple[str, ...], float]]


class Figure(msgspec.Struct, frozen=True):
    """One metric: its name, meaning, labels and kind."""

    name: str
    tells: str
    labels: tuple[str, ...] = ()
    kind: _Kind = "gauge"


_MARKET, _EVENT = ("market",), ("event",)
REACTION = Figure(
    "mmbot_reaction_seconds",
    "Time from reading a frame to sending the order write that it causes.",
    kind="histogram",
)
# Histograms that the status has as well: the name there, and the factor between the units.
_MEASURED = {
    Figure(
        "mmbot_frame_age_seconds",
        "Age of the stream's latest frame when it was handled, by the exchange's clock.",
        kind="histogram",
    ): ("age_ms", 1e-3),
    Figure(
        "mmbot_loop_late_seconds", "How late the event loop was, each time.", kind="histogram"
    ): ("lag_ms", 1e-3),
    Figure(
        "mmbot_release_risk_dollar_seconds",
        "Left at risk by each new forecast until the last wrong quote was off: dollars x "
        "contracts x seconds.",
        kind="histogram",
    ): ("risk_cent_seconds", 1e-2),
}
_REACTION_BUCKETS = (0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
FIGURES = (
    Figure("mmbot_started_timestamp_seconds", "When the session began, in Unix time."),
    Figure("mmbot_streaming", "1 while everything on the exchange's stream is subscribed."),
    Figure("mmbot_reconciled", "1 if the account has been read since the stream came up."),
    Figure("mmbot_quoting", "1 while at least one quote is live that is not being cancelled."),
    Figure("mmbot_halted", "1 while quoting is halted by the operator."),
    Figure("mmbot_problems", "Number of problems that need attention; `mmbot status` lists them."),
    Figure(
        "mmbot_age_seconds",
        "Age of the stream's last frame, the last report of an own order, the forecast, and the "
        "last reads of the page of counts, the account and the listing.",
        ("of",),
    ),
    Figure("mmbot_book_age_seconds", "Age of the last message about a market's book.", _MARKET),
    Figure("mmbot_loop_lag_seconds", "How late the event loop was at the last check."),
    REACTION,
    *_MEASURED,
    Figure("mmbot_quotes", "Own orders that rest, or may rest, at the exchange."),
    Figure("mmbot_orders_in_state", "Own orders, by state.", ("state",)),
    Figure("mmbot_quote_dollars", "Price of an own quote, as a price of YES.", ("market", "side")),
    Figure("mmbot_quote_contracts", "Contracts of own quotes that rest.", ("market", "side")),
    Figure("mmbot_fair_dollars", "Fair value of YES.", _MARKET),
    Figure("mmbot_mid_dollars", "The market's midpoint without the own orders.", _MARKET),
    Figure(
        "mmbot_position_contracts", "Contracts held: positive for YES, negative for NO.", _MARKET
    ),
    Figure("mmbot_pnl_dollars", "The event's P&L with positions at fair value.", _EVENT),
    Figure(
        "mmbot_worst_case_dollars",
        "The event's P&L in its worst outcome, with every own order filled that makes it worse.",
        _EVENT,
    ),
    Figure("mmbot_day_pnl_dollars", "Today's P&L over all events, at fair value."),
    Figure(
        "mmbot_limit_left",
        "What is left of a limit, in the unit of its name; an empty scope is the whole account.",
        ("limit", "scope"),
    ),
    Figure("mmbot_cash_dollars", "The account's cash as if no open event had been traded."),
    Figure("mmbot_markets", "Listed markets."),
    Figure("mmbot_gate_shut_markets", "Markets that are not quoted because of a gate.", ("gate",)),
    Figure("mmbot_forecast_mean_passengers", "Mean of the week's forecast.", _EVENT),
    Figure("mmbot_forecast_sd_passengers", "Standard deviation of the week's forecast.", _EVENT),
    Figure("mmbot_counts_published", "Published counts of the week.", _EVENT),
    Figure("mmbot_capture_bytes", "Size of this session's capture on disk."),
    Figure("mmbot_orders_placed_total", "Orders sent.", kind="counter"),
    Figure("mmbot_orders_cancelled_total", "Cancels sent.", kind="counter"),
    Figure("mmbot_orders_refused_total", "Writes refused, by reason.", ("reason",), "counter"),
    Figure("mmbot_orders_unknown_total", "Writes whose outcome was unknown.", kind="counter"),
    Figure("mmbot_fills_total", "Fills booked.", kind="counter"),
    Figure("mmbot_filled_contracts_total", "Contracts filled.", kind="counter"),
    Figure(
        "mmbot_stream_losses_total", "Number of times that the stream was lost.", kind="counter"
    ),
    Figure(
        "mmbot_log_dropped_lines_total",
        "Log lines dropped because they were not read in time.",
        kind="counter",
    ),
    Figure("process_cpu_seconds_total", "CPU time of this process.", kind="counter"),
    Figure("process_resident_memory_bytes", "Resident memory of this process."),
    Figure("process_open_fds", "Open file descriptors of this process."),
)
_COLLECTED = tuple(figure for figure in FIGURES if figure.kind != "histogram")

# The counter that a line of the log increments.
_COUNTED = {
    "order.place": "mmbot_orders_placed_total",
    "order.cancel": "mmbot_orders_cancelled_total",
    "order.refused": "mmbot_orders_refused_total",
    "order.unknown": "mmbot_orders_unknown_total",
    "fill": "mmbot_fills_total",
    "stream.lost": "mmbot_stream_losses_total",
}


class Measured(msgspec.Struct, frozen=True):
    """The values that a scrape reads.

    Attributes:
        report: The status of the session.
        lag_seconds: How late the event loop was at the latest look.
        capture_bytes: The size of this session's capture.
        latency: The latencies of the session.
    """

    report: StatusReport
    lag_seconds: float = 0.0
    capture_bytes: int = 0
    latency: Latency | None = None


class Metrics:
    """One process's metrics; counters continue over the sessions of a process."""

    def __init__(self, measure: Callable[[], Measured] | None = None) -> None:
        """Begin at zero; `measure` is called at each scrape."""
        self.measure = measure
        self._counters: dict[str, defaultdict[tuple[str, ...], float]] = {
            figure.name: defaultdict(float, {} if figure.labels else {(): 0.0})
            for figure in FIGURES
            if figure.kind == "counter"
        }
        self._registry = CollectorRegistry()
        self._registry.register(self)
        self._reaction = Histogram(
            REACTION.name, REACTION.tells, buckets=_REACTION_BUCKETS, registry=self._registry
        )

    def heard(self, name: str, fields: Mapping[str, Any]) -> None:
        """Count a line of the bot's log."""
        counter = _COUNTED.get(name)
        if counter is None:
            return
        labels = (str(fields["refusal"]),) if name == "order.refused" else ()
        self._counters[counter][labels] += 1
        if name == "fill":
            self._counters["mmbot_filled_contracts_total"][()] += float(fields["count"])

    def reacted(self, seconds: float) -> None:
        """Count an order write, with the seconds since the frame that caused it."""
        self._reaction.observe(seconds)

    def page(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return generate_latest(self._registry)

    def describe(self) -> Iterator[Metric]:
        """Yield every metric without a value, for the registry."""
        return (_family(figure, ()) for figure in _COLLECTED)

    def collect(self) -> Iterator[Metric]:
        """Yield every metric that has a value now."""
        values: dict[str, _Values] = {
            name: tuple(counter.items()) for name, counter in self._counters.items()
        }
        values |= _of_process()
        histograms: Iterable[Metric] = ()
        if self.measure is not None:
            measured = self.measure()
            values |= _of_session(measured)
            histograms = _histograms(measured.latency or Latency())
        return chain(
            (_family(figure, values.get(figure.name, ())) for figure in _COLLECTED), histograms
        )


def _family(figure: Figure, values: _Values) -> Metric:
    family: GaugeMetricFamily | CounterMetricFamily
    if figure.kind == "gauge":
        family = GaugeMetricFamily(figure.name, figure.tells, labels=figure.labels)
    else:
        family = CounterMetricFamily(figure.name, figure.tells, labels=figure.labels)
    for labels, value in values:
        family.add_metric(labels, value)
    return family


def _histograms(latency: Latency) -> Iterator[Metric]:
    """Yield the histograms of a session, each bucket twice as wide as the one before."""
    measured = dict(latency)
    for figure, (name, unit) in _MEASURED.items():
        histogram = measured[name]
        below = [*accumulate(histogram.counts)]
        buckets = [(f"{bound * unit:.6g}", below[at]) for at, bound in enumerate(BOUNDS)][::3]
        family = HistogramMetricFamily(figure.name, figure.tells)
        family.add_metric((), [*buckets, ("+Inf", below[-1])], histogram.total * unit)
        yield family


def _of_process() -> dict[str, _Values]:
    used = resource.getrusage(resource.RUSAGE_SELF)
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return {
        "process_cpu_seconds_total": _one(used.ru_utime + used.ru_stime),
        "process_resident_memory_bytes": _one(pages * resource.getpagesize()),
        "process_open_fds": _one(len(os.listdir("/proc/self/fd"))),  # noqa: PTH208 (as it is)
    }


def _of_session(measured: Measured) -> dict[str, _Values]:
    report = measured.report
    today = report.pnl.today_fair
    limits = [((each.limit, each.scope), each.left) for each in report.limits]
    ages = msgspec.structs.asdict(report.ages).items()
    values: dict[str, _Values] = {
        "mmbot_started_timestamp_seconds": _known([((), report.since)], 1000),
        "mmbot_streaming": _one(report.streaming),
        "mmbot_reconciled": _one(report.reconciled),
        "mmbot_quoting": _one(report.quoting),
        "mmbot_halted": _one(report.halt is not None),
        "mmbot_problems": _one(len(report.problems)),
        "mmbot_age_seconds": _known([((n.removesuffix("_ms"),), age) for n, age in ages], 1000),
        "mmbot_loop_lag_seconds": _one(measured.lag_seconds),
        "mmbot_day_pnl_dollars": _known([((), today)]),
        "mmbot_limit_left": _known(limits),
        "mmbot_cash_dollars": _known([((), report.cash)]),
        "mmbot_capture_bytes": _one(measured.capture_bytes),
        "mmbot_log_dropped_lines_total": _one(report.log_dropped),
    }
    markets = [market for event in report.events for market in event.markets]
    return values | _of_events(report.events) | _of_markets(markets) | _of_quotes(markets)


def _of_events(events: Iterable[EventStatus]) -> dict[str, _Values]:
    by = {(event.event,): event for event in events}
    forecasts = {key: event.forecast for key, event in by.items() if event.forecast is not None}
    return {
        "mmbot_pnl_dollars": _known([(key, event.pnl_fair) for key, event in by.items()]),
        "mmbot_worst_case_dollars": _known([(k, e.pnl_worst_if_filled) for k, e in by.items()]),
        "mmbot_counts_published": [(key, event.days_published) for key, event in by.items()],
        "mmbot_forecast_mean_passengers": [(key, each.mean) for key, each in forecasts.items()],
        "mmbot_forecast_sd_passengers": [(key, each.sd) for key, each in forecasts.items()],
    }


def _of_markets(markets: Iterable[MarketStatus]) -> dict[str, _Values]:
    by = {(market.market,): market for market in markets}
    shut = Counter({str(gate): 0 for gate in Gate})
    shut.update(market.gate.gate for market in by.values() if market.gate is not None)
    return {
        "mmbot_markets": _one(len(by)),
        "mmbot_gate_shut_markets": [((gate,), count) for gate, count in shut.items()],
        "mmbot_book_age_seconds": _known([(k, m.book_age_ms) for k, m in by.items()], 1000),
        "mmbot_fair_dollars": _known([(key, market.fair) for key, market in by.items()]),
        "mmbot_mid_dollars": _known([(key, market.mid) for key, market in by.items()]),
        "mmbot_position_contracts": _known([(k, m.position) for k, m in by.items()]),
    }


def _of_quotes(markets: Iterable[MarketStatus]) -> dict[str, _Values]:
    orders = [order for market in markets for order in market.quotes]
    standing = [order for order in orders if float(order.count) > 0]
    sizes: dict[tuple[str, ...], float] = {}
    for order in standing:
        key = (order.market, order.side)
        sizes[key] = sizes.get(key, 0.0) + float(order.count)
    prices = {(order.market, order.side): float(order.price) for order in standing}
    return {
        "mmbot_quotes": _one(len(standing)),
        "mmbot_orders_in_state": [
            ((state,), count) for state, count in Counter(each.state for each in orders).items()
        ],
        "mmbot_quote_dollars": list(prices.items()),
        "mmbot_quote_contracts": list(sizes.items()),
    }


def _known(values: Iterable[tuple[tuple[str, ...], float | str | None]], per: int = 1) -> _Values:
    """Return the known values, each divided by `per`."""
    return [(labels, float(value) / per) for labels, value in values if value is not None]


def _one(value: float) -> _Values:
    return (((), value),)


def page_of_documentation() -> str:
    """Return `docs/metrics.md`."""
    rows = [
        f"| `{each.name}` | {each.kind} | {', '.join(each.labels) or '—'} | {each.tells} |"
        for each in FIGURES
    ]
    return "\n".join((_HEAD, *rows, ""))


_HEAD = """\
# Metrics

With `port` set in the table `[metrics]` of the config, the daemon serves these metrics at
`http://127.0.0.1:PORT/metrics`, in Prometheus' text format; without it, no port is opened. If it is
the dashboard's port, both are served there. A changed port takes effect within two seconds of
saving the file, without a restart. To reach them by a host name other than `localhost`, add it to
`names` in `[dashboard]`. The values are those of `mmbot status` at the time of the scrape.
`mmbot metrics --grafana` prints a Grafana dashboard, `mmbot metrics --rules` alert rules for these
metrics.

This page is written by `python -m mmbot metrics --page > docs/metrics.md`.

| metric | kind | labels | what it tells |
|---|---|---|---|"""
