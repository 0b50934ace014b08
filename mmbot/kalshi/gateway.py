"""Commands in, signed requests out; answers, or their absence, in, events out.

A write has one of three outcomes: applied, refused, unknown. It is unknown when no answer came,
when the answer is the server's failure, and when it says yes without saying to what, or to
something else. Nothing is ever sent twice by this module.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec
import orjson

from mmbot.config import ExchangeSettings
from mmbot.kalshi import messages as wire
from mmbot.kalshi.auth import Signer
from mmbot.kalshi.http import BASE_PATH, HttpAnswer, HttpRequest
from mmbot.kalshi.readings import (
    ORDERS,
    Reading,
    ReadingError,
    look_up,
    read_account,
    read_listing,
)
from mmbot.trading.commands import Cancel, LookUp, Place, ReadAccount, ReadListing, Renew
from mmbot.trading.events import (
    Event,
    LookUpFailed,
    OrderCancelled,
    OrderPlaced,
    OrderRenewed,
    ReadingFailed,
    Refusal,
    Write,
    WriteRefused,
    WriteUnknown,
)
from mmbot.units import format_count, format_price, parse_count

_Write: TypeAlias = Place | Cancel | Renew
_Read: TypeAlias = LookUp | ReadAccount | ReadListing

_WRITES: dict[type, Write] = {Place: "place", Cancel: "cancel", Renew: "renew"}

_REFUSALS: dict[str, Refusal] = {
    "order_already_exists": "already_exists",
    "insufficient_balance": "insufficient_balance",
    "trading_is_paused": "paused",
    "exchange_is_paused": "paused",
    "not_found": "not_found",
    "amend_order_no_op": "no_change",
    "too_many_requests": "rate_limited",
}
# The front answered, and does not know what the engine behind it did.
_UNKNOWN = "exchange_unavailable"


class Call(msgspec.Struct, frozen=True):
    """A request to be sent; its answer comes back under `id`."""

    id: int
    request: HttpRequest


class Gateway:
    """Speaks REST for one account, without ever touching a socket."""

    def __init__(self, signer: Signer, exchange: ExchangeSettings) -> None:
        self._signer = signer
        self._series = exchange.series
        self._subaccount = exchange.subaccount
        self._last_id = 0
        self._writes: dict[int, _Write] = {}
        self._readings: dict[int, tuple[_Read, Reading]] = {}
        # Of account and listing one reading each is under way at a time; another wish for the
        # same makes the one under way stale, and it starts again when that is through.
        self._wanted: dict[type, _Read] = {}

    def perform(self, command: _Write | _Read, now: int) -> list[Call]:
        """Return the first request of a command, if it can start now."""
        match command:
            case Place() | Cancel() | Renew():
                call = self._call(self._request(command), now)
                self._writes[call.id] = command
                return [call]
            case LookUp():
                return self._begin(command, now)
            case ReadAccount() | ReadListing():
                under_way = type(command) in self._wanted
                self._wanted[type(command)] = command
                return [] if under_way else self._begin(command, now)

    def answered(
        self, call_id: int, answer: HttpAnswer | None, now: int
    ) -> tuple[list[Event], list[Call]]:
        """Take in an answer, or `None` where none came in time; return what that means."""
        write = self._writes.pop(call_id, None)
        if write is not None:
            return [_outcome(write, answer)], []
        command, reading = self._readings.pop(call_id)
        return self._advance(command, reading, answer, now)

    def _call(self, request: HttpRequest, now: int) -> Call:
        self._last_id += 1
        path = BASE_PATH + request.path
        headers = self._signer.headers(request.method, path, now)
        if request.body:
            headers = (*headers, ("Content-Type", "application/json"))
        return Call(
            self._last_id,
            HttpRequest(request.method, path, request.query, headers, request.body),
        )

    # Readings

    def _begin(self, command: _Read, now: int) -> list[Call]:
        match command:
            case LookUp():
                reading = look_up(command, self._subaccount)
            case ReadAccount():
                reading = read_account(command, self._subaccount)
            case ReadListing():
                reading = read_listing(command, self._series, now)
        return self._advance(command, reading, None, now)[1]

    def _advance(
        self, command: _Read, reading: Reading, answer: HttpAnswer | None, now: int
    ) -> tuple[list[Event], list[Call]]:
        """Run a reading up to its next request, or to its end."""
        try:
            request = reading.send(answer)
        except StopIteration as end:
            return self._ended(command, end.value, now)
        except (ReadingError, wire.Malformed) as error:
            return self._ended(command, [_failure(command, str(error))], now)
        call = self._call(request, now)
        self._readings[call.id] = command, reading
        return [], [call]

    def _ended(
        self, command: _Read, events: list[Event], now: int
    ) -> tuple[list[Event], list[Call]]:
        if isinstance(command, LookUp):
            return events, []
        latest = self._wanted.pop(type(command))
        return (events, []) if latest is command else ([], self.perform(latest, now))

    # Writes

    def _request(self, command: _Write) -> HttpRequest:
        own = "subaccount", str(self._subaccount)
        match command:
            case Place():
                return HttpRequest("POST", ORDERS, body=orjson.dumps(self._place(command)))
            case Renew():
                path = f"{ORDERS}/{command.order_id}/amend"
                body = orjson.dumps(_amend(command))
                return HttpRequest("POST", path, (own,), body=body)
            case Cancel():
                shard = "exchange_index", str(command.shard)
                query = (("market_ticker", command.ticker), shard, own)
                return HttpRequest("DELETE", f"{ORDERS}/{command.order_id}", query)

    def _place(self, command: Place) -> dict[str, object]:
        return {
            "ticker": command.ticker,
            "side": command.side,
            "count": format_count(command.count),
            "price": format_price(command.price),
            "time_in_force": "good_till_canceled",
            "self_trade_prevention_type": "taker_at_cross",
            "client_order_id": command.client_id,
            "post_only": True,
            "cancel_order_on_pause": True,
            "expiration_time": command.expires // 1000,
            "subaccount": self._subaccount,
            "exchange_index": command.shard,
        }


def _amend(command: Renew) -> dict[str, object]:
    # Nothing but the expiry differs from what the order is: it keeps its place in the queue.
    return {
        "ticker": command.ticker,
        "side": command.side,
        "count": format_count(command.count),
        "price": format_price(command.price),
        "expiration_time": command.expires // 1000,
        "exchange_index": command.shard,
    }


def _outcome(command: _Write, answer: HttpAnswer | None) -> Event:
    write = _WRITES[type(command)]
    if answer is None:
        return WriteUnknown(command.client_id, write, "no answer")
    if 200 <= answer.status < 300:
        try:
            return _applied(command, answer)
        except (wire.Malformed, ValueError) as mistake:
            return WriteUnknown(command.client_id, write, str(mistake)[:200])
    error = wire.error_body(answer.body)
    if not 400 <= answer.status < 500 or answer.status == 408 or error.code.lower() == _UNKNOWN:
        detail = f"status {answer.status} {error.code} {error.text}".rstrip()
        return WriteUnknown(command.client_id, write, detail)
    refusal = _refusal(answer.status, error)
    if refusal == "no_change" and isinstance(command, Renew):
        return OrderRenewed(command.client_id, command.expires)
    detail = f"{answer.status} {error.code} {error.text}".strip()
    return WriteRefused(command.client_id, write, refusal, detail)


def _applied(command: _Write, answer: HttpAnswer) -> Event:
    match command:
        case Place():
            created = wire.decode(answer.body, wire.Created)
            _refuse_other(created.client_order_id or command.client_id, command.client_id)
            return OrderPlaced(command.client_id, created.order_id, parse_count(created.fill_count))
        case Cancel():
            cancelled = wire.decode(answer.body, wire.Cancelled)
            _refuse_other(cancelled.order_id, command.order_id)
            return OrderCancelled(command.client_id, parse_count(cancelled.reduced_by))
        case Renew():
            _refuse_other(wire.decode(answer.body, wire.Amended).order_id, command.order_id)
            return OrderRenewed(command.client_id, command.expires)


def _refuse_other(answered: str, asked: str) -> None:
    """Raise `Malformed` if an answer speaks of another order; that has been seen."""
    if answered != asked:
        raise wire.Malformed(f"the answer is about {answered}, not {asked}")


def _refusal(status: int, error: wire.ErrorBody) -> Refusal:
    if "post only cross" in error.text.lower():
        return "post_only_cross"
    if status == 429:
        return "rate_limited"
    if status == 404:
        return "not_found"
    return _REFUSALS.get(error.code.lower(), "other")


def _failure(command: _Read, reason: str) -> Event:
    if isinstance(command, LookUp):
        return LookUpFailed(command.client_id, reason)
    return ReadingFailed("account" if isinstance(command, ReadAccount) else "listing", reason)
