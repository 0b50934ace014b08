from __future__ import annotations

from typing import Any

import orjson

from mmbot.research.real_account import WithoutAccount

TICKER = "KXTSAW-26NOV29-A2.70"
OWN: dict[str, Any] = {"client_order_id": "mmbot-1"}


def frame(kind: str, seq: int, sid: int = 2, **message: Any) -> bytes:
    message = {"market_ticker": TICKER, **message}
    return orjson.dumps({"type": kind, "sid": sid, "seq": seq, "msg": message})


def delta(seq: int, count: str, *, price: str = "0.4000", **more: Any) -> bytes:
    told = {"price_dollars": price, "delta_fp": count, "side": "yes", **more}
    return frame("orderbook_delta", seq, **told)


def snapshot(seq: int, levels: dict[str, str]) -> bytes:
    return frame("orderbook_snapshot", seq, yes_dollars_fp=[list(each) for each in levels.items()])


def public(account: WithoutAccount, *frames: bytes) -> list[dict[str, Any]]:
    given = [account.public(each) for each in frames]
    return [orjson.loads(each) for each in given if each is not None]


def test_an_own_order_is_never_in_the_book() -> None:
    assert public(WithoutAccount(), delta(1, "5.00", **OWN), delta(2, "-5.00", **OWN)) == []


def test_what_is_left_out_leaves_no_gap() -> None:
    frames = delta(1, "3.00"), delta(2, "5.00", **OWN), delta(3, "4.00")
    assert [each["seq"] for each in public(WithoutAccount(), *frames)] == [1, 2]


def test_a_gap_of_the_exchange_stays_one() -> None:
    frames = delta(1, "3.00"), delta(2, "5.00", **OWN), delta(5, "4.00")
    assert [each["seq"] for each in public(WithoutAccount(), *frames)] == [1, 4]


def test_a_snapshot_lacks_what_rests_of_the_account() -> None:
    account = WithoutAccount()
    public(account, delta(1, "5.00", **OWN), delta(2, "7.00", price="0.4100", **OWN))
    (given,) = public(account, snapshot(3, {"0.4000": "12.00", "0.4100": "7.00", "0.4200": "1.00"}))
    assert given["msg"]["yes_dollars_fp"] == [["0.4000", "7.00"], ["0.4200", "1.00"]]


def test_the_orders_rest_over_a_reconnection() -> None:
    account = WithoutAccount()
    public(account, delta(9, "5.00", **OWN))
    account.connected()
    (given,) = public(account, snapshot(1, {"0.4000": "12.00"}))
    assert (given["seq"], given["msg"]["yes_dollars_fp"]) == (1, [["0.4000", "7.00"]])


def test_an_order_of_an_earlier_session_is_taken_out_once_it_is_cancelled() -> None:
    account = WithoutAccount()
    (given,) = public(account, delta(1, "2.00", **OWN), delta(2, "-5.00", **OWN))
    assert given["msg"]["delta_fp"] == "-3.00"
    assert "client_order_id" not in given["msg"]


def test_the_account_s_own_channels_are_not_passed_on() -> None:
    confirmed = {"type": "subscribed", "id": 1, "msg": {"channel": "fill", "sid": 5}}
    account = WithoutAccount()
    assert public(account, orjson.dumps(confirmed), frame("fill", 1, sid=5)) == []


def test_what_is_not_about_the_account_is_passed_on_as_it_came() -> None:
    account = WithoutAccount()
    for each in (b"{}", b"no frame", frame("trade", 1, sid=4), snapshot(1, {"0.4000": "12.00"})):
        assert account.public(each) == each
