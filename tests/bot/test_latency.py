from __future__ import annotations

import pytest

from mmbot.bot.latency import BOUNDS, Histogram, Latency


def test_a_percentile_is_no_less_than_the_truth_and_at_most_a_quarter_more() -> None:
    histogram = Histogram()
    durations = [0.02 * 1.1**step for step in range(120)]
    for duration in durations:
        histogram.add(duration)
    for share in (0.1, 0.5, 0.9, 0.99):
        truth = sorted(durations)[round(share * len(durations)) - 1]
        found = histogram.percentile(share)
        assert found is not None
        assert truth <= found <= 1.27 * truth


@pytest.mark.parametrize("duration", [-5.0, 0.0, BOUNDS[-1] * 10])
def test_what_is_beyond_the_buckets_is_counted_all_the_same(duration: float) -> None:
    histogram = Histogram()
    histogram.add(duration)
    assert len(histogram) == 1
    assert histogram.percentile(0.99) == max(0.0, duration)


def test_of_nothing_there_is_no_percentile() -> None:
    assert Histogram().percentile(0.5) is None
    assert Histogram().summary() == {}


def test_a_line_tells_what_came_since_the_last_one() -> None:
    latency = Latency()
    latency.frames = 10
    latency.order_us.add(100.0)
    first = latency.tell()
    latency.frames = 12
    latency.lag_ms.add(2.0)
    second = latency.tell()
    assert (first["frames"], second["frames"]) == (10, 2)
    assert first["order_us"] == {"n": 1, "p50": 100.0, "p99": 100.0, "max": 100.0}
    assert second["order_us"] == {}
    assert second["lag_ms"] == {"n": 1, "p50": 2.0, "p99": 2.0, "max": 2.0}
    assert {name: len(all_of_it) for name, all_of_it in latency} == {
        "order_us": 1,
        "age_ms": 0,
        "lag_ms": 1,
        "risk_cent_seconds": 0,
    }
