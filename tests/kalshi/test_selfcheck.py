from __future__ import annotations

import datetime as dt
from email.utils import formatdate
from typing import Any

import msgspec
import pytest

from mmbot.config import Settings
from mmbot.kalshi.http import HttpAnswer, HttpRequest
from mmbot.kalshi.selfcheck import Finding, SelfCheck, failures, is_ready, unknown
from mmbot.trading.portfolio import worst_case
from mmbot.trading.position_check import contradiction_at_start
from mmbot.trading.values import Fill
from tests.kalshi.builders import (
    EVENT,
    LISTED,
    MARKET,
    REST_FILL,
    REST_ORDER,
    A,
    B,
    answer,
    changed,
    error,
)

NOW = 1_795_874_400_000
OPEN = {"exchange_active": True, "trading_active": True}
KEY = {"api_key_id": "key-id", "name": "n", "scopes": ["read", "write::trade"]}
NO_GRID_B = changed(MARKET, ticker=B, floor_strike=2_800_000, price_ranges=[])
HELD = "KXTSAW-26NOV22"
CLOSED: dict[str, Any] = {
    "event_ticker": HELD,
    "markets": [changed(MARKET, ticker=f"{HELD}-A2.70", status="closed", result="")],
}


class Exchange:
    """Answers an examination from a table of paths."""

    def __init__(self, paths: dict[str, Any] | None = None, offset: int = 0) -> None:
        self.asked: list[HttpRequest] = []
        self.recorded: tuple[Fill, ...] = ()
        date = ("date", formatdate((NOW - 500 + offset) / 1000, usegmt=True))
        self.paths: dict[str, Any] = {
            "/exchange/status": HttpAnswer(200, answer(OPEN).body, (date,)),
            "/api_keys": {"api_keys": [KEY]},
            "/account/limits": {"write": {"refill_rate": 100, "bucket_capacity": 100}},
            "/account/endpoint_costs": {"default_cost": 10, "endpoint_costs": []},
            "/events": {"events": [LISTED], "cursor": ""},
            "/series/KXTSAW": {"series": {"fee_type": "quadratic"}},
            "/series/fee_changes": {"series_fee_change_arr": []},
            "/events/fee_changes": {"event_fee_changes": [], "cursor": ""},
            "/portfolio/orders": {"orders": [REST_ORDER]},
            "/portfolio/fills": {"fills": [REST_FILL]},
            "/portfolio/positions": {"market_positions": [{"ticker": A, "position_fp": "10.00"}]},
            "/portfolio/balance": {"balance": 1_000_00},
        } | (paths or {})

    def examine(self, *held: str, **sections: Any) -> tuple[SelfCheck, dict[str, Finding]]:
        settings = msgspec.convert({"mode": "demo"} | sections, Settings)
        examination = SelfCheck(
            settings, "key-id", held, lambda: NOW, worst_case, contradiction_at_start, self.recorded
        )
        steps = examination.run()
        try:
            request = next(steps)
            while True:
                self.asked.append(request)
                answered = self.paths.get(request.path, HttpAnswer(404))
                answered = answered.pop(0) if isinstance(answered, list) else answered
                request = steps.send(answer(answered) if isinstance(answered, dict) else answered)
        except StopIteration as end:
            return examination, {finding.name: finding for finding in end.value}

    def finding(self, name: str, *held: str, **sections: Any) -> Finding:
        return self.examine(*held, **sections)[1][name]


def test_an_account_that_is_fit_to_trade_is_ready() -> None:
    exchange = Exchange()
    examination, findings = exchange.examine()
    assert {finding.state for finding in findings.values()} == {"ok"}
    assert is_ready(tuple(findings.values()))
    assert [event.ticker for event in examination.listed] == [EVENT]
    assert findings["resting orders"].detail == (
        "1 of mmbot's to be adopted, 0 of others to be left alone"
    )
    assert findings["positions"].detail == "1 markets held, 1 fills, and the two agree"


