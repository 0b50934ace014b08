from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from mmbot.exchange.access import Credential, RateBucket
from mmbot.kalshi.http import BASE_PATH, STREAM_PATH, HttpAnswer, HttpRequest

PATH = BASE_PATH + "/portfolio/balance"


def ask(bench: Any, headers: tuple[tuple[str, str], ...], path: str = PATH) -> tuple[int, bytes]:
    answer = bench.venue.handle(HttpRequest("GET", path, headers=headers), bench.now)
    return answer.status, answer.body


def test_a_signed_request_is_admitted_whatever_its_query(bench: Any, maker: Any) -> None:
    assert maker.call("GET", "/portfolio/fills", limit="5")[0] == 200


def test_header_names_are_matched_without_their_case(bench: Any, maker: Any) -> None:
    headers = tuple((name.lower(), value) for name, value in maker.headers("GET", PATH))
    assert ask(bench, headers)[0] == 200


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_each_header_is_required(bench: Any, maker: Any, missing: int) -> None:
    headers = maker.headers("GET", PATH)
    status, body = ask(bench, headers[:missing] + headers[missing + 1 :])
    assert (status, b"authentication_error" in body) == (401, True)


@pytest.mark.parametrize(
    ("method", "path"), [("POST", PATH), ("GET", PATH + "?x=1"), ("GET", "/portfolio/balance")]
)
def test_a_signature_of_something_else_is_refused(
    bench: Any, maker: Any, method: str, path: str
) -> None:
    status, body = ask(bench, maker.headers(method, path))
    assert (status, b"INCORRECT_API_KEY_SIGNATURE" in body) == (401, True)


def test_an_unknown_key_is_not_found(bench: Any, maker: Any) -> None:
    headers = dict(maker.headers("GET", PATH)) | {"KALSHI-ACCESS-KEY": "nobody"}
    status, body = ask(bench, tuple(headers.items()))
    assert (status, b"NOT_FOUND" in body) == (401, True)


@pytest.mark.parametrize(("skew", "status"), [(-15_000, 200), (15_000, 200), (-15_001, 401)])
def test_a_timestamp_may_be_fifteen_seconds_off(
    bench: Any, maker: Any, skew: int, status: int
) -> None:
    answered, body = ask(bench, maker.headers("GET", PATH, bench.now + skew))
    assert (answered, b"header_timestamp_expired" in body) == (status, status == 401)


def test_an_rsa_key_signs_with_pss_and_a_salt_as_long_as_the_digest(bench: Any) -> None:
    key = generate_private_key(public_exponent=65537, key_size=2048)
    bench.venue.exchange.add_member(Credential("rsa", "rsa-member", key.public_key()))
    message = f"{bench.now}GET{PATH}".encode()

    def headers(salt: int) -> tuple[tuple[str, str], ...]:
        signature = key.sign(message, PSS(MGF1(hashes.SHA256()), salt), hashes.SHA256())
        return (
            ("KALSHI-ACCESS-KEY", "rsa"),
            ("KALSHI-ACCESS-TIMESTAMP", str(bench.now)),
            ("KALSHI-ACCESS-SIGNATURE", base64.b64encode(signature).decode()),
        )

    assert ask(bench, headers(32))[0] == 200
    assert ask(bench, headers(20))[0] == 401


def test_public_reads_need_no_key_but_refuse_a_wrong_one(bench: Any, maker: Any) -> None:
    path = BASE_PATH + "/exchange/status"
    assert ask(bench, (), path)[0] == 200
    assert ask(bench, maker.headers("GET", PATH), path)[0] == 401


def test_a_read_key_cannot_trade(bench: Any) -> None:
    reader = bench.join("reader", scopes=frozenset({"read"}))
    assert reader.call("GET", "/portfolio/orders")[0] == 200
    assert reader.refused("bid", "0.4200")[:2] == (403, "permission_denied")


def test_a_trading_key_cannot_move_money(bench: Any) -> None:
    trader = bench.join("trader", scopes=frozenset({"read", "write::trade"}))
    trader.place("bid", "0.4200")
    assert trader.call("POST", "/portfolio/subaccounts", {})[0] == 403


