"""What the daemon measures of itself, for Prometheus: a registry of its own, fed at each scrape.

Gauges are read from the bot's state when they are asked for, so none is ever stale; counters follow
what the bot has said (`heard`). Money is in dollars, times are in seconds. `FIGURES` names every
metric, and `docs/metrics.md` is written from it.
"""

from __future__ import annotations

import os
import resource
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, TypeAlias

import msgspec
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from mmbot.trading.gate_checks import service_gate
from mmbot.trading.gates import Gate
from mmbot.trading.state import EventState, TradingState
from mmbot.units import MONEY_PER_DOLLAR, ONE_CONTRACT, ONE_DOLLAR, Milliseconds, Money

_Kind: TypeAlias = Literal["gauge", "counter"]
_Values: TypeAlias = Iterable[tuple[tuple[str, ...], float]]


class Figure(msgspec.Struct, frozen=True):
    """One metric: its name, what it tells, its labels and its kind."""

    name: str
    tells: str
    labels: tuple[str, ...] = ()
    kind: _Kind = "gauge"


_MARKET, _EVENT = ("market",), ("event",)
FIGURES = (
    Figure("mmbot_started_timestamp_seconds", "When the session began, since 1970."),
    Figure("mmbot_streaming", "1 while everything on the exchange's stream is subscribed."),
    Figure("mmbot_reconciled", "1 while the account was read since the stream came up."),
    Figure("mmbot_halted", "1 while the operator has halted it."),
    Figure("mmbot_feed_age_seconds", "Time since the exchange sent the last frame."),
    Figure("mmbot_book_age_seconds", "Time since the last message about a market's book.", _MARKET),
    Figure("mmbot_loop_lag_seconds", "How much too late the event loop came to the last look."),
    Figure("mmbot_quotes", "Own orders that rest, or may rest, at the exchange."),
    Figure("mmbot_orders_in_state", "Own orders, by what is known of them.", ("state",)),
    Figure("mmbot_quote_dollars", "Price of an own quote, in YES.", ("market", "side")),
    Figure("mmbot_quote_contracts", "Contracts of an own quote that rest.", ("market", "side")),
    Figure("mmbot_fair_dollars", "Fair value of YES.", _MARKET),
    Figure("mmbot_mid_dollars", "The market's own midpoint, own orders taken out.", _MARKET),
    Figure("mmbot_position_contracts", "Contracts held, YES positive.", _MARKET),
    Figure("mmbot_pnl_dollars", "The event's P&L with positions at fair value.", _EVENT),
    Figure("mmbot_worst_case_dollars", "The event's P&L in its worst outcome.", _EVENT),
    Figure("mmbot_event_limit_left_dollars", "What the event may still lose.", _EVENT),
    Figure("mmbot_day_pnl_dollars", "Today's P&L over all events."),
    Figure("mmbot_day_limit_left_dollars", "What today may still lose."),
    Figure("mmbot_cash_dollars", "The account's cash, costs of open positions added back."),
    Figure("mmbot_markets", "Markets that are listed."),
    Figure("mmbot_gate_shut_markets", "Markets that a gate keeps from being quoted.", ("gate",)),
    Figure("mmbot_forecast_mean_passengers", "Mean of the week's forecast average.", _EVENT),
    Figure("mmbot_forecast_sd_passengers", "Standard deviation of that forecast.", _EVENT),
    Figure("mmbot_days_published", "Counts of the week that the forecast knows.", _EVENT),
    Figure("mmbot_capture_bytes", "What this session's capture takes on disk."),
    Figure("mmbot_orders_placed_total", "Orders sent.", kind="counter"),
    Figure("mmbot_orders_cancelled_total", "Cancels sent.", kind="counter"),
    Figure("mmbot_orders_refused_total", "Writes refused, by reason.", ("reason",), "counter"),
    Figure("mmbot_orders_unknown_total", "Writes whose outcome was not known.", kind="counter"),
    Figure("mmbot_fills_total", "Fills booked.", kind="counter"),
    Figure("mmbot_filled_contracts_total", "Contracts filled.", kind="counter"),
    Figure("mmbot_stream_losses_total", "Times that the stream was lost.", kind="counter"),
    Figure("mmbot_log_dropped_lines_total", "Log lines that nobody read.", kind="counter"),
    Figure("process_cpu_seconds_total", "CPU time of this process.", kind="counter"),
    Figure("process_resident_memory_bytes", "Memory of this process."),
    Figure("process_open_fds", "Open file descriptors of this process."),
)