def test_nothing_is_written() -> None:
    exchange = Exchange()
    exchange.examine()
    assert {request.method for request in exchange.asked} == {"GET"}


def test_a_waiting_finding_is_not_ready_but_no_failure() -> None:
    findings = (Finding("a", "ok", ""), Finding("b", "warn", ""), Finding("c", "wait", "x"))
    assert is_ready(findings[:2])
    assert not is_ready(findings)
    assert failures(findings) == []
    assert failures((Finding("d", "fail", "why"),)) == ["d: why"]


@pytest.mark.parametrize(
    ("offset", "state"), [(0, "ok"), (1500, "ok"), (4000, "fail"), (-4000, "fail")]
)
def test_a_clock_that_is_off_fails(offset: int, state: str) -> None:
    assert Exchange(offset=offset).finding("clock").state == state


@pytest.mark.parametrize("answered", [OPEN, HttpAnswer(200, answer(OPEN).body, (("date", "now"),))])
def test_an_exchange_without_a_readable_date_warns(answered: Any) -> None:
    assert Exchange({"/exchange/status": answered}).finding("clock").state == "warn"


@pytest.mark.parametrize(
    ("scopes", "mode", "state"),
    [
        (["read", "write::trade"], "live", "ok"),
        (["read", "write"], "live", "warn"),
        (["read", "write::trade", "write::transfer"], "live", "warn"),
        (["read"], "live", "fail"),
        (["read"], "paper", "ok"),
        (["write::trade"], "live", "fail"),
    ],
)
def test_a_key_needs_to_read_and_to_trade_and_no_more(
    scopes: list[str], mode: str, state: str
) -> None:
    exchange = Exchange({"/api_keys": {"api_keys": [KEY | {"scopes": scopes}]}})
    assert exchange.finding("api key", mode=mode).state == state


def test_keys_that_cannot_be_read_hide_no_other() -> None:
    keys = {"api_keys": [None, 3, {"name": "old"}, {"api_key_id": 7, "scopes": "all"}, KEY]}
    assert Exchange({"/api_keys": keys}).finding("api key").state == "ok"


def test_a_key_that_is_not_listed_fails() -> None:
    keys = {"api_keys": [KEY | {"api_key_id": "another"}]}
    assert Exchange({"/api_keys": keys}).finding("api key").state == "fail"


@pytest.mark.parametrize(
    ("status", "state"),
    [
        (OPEN, "ok"),
        (OPEN | {"trading_active": False}, "wait"),
        (OPEN | {"exchange_index_statuses": [{"exchange_index": 0, **OPEN}]}, "ok"),
        (
            OPEN
            | {
                "exchange_index_statuses": [
                    {"exchange_index": 0, "exchange_active": True, "trading_active": False}
                ]
            },
            "wait",
        ),
    ],
)
def test_a_pause_of_the_exchange_or_the_shard_waits(status: Any, state: str) -> None:
    assert Exchange({"/exchange/status": status}).finding("exchange").state == state


def test_an_exchange_that_is_down_waits() -> None:
    exchange = Exchange({"/exchange/status": HttpAnswer(503)})
    assert exchange.finding("exchange").state == "wait"


MAKER_FEES = {"fee_type": "quadratic_with_maker_fees", "fee_multiplier": 1}


def test_a_fee_that_makers_pay_is_told_and_fails_nothing() -> None:
    finding = Exchange({"/series/KXTSAW": {"series": MAKER_FEES}}).finding("fees")
    assert finding.state == "ok"
    assert finding.detail == (
        "quadratic_with_maker_fees: resting orders pay up to 0.44 cents a contract; no change is "
        "scheduled"
    )