def test_a_key_locked_to_a_subaccount_sees_only_that_one(bench: Any) -> None:
    locked = bench.join("locked", subaccount=1)
    bench.venue.exchange.open_account("locked", 1, cash=50_000_000)
    assert locked.call("GET", "/portfolio/balance")[1]["balance_dollars"] == "50.000000"
    assert locked.call("GET", "/portfolio/fills", subaccount="0")[0] == 403


def test_registered_and_generated_keys_work_until_they_are_withdrawn(
    bench: Any, maker: Any
) -> None:
    pem = (
        maker.key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )
    status, body = maker.call("POST", "/api_keys", {"name": "second", "public_key": pem})
    assert status == 201
    status, generated = maker.call(
        "POST", "/api_keys/generate", {"name": "third", "key_type": "ed25519"}
    )
    assert (status, "PRIVATE KEY" in generated["private_key"]) == (201, True)
    first, maker.key_id = maker.key_id, body["api_key_id"]
    assert maker.call("DELETE", f"/api_keys/{first}")[0] == 204
    maker.key_id = first
    assert maker.call("GET", "/portfolio/orders")[0] == 401


# Rate limits


def test_a_bucket_refills_continuously_up_to_its_capacity() -> None:
    bucket = RateBucket(100, 100)
    assert bucket.take(100, 0)
    assert not bucket.take(1, 5)
    assert bucket.take(1, 10)
    assert bucket.take(100, 10_000)
    assert not bucket.take(1, 10_000)


def test_writes_beyond_the_bucket_are_refused_and_reads_go_on(
    make_bench: Callable[..., Any],
) -> None:
    bench = make_bench(tier="basic")
    maker = bench.maker
    for _ in range(10):
        maker.place("bid", "0.0100", "1")
    assert maker.refused("bid", "0.0100", "1")[:2] == (429, "too_many_requests")
    assert maker.call("GET", "/portfolio/orders")[0] == 200
    bench.wait(100)
    maker.place("bid", "0.0100", "1")


def test_the_balance_has_a_bucket_of_its_own(make_bench: Callable[..., Any]) -> None:
    bench = make_bench(tier="advanced")
    assert bench.maker.call("GET", "/portfolio/balance")[0] == 200
    assert bench.maker.call("GET", "/portfolio/balance")[0] == 429
    assert bench.maker.call("GET", "/portfolio/fills")[0] == 200
    bench.wait(1_000)
    assert bench.maker.call("GET", "/portfolio/balance")[0] == 200


def test_limits_and_costs_can_be_read(make_bench: Callable[..., Any]) -> None:
    bench = make_bench(tier="advanced")
    _, limits = bench.maker.call("GET", "/account/limits")
    assert limits["usage_tier"] == "advanced"
    assert limits["write"] == {"refill_rate": 300, "bucket_capacity": 600}
    _, costs = bench.public("/account/endpoint_costs")
    assert costs["default_cost"] == 10
    cancel = {"method": "DELETE", "path": "/trade-api/v2/portfolio/events/orders/{order_id}"}
    assert cancel | {"cost": 2} in costs["endpoint_costs"]


def test_a_basic_member_is_upgraded_once_it_has_traded(make_bench: Callable[..., Any]) -> None:
    bench = make_bench(tier="basic")
    assert bench.maker.call("POST", "/account/api_usage_level/upgrade")[0] == 403
    bench.maker.place("bid", "0.4200")
    assert bench.maker.call("POST", "/account/api_usage_level/upgrade")[0] == 201
    assert bench.maker.call("GET", "/account/limits")[1]["usage_tier"] == "advanced"


# Opening a stream


def test_a_stream_needs_a_signature(bench: Any) -> None:
    refused = bench.venue.open_session((), bench.now)
    assert isinstance(refused, HttpAnswer)
    assert refused.status == 401


def test_the_eleventh_connection_is_refused(bench: Any, maker: Any) -> None:
    streams = [maker.stream() for _ in range(10)]
    refused = bench.venue.open_session(maker.headers("GET", STREAM_PATH), bench.now)
    assert isinstance(refused, HttpAnswer)
    assert refused.status == 429
    bench.venue.close_session(streams[0].session)
    maker.stream()
