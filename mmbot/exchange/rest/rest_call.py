"""One REST call as its handler sees it, and parsing that handlers share."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple, TypeAlias, TypeVar

import msgspec

from mmbot.exchange.access import Credential
from mmbot.exchange.accounts import Account
from mmbot.exchange.exchange_state import ExchangeState
from mmbot.exchange.order_types import RequestRefused
from mmbot.kalshi.http import HttpRequest
from mmbot.units import Count, Milliseconds, Price, parse_count, parse_price

T = TypeVar("T")

MOST_SUBACCOUNTS: Final = 63


class Reply(NamedTuple):
    """A status and the value to encode as the body; `None` means no body."""

    status: int
    body: Any


class Span(NamedTuple):
    """Bounds of time in milliseconds, each of which may be absent."""

    least: Milliseconds | None
    most: Milliseconds | None

    def holds(self, at: Milliseconds | None) -> bool:
        """Return whether a time is within the bounds; `None` is only if there are none."""
        if at is None:
            return self.least is None and self.most is None
        return (self.least is None or at >= self.least) and (self.most is None or at <= self.most)


Numbered: TypeAlias = tuple[int, T]


class RestCall:
    """A routed request: the exchange, the caller's key, and the parameters and body."""

    def __init__(
        self,
        exchange: ExchangeState,
        request: HttpRequest,
        path: dict[str, str],
        credential: Credential | None,
        now: Milliseconds,
    ) -> None:
        self.exchange = exchange
        self.path = path
        self.now = now
        self._credential = credential
        self._query = request.query
        self._body = request.body

    @property
    def credential(self) -> Credential:
        """The key that signed the call; without one the call is refused."""
        if self._credential is None:
            raise RequestRefused("authentication_error", "MISSING_HEADERS")
        return self._credential

    @property
    def user_id(self) -> str:
        """The key's owner."""
        return self.credential.user_id

    # Query parameters

    def text(self, name: str) -> str | None:
        """Return a parameter, or `None` if it is absent or empty."""
        return next((v for k, v in self._query if k == name and v), None)

    def texts(self, name: str) -> list[str]:
        """Return every repetition of a parameter."""
        return [v for k, v in self._query if k == name and v]

    def listed(self, name: str) -> list[str]:
        """Return a comma-separated parameter's items."""
        return [item for value in self.texts(name) for item in value.split(",") if item]

    def integer(
        self, name: str, default: int | None = None, least: int = 0, most: int | None = None
    ) -> int | None:
        """Return a whole number within bounds."""
        raw = self.text(name)
        if raw is None:
            return default
        try:
            value = int(raw)
        except ValueError:
            raise RequestRefused("invalid_parameters", f"{name} must be an integer") from None
        if value < least or (most is not None and value > most):
            raise RequestRefused("invalid_parameters", f"{name} is out of range")
        return value

    def flag(self, name: str) -> bool:
        """Return a boolean parameter; false if it is absent."""
        raw = (self.text(name) or "false").lower()
        if raw not in ("true", "false"):
            raise RequestRefused("invalid_parameters", f"{name} must be true or false")
        return raw == "true"

    def choice(self, name: str, allowed: tuple[str, ...]) -> str | None:
        """Return a parameter that takes one of a few values."""
        raw = self.text(name)
        if raw is not None and raw not in allowed:
            raise RequestRefused(
                "invalid_parameters", f"{name} must be one of {', '.join(allowed)}"
            )
        return raw

    # Accounts and shards

    def subaccount(self, requested: int | None, default: int | None = 0) -> int | None:
        """Return the requested subaccount, or the default; a locked key may only use its own."""
        locked = self.credential.subaccount
        if locked is None:
            return default if requested is None else requested
        if requested not in (None, locked):
            raise RequestRefused("permission_denied", "the key is locked to another subaccount")
        return locked

    def account(self, requested: int | None) -> Account:
        """Return the account that a write is for."""
        number = self.subaccount(requested)
        return self.exchange.account(self.user_id, number or 0)

    def accounts(self, default: int | None = None) -> list[Account]:
        """Return the accounts that a read is for, by its `subaccount` parameter."""
        requested = self.integer("subaccount", most=MOST_SUBACCOUNTS)
        return self.exchange.accounts(self.user_id, self.subaccount(requested, default))

    def other_shard(self) -> bool:
        """Return whether the `exchange_index` parameter names another shard, which is empty."""
        index = self.integer("exchange_index")
        return index is not None and index != self.exchange.settings.exchange_index

    # Bodies

    def decode(self, kind: type[T]) -> T:
        """Decode the body as `kind`, or refuse it."""
        try:
            return msgspec.json.decode(self._body or b"{}", type=kind)
        except msgspec.MsgspecError as error:
            raise RequestRefused("invalid_parameters", str(error)) from None

    # Pages

    def page(
        self, items: Iterable[Numbered[T]], *, default: int = 100, most: int = 1000
    ) -> tuple[list[T], str]:
        """Return one page of the items, whose numbers decrease, and the next cursor."""
        limit = self.integer("limit", default, 0, most) or default
        below = self._cursor()
        page: list[Numbered[T]] = []
        for numbered in items:
            if below is not None and numbered[0] >= below:
                continue
            if len(page) == limit:
                cursor = base64.urlsafe_b64encode(str(page[-1][0]).encode()).decode()
                return [item for _, item in page], cursor
            page.append(numbered)
        return [item for _, item in page], ""

    def _cursor(self) -> int | None:
        raw = self.text("cursor")
        if raw is None:
            return None
        try:
            return int(base64.urlsafe_b64decode(raw))
        except (ValueError, binascii.Error):
            raise RequestRefused("invalid_parameters", "cursor is not one of ours") from None

    def span(self, least: str = "min_ts", most: str = "max_ts") -> Span:
        """Return the call's time bounds, which are given in seconds."""
        bounds = (self.integer(least), self.integer(most))
        return Span(*(None if bound is None else bound * 1000 for bound in bounds))


Handler: TypeAlias = Callable[[RestCall], Reply]


def read_price(text: str) -> Price:
    """Parse a price in a body, or refuse it."""
    try:
        return parse_price(text)
    except ValueError as error:
        raise RequestRefused("invalid_parameters", f"price: {error}") from None


def read_count(text: str, name: str = "count") -> Count:
    """Parse a number of contracts in a body, or refuse it."""
    try:
        return parse_count(text)
    except ValueError as error:
        raise RequestRefused("invalid_parameters", f"{name}: {error}") from None