@pytest.mark.parametrize(
    ("kind", "minutes", "state", "told"),
    [
        ("quadratic_with_maker_fees", 60, "ok", "quadratic_with_maker_fees x0.5: resting orders"),
        ("quadratic", 60, "ok", "quadratic x0.5: nothing for resting orders"),
        ("flat", 60, "warn", "flat, under which nothing is quoted"),
        ("flat", 1, "fail", "the fee of resting orders is not known: fee_type flat"),
    ],
)
def test_a_scheduled_change_is_told(kind: str, minutes: int, state: str, told: str) -> None:
    scheduled = dt.datetime.fromtimestamp(NOW / 1000 + minutes * 60, dt.UTC).isoformat()
    row = {"series_ticker": "KXTSAW", "fee_type": kind, "fee_multiplier": 0.5}
    changes = {"series_fee_change_arr": [row | {"scheduled_ts": scheduled}]}
    finding = Exchange({"/series/fee_changes": changes}).finding("fees")
    assert finding.state == state
    assert told in finding.detail


def test_a_scheduled_change_of_an_event_is_told() -> None:
    scheduled = dt.datetime.fromtimestamp(NOW / 1000 + 3600, dt.UTC).isoformat()
    row = {"event_ticker": EVENT, "fee_type_override": "flat", "scheduled_ts": scheduled}
    finding = Exchange({"/events/fee_changes": {"event_fee_changes": [row]}}).finding("fees")
    assert finding.state == "warn"
    assert "flat, under which nothing is quoted" in finding.detail


def test_changes_of_fees_that_are_too_many_to_be_read_are_told() -> None:
    pages = [{"event_fee_changes": [], "cursor": str(page)} for page in range(51)]
    finding = Exchange({"/events/fee_changes": pages}).finding("fees")
    assert finding.state == "warn"
    assert "more than 50 pages; the others are not read" in finding.detail


def test_what_an_event_may_lose_has_the_fees_of_its_live_orders() -> None:
    _, free = Exchange().examine()
    own = changed(LISTED, **{f"{name}_override": value for name, value in MAKER_FEES.items()})
    _, charged = Exchange({"/events": {"events": [own]}}).examine()
    assert "event may lose $89.50 more" in free["balance"].detail
    assert "event may lose $89.43 more" in charged["balance"].detail


@pytest.mark.parametrize("override", [None, "flat"])
def test_a_fee_of_no_known_kind_fails(override: str | None) -> None:
    if override:
        events = {"events": [changed(LISTED, fee_type_override=override)]}
        exchange = Exchange({"/events": events})
    else:
        exchange = Exchange({"/series/KXTSAW": {"series": {"fee_type": "flat"}}})
    assert exchange.finding("fees").state == "fail"


@pytest.mark.parametrize(
    ("path", "answered", "name"),
    [
        ("/portfolio/orders", {}, "resting orders"),
        ("/portfolio/fills", {"fills": []}, "positions"),
        ("/portfolio/positions", {"market_positions": []}, "positions"),
        ("/portfolio/balance", {"balance": "much"}, "balance"),
        ("/account/limits", {}, "rate limits"),
        ("/portfolio/balance", HttpAnswer(403), "balance"),
    ],
)
def test_a_row_that_is_missing_or_cannot_be_read_fails(path: str, answered: Any, name: str) -> None:
    finding = Exchange({path: answered}).finding(name)
    assert finding.state == "fail"
    assert finding.detail


@pytest.mark.parametrize(
    ("path", "answered", "name"),
    [
        ("/events", {"events": [LISTED, changed(LISTED, event_ticker="KXTSAW-1")]}, "markets"),
        ("/events", {"events": [changed(LISTED, markets=[MARKET, NO_GRID_B])]}, "markets"),
        ("/portfolio/orders", {"orders": [changed(REST_ORDER, book_side=...)]}, "resting orders"),
        ("/portfolio/fills", {"fills": [changed(REST_FILL, count_fp="x")]}, "positions"),
        ("/portfolio/positions", {"market_positions": [{"ticker": A}]}, "positions"),
    ],
)
def test_what_of_ours_cannot_be_read_costs_only_itself(path: str, answered: Any, name: str) -> None:
    _, findings = Exchange({path: answered}).examine()
    assert findings[name].state == "warn"
    assert "cannot be read" in findings[name].detail
    assert failures(tuple(findings.values())) == []


