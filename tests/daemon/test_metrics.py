"""The metrics as Prometheus reads them, and everything that names one."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from mmbot.bot.latency import Latency
from mmbot.daemon.metrics import FIGURES, Measured, Metrics, page_of_documentation
from mmbot.observe.status import status
from mmbot.status_report import StatusReport, Surroundings
from mmbot.trading.events import Filled
from mmbot.trading.operator_events import Halted
from mmbot.underlying.counts import Counts
from tests.trading.builders import MIDDLE, Bench, fill, market_settled

Sample = dict[tuple[str, tuple[str, ...]], float]
NAMES = {figure.name for figure in FIGURES}
EVENT = "T-26NOV29"


def read(metrics: Metrics) -> Sample:
    """Return every sample by its name and the values of its labels."""
    families = text_string_to_metric_families(metrics.page().decode())
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in families
        for sample in family.samples
    }


def report(bench: Bench, **around: Any) -> StatusReport:
    """Return the status as `mmbot status` shows it."""
    return status(bench.engine.state, Counts(), Surroundings(**around), bench.now)


def measured(bench: Bench, lag_seconds: float = 0.0, **around: Any) -> Metrics:
    return Metrics(lambda: Measured(report(bench, **around), lag_seconds))


@pytest.fixture
def quoting() -> Bench:
    bench = Bench()
    bench.rest()
    return bench


def test_it_tells_what_is_quoted_held_and_believed(quoting: Bench) -> None:
    quoting.handle(fill_of_bid(quoting))
    told = read(measured(quoting, 0.25, stream_age_ms=1_500, log_dropped=3, problems=("a",)))
    state = quoting.engine.state
    (ask,) = [order for order in state.orders if order.side == "ask"]
    assert told["mmbot_streaming", ()] == told["mmbot_reconciled", ()] == 1
    assert told["mmbot_age_seconds", ("stream",)] == 1.5
    assert told["mmbot_loop_lag_seconds", ()] == 0.25
    assert told["mmbot_log_dropped_lines_total", ()] == 3
    assert told["mmbot_quote_dollars", (MIDDLE, "ask")] == ask.price / 10_000
    assert told["mmbot_quote_contracts", (MIDDLE, "ask")] == ask.remaining / 100
    assert told["mmbot_fair_dollars", (MIDDLE,)] == 0.5
    assert told["mmbot_position_contracts", (MIDDLE,)] == 2.0
    assert (told["mmbot_quoting", ()], told["mmbot_problems", ()]) == (1, 1)
    assert told["mmbot_forecast_mean_passengers", (EVENT,)] == 2_700_000
    assert told["mmbot_markets", ()] == 3
    assert told["mmbot_gate_shut_markets", ("no_book",)] == 2
    assert told["mmbot_gate_shut_markets", ("halted",)] == 0
    assert told["mmbot_worst_case_dollars", (EVENT,)] < 0


def fill_of_bid(bench: Bench) -> Filled:
    (bid,) = [order for order in bench.engine.state.orders if order.side == "bid"]
    return Filled(fill("t-1", "o-bid", 200, bid.price, client_id=bid.client_id))


def test_the_limits_left_are_what_may_still_be_lost(quoting: Bench) -> None:
    told = read(measured(quoting))
    worst = told["mmbot_worst_case_dollars", (EVENT,)]
    limit = quoting.engine.state.settings.limits.event_loss_dollars
    assert told["mmbot_limit_left", ("event_loss_dollars", EVENT)] == pytest.approx(limit + worst)
    assert told["mmbot_limit_left", ("daily_loss_dollars", "")] == 100.0


def test_a_halt_is_the_gate_of_every_market(quoting: Bench) -> None:
    quoting.handle(Halted(quoting.now, "lunch"))
    told = read(measured(quoting))
    assert told["mmbot_halted", ()] == 1
    assert told["mmbot_gate_shut_markets", ("halted",)] == 3


def test_what_is_not_known_has_no_value() -> None:
    told = read(measured(Bench()))
    names = {name for name, _ in told}
    assert {"mmbot_age_seconds", "mmbot_cash_dollars", "mmbot_fair_dollars"} & names == set()
    assert told["mmbot_streaming", ()] == 0


def test_a_week_that_is_over_is_still_told(quoting: Bench) -> None:
    for ticker in quoting.engine.state.event_of_market:
        quoting.handle(market_settled(ticker, 0))
    assert read(measured(quoting))["mmbot_gate_shut_markets", ("settled",)] == 3


def test_counters_count_what_the_bot_says() -> None:
    metrics = Metrics()
    for _ in range(2):
        metrics.heard("order.place", {"market": MIDDLE})
    metrics.heard("order.cancel", {})
    metrics.heard("order.refused", {"refusal": "post_only_cross"})
    metrics.heard("order.unknown", {})
    metrics.heard("fill", {"count": "2.50"})
    metrics.heard("something.else", {})
    told = read(metrics)
    assert told["mmbot_orders_placed_total", ()] == 2
    assert told["mmbot_orders_cancelled_total", ()] == 1
    assert told["mmbot_orders_refused_total", ("post_only_cross",)] == 1
    assert told["mmbot_orders_unknown_total", ()] == 1
    assert (told["mmbot_fills_total", ()], told["mmbot_filled_contracts_total", ()]) == (1, 2.5)


def test_the_time_from_a_frame_to_an_order_is_a_histogram() -> None:
    metrics = Metrics()
    metrics.reacted(0.0015)
    told = read(metrics)
    assert told["mmbot_reaction_seconds_count", ()] == 1
    assert told["mmbot_reaction_seconds_bucket", ("0.001",)] == 0
    assert told["mmbot_reaction_seconds_bucket", ("0.002",)] == 1


def test_what_the_status_tells_of_quickness_is_a_histogram_in_seconds(quoting: Bench) -> None:
    latency = Latency()
    latency.lag_ms.add(1.5)
    latency.lag_ms.add(90_000.0)
    latency.risk_cent_seconds.add(250.0)
    told = read(Metrics(lambda: Measured(report(quoting), latency=latency)))
    assert told["mmbot_loop_late_seconds_bucket", ("0.001",)] == 0
    assert told["mmbot_loop_late_seconds_bucket", ("0.002",)] == 1
    assert told["mmbot_loop_late_seconds_bucket", ("+Inf",)] == 2
    assert told["mmbot_loop_late_seconds_sum", ()] == pytest.approx(90.0015)
    assert told["mmbot_release_risk_dollar_seconds_sum", ()] == pytest.approx(2.5)
    assert told["mmbot_frame_age_seconds_count", ()] == 0


def test_the_process_is_measured_without_the_rest_of_proc() -> None:
    told = read(Metrics())
    assert told["process_cpu_seconds_total", ()] > 0
    assert told["process_resident_memory_bytes", ()] > 1_000_000
    assert told["process_open_fds", ()] >= 3


# What names metrics


def test_the_page_of_the_documentation_is_the_registrys() -> None:
    assert Path("docs/metrics.md").read_text(encoding="utf-8") == page_of_documentation()


def test_every_metric_says_what_it_tells_and_bears_its_kind_in_its_name() -> None:
    assert len(NAMES) == len(FIGURES)
    for figure in FIGURES:
        assert figure.tells.endswith(".")
        assert figure.name.endswith("_total") == (figure.kind == "counter")


def packaged(name: str) -> str:
    return resources.files("mmbot.daemon").joinpath(name).read_text(encoding="utf-8")


def metrics_in(expression: str) -> set[str]:
    named = re.findall(r"\b(?:mmbot|process)_[a-z_]+", expression)
    return {name.removesuffix("_bucket") for name in named}


def test_the_board_draws_only_what_there_is() -> None:
    board = orjson.loads(packaged("grafana.json"))
    drawn = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    assert len(drawn) > 15
    assert all(map(metrics_in, drawn))
    assert set().union(*map(metrics_in, drawn)) <= NAMES
    places = [tuple(sorted(panel["gridPos"].items())) for panel in board["panels"]]
    assert len(set(places)) == len(places)


def test_the_rules_warn_only_of_what_there_is() -> None:
    (group,) = yaml.safe_load(packaged("alert_rules.yml"))["groups"]
    rules = group["rules"]
    assert len({rule["alert"] for rule in rules}) == len(rules) > 5
    for rule in rules:
        assert metrics_in(rule["expr"]) <= NAMES
        assert metrics_in(rule["expr"]) or rule["expr"].startswith("up{")
        assert rule["annotations"]["summary"].endswith(".")
        assert rule["labels"]["severity"] in {"critical", "warning"}
