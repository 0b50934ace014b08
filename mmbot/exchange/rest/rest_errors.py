"""The statuses and bodies of refusals."""

from __future__ import annotations

from typing import Final

import msgspec

from mmbot.exchange.order_types import RequestRefused
from mmbot.kalshi.http import HttpAnswer

_STATUS: Final = {
    "authentication_error": 401,
    "header_timestamp_expired": 401,
    "permission_denied": 403,
    "not_found": 404,
    "method_not_allowed": 405,
    "order_already_exists": 409,
    "trading_is_paused": 409,
    "exchange_is_paused": 409,
    "deprecated_v1_order_endpoint": 410,
    "too_many_requests": 429,
}


def status_of(refusal: RequestRefused) -> int:
    """Return the HTTP status of a refusal: its own, its code's, or 400."""
    return refusal.status or _STATUS.get(refusal.code, 400)


def error_body(refusal: RequestRefused) -> dict[str, str]:
    """Return a refusal as the exchange writes it."""
    body = {"code": refusal.code, "message": refusal.code.lower().replace("_", " ")}
    if refusal.details:
        body["details"] = refusal.details
    return body


def refusal_answer(refusal: RequestRefused) -> HttpAnswer:
    """Return the whole answer to a refused call."""
    body = msgspec.json.encode({"error": error_body(refusal)})
    return HttpAnswer(status_of(refusal), body, (("content-type", "application/json"),))