@pytest.mark.parametrize("markets", [[{"ticker": A}], [changed(MARKET, price_ranges=[])]])
def test_an_event_that_cannot_be_read_is_waited_for_with_its_position(markets: list[Any]) -> None:
    odd = {"events": [changed(LISTED, markets=markets)]}
    _, findings = Exchange({"/events": odd}).examine()
    assert findings["markets"].state == "wait"
    assert findings["positions"].state == "warn"
    assert failures(tuple(findings.values())) == []


def test_what_is_not_ours_costs_nothing_however_it_looks() -> None:
    odd = changed(REST_ORDER, client_order_id="by-hand", book_side=..., yes_price_dollars="0.00455")
    _, findings = Exchange(
        {
            "/portfolio/orders": {"orders": [odd, REST_ORDER]},
            "/portfolio/fills": {"fills": [{"ticker": "KXBTC-1"}, REST_FILL]},
            "/portfolio/positions": {
                "market_positions": [{"ticker": "KXBTC-1"}, {"ticker": A, "position_fp": "10.00"}]
            },
            "/series/fee_changes": {"series_fee_change_arr": [3, {"series_ticker": "KXFED"}]},
        }
    ).examine()
    assert {finding.state for finding in findings.values()} == {"ok"}


def test_a_market_paid_a_fraction_is_decided() -> None:
    paid = changed(
        CLOSED["markets"][0],
        status="finalized",
        result="scalar",
        settlement_value_dollars="0.3800",
    )
    fills = [REST_FILL, changed(REST_FILL, ticker=paid["ticker"], trade_id="t-2", fill_id="t-2")]
    paths = {
        f"/events/{HELD}": {"event": changed(CLOSED, markets=[paid])},
        "/portfolio/fills": {"fills": fills},
    }
    assert Exchange(paths).finding("positions", HELD).state == "ok"


@pytest.mark.parametrize("fee_type", [None, "", ..., 3, "Quadratic"])
def test_a_fee_that_is_not_stated_fails(fee_type: Any) -> None:
    exchange = Exchange({"/series/KXTSAW": {"series": changed({}, fee_type=fee_type)}})
    assert exchange.finding("fees").state == "fail"


@pytest.mark.parametrize(
    "answered",
    [
        None,
        HttpAnswer(502),
        HttpAnswer(429),
        HttpAnswer(408),
        HttpAnswer(425),
        error(409, "exchange_is_paused"),
        error(400, "EXCHANGE_UNAVAILABLE"),
    ],
)
def test_without_an_answer_a_check_waits(answered: HttpAnswer | None) -> None:
    assert Exchange({"/portfolio/positions": answered}).finding("positions").state == "wait"


@pytest.mark.parametrize("answered", [None, HttpAnswer(502), HttpAnswer(429)])
@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("/exchange/status", {"clock", "exchange"}),
        ("/api_keys", {"api key"}),
        ("/account/limits", {"rate limits"}),
        ("/events", {"markets", "exchange", "fees", "positions", "balance"}),
        ("/series/KXTSAW", {"fees"}),
        ("/portfolio/orders", {"resting orders", "balance"}),
        ("/portfolio/positions", {"positions", "balance"}),
        ("/portfolio/balance", {"balance"}),
    ],
)
def test_a_check_without_an_answer_and_those_that_build_upon_it_are_not_known(
    path: str, names: set[str], answered: HttpAnswer | None
) -> None:
    _, findings = Exchange({path: answered}).examine()
    assert set(unknown(tuple(findings.values()))) == names


def test_what_was_answered_is_known_though_it_waits_or_fails() -> None:
    paused = {"/exchange/status": OPEN | {"trading_active": False}}
    _, findings = Exchange(
        paused | {"/api_keys": {"api_keys": []}, "/events": {"events": []}}
    ).examine()
    assert {findings[name].state for name in ("exchange", "markets", "api key")} == {"wait", "fail"}
    assert unknown(tuple(findings.values())) == {}


