"""Order groups over REST: the limit on contracts matched in fifteen seconds."""

from __future__ import annotations

from typing import Any


def group(member: Any, limit: str = "10.00") -> str:
    status, body = member.call(
        "POST", "/portfolio/order_groups/create", {"contracts_limit_fp": limit}
    )
    assert status == 201
    return str(body["order_group_id"])


def test_a_group_at_its_limit_is_cancelled_and_refuses_orders(maker: Any, taker: Any) -> None:
    group_id = group(maker)
    orders = [maker.place("bid", p, "6", order_group_id=group_id) for p in ("0.42", "0.41", "0.40")]
    taker.place("ask", "0.4100", "10")
    statuses = [
        maker.call("GET", f"/portfolio/orders/{o['order_id']}")[1]["order"]["status"]
        for o in orders
    ]
    assert statuses == ["executed", "canceled", "canceled"]
    assert maker.refused("bid", "0.40", order_group_id=group_id)[1] == "invalid_order"
    maker.call("PUT", f"/portfolio/order_groups/{group_id}/reset")
    maker.place("bid", "0.40", order_group_id=group_id)


def test_a_group_forgets_matches_after_fifteen_seconds(bench: Any, maker: Any, taker: Any) -> None:
    group_id = group(maker)
    maker.place("bid", "0.4200", "20", order_group_id=group_id)
    taker.place("ask", "0.4200", "9")
    bench.wait(15_000)
    taker.place("ask", "0.4200", "9")
    _, body = maker.call("GET", f"/portfolio/order_groups/{group_id}")
    assert len(body["orders"]) == 1


def test_triggering_and_deleting_cancel_a_groups_orders(maker: Any) -> None:
    for method, path in (("PUT", "/{}/trigger"), ("DELETE", "/{}")):
        group_id = group(maker)
        order = maker.place("bid", "0.4200", order_group_id=group_id)
        assert maker.call(method, "/portfolio/order_groups" + path.format(group_id)) == (200, {})
        body = maker.call("GET", f"/portfolio/orders/{order['order_id']}")[1]
        assert body["order"]["status"] == "canceled"


def test_a_groups_limit_can_be_changed_within_its_range(maker: Any) -> None:
    group_id = group(maker)
    path = f"/portfolio/order_groups/{group_id}/limit"
    assert maker.call("PUT", path, {"contracts_limit": 25})[0] == 200
    _, body = maker.call("GET", f"/portfolio/order_groups/{group_id}")
    assert body["contracts_limit_fp"] == "25.00"
    assert maker.call("PUT", path, {"contracts_limit": 0})[0] == 400
    disagreeing = {"contracts_limit": 5, "contracts_limit_fp": "6.00"}
    assert maker.call("PUT", path, disagreeing)[0] == 400


def test_a_group_is_invisible_to_other_members(maker: Any, taker: Any) -> None:
    group_id = group(maker)
    assert taker.call("GET", f"/portfolio/order_groups/{group_id}")[0] == 404
    assert taker.call("GET", "/portfolio/order_groups")[1] == {"order_groups": []}
    assert maker.call("DELETE", f"/portfolio/order_groups/{group_id}")[0] == 200
    assert maker.call("GET", f"/portfolio/order_groups/{group_id}")[0] == 404
