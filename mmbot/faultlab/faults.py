"""The faults of a simulated week as data, and when each is injected, by seed.

Every fault has its own random generator, seeded by the seed and its name: leaving one fault out
does not change when the others are injected. A seed uses about half of the faults it is given,
those of messages at its own rates, so that some weeks are almost quiet and in others much fails at
once.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

import msgspec

from mmbot.errors import BadInput
from mmbot.kalshi.http import HttpAnswer, HttpRequest
from mmbot.units import Milliseconds

# Where a fault is injected: in a call or its answer, in a frame of the stream, at one of the bot's
# outputs, or at an occasion, which is a drawn time.
Point: TypeAlias = Literal["call", "frame", "output", "occasion"]


class Fault(msgspec.Struct, frozen=True):
    """A kind of fault; `rate` is its probability per message, or its occasions per window."""

    name: str
    point: Point
    rate: float


_TABLE: Final = (
    # A call and its answer
    Fault("request_lost", "call", 0.02),
    Fault("request_delayed", "call", 0.02),
    Fault("answer_lost", "call", 0.03),
    Fault("answer_delayed", "call", 0.05),
    Fault("server_error", "call", 0.02),
    Fault("server_error_but_applied", "call", 0.03),
    Fault("server_error_applied_late", "call", 0.02),
    Fault("fill_before_answer", "call", 0.05),
    Fault("rate_storm", "occasion", 0.5),
    Fault("shard_down", "occasion", 0.3),
    # Frames of the stream
    Fault("book_dropped", "frame", 0.002),
    Fault("book_delayed", "frame", 0.003),
    Fault("book_duplicated", "frame", 0.01),
    Fault("book_reordered", "frame", 0.002),
    Fault("fill_dropped", "frame", 0.15),
    Fault("fill_delayed", "frame", 0.15),
    Fault("fill_duplicated", "frame", 0.3),
    Fault("fill_reordered", "frame", 0.3),
    Fault("report_dropped", "frame", 0.1),
    Fault("report_delayed", "frame", 0.1),
    Fault("report_duplicated", "frame", 0.2),
    Fault("report_reordered", "frame", 0.2),
    Fault("report_status", "frame", 0.05),
    Fault("report_numbers", "frame", 0.03),
    Fault("fill_renamed", "frame", 0.15),
    Fault("fill_misstated", "frame", 0.1),
    Fault("fill_invented", "occasion", 0.7),
    Fault("lists_empty", "occasion", 0.4),
    Fault("channel_silent", "occasion", 0.5),
    Fault("report_false_end", "frame", 0.01),
    Fault("answer_status", "call", 0.05),
    Fault("snapshot_missing", "occasion", 0.3),
    Fault("half_open", "occasion", 0.3),
    Fault("disconnect", "occasion", 0.7),
    Fault("disconnect_in_burst", "frame", 0.0005),
    Fault("channel_error", "occasion", 0.4),
    # The exchange
    Fault("exchange_pause", "occasion", 0.3),
    Fault("market_pause", "occasion", 0.5),
    Fault("early_close", "occasion", 0.08),
    Fault("grid_changed", "occasion", 0.3),
    Fault("fees_changed", "occasion", 0.3),
    Fault("portfolio_lag", "occasion", 0.5),
    Fault("other_client", "occasion", 1.5),
    Fault("foreign_rows", "occasion", 1.0),
    Fault("unreadable_market", "occasion", 0.3),
    Fault("scalar_result", "occasion", 0.3),
    # The operator
    Fault("halt", "occasion", 0.3),
    # The belief
    Fault("belief_jump", "occasion", 2.0),
    # The clock
    Fault("clock_step", "occasion", 0.4),
    Fault("clock_drift", "occasion", 0.4),
    # The counts
    Fault("counts_late", "occasion", 0.5),
    Fault("counts_missing", "occasion", 0.2),
    Fault("counts_revised", "occasion", 0.5),
    Fault("counts_swapped", "occasion", 0.4),
    Fault("counts_absurd", "occasion", 0.4),
    Fault("page_changed", "occasion", 0.2),
    Fault("page_forbidden", "occasion", 0.2),
    Fault("row_blank", "occasion", 0.4),
    Fault("row_doubled", "occasion", 0.3),
    Fault("row_marked", "occasion", 0.3),
    Fault("row_misdated", "occasion", 0.4),
    Fault("table_empty", "occasion", 0.2),
    # The process and its ledger
    Fault("killed", "output", 0.0006),
    Fault("disk_full", "occasion", 0.3),
    Fault("database_locked", "occasion", 0.3),
    Fault("commit_slow", "occasion", 0.5),
)

FAULTS: Final = MappingProxyType({fault.name: fault for fault in _TABLE})

# A delayed request is late by less than the exchange's tolerance of old signatures, and by less
# than the bot's wait before it concludes that an unknown order never arrived.
_LATENCY_MS: Final = (8, 60)
_DELAY_MS: Final = (200, 4_000)
_REQUEST_DELAY_MS: Final = (200, 9_000)
_REORDER_MS: Final = (100, 1_500)
_FILL_HEAD_START_MS: Final = (300, 1_500)
# The factors by which a seed may multiply the rate of a message fault.
_RATE_FACTORS: Final = (0.3, 1.0, 3.0)
_MAX_RATE: Final = 0.5

_CHANNEL_OF: Final = {
    "orderbook_delta": "book",
    "orderbook_snapshot": "book",
    "fill": "fill",
    "user_order": "report",
}
# The share of calls refused during a rate storm.
_STORM_SHARE: Final = 0.8
_BUNCHING: Final = ("request_delayed", "server_error_applied_late", "clock_step", "clock_drift")
ORDERS_PATH: Final = "/trade-api/v2/portfolio/events/orders"
ORDERS_READ: Final = "/trade-api/v2/portfolio/orders"


class CallDelivery(msgspec.Struct):
    """How long a request takes to the exchange and its answer back; `None` if lost."""

    request_delay: Milliseconds | None
    answer_delay: Milliseconds | None
    # The answer of the exchange's front end, whether or not the request is executed behind it.
    front_answer: HttpAnswer | None = None
    # Whether the order is to be filled before its place is answered.
    fill_first: bool = False
    # Whether the order statuses in the answer are unknown words.
    odd_status: bool = False


class FrameDelivery(msgspec.Struct):
    """How long a frame takes; `in_order` frames never overtake each other."""

    delay: Milliseconds
    in_order: bool = True


def named(text: str) -> tuple[str, ...]:
    """Return the faults of `all`, `none` or a comma-separated list.

    Raises:
        BadInput: There is no such fault.
    """
    if text in ("all", "none"):
        return tuple(FAULTS) if text == "all" else ()
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    for name in names:
        if name not in FAULTS:
            raise BadInput(f"there is no fault {name!r}; known are all, none, {', '.join(FAULTS)}")
    return names


class Faults:
    """Draws, by seed, which messages are faulty and when occasions are; nothing fails while `calm`.

    `injected` counts the faults so far. The `..._until` times, in true milliseconds, end faults
    that began at an occasion.
    """

    def __init__(self, seed: str, names: Iterable[str]) -> None:
        self.calm = True
        self.injected: Counter[str] = Counter()
        self.storm_until: Milliseconds = 0
        self.shard_down_until: Milliseconds = 0
        self.no_snapshot_until: Milliseconds = 0
        self.lists_empty_until: Milliseconds = 0
        self._network = random.Random(f"network {seed}")
        self._rngs: dict[str, random.Random] = {}
        self._rates: dict[str, float] = {}
        for name in names:
            rng = random.Random(f"{name} {seed}")
            if rng.random() < 0.5:
                self._rngs[name] = rng
                self._rates[name] = min(_MAX_RATE, FAULTS[name].rate * rng.choice(_RATE_FACTORS))

    def rng(self, name: str) -> random.Random:
        """Return the generator of a fault in use."""
        return self._rngs[name]

    def count(self, name: str) -> None:
        """Count a fault that was injected."""
        self.injected[name] += 1

    def occurs(self, name: str) -> bool:
        """Draw whether this message is faulty, and count the fault if so."""
        rng = self._rngs.get(name)
        if rng is None or self.calm or rng.random() >= self._rates[name]:
            return False
        self.count(name)
        return True

    @property
    def quiet(self) -> bool:
        """Whether no fault affects messages at present."""
        return self.calm or not self._rngs

    @property
    def bunches_requests(self) -> bool:
        """Whether requests may arrive closer together than the bot sent them by its clock."""
        return any(name in self._rates for name in _BUNCHING)

    def latency(self) -> Milliseconds:
        """Draw the latency of a message without a fault."""
        return self._network.randint(*_LATENCY_MS)

    def occasions(self, start: Milliseconds, end: Milliseconds) -> list[tuple[Milliseconds, str]]:
        """Draw the occasions between two times: when and which fault, in order."""
        drawn = []
        for name, rng in self._rngs.items():
            if FAULTS[name].point != "occasion":
                continue
            expected = FAULTS[name].rate
            times = int(expected) + (rng.random() < expected % 1)
            drawn += [(rng.randrange(start, end), name) for _ in range(times)]
        return sorted(drawn)

    # Calls

    def call(self, request: HttpRequest, now: Milliseconds) -> CallDelivery:
        """Draw the delivery of a call that is sent at the true time `now`."""
        delivery = CallDelivery(self.latency(), self.latency())
        if not self._rngs or self._front_refuses(request, now, delivery):
            return delivery
        if self.occurs("request_lost"):
            delivery.request_delay = delivery.answer_delay = None
        elif self.occurs("request_delayed"):
            delivery.request_delay = self.rng("request_delayed").randint(*_REQUEST_DELAY_MS)
        if self.occurs("answer_lost"):
            delivery.answer_delay = None
        elif self.occurs("answer_delayed"):
            delivery.answer_delay = self.rng("answer_delayed").randint(*_DELAY_MS)
        if self.occurs("server_error"):
            delivery.request_delay = None
            delivery.front_answer = _error(502, "bad_gateway")
        elif self.occurs("server_error_but_applied"):
            delivery.front_answer = _error(504, "gateway_timeout")
        elif self.occurs("server_error_applied_late"):
            delivery.front_answer = _error(504, "gateway_timeout")
            late = self.rng("server_error_applied_late").randint(*_REQUEST_DELAY_MS)
            delivery.request_delay = late
        if request.method == "GET" and ORDERS_READ in request.path:
            delivery.odd_status = self.occurs("answer_status")
        if request.method == "POST" and self.occurs("fill_before_answer"):
            delivery.fill_first = True
            delivery.answer_delay = self.rng("fill_before_answer").randint(*_FILL_HEAD_START_MS)
        return delivery

    def _front_refuses(
        self, request: HttpRequest, now: Milliseconds, delivery: CallDelivery
    ) -> bool:
        """Have the exchange's front end refuse a call in an outage; return whether it did."""
        if self.calm:
            return False
        if now < self.shard_down_until and request.path.startswith(ORDERS_PATH):
            delivery.front_answer = _error(503, "exchange_unavailable")
        elif now < self.storm_until and self.rng("rate_storm").random() < _STORM_SHARE:
            delivery.front_answer = _error(429, "too_many_requests")
            self.count("rate_storm")
        else:
            return False
        delivery.request_delay = None
        return True

    # Frames

    def frame(self, kind: str, now: Milliseconds) -> list[FrameDelivery]:
        """Draw the deliveries of a frame that is sent at the true time `now`: none, one or two."""
        deliveries = [FrameDelivery(self.latency())]
        if self.quiet:
            return deliveries
        if kind == "orderbook_snapshot" and now < self.no_snapshot_until:
            self.count("snapshot_missing")
            return []
        channel = _CHANNEL_OF.get(kind)
        if channel is None:
            return deliveries
        if self.occurs(f"{channel}_dropped"):
            return []
        if self.occurs(f"{channel}_delayed"):
            deliveries[0].delay = self.rng(f"{channel}_delayed").randint(*_DELAY_MS)
        if self.occurs(f"{channel}_reordered"):
            late = self.rng(f"{channel}_reordered").randint(*_REORDER_MS)
            deliveries[0] = FrameDelivery(late, in_order=False)
        if self.occurs(f"{channel}_duplicated"):
            again = self.rng(f"{channel}_duplicated").randint(*_REORDER_MS)
            deliveries.append(FrameDelivery(again, in_order=False))
        return deliveries


def _error(status: int, code: str) -> HttpAnswer:
    body = msgspec.json.encode({"error": {"code": code, "message": code.replace("_", " ")}})
    return HttpAnswer(status, body)