# The counter that a line of the log raises.
_COUNTED = {
    "order.place": "mmbot_orders_placed_total",
    "order.cancel": "mmbot_orders_cancelled_total",
    "order.refused": "mmbot_orders_refused_total",
    "order.unknown": "mmbot_orders_unknown_total",
    "fill": "mmbot_fills_total",
    "stream.lost": "mmbot_stream_losses_total",
}


class Measured(msgspec.Struct, frozen=True):
    """What a scrape reads beside the bot's state.

    Attributes:
        state: The engine's state.
        now: The bot's time.
        began: When the session began.
        feed_age_ms: The time since the exchange sent the last frame; `None` before the first.
        lag_seconds: How much too late the loop came to the latest look.
        log_dropped: How many log lines were dropped.
        capture_bytes: The size of this session's capture.
    """

    state: TradingState
    now: Milliseconds
    began: Milliseconds
    feed_age_ms: Milliseconds | None = None
    lag_seconds: float = 0.0
    log_dropped: int = 0
    capture_bytes: int = 0


class Metrics:
    """One process's metrics; counters go on over the sessions of a process."""

    def __init__(self, measure: Callable[[], Measured] | None = None) -> None:
        """Begin at zero; `measure` is called at each scrape."""
        self.measure = measure
        self._counters: dict[str, Counter[tuple[str, ...]]] = {
            figure.name: Counter() if figure.labels else Counter({(): 0})
            for figure in FIGURES
            if figure.kind == "counter"
        }
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def heard(self, name: str, fields: Mapping[str, Any]) -> None:
        """Count what the bot has said, a line of its log."""
        counter = _COUNTED.get(name)
        if counter is None:
            return
        labels = (str(fields["refusal"]),) if name == "order.refused" else ()
        self._counters[counter][labels] += 1
        if name == "fill":
            self._counters["mmbot_filled_contracts_total"][()] += float(fields["count"])  # type: ignore[assignment]

    def page(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return generate_latest(self._registry)

    def describe(self) -> Iterator[Metric]:
        """Yield every metric without a value, as a registry asks for them."""
        return (_family(figure, ()) for figure in FIGURES)

    def collect(self) -> Iterator[Metric]:
        """Yield every metric that has a value now."""
        values: dict[str, _Values] = {
            name: tuple(counter.items()) for name, counter in self._counters.items()
        }
        values |= _of_process()
        if self.measure is not None:
            measured = self.measure()
            values["mmbot_log_dropped_lines_total"] = (((), measured.log_dropped),)
            values |= _of_bot(measured)
        return (_family(figure, values.get(figure.name, ())) for figure in FIGURES)


def _family(figure: Figure, values: _Values) -> Metric:
    family: GaugeMetricFamily | CounterMetricFamily
    if figure.kind == "gauge":
        family = GaugeMetricFamily(figure.name, figure.tells, labels=figure.labels)
    else:
        family = CounterMetricFamily(figure.name, figure.tells, labels=figure.labels)
    for labels, value in values:
        family.add_metric(labels, value)
    return family


def _of_process() -> dict[str, _Values]:
    used = resource.getrusage(resource.RUSAGE_SELF)
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return {
        "process_cpu_seconds_total": _one(used.ru_utime + used.ru_stime),
        "process_resident_memory_bytes": _one(pages * resource.getpagesize()),
        "process_open_fds": _one(len(os.listdir("/proc/self/fd"))),  # noqa: PTH208 (as it is)
    }


def _of_bot(measured: Measured) -> dict[str, _Values]:
    state, now = measured.state, measured.now
    age = measured.feed_age_ms
    values: dict[str, _Values] = {
        "mmbot_started_timestamp_seconds": _one(measured.began / 1000),
        "mmbot_streaming": _one(state.service.streaming),
        "mmbot_reconciled": _one(state.service.reconciled),
        "mmbot_halted": _one(state.service.halted),
        "mmbot_feed_age_seconds": () if age is None else _one(age / 1000),
        "mmbot_loop_lag_seconds": _one(measured.lag_seconds),
        "mmbot_cash_dollars": () if state.cash is None else _one(_dollars(state.cash)),
        "mmbot_markets": _one(len(state.event_of_market)),
        "mmbot_capture_bytes": _one(measured.capture_bytes),
    }
    return (
        values
        | _of_orders(state)
        | _of_day(state, now)
        | _of_markets(state, now)
        | _of_events(state)
    )


def _of_orders(state: TradingState) -> dict[str, _Values]:
    standing = [order for order in state.orders if order.remaining > 0]
    states = Counter(str(order.state) for order in state.orders)
    sizes: Counter[tuple[str, ...]] = Counter()
    for order in standing:
        sizes[order.ticker, order.side] += order.remaining
    return {
        "mmbot_quotes": _one(len(standing)),
        "mmbot_orders_in_state": [((name,), count) for name, count in states.items()],
        "mmbot_quote_dollars": list(
            {(o.ticker, str(o.side)): o.price / ONE_DOLLAR for o in standing}.items()
        ),
        "mmbot_quote_contracts": [(key, size / ONE_CONTRACT) for key, size in sizes.items()],
    }


def _of_day(state: TradingState, now: Milliseconds) -> dict[str, _Values]:
    lost = state.losses.loss(state.clock.at(now).date())
    left = Money(state.settings.limits.daily_loss - lost)
    return {
        "mmbot_day_pnl_dollars": _one(-_dollars(lost)),
        "mmbot_day_limit_left_dollars": _one(_dollars(left)),
    }


def _of_markets(state: TradingState, now: Milliseconds) -> dict[str, _Values]:
    gate = service_gate(state.service)
    shut = Counter(dict.fromkeys(Gate, 0))
    books, fairs, mids, positions = {}, {}, {}, {}
    for event, market in state.markets():
        key = (market.ticker,)
        of_market = market.shut_gate.gate if market.shut_gate else None
        if (kept_by := gate or of_market) is not None:
            shut[kept_by] += 1
        if market.book is not None:
            books[key] = (now - market.book_at) / 1000
        if market.fair is not None:
            fairs[key] = market.fair
        if market.market_mid.live and market.market_mid.mid is not None:
            mids[key] = market.market_mid.mid
        positions[key] = event.portfolio.position(market.ticker) / ONE_CONTRACT
    return {
        "mmbot_gate_shut_markets": [((str(each),), count) for each, count in shut.items()],
        "mmbot_book_age_seconds": books.items(),
        "mmbot_fair_dollars": fairs.items(),
        "mmbot_mid_dollars": mids.items(),
        "mmbot_position_contracts": positions.items(),
    }


def _of_events(state: TradingState) -> dict[str, _Values]:
    events: dict[tuple[str, ...], EventState] = {
        (event.ticker,): event for event in state.events.values()
    }
    worst = {
        key: min(event.portfolio.wealth(state.exposures(event))) for key, event in events.items()
    }
    marked = {key: event.marked_pnl() for key, event in events.items()}
    believed = {key: event.belief for key, event in events.items()}

    def left(key: tuple[str, ...], event: EventState) -> float:
        return _dollars(Money(worst[key] - state.floor(event)))

    return {
        "mmbot_worst_case_dollars": [(key, _dollars(money)) for key, money in worst.items()],
        "mmbot_event_limit_left_dollars": [(key, left(key, e)) for key, e in events.items()],
        "mmbot_pnl_dollars": [(key, _dollars(m)) for key, m in marked.items() if m is not None],
        "mmbot_days_published": [(key, event.days_published) for key, event in events.items()],
        "mmbot_forecast_mean_passengers": [(k, b.mean) for k, b in believed.items() if b],
        "mmbot_forecast_sd_passengers": [(k, b.sd) for k, b in believed.items() if b],
    }


def _one(value: float) -> _Values:
    return (((), value),)


def _dollars(money: Money) -> float:
    return money / MONEY_PER_DOLLAR


def page_of_documentation() -> str:
    """Return `docs/metrics.md`."""
    rows = [
        f"| `{each.name}` | {each.kind} | {', '.join(each.labels) or '—'} | {each.tells} |"
        for each in FIGURES
    ]
    return "\n".join((_HEAD, *rows, ""))


_HEAD = """\
# Metrics

With `port` in the table `[metrics]` of the config the daemon serves these at
`http://127.0.0.1:PORT/metrics`, in the format of Prometheus; without one it opens nothing. They are
read from the bot's state when they are asked for, on the bot's own loop. `mmbot metrics --grafana`
prints a board, `mmbot metrics --rules` the alert rules that belong to them.

This page is written by `python -m mmbot metrics --page > docs/metrics.md`.

| metric | kind | labels | what it tells |
|---|---|---|---|"""
