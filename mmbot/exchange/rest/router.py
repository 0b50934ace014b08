"""The table of routes, and the way of one request through it."""

from __future__ import annotations

import functools
from typing import Final, Literal, TypeAlias

import msgspec

from mmbot.exchange.access import KEY_HEADER, Credential
from mmbot.exchange.exchange_state import ExchangeState
from mmbot.exchange.order_types import RequestRefused
from mmbot.exchange.rest import account_routes as account
from mmbot.exchange.rest import group_routes as groups
from mmbot.exchange.rest import market_routes as markets
from mmbot.exchange.rest import order_routes as orders
from mmbot.exchange.rest import portfolio_routes as portfolio
from mmbot.exchange.rest.refusals import refusal_answer
from mmbot.exchange.rest.rest_call import Handler, Reply, RestCall
from mmbot.kalshi.http import BASE_PATH, HttpAnswer, HttpRequest

RateBudget: TypeAlias = Literal["read", "write", "balance"]

DEFAULT_COST: Final = 10
_MOST_COPIES: Final = 1_000


@functools.cache
def _parts(path: str) -> tuple[str, ...]:
    return tuple(path.split("/"))


class Route(msgspec.Struct, frozen=True):
    """One operation: where it is, what it needs, what it costs, and who does it.

    `scope` of `None` is public; `per_order` multiplies the cost by a batch's orders.
    """

    method: str
    path: str
    handler: Handler
    scope: str | None = "read"
    cost: int = DEFAULT_COST
    budget: RateBudget = "read"
    per_order: bool = False
    cached: bool = False

    def match(self, parts: list[str]) -> dict[str, str] | None:
        """Return the path's parameters if the route's path is meant; both have as many parts."""
        found: dict[str, str] = {}
        for name, part in zip(_parts(self.path), parts, strict=True):
            if name[:1] == "{":
                found[name[1:-1]] = part
            elif name != part:
                return None
        return found


def _public(path: str, handler: Handler, *, cached: bool = False) -> Route:
    return Route("GET", path, handler, scope=None, cached=cached)


def _trade(
    method: str, path: str, handler: Handler, cost: int = DEFAULT_COST, *, per_order: bool = False
) -> Route:
    return Route(method, path, handler, "write::trade", cost, "write", per_order)


def _transfer(method: str, path: str, handler: Handler) -> Route:
    return Route(method, path, handler, "write::transfer", budget="write")


_ORDERS: Final = "/portfolio/events/orders"
_GROUPS: Final = "/portfolio/order_groups"

# Of two routes that match, the first is meant.
ROUTES: Final = (
    _public("/exchange/status", markets.exchange_status),
    _public("/exchange/schedule", markets.schedule),
    _public("/exchange/user_data_timestamp", markets.user_data_timestamp),
    _public("/series", markets.list_series),
    _public("/series/fee_changes", markets.series_fee_changes),
    _public("/series/{series_ticker}", markets.get_series, cached=True),
    _public("/events", markets.list_events),
    _public("/events/fee_changes", markets.event_fee_changes),
    _public("/events/{event_ticker}", markets.get_event),
    _public("/markets", markets.list_markets, cached=True),
    _public("/markets/trades", markets.trades),
    _public("/markets/orderbooks", markets.orderbooks),
    _public("/markets/{ticker}", markets.get_market),
    _public("/markets/{ticker}/orderbook", markets.orderbook),
    _public("/incentive_programs", account.incentives),
    _public("/historical/cutoff", portfolio.historical_cutoff),
    _public("/account/endpoint_costs", lambda _call: Reply(200, endpoint_costs())),
    _public("/historical/trades", portfolio.nothing_archived("trades")),
    _public("/historical/markets", portfolio.nothing_archived("markets")),
    Route("GET", "/account/limits", account.limits),
    Route("POST", "/account/api_usage_level/upgrade", account.upgrade, "write", 30, "write"),
    Route("GET", "/api_keys", account.list_keys),
    Route("POST", "/api_keys", account.create_key, "write", budget="write"),
    Route("POST", "/api_keys/generate", account.generate_key, "write", budget="write"),
    Route("DELETE", "/api_keys/{api_key}", account.delete_key, "write", budget="write"),
    Route("GET", "/portfolio/balance", portfolio.balance, "read::portfolio_balance", 1, "balance"),
    Route("GET", "/portfolio/positions", portfolio.positions),
    Route("GET", "/portfolio/fills", portfolio.fills),
    Route("GET", "/portfolio/settlements", portfolio.settlements),
    Route("GET", "/portfolio/subaccounts/balances", portfolio.subaccount_balances),
    Route("GET", "/portfolio/subaccounts/transfers", portfolio.list_transfers),
    _transfer("POST", "/portfolio/subaccounts", portfolio.create_subaccount),
    _transfer("POST", "/portfolio/subaccounts/transfer", portfolio.transfer),
    Route("GET", "/portfolio/orders", orders.list_orders),
    Route("GET", "/portfolio/orders/queue_positions", orders.queue_positions),
    Route("GET", "/portfolio/orders/{order_id}", orders.get_order, cost=2),
    Route("GET", "/portfolio/orders/{order_id}/queue_position", orders.queue_position),
    _trade("POST", _ORDERS, orders.create),
    _trade("DELETE", _ORDERS, orders.cancel_all, 2),
    _trade("POST", f"{_ORDERS}/batched", orders.create_batch, per_order=True),
    _trade("DELETE", f"{_ORDERS}/batched", orders.cancel_batch, 2, per_order=True),
    _trade("DELETE", f"{_ORDERS}/{{order_id}}", orders.cancel, 2),
    _trade("POST", f"{_ORDERS}/{{order_id}}/amend", orders.amend),
    _trade("POST", f"{_ORDERS}/{{order_id}}/decrease", orders.decrease),
    Route("GET", _GROUPS, groups.list_groups),
    _trade("POST", f"{_GROUPS}/create", groups.create),
    Route("GET", f"{_GROUPS}/{{order_group_id}}", groups.get),
    _trade("DELETE", f"{_GROUPS}/{{order_group_id}}", groups.delete),
    _trade("PUT", f"{_GROUPS}/{{order_group_id}}/limit", groups.limit),
    _trade("PUT", f"{_GROUPS}/{{order_group_id}}/trigger", groups.trigger),
    _trade("PUT", f"{_GROUPS}/{{order_group_id}}/reset", groups.reset),
)


