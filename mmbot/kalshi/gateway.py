"""Commands in, signed requests out; answers, or their absence, in, events out.

The writes of one step of the engine go out together: cancels first, as one batch if there are
several, then renewals and decreases one by one, then the places, again as one batch. The engine
emits no more than its own token bucket holds, so a batch always fits the exchange's bucket.

No write is repeated, except that one refused because its signature was too old is signed again,
once.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias, assert_never

import msgspec

from mmbot.config import ExchangeSettings
from mmbot.kalshi import messages as wire
from mmbot.kalshi import vocabulary
from mmbot.kalshi.account_readings import query_order, read_account
from mmbot.kalshi.auth import Signer
from mmbot.kalshi.group_readings import ensure_group, reset_group
from mmbot.kalshi.http import BASE_PATH, HttpAnswer, HttpRequest, date_of
from mmbot.kalshi.listing_readings import read_fee_type, read_listing
from mmbot.kalshi.readings import ORDERS, Reading, ReadingError
from mmbot.kalshi.unknown_words import VocabularyMonitor
from mmbot.kalshi.writes import (
    BATCHED,
    WriteCommand,
    outcomes,
    refusal_of,
    write_name,
    write_request,
)
from mmbot.trading.commands import (
    Cancel,
    EnsureGroup,
    Place,
    QueryOrder,
    ReadAccount,
    ReadFeeType,
    ReadListing,
    ResetGroup,
)
from mmbot.trading.events import (
    ClockCompared,
    GroupUnavailable,
    InputEvent,
    OrderQueryFailed,
    ReadingFailed,
)
from mmbot.units import Milliseconds

# The writes whose path is always the same.
_CANCELS = ("DELETE", BASE_PATH + BATCHED)
_PLACES = (("POST", BASE_PATH + ORDERS), ("POST", BASE_PATH + BATCHED))

ReadCommand: TypeAlias = (
    QueryOrder | ReadAccount | ReadListing | ReadFeeType | EnsureGroup | ResetGroup
)


class Call(msgspec.Struct, frozen=True, gc=False):
    """A signed request to send; its answer is passed in with the same `id`."""

    id: int
    request: HttpRequest


class _Sent(msgspec.Struct, frozen=True, gc=False):
    """Writes whose answer is awaited, and their unsigned request."""

    commands: tuple[WriteCommand, ...]
    request: HttpRequest
    signed_again: bool = False

    @property
    def kind(self) -> str:
        """The name of the answer in the vocabulary."""
        write = write_name(self.commands[0])
        return write if len(self.commands) == 1 else f"batch of {write}"


class Gateway:
    """REST for one account, without sockets."""

    def __init__(self, signer: Signer, exchange: ExchangeSettings) -> None:
        self.unknown_words = VocabularyMonitor(vocabulary.REST)
        self._signer = signer
        self._series = exchange.series
        self._subaccount = exchange.subaccount
        self._last_id = 0
        # The calls whose answer is awaited, and when they were signed.
        self._calls: dict[int, tuple[HttpRequest, Milliseconds]] = {}
        self._clock_off = False
        self._writes: dict[int, _Sent] = {}
        self._readings: dict[int, tuple[ReadCommand, Reading]] = {}
        # At most one reading of the account and one of the listing are in progress. Another request
        # makes the one in progress stale: its events are dropped, and a new reading follows it.
        self._latest: dict[type, ReadCommand] = {}

    def write(self, commands: Iterable[WriteCommand], now: Milliseconds) -> list[Call]:
        """Return the requests of one step's writes, in the order in which to send them."""
        calls = []
        for batch in _batches(commands):
            sent = _Sent(batch, write_request(batch, self._subaccount))
            calls.append(self._send(sent, now))
        return calls

    def prepare_writes(self, order_ids: Iterable[str], now: Milliseconds) -> None:
        """Sign ahead a batch, a place, or the cancel of one of some orders: one each time.

        Whatever takes a quote off comes before the places, in the order of `order_ids`.
        """
        cancels = (("DELETE", f"{BASE_PATH}{ORDERS}/{each}") for each in order_ids)
        self._signer.prepare((_CANCELS, *cancels, *_PLACES), now)

    def start_reading(self, command: ReadCommand, now: Milliseconds) -> list[Call]:
        """Start a reading; return its first request, unless it has to wait for another to end."""
        if not isinstance(command, ReadAccount | ReadListing):
            return self._start(command, now)
        under_way = type(command) in self._latest
        self._latest[type(command)] = command
        return [] if under_way else self._start(command, now)

    def answered(
        self, call_id: int, answer: HttpAnswer | None, now: Milliseconds
    ) -> tuple[list[InputEvent], list[Call]]:
        """Handle an answer, or `None` if none came in time; return events and further requests."""
        compared = self._compare_clocks(call_id, answer, now)
        events, calls = self._apply(call_id, answer, now)
        return [*compared, *events], calls

    def _apply(
        self, call_id: int, answer: HttpAnswer | None, now: Milliseconds
    ) -> tuple[list[InputEvent], list[Call]]:
        sent = self._writes.pop(call_id, None)
        self.unknown_words.examine_answer("answer" if sent is None else sent.kind, answer)
        if sent is None:
            command, reading = self._readings.pop(call_id)
            return self._advance(command, reading, answer, now)
        if _signature_expired(answer) and not sent.signed_again:
            return [], [self._send(msgspec.structs.replace(sent, signed_again=True), now)]
        return outcomes(sent.commands, answer), []

    def _compare_clocks(
        self, call_id: int, answer: HttpAnswer | None, now: Milliseconds
    ) -> list[InputEvent]:
        """Report when the bot's time begins to differ from the exchange's date, or agrees again."""
        request, sent = self._calls.pop(call_id)
        date = date_of(request, answer)
        if date is None:
            return []
        compared = ClockCompared.with_date(date, sent, now)
        if compared.off == self._clock_off:
            return []
        self._clock_off = compared.off
        return [compared]

    def _send(self, sent: _Sent, now: Milliseconds) -> Call:
        call = self._call(sent.request, now)
        self._writes[call.id] = sent
        return call

    def _call(self, request: HttpRequest, now: Milliseconds) -> Call:
        self._last_id += 1
        call = Call(self._last_id, signed(request, self._signer, now))
        self._calls[call.id] = call.request, now
        return call

    # Readings

    def _start(self, command: ReadCommand, now: Milliseconds) -> list[Call]:
        return self._advance(command, self._reading(command, now), None, now)[1]

    def _reading(self, command: ReadCommand, now: Milliseconds) -> Reading:
        match command:
            case QueryOrder():
                return query_order(command, self._subaccount)
            case ReadAccount():
                return read_account(command, self._series, self._subaccount)
            case ReadListing():
                return read_listing(command, self._series, now)
            case ReadFeeType():
                return read_fee_type(self._series)
            case EnsureGroup():
                return ensure_group(command, self._subaccount)
            case ResetGroup():
                return reset_group(command, self._subaccount)
            case _:
                assert_never(command)

    def _advance(
        self, command: ReadCommand, reading: Reading, answer: HttpAnswer | None, now: Milliseconds
    ) -> tuple[list[InputEvent], list[Call]]:
        """Run a reading to its next request, or to its end."""
        try:
            request = reading.send(answer)
        except StopIteration as end:
            return self._ended(command, end.value, now)
        except (ReadingError, wire.Malformed) as error:
            return self._ended(command, [_failure(command, error)], now)
        call = self._call(request, now)
        self._readings[call.id] = command, reading
        return [], [call]

    def _ended(
        self, command: ReadCommand, events: list[InputEvent], now: Milliseconds
    ) -> tuple[list[InputEvent], list[Call]]:
        if not isinstance(command, ReadAccount | ReadListing):
            return events, []
        latest = self._latest.pop(type(command))
        return (events, []) if latest is command else ([], self.start_reading(latest, now))


