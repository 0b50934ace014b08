"""The network between the bot's process and the venue: a stream and calls, with their faults."""

from __future__ import annotations

import random
from collections.abc import Callable
from email.utils import formatdate
from functools import lru_cache, partial
from typing import Final, Protocol

import msgspec

from mmbot.exchange.order_types import ExchangeOrder
from mmbot.exchange.stream_session import StreamSession
from mmbot.faultlab.faults import CallDelivery, Faults, FrameDelivery
from mmbot.faultlab.invariants import Auditor
from mmbot.faultlab.manual_trades import trade_against
from mmbot.faultlab.scenario import Scenario
from mmbot.faultlab.scheduler import Scheduler
from mmbot.faultlab.traffic import (
    invented_fill,
    is_own_fill,
    kind_of,
    misstated_fill,
    orders_created_by,
    renamed_fill,
    resting_report,
    with_remaining,
    with_status,
    with_statuses,
)
from mmbot.kalshi.http import HttpAnswer, HttpRequest
from mmbot.units import Count, Milliseconds

# How long a half-open connection, a cut and a proper close take to be noticed.
_UNNOTICED_MS: Final = (10_000, 20_000)
_CUT_MS: Final = 1
_CLOSE_MS: Final = 50
# After this time a session knows how full its write bucket is.
_SETTLED_MS: Final = 5_000

# Many answers are given in the same minute.
_minute_date = lru_cache(16)(partial(formatdate, usegmt=True))

_FILLS_PATH: Final = "/trade-api/v2/portfolio/fills"
# The account's lists of fills and positions without any row.
_EMPTY_LISTS: Final = {
    _FILLS_PATH: b'{"fills":[],"cursor":""}',
    "/trade-api/v2/portfolio/positions": b'{"market_positions":[],"cursor":""}',
}
# Order statuses that the protocol does not define, or spells differently.
_STATUSES: Final = ("unknown", "pending", "held", "Canceled", "EXECUTED", "")
# Impossible remaining counts for a resting order.
_REMAINING: Final = ("0.00", "-10.00", "1e2", "some")
# The most by which a fill is misstated, in hundredths of a contract or 1e-4 dollar.
_MOST_MISSTATED: Final = 1_000
# The share of misstated fills with another price instead of more contracts.
_MISSTATED_PRICES: Final = 0.5


class NetworkListener(Protocol):
    """The process, as the network uses it."""

    def stream_opened(self) -> None:
        """Handle the opening of the stream."""

    def stream_failed(self) -> None:
        """Handle a failure to open the stream."""

    def stream_closed(self) -> None:
        """Handle the loss of the stream."""

    def received(self, frame: bytes) -> None:
        """Handle a frame."""


class SimulatedStream:
    """One stream between the process and the venue; frames in order never overtake each other."""

    def __init__(self) -> None:
        # The venue's end, once it has accepted the connection.
        self.session: StreamSession | None = None
        # Whether the process considers it open.
        self.up = False
        # Whether nothing passes any longer, though the process may not know it yet.
        self.dead = False
        # The frame types of dead channels, which are no longer delivered.
        self.silent: frozenset[str] = frozenset()
        # When the last in-order frame arrives, in either direction.
        self.last_arrival: Milliseconds = 0


