"""What paper orders are charged: what the real exchange would take."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from mmbot.kalshi.http import BASE_PATH, HttpAnswer, HttpRequest
from tests.paper.bench import EVENT, LIFECYCLE_SID, NOW, Bench, Frame, of_type

MAKER, COMBO = "quadratic_with_maker_fees", "quadratic_with_combo_maker_fees"


def observe(bench: Bench, path: str, body: Any) -> None:
    request = HttpRequest("GET", BASE_PATH + path)
    bench.venue.observe_answer(request, HttpAnswer(200, orjson.dumps(body)), bench.now)


def series(bench: Bench, kind: Any, multiplier: Any = 1) -> None:
    stated = {"fee_type": kind, "fee_multiplier": multiplier}
    observe(bench, "/series/KXTSAW", {"series": stated})


def charged(bench: Bench) -> str:
    """The fee of ten contracts that fill at 43 cents."""
    assert bench.place("bid", "0.4300", client_order_id=f"mmbot-{bench.trades}")[0] == 201
    heard = bench.trade("0.4200", "10.00", trade_id=f"t-{bench.trades}")
    (fill,) = of_type(heard, "fill")
    return str(fill["fee_cost"])


def test_a_series_of_which_nothing_is_known_is_free(bench: Bench) -> None:
    assert charged(bench) == "0.000000"


@pytest.mark.parametrize(
    ("kind", "multiplier", "fee"),
    [
        ("quadratic", 1, "0.000000"),
        # 0.0175 x 10 x 0.43 x 0.57 = 0.0428925
        (MAKER, 1, "0.042900"),
        (MAKER, "0.5", "0.021500"),
        (COMBO, 1, "0.085800"),
        # As takers are charged, which is what the simulated exchange does.
        ("round", 1, "0.171600"),
    ],
)
def test_the_series_fee_is_charged(bench: Bench, kind: str, multiplier: Any, fee: str) -> None:
    series(bench, kind, multiplier)
    assert charged(bench) == fee


def test_an_event_s_own_fee_is_charged_once_it_is_told_until_that_ends(bench: Bench) -> None:
    frame = {"type": "event_fee_update", "sid": LIFECYCLE_SID}
    for seq, kind, fee in ((1, MAKER, "0.042900"), (2, None, "0.000000")):
        message: Frame = {"event_ticker": EVENT, "fee_type_override": kind}
        message["fee_multiplier_override"] = kind and 1
        assert of_type(bench.hear(frame | {"seq": seq, "msg": message}), "event_fee_update")
        bench.now += 1_000
        assert charged(bench) == fee


def test_a_row_that_leaves_out_an_event_s_own_fee_does_not_end_it(bench: Bench) -> None:
    own = {"event_ticker": EVENT, "fee_type_override": MAKER, "fee_multiplier_override": 1}
    observe(bench, "/events", {"events": [own]})
    bench.now += 1_000
    observe(bench, "/events", {"events": [{"event_ticker": EVENT}]})
    assert charged(bench) == "0.042900"


@pytest.mark.parametrize(
    ("path", "row", "within"),
    [
        (
            "/series/fee_changes",
            {"series_ticker": "KXTSAW", "fee_type": MAKER, "fee_multiplier": 1},
            "series_fee_change_arr",
        ),
        (
            "/events/fee_changes",
            {"event_ticker": EVENT, "fee_type_override": MAKER, "fee_multiplier_override": 1},
            "event_fee_changes",
        ),
    ],
)
def test_a_scheduled_change_is_charged_from_its_time_on(
    bench: Bench, path: str, row: dict[str, Any], within: str
) -> None:
    change = row | {"scheduled_ts": "2026-11-28T14:10:00Z"}
    at = 1_795_875_000_000
    observe(bench, path, {within: [change, change | {"fee_type": "flat", "series_ticker": "X"}]})
    assert charged(bench) == "0.000000"
    bench.now = at
    assert at > NOW
    bench.hear({"type": "ok"})
    assert charged(bench) == "0.042900"


def test_what_is_not_what_it_promises_to_be_changes_nothing(bench: Bench) -> None:
    observe(bench, "/series/KXTSAW", {"series": 3})
    observe(bench, "/series/fee_changes", {"series_fee_change_arr": 3})
    assert charged(bench) == "0.000000"
