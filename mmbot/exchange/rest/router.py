"""The table of routes: finds a request's operation, authenticates, takes tokens, and answers."""

from __future__ import annotations

from collections import defaultdict
from typing import Final, Literal, NamedTuple, TypeAlias

import msgspec

from mmbot.exchange.access import KEY_HEADER, Credential
from mmbot.exchange.exchange_state import ExchangeState
from mmbot.exchange.order_types import RequestRefused
from mmbot.exchange.rest import account_routes as account
from mmbot.exchange.rest import group_routes as groups
from mmbot.exchange.rest import history_routes as history
from mmbot.exchange.rest import market_routes as markets
from mmbot.exchange.rest import order_routes as orders
from mmbot.exchange.rest import portfolio_routes as portfolio
from mmbot.exchange.rest.rest_call import Handler, Reply, RestCall
from mmbot.exchange.rest.rest_errors import refusal_answer
from mmbot.kalshi.http import BASE_PATH, HttpAnswer, HttpRequest
from mmbot.units import Milliseconds

RateBudget: TypeAlias = Literal["read", "write", "balance"]

DEFAULT_COST: Final = 10
_MOST_COPIES: Final = 1_000


class Route(msgspec.Struct, frozen=True):
    """One operation: its path, scope, cost and handler.

    `scope` of `None` is public; `per_order` multiplies the cost by the orders in a batch; the
    answers of `cached` routes are cached as by the CDN.
    """

    method: str
    path: str
    handler: Handler
    scope: str | None = "read"
    cost: int = DEFAULT_COST
    budget: RateBudget = "read"
    per_order: bool = False
    cached: bool = False


class PathPattern(NamedTuple):
    """A route whose path has parameters, with that path's parts."""

    route: Route
    parts: tuple[str, ...]

    def match(self, parts: list[str]) -> dict[str, str] | None:
        """Return the parameters of a path with as many parts, or `None` if it does not match."""
        found: dict[str, str] = {}
        for name, part in zip(self.parts, parts, strict=True):
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

# A path without parameters takes precedence over one with parameters.
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
    _public("/historical/cutoff", history.cutoff),
    _public("/account/endpoint_costs", lambda _call: Reply(200, endpoint_costs())),
    _public("/historical/trades", history.historical_trades),
    _public("/historical/markets", history.historical_markets),
    _public("/historical/markets/{ticker}", history.historical_market),
    _public("/historical/markets/{ticker}/candlesticks", history.historical_candles),
    _public("/markets/candlesticks", history.many_candles),
    _public("/series/{series_ticker}/markets/{ticker}/candlesticks", history.market_candles),
    _public("/series/{series_ticker}/events/{event_ticker}/candlesticks", history.event_candles),
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
    """Return the operations with another cost than the default, by their path templates."""
    costs = [
        {"method": r.method, "path": BASE_PATH + r.path, "cost": r.cost}
        for r in ROUTES
        if r.cost != DEFAULT_COST and r.budget != "balance"
    ]
    return {"default_cost": DEFAULT_COST, "endpoint_costs": costs}


_METHODS: Final = tuple({route.method for route in ROUTES})
_PLAIN: Final = {(route.method, route.path): route for route in ROUTES if "{" not in route.path}


def _patterns() -> dict[tuple[str, int], list[PathPattern]]:
    patterns: defaultdict[tuple[str, int], list[PathPattern]] = defaultdict(list)
    for route in ROUTES:
        if "{" in route.path:
            parts = tuple(route.path.split("/"))
            patterns[route.method, len(parts)].append(PathPattern(route, parts))
    return dict(patterns)


# By method and number of parts.
_PATTERNS: Final = _patterns()


class RestRouter:
    """Answers requests, and caches answers as the CDN does."""

    def __init__(self, exchange: ExchangeState) -> None:
        self._exchange = exchange
        self._copies: dict[
            tuple[str, tuple[tuple[str, str], ...]], tuple[Milliseconds, HttpAnswer]
        ] = {}

    def answer(self, request: HttpRequest, now: Milliseconds) -> HttpAnswer:
        """Answer one request."""
        try:
            return self._answer(request, now)
        except RequestRefused as refusal:
            return refusal_answer(refusal)

    def answer_as(
        self, credential: Credential, request: HttpRequest, now: Milliseconds
    ) -> HttpAnswer:
        """Answer a request that needs neither a signature nor tokens."""
        try:
            route, path = _find(request)
            call = RestCall(self._exchange, request, path, credential, now)
            return self._perform(route, call)
        except RequestRefused as refusal:
            return refusal_answer(refusal)

    def _answer(self, request: HttpRequest, now: Milliseconds) -> HttpAnswer:
        route, path = _find(request)
        copy = self._copies.get((request.path, request.query)) if route.cached else None
        if copy is not None and now < copy[0] + self._exchange.settings.cdn_ms:
            return copy[1]
        credential = self._admit(route, request, now)
        call = RestCall(self._exchange, request, path, credential, now)
        self._pay(route, call, credential)
        answer = self._perform(route, call)
        if route.cached:
            self._keep(request, answer, now)
        return answer

    def _perform(self, route: Route, call: RestCall) -> HttpAnswer:
        self._exchange.history.catch_up(call.now)
        return _encoded(route.handler(call), cached=route.cached)

    def _admit(self, route: Route, request: HttpRequest, now: Milliseconds) -> Credential | None:
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

    def _keep(self, request: HttpRequest, answer: HttpAnswer, now: Milliseconds) -> None:
        if len(self._copies) >= _MOST_COPIES:
            self._copies.clear()
        self._copies[request.path, request.query] = (now, answer)


def _route(method: str, path: str) -> tuple[Route, dict[str, str]] | None:
    plain = _PLAIN.get((method, path))
    if plain is not None:
        return plain, {}
    parts = path.split("/")
    for pattern in _PATTERNS.get((method, len(parts)), ()):
        found = pattern.match(parts)
        if found is not None:
            return pattern.route, found
    return None


def _find(request: HttpRequest) -> tuple[Route, dict[str, str]]:
    if not request.path.startswith(BASE_PATH + "/"):
        raise RequestRefused("not_found", "no such path")
    path = request.path.removeprefix(BASE_PATH)
    found = _route(request.method, path)
    if found is not None:
        return found
    parts = path.split("/")
    if parts[1:3] == ["portfolio", "orders"] and request.method in ("POST", "DELETE"):
        raise RequestRefused("deprecated_v1_order_endpoint", "use /portfolio/events/orders")
    if any(_route(method, path) is not None for method in _METHODS):
        raise RequestRefused("method_not_allowed")
    raise RequestRefused("not_found", "no such path")


def _encoded(reply: Reply, *, cached: bool = False) -> HttpAnswer:
    headers = [("content-type", "application/json")]
    if cached:
        headers.append(("cache-control", "public, max-age=15"))
    body = b"" if reply.body is None else msgspec.json.encode(reply.body)
    return HttpAnswer(reply.status, body, tuple(headers))
