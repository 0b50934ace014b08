"""Own orders are cancelled in batches, others are left alone, and the lists confirm the end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import pytest

from mmbot.kalshi.http import HttpAnswer, HttpRequest
from mmbot.kalshi.order_cancellation import (
    CancellationResult,
    Pause,
    cancel_own_orders,
    list_own_orders,
)
from mmbot.kalshi.readings import ReadingError

LIMITS = {
    "read": {"refill_rate": 200, "bucket_capacity": 200},
    "write": {"refill_rate": 100, "bucket_capacity": 100},
}
COSTS = {
    "default_cost": 10,
    "endpoint_costs": [
        {"method": "DELETE", "path": "/portfolio/events/orders/{order_id}", "cost": 2}
    ],
}


class Venue:
    """The part of an exchange that the cancellation uses; `page_size` orders on a page."""

    def __init__(self, *client_ids: str, page_size: int = 1000) -> None:
        # Rows of others beside these, however they look.
        self.beside: list[Any] = []
        self.orders = {f"o{number}": client_id for number, client_id in enumerate(client_ids)}
        self.page_size = page_size
        self.batches: list[list[str]] = []
        self.pauses: list[float] = []
        self.paths: list[str] = []
        self.broken: dict[str, HttpAnswer | None] = {}
        # What to run before a listing, by its number.
        self.happens: dict[int, Callable[[], object]] = {}

    def cancel_all(self, session: str = "") -> CancellationResult:
        steps = cancel_own_orders(0, session)
        try:
            step = next(steps)
            while True:
                step = steps.send(self.answer(step))
        except StopIteration as end:
            result: CancellationResult = end.value
            return result

    def list_own(self) -> frozenset[str]:
        steps = list_own_orders(0)
        try:
            request = next(steps)
            while True:
                request = steps.send(self.answer(request))
        except StopIteration as end:
            ids: frozenset[str] = end.value
            return ids

    def answer(self, step: HttpRequest | Pause) -> HttpAnswer | None:
        if isinstance(step, Pause):
            self.pauses.append(step.seconds)
            return None
        self.paths.append(f"{step.method} {step.path}")
        if step.path == "/portfolio/orders":
            self.happens.get(self.paths.count(self.paths[-1]), lambda: None)()
        if step.path in self.broken:
            return self.broken[step.path]
        return HttpAnswer(200, orjson.dumps(self.reply(step)))

    def reply(self, request: HttpRequest) -> Any:
        match request.path:
            case "/account/limits":
                return LIMITS
            case "/account/endpoint_costs":
                return COSTS
            case "/portfolio/orders":
                return self.page(int(dict(request.query).get("cursor", "0")))
            case "/portfolio/events/orders/batched":
                ids = [order["order_id"] for order in orjson.loads(request.body)["orders"]]
                self.batches.append(ids)
                for order_id in ids:
                    del self.orders[order_id]
                return {"orders": []}
            case path:
                del self.orders[path.rpartition("/")[2]]
                return {}

    def page(self, start: int) -> Any:
        rows = [
            {"order_id": order_id, "client_order_id": client_id, "ticker": "A", "status": "resting"}
            for order_id, client_id in self.orders.items()
        ]
        rows = [*self.beside, *rows]
        end = start + self.page_size
        return {"orders": rows[start:end], "cursor": str(end) if end < len(rows) else ""}


def test_own_orders_are_cancelled_and_others_stay() -> None:
    venue = Venue("mmbot-1-1", "other", "mmbot-1-2", "")
    assert venue.cancel_all() == CancellationResult(found=2, left=0, others=2)
    assert venue.batches == [["o0", "o2"]]
    assert list(venue.orders.values()) == ["other", ""]


def test_rows_of_others_hide_no_own_order_however_they_look() -> None:
    venue = Venue("mmbot-1-1")
    venue.beside = [
        None,
        "order",
        {"order_id": 7, "client_order_id": ["x"], "ticker": None, "exchange_index": "first"},
    ]
    assert venue.cancel_all() == CancellationResult(found=1, left=0, others=3)
    assert venue.list_own() == frozenset()


def test_batches_fit_the_token_bucket_and_wait_for_its_refill() -> None:
    venue = Venue(*[f"mmbot-1-{number}" for number in range(120)], page_size=7)
    assert venue.cancel_all().clean
    assert [len(batch) for batch in venue.batches] == [50, 50, 20]
    assert venue.pauses[:3] == [1.0, 1.0, 0.4]


def test_the_exchanges_cancel_all_call_is_never_used() -> None:
    venue = Venue("mmbot-1-1", "mmbot-1-2")
    venue.cancel_all()
    assert {path for path in venue.paths if path.startswith("DELETE")} == {
        "DELETE /portfolio/events/orders/batched"
    }


def test_without_own_orders_the_account_is_listed_twice_with_a_pause() -> None:
    venue = Venue()
    assert venue.cancel_all().clean
    assert venue.paths == ["GET /portfolio/orders"] * 2
    assert venue.pauses == [1.5]


def test_an_order_that_appears_between_the_two_listings_is_cancelled_as_well() -> None:
    venue = Venue()
    venue.happens[2] = lambda: venue.orders.update(late="mmbot-1-9")
    assert venue.cancel_all() == CancellationResult(found=1, left=0, others=0)


def test_orders_that_cannot_be_cancelled_are_reported_as_left_after_bounded_attempts() -> None:
    venue = Venue("mmbot-1-1", "mmbot-1-2")
    venue.broken["/portfolio/events/orders/batched"] = HttpAnswer(429, b"{}")
    result = venue.cancel_all()
    assert (result.found, result.left, result.clean) == (2, 2, False)
    assert len(venue.paths) < 50


@pytest.mark.parametrize("answer", [None, HttpAnswer(503, b""), HttpAnswer(200, b"<html>")])
def test_without_a_usable_answer_it_is_unknown_what_is_left(answer: HttpAnswer | None) -> None:
    venue = Venue("mmbot-1-1")
    venue.broken["/portfolio/orders"] = answer
    result = venue.cancel_all()
    assert result.left is None
    assert not result.clean
    assert result.reason


def test_a_refused_key_ends_it_at_once() -> None:
    venue = Venue("mmbot-1-1")
    venue.broken["/portfolio/orders"] = HttpAnswer(401, b'{"error":{"code":"x"}}')
    with pytest.raises(ReadingError, match="401"):
        venue.cancel_all()
    assert len(venue.paths) == 1


@pytest.mark.parametrize("path", ["/account/limits", "/account/endpoint_costs"])
def test_without_the_rate_limits_the_smallest_bucket_is_assumed(path: str) -> None:
    venue = Venue(*[f"mmbot-1-{number}" for number in range(60)])
    venue.broken[path] = HttpAnswer(403, b"{}")
    assert venue.cancel_all().clean
    assert [len(batch) for batch in venue.batches] == [50, 10]


def test_one_empty_listing_at_the_end_does_not_confirm() -> None:
    venue = Venue()
    venue.broken["/portfolio/orders"] = None
    venue.happens[8] = venue.broken.clear
    assert venue.cancel_all().left is None


def test_one_session_can_take_its_own_orders_off_and_no_others() -> None:
    venue = Venue("mmbot-a-1", "mmbot-b-1", "mmbot-a-2", "hand-1", "mmbot-ab-1")
    assert venue.cancel_all("a") == CancellationResult(found=2, left=0, others=3)
    assert set(venue.orders.values()) == {"mmbot-b-1", "hand-1", "mmbot-ab-1"}


def test_own_orders_are_listed_whichever_session_placed_them() -> None:
    venue = Venue("mmbot-a-1", "hand-1", "mmbot-b-1", page_size=1)
    assert venue.list_own() == {"mmbot-a-1", "mmbot-b-1"}
    assert venue.batches == []
