"""What breaks in a simulated week, as data, and when.

Every fault has its own generator, drawn from the seed and its name: taking one fault out leaves
the others as they were. A seed uses about half of the faults it is given, each at a strength of
its own, so that some weeks are almost quiet and others are storms.
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

Point: TypeAlias = Literal["call", "frame", "output", "occasion"]


class Fault(msgspec.Struct, frozen=True):
    """One way of breaking; `rate` is per message at its point, or occasions per session."""

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
    # The process and its ledger
    Fault("killed", "output", 0.0006),
    Fault("disk_full", "occasion", 0.3),
    Fault("database_locked", "occasion", 0.3),
)

FAULTS: Final = MappingProxyType({fault.name: fault for fault in _TABLE})

# Milliseconds. A request is late by less than the exchange's tolerance of old signatures, and by
# less than the bot waits before it takes an order that nobody knows for one that never arrived.
_LATENCY: Final = (8, 60)
_DELAY: Final = (200, 4_000)
_REQUEST_DELAY: Final = (200, 9_000)
_REORDER: Final = (100, 1_500)
_FILL_HEAD_START: Final = (300, 1_500)
_STRENGTHS: Final = (0.3, 1.0, 3.0)

_CHANNEL_OF: Final = {
    "orderbook_delta": "book",
    "orderbook_snapshot": "book",
    "fill": "fill",
    "user_order": "report",
}
_STORM_SHARE: Final = 0.8
_BUNCHING: Final = ("request_delayed", "server_error_applied_late", "clock_step", "clock_drift")
ORDERS_PATH: Final = "/trade-api/v2/portfolio/events/orders"


class Fate(msgspec.Struct):
    """What becomes of a call: milliseconds there and back, `None` for never."""

    there: int | None
    back: int | None
    # Answered like this by the front, at once, whether or not it will be carried out.
    instead: HttpAnswer | None = None
    fill_first: bool = False


class Arrival(msgspec.Struct):
    """When a frame arrives; one in order never overtakes another."""

    delay: int
    in_order: bool = True


def named(text: str) -> tuple[str, ...]:
    """Return the faults of `all`, `none` or a list with commas; refuse one that does not exist."""
    if text in ("all", "none"):
        return tuple(FAULTS) if text == "all" else ()
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    for name in names:
        if name not in FAULTS:
            raise BadInput(f"there is no fault {name!r}; known are all, none, {', '.join(FAULTS)}")
    return names


class Faults:
    """Decides, by seed, what breaks; while `calm`, nothing does."""

    def __init__(self, seed: str, names: Iterable[str]) -> None:
        self.calm = True
        self.injected: Counter[str] = Counter()
        self.storm_until = self.shard_down_until = self.no_snapshot_until = 0
        self._network = random.Random(f"network {seed}")
        self._rngs: dict[str, random.Random] = {}
        self._rates: dict[str, float] = {}
        for name in names:
            rng = random.Random(f"{name} {seed}")
            if rng.random() < 0.5:
                self._rngs[name] = rng
                self._rates[name] = min(0.5, FAULTS[name].rate * rng.choice(_STRENGTHS))

    def rng(self, name: str) -> random.Random:
        """Return the generator of a fault in use."""
        return self._rngs[name]

    def count(self, name: str) -> None:
        """Note that a fault was injected."""
        self.injected[name] += 1

    def strikes(self, name: str) -> bool:
        """Say whether a fault happens to this message."""
        rng = self._rngs.get(name)
        if rng is None or self.calm or rng.random() >= self._rates[name]:
            return False
        self.count(name)
        return True

    @property
    def bunches(self) -> bool:
        """Whether this seed makes requests arrive closer together than the bot's clock says."""
        return any(name in self._rates for name in _BUNCHING)

    def latency(self) -> int:
        """Draw how long a message takes when nothing is wrong."""
        return self._network.randint(*_LATENCY)

    def occasions(self, start: int, end: int) -> list[tuple[int, str]]:
        """Return which faults of occasion happen in a session, and when."""
        drawn = []
        for name, rng in self._rngs.items():
            if FAULTS[name].point != "occasion":
                continue
            expected = FAULTS[name].rate
            times = int(expected) + (rng.random() < expected % 1)
            drawn += [(rng.randrange(start, end), name) for _ in range(times)]
        return sorted(drawn)

    # Calls

    def call(self, request: HttpRequest, now: int) -> Fate:
        """Return what becomes of a call that is sent now."""
        fate = Fate(self.latency(), self.latency())
        if self._front_refuses(request, now, fate):
            return fate
        if self.strikes("request_lost"):
            fate.there = fate.back = None
        elif self.strikes("request_delayed"):
            fate.there = self.rng("request_delayed").randint(*_REQUEST_DELAY)
        if self.strikes("answer_lost"):
            fate.back = None
        elif self.strikes("answer_delayed"):
            fate.back = self.rng("answer_delayed").randint(*_DELAY)
        if self.strikes("server_error"):
            fate.there, fate.instead = None, _error(502, "bad_gateway")
        elif self.strikes("server_error_but_applied"):
            fate.instead = _error(504, "gateway_timeout")
        elif self.strikes("server_error_applied_late"):
            fate.instead = _error(504, "gateway_timeout")
            fate.there = self.rng("server_error_applied_late").randint(*_REQUEST_DELAY)
        if request.method == "POST" and self.strikes("fill_before_answer"):
            fate.fill_first = True
            fate.back = self.rng("fill_before_answer").randint(*_FILL_HEAD_START)
        return fate

    def _front_refuses(self, request: HttpRequest, now: int, fate: Fate) -> bool:
        """Let the exchange's front answer by itself; say whether it did."""
        if self.calm:
            return False
        if now < self.shard_down_until and request.path.startswith(ORDERS_PATH):
            fate.there, fate.instead = None, _error(503, "exchange_unavailable")
        elif now < self.storm_until and self.rng("rate_storm").random() < _STORM_SHARE:
            fate.there, fate.instead = None, _error(429, "too_many_requests")
            self.count("rate_storm")
        return fate.instead is not None

    # Frames

    def frame(self, kind: str, now: int) -> list[Arrival]:
        """Return when a frame arrives: not at all, once or twice."""
        arrivals = [Arrival(self.latency())]
        if self.calm:
            return arrivals
        if kind == "orderbook_snapshot" and now < self.no_snapshot_until:
            self.count("snapshot_missing")
            return []
        channel = _CHANNEL_OF.get(kind)
        if channel is None:
            return arrivals
        if self.strikes(f"{channel}_dropped"):
            return []
        if self.strikes(f"{channel}_delayed"):
            arrivals[0].delay = self.rng(f"{channel}_delayed").randint(*_DELAY)
        if self.strikes(f"{channel}_reordered"):
            late = self.rng(f"{channel}_reordered").randint(*_REORDER)
            arrivals[0] = Arrival(late, in_order=False)
        if self.strikes(f"{channel}_duplicated"):
            again = self.rng(f"{channel}_duplicated").randint(*_REORDER)
            arrivals.append(Arrival(again, in_order=False))
        return arrivals


def _error(status: int, code: str) -> HttpAnswer:
    body = msgspec.json.encode({"error": {"code": code, "message": code.replace("_", " ")}})
    return HttpAnswer(status, body)
