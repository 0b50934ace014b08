"""Commands in, signed requests out; answers, or their absence, in, events out.

The writes of one step of the engine go together: cancels first, as one batch where there are
several, then the single changes, then the places, as one batch again. The engine emits no more
than its bucket can pay at once, so that a batch always fits the exchange's bucket whole.

Nothing is ever sent twice by this module, but for a request that was refused because its
signature was too old: that is signed anew, once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeAlias

import msgspec

from mmbot.config import ExchangeSettings
from mmbot.kalshi import messages as wire
from mmbot.kalshi import vocabulary
from mmbot.kalshi.auth import Signer
from mmbot.kalshi.group_readings import reset_group, secure_group
from mmbot.kalshi.http import BASE_PATH, HttpAnswer, HttpRequest
from mmbot.kalshi.readings import (
    Reading,
    ReadingError,
    look_up,
    read_account,
    read_listing,
)
from mmbot.kalshi.unknown_words import VocabularyMonitor
from mmbot.kalshi.writes import WRITES, WriteCommand, outcomes, refusal_of, write_request
from mmbot.trading.commands import (
    Cancel,
    EnsureGroup,
    Place,
    QueryOrder,
    ReadAccount,
    ReadListing,
    ResetGroup,
)
from mmbot.trading.events import GroupUnavailable, InputEvent, OrderQueryFailed, ReadingFailed

ReadCommand: TypeAlias = QueryOrder | ReadAccount | ReadListing | EnsureGroup | ResetGroup


class Call(msgspec.Struct, frozen=True):
    """A request to be sent; its answer comes back under `id`."""

    id: int
    request: HttpRequest


class _Sent(msgspec.Struct, frozen=True):
    """Writes whose answer is awaited, and their request as it was before it was signed."""

    commands: tuple[WriteCommand, ...]
    request: HttpRequest
    signed_anew: bool = False

    @property
    def kind(self) -> str:
        """What the vocabulary calls the answer."""
        write = WRITES[type(self.commands[0])]
        return write if len(self.commands) == 1 else f"batch of {write}"


class Gateway:
    """Speaks REST for one account, without ever touching a socket."""

    def __init__(self, signer: Signer, exchange: ExchangeSettings) -> None:
        self.drift = VocabularyMonitor(vocabulary.REST)
        self._signer = signer
        self._series = exchange.series
        self._subaccount = exchange.subaccount
        self._last_id = 0
        self._writes: dict[int, _Sent] = {}
        self._readings: dict[int, tuple[ReadCommand, Reading]] = {}
        # Of account and listing one reading each is under way at a time; another wish for the
        # same makes the one under way stale, and it starts again when that is through.
        self._wanted: dict[type, ReadCommand] = {}

    def write(self, commands: Iterable[WriteCommand], now: int) -> list[Call]:
        """Return the requests of one step's writes, in the order in which they are to be sent."""
        calls = []
        for together in _batches(commands):
            sent = _Sent(together, write_request(together, self._subaccount))
            calls.append(self._send(sent, now))
        return calls

    def perform(self, command: ReadCommand, now: int) -> list[Call]:
        """Return the first request of a reading, if it can start now."""
        if not isinstance(command, ReadAccount | ReadListing):
            return self._begin(command, now)
        under_way = type(command) in self._wanted
        self._wanted[type(command)] = command
        return [] if under_way else self._begin(command, now)

    def answered(
        self, call_id: int, answer: HttpAnswer | None, now: int
    ) -> tuple[list[InputEvent], list[Call]]:
        """Take in an answer, or `None` where none came in time; return what that means."""
        sent = self._writes.pop(call_id, None)
        self.drift.look_at_answer("answer" if sent is None else sent.kind, answer)
        if sent is None:
            command, reading = self._readings.pop(call_id)
            return self._advance(command, reading, answer, now)
        if _too_old(answer) and not sent.signed_anew:
            return [], [self._send(msgspec.structs.replace(sent, signed_anew=True), now)]
        return outcomes(sent.commands, answer), []

    def _send(self, sent: _Sent, now: int) -> Call:
        call = self._call(sent.request, now)
        self._writes[call.id] = sent
        return call

    def _call(self, request: HttpRequest, now: int) -> Call:
        self._last_id += 1
        return Call(self._last_id, signed(request, self._signer, now))

    # Readings

    def _begin(self, command: ReadCommand, now: int) -> list[Call]:
        match command:
            case QueryOrder():
                reading = look_up(command, self._subaccount)
            case ReadAccount():
                reading = read_account(command, self._subaccount)
            case ReadListing():
                reading = read_listing(command, self._series, now)
            case EnsureGroup():
                reading = secure_group(command, self._subaccount)
            case reset:
                reading = reset_group(reset, self._subaccount)
        return self._advance(command, reading, None, now)[1]

    def _advance(
        self, command: ReadCommand, reading: Reading, answer: HttpAnswer | None, now: int
    ) -> tuple[list[InputEvent], list[Call]]:
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
        self, command: ReadCommand, events: list[InputEvent], now: int
    ) -> tuple[list[InputEvent], list[Call]]:
        if not isinstance(command, ReadAccount | ReadListing):
            return events, []
        latest = self._wanted.pop(type(command))
        return (events, []) if latest is command else ([], self.perform(latest, now))


def signed(request: HttpRequest, signer: Signer, now: int) -> HttpRequest:
    """Return a request with its whole path and the headers that vouch for it at `now`."""
    path = BASE_PATH + request.path
    headers = signer.headers(request.method, path, now)
    if request.body:
        headers = (*headers, ("Content-Type", "application/json"))
    return HttpRequest(request.method, path, request.query, headers, request.body)


def _batches(commands: Iterable[WriteCommand]) -> Iterator[tuple[WriteCommand, ...]]:
    """Sort a step's writes into requests."""
    writes = tuple(commands)
    cancels = tuple(command for command in writes if isinstance(command, Cancel))
    places = tuple(command for command in writes if isinstance(command, Place))
    changes = (command for command in writes if not isinstance(command, Cancel | Place))
    if cancels:
        yield cancels
    for change in changes:
        yield (change,)
    if places:
        yield places


def _too_old(answer: HttpAnswer | None) -> bool:
    if answer is None or answer.status != 401:
        return False
    return refusal_of(answer.status, wire.error_body(answer.body)) == "clock"


def _failure(command: ReadCommand, reason: str) -> InputEvent:
    match command:
        case QueryOrder():
            return OrderQueryFailed(command.client_id, reason)
        case EnsureGroup() | ResetGroup():
            return GroupUnavailable(command.shard, reason)
        case _:
            return ReadingFailed(
                "account" if isinstance(command, ReadAccount) else "listing", reason
            )