class Network:
    """Carries bytes between one venue and the process of the present session, if there is one."""

    def __init__(
        self,
        scheduler: Scheduler,
        scenario: Scenario,
        faults: Faults,
        auditor: Auditor,
        rng: random.Random,
    ) -> None:
        """Begin without a process."""
        self.connection: SimulatedStream | None = None
        self._process: NetworkListener | None = None
        self._attached_at = scheduler.now
        self._scheduler = scheduler
        self._scenario = scenario
        self._venue = scenario.venue
        self._faults = faults
        self._auditor = auditor
        self._rng = rng
        self._timeout_ms = round(scenario.settings.orders.answer_timeout_seconds * 1000)
        self._open_calls = self._frames_in_flight = 0

    @property
    def busy(self) -> bool:
        """Whether a call or a frame to the process is in flight."""
        return bool(self._open_calls or self._frames_in_flight)

    def attach(self, process: NetworkListener) -> None:
        """Serve the process of a new session."""
        self._process, self.connection = process, None
        self._attached_at = self._scheduler.now

    def detach(self) -> None:
        """Close the sockets of a process that has ended."""
        if self.connection is not None and self.connection.session is not None:
            self._venue.close_session(self.connection.session)
        self._process = self.connection = None

    # The stream

    def connect(self, headers: tuple[tuple[str, str], ...]) -> None:
        """Open a stream."""
        connection = self.connection = SimulatedStream()
        self._scheduler.after(self._faults.latency(), partial(self._request, connection, headers))

    def _request(self, connection: SimulatedStream, headers: tuple[tuple[str, str], ...]) -> None:
        if connection is not self.connection:
            return
        opened = self._venue.open_session(headers, self._scheduler.now)
        if isinstance(opened, StreamSession):
            connection.session = opened
        self._scheduler.after(self._faults.latency(), partial(self._opened, connection))

    def _opened(self, connection: SimulatedStream) -> None:
        if connection is not self.connection or self._process is None:
            return
        if connection.session is None:
            self._process.stream_failed()
        else:
            connection.up = True
            self._process.stream_opened()

    def transmit(self, frame: bytes) -> None:
        """Send a frame to the venue."""
        self._scheduler.trace("up", frame)
        connection = self.connection
        if connection is None or not connection.up:
            return
        arrival = self._scheduler.now + self._faults.latency()
        connection.last_arrival = max(connection.last_arrival, arrival)
        self._scheduler.at(
            connection.last_arrival, partial(self._arrive_at_venue, connection, frame)
        )

    def _arrive_at_venue(self, connection: SimulatedStream, frame: bytes) -> None:
        session = connection.session
        if session is not None and not session.closed and not connection.dead:
            self._venue.receive(session, frame, self._scheduler.now)
            self.pump()

    def pump(self) -> None:
        """Send the process every frame in the venue's outbox."""
        connection = self.connection
        if connection is None or connection.session is None:
            return
        outbox = connection.session.outbox
        while outbox:
            self._send_down(connection, outbox.popleft())

    def _send_down(self, connection: SimulatedStream, frame: bytes) -> None:
        if connection.dead:
            return
        if self._faults.quiet and not connection.silent:
            self._deliver(connection, frame, FrameDelivery(self._faults.latency()))
            return
        if self._faults.occurs("disconnect_in_burst"):
            self.cut()
            return
        now, kind = self._scheduler.now, kind_of(frame)
        if kind in connection.silent:
            return
        if kind == "fill" and self._faults.occurs("fill_renamed"):
            frame, other, true = renamed_fill(frame)
            self._auditor.told_fills.rename(other, true)
        elif kind == "fill" and is_own_fill(frame) and self._faults.occurs("fill_misstated"):
            rng = self._faults.rng("fill_misstated")
            by, worse = rng.randint(1, _MOST_MISSTATED), rng.random() < _MISSTATED_PRICES
            frame, key, client_id = misstated_fill(frame, by, worse=worse)
            self._auditor.fill_misstated(key, client_id, now)
        if kind == "user_order" and self._faults.occurs("report_status"):
            frame = with_status(frame, self._faults.rng("report_status").choice(_STATUSES))
        elif (
            kind == "user_order" and resting_report(frame) and self._faults.occurs("report_numbers")
        ):
            frame = with_remaining(frame, self._faults.rng("report_numbers").choice(_REMAINING))
        elif kind == "user_order" and self._faults.occurs("report_false_end"):
            client_id = resting_report(frame)
            if client_id:
                self._auditor.ended_falsely(client_id, now)
                frame = with_status(frame, "canceled")
        for delivery in self._faults.frame(kind, now):
            self._deliver(connection, frame, delivery)

    def _deliver(self, connection: SimulatedStream, frame: bytes, delivery: FrameDelivery) -> None:
        at = self._scheduler.now + delivery.delay
        if delivery.in_order:
            at = connection.last_arrival = max(at, connection.last_arrival)
        self._frames_in_flight += 1
        self._scheduler.at(at, partial(self._arrive_at_process, connection, frame))

    def _arrive_at_process(self, connection: SimulatedStream, frame: bytes) -> None:
        self._frames_in_flight -= 1
        if connection is self.connection and connection.up and self._process is not None:
            self._scheduler.trace("down", frame)
            self._process.received(frame)

    def silence(self, kinds: frozenset[str]) -> None:
        """Stop delivering these frame types on the present connection, which stays up."""
        connection = self.connection
        if connection is not None and connection.up:
            connection.silent |= kinds
            self._auditor.channel_silenced(kinds, self._scheduler.now)

    def end_silence(self) -> None:
        """Let every channel of the present connection deliver again."""
        if self.connection is not None:
            self.connection.silent = frozenset()
        self._auditor.channels_restored()

    def invent_fill(self, order: ExchangeOrder, count: Count) -> None:
        """Report to the process a fill of an order that never happened."""
        connection = self.connection
        session = None if connection is None else connection.session
        if connection is None or session is None or not connection.up:
            return
        sids = [sid for sid, each in session.subscriptions.items() if each.channel == "fill"]
        if sids and "fill" not in connection.silent:
            now = self._scheduler.now
            trade_id = self._auditor.told_fills.invent(order, count)
            if order.remaining:
                self._auditor.ended_falsely(order.client_order_id, now)
            self._frames_in_flight += 1
            frame = invented_fill(order, count, trade_id, sids[0], now)
            arrive = partial(self._arrive_at_process, connection, frame)
            self._scheduler.after(self._faults.latency(), arrive)

    def cut(self) -> None:
        """Cut the stream; the process notices at once, or when its machine wakes."""
        connection = self.connection
        if connection is not None and connection.session is not None:
            self._close(connection, _CUT_MS)

    def disconnect(self) -> None:
        """Close the stream for the process."""
        if self.connection is not None:
            self._close(self.connection, _CLOSE_MS)

    def _close(self, connection: SimulatedStream, noticed_after: Milliseconds) -> None:
        if connection.session is not None:
            self._venue.close_session(connection.session)
        connection.dead = True
        self._scheduler.after(noticed_after, partial(self._closed, connection))

    def leave_half_open(self) -> None:
        """Stop all traffic, which neither end notices for a while."""
        connection = self.connection
        if connection is not None and connection.up:
            connection.dead = True
            delay = self._rng.randint(*_UNNOTICED_MS)
            self._scheduler.after(delay, partial(self._closed, connection))

    def _closed(self, connection: SimulatedStream) -> None:
        if connection is not self.connection or not connection.up:
            return
        if connection.session is not None:
            self._venue.close_session(connection.session)
        self.connection = None
        if self._process is not None:
            self._process.stream_closed()

    # Calls

    def call(self, request: HttpRequest, answered: Callable[[HttpAnswer | None], None]) -> None:
        """Send a request; `answered` is called once, with `None` after the timeout."""
        self._scheduler.trace("call", request.method, request.path, request.query, request.body)
        delivery = self._faults.call(request, self._scheduler.now)
        call = _OpenCall(answered)
        self._open_calls += 1
        self._scheduler.after(self._timeout_ms, partial(self._end, call, None))
        if delivery.front_answer is not None and delivery.answer_delay is not None:
            front = self._dated(delivery.front_answer)
            answer = partial(self._answer, call, front)
            self._scheduler.after(delivery.answer_delay, answer)
        if delivery.request_delay is None:
            self._auditor.call_lost(request)
        else:
            self._scheduler.after(
                delivery.request_delay, partial(self._serve, call, request, delivery)
            )

    def _serve(self, call: _OpenCall, request: HttpRequest, delivery: CallDelivery) -> None:
        now = self._scheduler.now
        true_answer = self._venue.handle(request, now)
        answer = self._listed(request, true_answer, now)
        settled = now > self._attached_at + _SETTLED_MS
        tokens_known = settled and not self._faults.bunches_requests
        self._auditor.call_answered(request, answer, tokens_known=tokens_known)
        if delivery.fill_first and answer.status == 201:
            for order in orders_created_by(request):
                trade_against(self._scenario, order.ticker, order.side, order.price, now)
        self.pump()
        if delivery.odd_status and answer.status == 200:
            status = self._faults.rng("answer_status").choice(_STATUSES)
            answer = HttpAnswer(200, with_statuses(answer.body, status), answer.headers)
        if delivery.front_answer is None and delivery.answer_delay is not None:
            deliver = partial(self._answer, call, self._dated(answer))
            self._scheduler.after(delivery.answer_delay, deliver)
            if request.path == _FILLS_PATH:
                call.fills_denied = answer is not true_answer

    def _dated(self, answer: HttpAnswer) -> HttpAnswer:
        """Return an answer with the present date in whole seconds, as a web server gives it."""
        minute, second = divmod(self._scheduler.now // 1000, 60)
        date = _minute_date(60 * minute).replace(":00 GMT", f":{second:02d} GMT")
        return msgspec.structs.replace(answer, headers=(("date", date),))

    def _listed(self, request: HttpRequest, answer: HttpAnswer, now: Milliseconds) -> HttpAnswer:
        """Return an answer, emptied while the account's lists are to be empty."""
        body = _EMPTY_LISTS.get(request.path)
        if body is None or now >= self._faults.lists_empty_until or answer.status != 200:
            return answer
        return HttpAnswer(200, body, answer.headers)

    def _answer(self, call: _OpenCall, answer: HttpAnswer) -> None:
        if not call.over:
            self._scheduler.trace("answer", answer.status, answer.body)
            if call.fills_denied is not None:
                self._auditor.fills_listed(denied=call.fills_denied)
            self._end(call, answer)

    def _end(self, call: _OpenCall, answer: HttpAnswer | None) -> None:
        if not call.over:
            call.over = True
            self._open_calls -= 1
            call.answered(answer)


class _OpenCall:
    """A call that waits for its answer."""

    def __init__(self, answered: Callable[[HttpAnswer | None], None]) -> None:
        self.answered = answered
        self.over = False
        # Whether a fault emptied this list of fills; `None` for any other answer.
        self.fills_denied: bool | None = None