def test_a_failure_that_builds_upon_an_unknown_check_is_no_reason_to_end() -> None:
    poor = {"/portfolio/balance": {"balance": 9_000}, "/portfolio/positions": None}
    _, findings = Exchange(poor).examine()
    assert findings["balance"].state == "fail"
    assert failures(tuple(findings.values())) == []


def test_no_event_yet_waits() -> None:
    assert Exchange({"/events": {"events": []}}).finding("markets").state == "wait"


def test_too_small_a_balance_fails() -> None:
    exchange = Exchange({"/portfolio/balance": {"balance": 9_000}})
    # Ten contracts held at 42 cents and fifteen more resting there may lose 10.50 of the 100.
    assert exchange.finding("balance").state == "ok"
    exchange.paths["/portfolio/balance"] = {"balance": 8_949}
    finding = exchange.finding("balance")
    assert finding.state == "fail"
    assert finding.detail.startswith("$89.49 on shard 0; an event may lose $89.50 more")


def test_a_balance_that_is_rate_limited_waits() -> None:
    assert Exchange({"/portfolio/balance": HttpAnswer(429)}).finding("balance").state == "wait"


# Positions in events that have closed


def held(**changes: Any) -> Exchange:
    ticker = f"{HELD}-A2.70"
    return Exchange(
        {
            f"/events/{HELD}": {"event": CLOSED},
            "/portfolio/fills": {
                "fills": [REST_FILL, REST_FILL | {"trade_id": "x", "ticker": ticker}]
            },
            "/portfolio/positions": {
                "market_positions": [
                    {"ticker": A, "position_fp": "10.00"},
                    {"ticker": ticker, "position_fp": "10.00"},
                    {"ticker": "KXFED-27", "position_fp": "3.00"},
                ]
            },
        }
        | changes
    )


@pytest.mark.parametrize("remembered", [(), (HELD,)])
def test_an_event_between_close_and_settlement_is_found(remembered: tuple[str, ...]) -> None:
    examination, findings = held().examine(*remembered)
    assert findings["positions"].state == "ok"
    assert HELD in examination.held
    assert [event.ticker for event in examination.listed] == [EVENT, HELD]


@pytest.mark.parametrize("remembered", [(), (EVENT,)])
def test_an_open_event_with_a_position_is_held_as_it_may_close_before_trading_begins(
    remembered: tuple[str, ...],
) -> None:
    examination, _ = Exchange().examine(*remembered)
    assert examination.held == (EVENT,)


def test_a_position_that_was_paid_out_is_no_contradiction() -> None:
    decided = CLOSED | {"markets": [CLOSED["markets"][0] | {"result": "yes"}]}
    positions = {"market_positions": [{"ticker": A, "position_fp": "10.00"}]}
    exchange = held(**{f"/events/{HELD}": {"event": decided}, "/portfolio/positions": positions})
    assert exchange.finding("positions", HELD).state == "ok"


def test_a_remembered_event_that_the_exchange_does_not_know_warns() -> None:
    exchange = Exchange({f"/events/{HELD}": HttpAnswer(404)})
    examination, findings = exchange.examine(HELD)
    assert findings["positions"].state == "warn"
    assert HELD in examination.held


def test_a_position_in_a_market_that_is_not_listed_fails() -> None:
    finding = held(**{f"/events/{HELD}": HttpAnswer(404)}).finding("positions")
    assert finding.state == "fail"
    assert f"{HELD}-A2.70" in finding.detail
    unlisted = {"market_positions": [{"ticker": f"{EVENT}-A9.99", "position_fp": "1.00"}]}
    exchange = Exchange({"/portfolio/positions": unlisted})
    assert exchange.finding("positions").state == "fail"


def test_a_position_in_any_of_an_events_markets_is_known() -> None:
    positions = {"market_positions": [{"ticker": B, "position_fp": "-10.00"}]}
    sold = {"fills": [REST_FILL | {"ticker": B, "book_side": "ask"}]}
    exchange = Exchange({"/portfolio/positions": positions, "/portfolio/fills": sold})
    assert exchange.finding("positions").state == "ok"