def endpoint_costs() -> dict[str, object]:
    """Return the operations that do not cost the default, by their path templates."""
    costs = [
        {"method": r.method, "path": BASE_PATH + r.path, "cost": r.cost}
        for r in ROUTES
        if r.cost != DEFAULT_COST and r.budget != "balance"
    ]
    return {"default_cost": DEFAULT_COST, "endpoint_costs": costs}


_CANDIDATES: Final = {
    length: tuple(route for route in ROUTES if len(_parts(route.path)) == length)
    for length in {len(_parts(route.path)) for route in ROUTES}
}


class RestRouter:
    """Answers requests, and keeps the copies that the CDN would."""

    def __init__(self, exchange: ExchangeState) -> None:
        self._exchange = exchange
        self._copies: dict[tuple[str, tuple[tuple[str, str], ...]], tuple[int, HttpAnswer]] = {}

    def answer(self, request: HttpRequest, now: int) -> HttpAnswer:
        """Carry out one request."""
        try:
            return self._answer(request, now)
        except RequestRefused as refusal:
            return refusal_answer(refusal)

    def answer_as(self, credential: Credential, request: HttpRequest, now: int) -> HttpAnswer:
        """Carry out a request of a caller who needs neither a signature nor a budget."""
        try:
            route, path = _find(request)
            call = RestCall(self._exchange, request, path, credential, now)
            return self._carry_out(route, call)
        except RequestRefused as refusal:
            return refusal_answer(refusal)

    def _answer(self, request: HttpRequest, now: int) -> HttpAnswer:
        route, path = _find(request)
        copy = self._copies.get((request.path, request.query)) if route.cached else None
        if copy is not None and now < copy[0] + self._exchange.settings.cdn_ms:
            return copy[1]
        credential = self._admit(route, request, now)
        call = RestCall(self._exchange, request, path, credential, now)
        self._pay(route, call, credential)
        answer = self._carry_out(route, call)
        if route.cached:
            self._keep(request, answer, now)
        return answer

    def _carry_out(self, route: Route, call: RestCall) -> HttpAnswer:
        self._exchange.history.catch_up(call.now)
        return _encoded(route.handler(call), cached=route.cached)

    def _admit(self, route: Route, request: HttpRequest, now: int) -> Credential | None:
        headers = {name.lower(): value for name, value in request.headers}
        if route.scope is None and KEY_HEADER not in headers:
            return None
        gatekeeper = self._exchange.gatekeeper
        credential = gatekeeper.authenticate(headers, request.method, request.path, now)
        if route.scope is not None and not credential.may(route.scope):
            raise RequestRefused("permission_denied", f"the key lacks the scope {route.scope}")
        return credential

    def _pay(self, route: Route, call: RestCall, credential: Credential | None) -> None:
        cost = route.cost * (orders.batch_size(call) if route.per_order else 1)
        buckets = self._exchange.buckets[credential.user_id if credential else ""]
        buckets.take(route.budget, cost, call.now)

    def _keep(self, request: HttpRequest, answer: HttpAnswer, now: int) -> None:
        if len(self._copies) >= _MOST_COPIES:
            self._copies.clear()
        self._copies[request.path, request.query] = (now, answer)


def _find(request: HttpRequest) -> tuple[Route, dict[str, str]]:
    if not request.path.startswith(BASE_PATH + "/"):
        raise RequestRefused("not_found", "no such path")
    parts = request.path.removeprefix(BASE_PATH).split("/")
    for route in _CANDIDATES.get(len(parts), ()):
        found = route.match(parts) if route.method == request.method else None
        if found is not None:
            return route, found
    if parts[1:3] == ["portfolio", "orders"] and request.method in ("POST", "DELETE"):
        raise RequestRefused("deprecated_v1_order_endpoint", "use /portfolio/events/orders")
    if any(route.match(parts) is not None for route in _CANDIDATES.get(len(parts), ())):
        raise RequestRefused("method_not_allowed")
    raise RequestRefused("not_found", "no such path")


def _encoded(reply: Reply, *, cached: bool = False) -> HttpAnswer:
    headers = [("content-type", "application/json")]
    if cached:
        headers.append(("cache-control", "public, max-age=15"))
    body = b"" if reply.body is None else msgspec.json.encode(reply.body)
    return HttpAnswer(reply.status, body, tuple(headers))