def signed(request: HttpRequest, signer: Signer, now: Milliseconds) -> HttpRequest:
    """Return a request with its whole path, signed at `now`."""
    path = BASE_PATH + request.path
    headers = signer.headers(request.method, path, now)
    if request.body:
        headers = (*headers, ("Content-Type", "application/json"))
    return HttpRequest(request.method, path, request.query, headers, request.body)


def _batches(commands: Iterable[WriteCommand]) -> list[tuple[WriteCommand, ...]]:
    """Group a step's writes into requests, in the order in which to send them."""
    writes = tuple(commands)
    if len(writes) == 1:
        return [writes]
    cancels = tuple(command for command in writes if isinstance(command, Cancel))
    places = tuple(command for command in writes if isinstance(command, Place))
    changes = [(each,) for each in writes if not isinstance(each, Cancel | Place)]
    return [each for each in (cancels, *changes, places) if each]


def _signature_expired(answer: HttpAnswer | None) -> bool:
    if answer is None or answer.status != 401:
        return False
    return refusal_of(answer.status, wire.error_body(answer.body)) == "clock"


def _failure(command: ReadCommand, error: ReadingError | wire.Malformed) -> InputEvent:
    reason = str(error)
    match command:
        case QueryOrder():
            limited = isinstance(error, ReadingError) and error.rate_limited
            return OrderQueryFailed(command.client_id, reason, limited)
        case ReadAccount():
            return ReadingFailed("account", reason)
        case ReadListing() | ReadFeeType():
            return ReadingFailed("listing", reason)
        case EnsureGroup() | ResetGroup():
            return GroupUnavailable(command.shard, reason)
        case _:
            assert_never(command)
