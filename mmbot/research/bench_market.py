"""A bot in the middle of its markets, for the benchmarks: frames go in, and nothing else is open.

Every event has 21 strikes with books a few cents wide around fair value; every gate is open, and
there are more tokens and cash than the orders need. The bot quotes one tick better than the others,
so that every move of the best price moves its quote.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec

from mmbot.bot.bot import Bot
from mmbot.bot.driver import Driver
from mmbot.bot.inputs import CallAnswered, EventOccurred, FrameReceived, StreamOpened
from mmbot.bot.outputs import Output, Transmit
from mmbot.config import Settings
from mmbot.forecast.belief import Belief
from mmbot.kalshi.auth import Signer
from mmbot.kalshi.gateway import Call
from mmbot.kalshi.http import HttpAnswer
from mmbot.kalshi.readings import ORDERS
from mmbot.recording.late_records import LateRecords
from mmbot.recording.recorder import RecordedBot
from mmbot.trading.commands import Place
from mmbot.trading.events import (
    BeliefFormed,
    GroupReady,
    InputEvent,
    LimitsRead,
    ListingRead,
    Reconciled,
    SessionStarted,
)
from mmbot.trading.values import ListedEvent, Market, Side
from mmbot.underlying.calendar import CalendarClock, Week, to_milliseconds
from mmbot.units import (
    CENT_GRID,
    MONEY_PER_DOLLAR,
    ONE_CENT,
    ONE_CONTRACT,
    Count,
    Milliseconds,
    Money,
    Price,
    format_count,
    format_price,
    parse_count,
    parse_price,
)

STRIKES = tuple(range(1_800_000, 2_850_000, 50_000))
_FIRST = Week(dt.date(2026, 4, 19))
# Fair values from 80 down to 20 cents, and books some cents around them, five levels per side.
_FAIR = tuple(0.8 - 0.6 * j / (len(STRIKES) - 1) for j in range(len(STRIKES)))
HALF_SPREAD, LEVELS, DEPTH = 5, 5, Count(100 * ONE_CONTRACT)
# Monday afternoon, when nothing is due.
NOW = to_milliseconds(_FIRST.opens) + 4 * 3_600_000
_PLENTY = Money(200_000 * MONEY_PER_DOLLAR)
# A quote is moved by a cancel and a place, and there are two in a market.
_MOST_ANSWERED = 20
_SIDES: tuple[Side, Side] = ("bid", "ask")
_ORDER_ID = "id-"
_BOOK_SID = 1_000
_LEGS = {"bid": "yes", "ask": "no"}

# Both sides of every market, as near to fair value as the edge allows, moved as soon as the best
# price has moved.
QUOTING = {
    "sides": "both",
    "margin": 0.001,
    "longshot_edge_cents": [0.0] * 5,
    "minimum_edge_cents": 1.0,
    "uncertainty_edge": 0.0,
    "size_by_known": [1.0] * 5,
    "reprice_tolerance_cents": 0.0,
    "minimum_rest_seconds": 0.0,
}
SETTINGS = msgspec.convert(
    {
        "mode": "demo",
        "quoting": QUOTING,
        "limits": {
            "orders": 10_000,
            "event_loss_dollars": 100_000.0,
            "contracts_per_15_seconds": 1_000_000,
        },
        "orders": {"lifetime_seconds": 3_600},
    },
    Settings,
)


class Frames:
    """Renders the frames of one subscription to the books of some markets, in sequence."""

    def __init__(self, tickers: Sequence[str], now: Milliseconds) -> None:
        """Begin at sequence number 1."""
        self.tickers = tickers
        self.now = now
        self._seq = 0
        # The levels behind the best that are partly taken.
        self._taken: dict[tuple[int, Side, Price], bool] = {}

    def snapshot(self, index: int, middle: int) -> bytes:
        """Return the whole book of a market, around `middle` cents."""
        sides = {
            f"{_LEGS[side]}_dollars_fp": [
                (format_price(level_price(side, middle, level)), format_count(DEPTH))
                for level in range(LEVELS)
            ]
            for side in _SIDES
        }
        message = {"market_ticker": self.tickers[index], "market_id": f"{index:036x}", "clock": 1}
        return self._frame("orderbook_snapshot", message | sides)

    def delta(self, index: int, side: Side, price: Price, change: Count) -> bytes:
        """Return the change of one level by somebody else."""
        return self._frame(
            "orderbook_delta", self._change(self.tickers[index], side, price, change)
        )

    def quiet(self, count: int, middles: Sequence[int], rng: random.Random) -> Iterator[bytes]:
        """Yield changes behind the best prices, which need no orders."""
        for _ in range(count):
            index, side = rng.randrange(len(middles)), rng.choice(_SIDES)
            price = level_price(side, middles[index], rng.randrange(1, LEVELS))
            place = index, side, price
            taken = self._taken[place] = not self._taken.get(place, False)
            size = Count((13 + index % 50) * ONE_CONTRACT)
            yield self.delta(index, side, price, Count(-size if taken else size))

    def move(self, index: int, side: Side, middle: int) -> Iterator[bytes]:
        """Yield two frames: the best price of a side disappears, and returns."""
        best = level_price(side, middle, 0)
        yield self.delta(index, side, best, Count(-DEPTH))
        yield self.delta(index, side, best, DEPTH)

    def own_delta(self, order: Place, change: Count) -> bytes:
        """Return the change of one level by an order of the bot's."""
        message = self._change(order.ticker, order.side, order.price, change)
        return self._frame("orderbook_delta", message | {"client_order_id": order.client_id})

    def _change(self, ticker: str, side: Side, price: Price, change: Count) -> dict[str, object]:
        return {
            "market_ticker": ticker,
            "market_id": f"{self.tickers.index(ticker):036x}",
            "clock": self._seq + 2,
            "price_dollars": format_price(price),
            "delta_fp": format_count(change),
            "side": _LEGS[side],
            "ts_ms": self.now,
        }

    def _frame(self, kind: str, message: object) -> bytes:
        self._seq += 1
        frame = {"type": kind, "sid": _BOOK_SID, "seq": self._seq, "sending_ts_ms": self.now}
        return msgspec.json.encode({**frame, "msg": message})


def confirmations(asked: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the answers to subscriptions."""
    for number, frame in enumerate(asked, 1):
        command = msgspec.json.decode(frame)
        if command["cmd"] == "subscribe":
            (channel,) = command["params"]["channels"]
            sid = _BOOK_SID if channel == "orderbook_delta" else number
            answer = {"channel": channel, "sid": sid}
            yield msgspec.json.encode({"id": command["id"], "type": "subscribed", "msg": answer})


def level_price(side: Side, middle: int, level: int) -> Price:
    """Return the price of a level, counted from the best, in a book around `middle` cents."""
    distance = HALF_SPREAD + level
    return Price((middle - distance if side == "bid" else middle + distance) * ONE_CENT)


class BenchMarket:
    """One bot with every market quoted; `now` is its time.

    Attributes:
        bot: The bot.
        frames: Renders the next frames of its books' subscription.
        middles: The middle of each market's book, in cents.
        recorded: How many bytes of its inputs and outputs were recorded.
        sent: Called with each request where it would be sent, before anything else is done.
    """

    sent: Callable[[Call], object] | None = None

    def __init__(self, markets: int, signer: Signer) -> None:
        """Open a number of markets, rounded up to whole events."""
        self.now = NOW
        self.recorded = 0
        self._placed: dict[str, Place] = {}
        self._outputs: list[Output] = []
        # As in the daemon, a step is recorded after its requests are sent.
        self._late: list[Callable[[], None]] = []
        self._records = LateRecords(self._keep, self._late.append)
        rng = random.Random("bench")  # noqa: S311 (jitter, not secrecy)
        self.bot: Bot = RecordedBot(
            SETTINGS, CalendarClock(), signer, "bench", rng, keep=self._records
        )
        self._driver = Driver(self.bot.handle, lambda: self.now, self._execute)
        events = list(_events(-(-markets // len(STRIKES))))
        tickers = [market.ticker for event in events for market in event.markets]
        self.middles = [round(100 * fair) for fair in _FAIR] * len(events)
        self._subscribe(events)
        self.frames = Frames(tickers, self.now)
        for index, middle in enumerate(self.middles):
            self.received(self.frames.snapshot(index, middle))
        for event in events:
            above = Belief(event.week, 0, STRIKES, _FAIR, 2_300_000.0, 250_000.0, "", "")
            self._occurred(BeliefFormed(above))
        self.settle()

    def _execute(self, output: Output) -> None:
        if self.sent is not None and isinstance(output, Call):
            self.sent(output)
        self._outputs.append(output)

    def _keep(self, record: bytes) -> None:
        self.recorded += len(record)

    def _subscribe(self, events: list[ListedEvent]) -> None:
        self._occurred(SessionStarted(self.now, ()))
        self._driver.handle(StreamOpened())
        self._occurred(ListingRead("", tuple(events)))
        asked = [output.frame for output in self._outputs if isinstance(output, Transmit)]
        for told in confirmations(asked):
            self.received(told)
        self._occurred(LimitsRead(1e9, 1e9, 10.0, 2.0, 10.0))
        self._occurred(GroupReady(0, "group", SETTINGS.limits.fill_cap))
        self._occurred(Reconciled((), (), {0: _PLENTY}, requested_at=self.now))

    def _occurred(self, event: InputEvent) -> None:
        self._driver.handle(EventOccurred(event))

    def received(self, frame: bytes) -> None:
        """Have the bot handle a frame, and record it."""
        self._driver.handle(FrameReceived(frame))
        while self._late:
            self._late.pop()()

    @property
    def calls(self) -> list[Call]:
        """The requests that were sent since `settle` was called."""
        return [output for output in self._outputs if isinstance(output, Call)]

    def settle(self) -> None:
        """Answer writes until there are no more; reads are never answered."""
        for _ in range(_MOST_ANSWERED):
            calls = [call for call in self.calls if ORDERS in call.request.path]
            self._outputs.clear()
            if not calls:
                return
            for call in calls:
                for frame in self._echoes(call):
                    self.received(frame)
                self._driver.handle(CallAnswered(call.id, _applied(call)))
        raise RuntimeError("the quotes do not come to rest")

    def _echoes(self, call: Call) -> Iterator[bytes]:
        """Yield what the stream reports of a write: the orders, and the changes of the books."""
        if call.request.method == "DELETE":
            for order_id in _cancelled(call):
                order = self._placed.pop(order_id)
                yield self.frames.own_delta(order, Count(-order.count))
            return
        for order in _places(call):
            self._placed[_ORDER_ID + order.client_id] = order
            yield self.frames.own_delta(order, order.count)
            yield msgspec.json.encode({"type": "user_order", "sid": 2, "msg": _report(order)})

    def move(self, index: int, side: Side) -> Iterator[bytes]:
        """Yield two frames: the best price of a side disappears, and returns."""
        return self.frames.move(index, side, self.middles[index])

    def at(self, now: Milliseconds) -> None:
        """Set the time of the bot and of the next frames."""
        self.now = self.frames.now = now


def _events(count: int) -> Iterator[ListedEvent]:
    opens = to_milliseconds(_FIRST.opens)
    for number in range(count):
        week = Week(_FIRST.sunday + dt.timedelta(weeks=number))
        ticker = week.event_ticker(SETTINGS.exchange.series)
        markets = tuple(
            Market(f"{ticker}-A{s / 1e6:.2f}", s, CENT_GRID, opens, to_milliseconds(week.closes))
            for s in STRIKES
        )
        yield ListedEvent(ticker, week, markets)


def _places(call: Call) -> list[Place]:
    body = msgspec.json.decode(call.request.body)
    return [
        Place(
            row["client_order_id"],
            row["ticker"],
            row["exchange_index"],
            row["side"],
            parse_price(row["price"]),
            parse_count(row["count"]),
            row["expiration_time"] * 1000,
            row["order_group_id"],
        )
        for row in body.get("orders", [body])
    ]


def _cancelled(call: Call) -> list[str]:
    """Return the ids of the orders that a request cancels."""
    request = call.request
    if not request.body:
        return [request.path.rpartition("/")[2]]
    return [row["order_id"] for row in msgspec.json.decode(request.body)["orders"]]


def _report(order: Place) -> dict[str, object]:
    return {
        "order_id": _ORDER_ID + order.client_id,
        "client_order_id": order.client_id,
        "ticker": order.ticker,
        "status": "resting",
        "book_side": order.side,
        "outcome_side": _LEGS[order.side],
        "yes_price_dollars": format_price(order.price),
        "initial_count_fp": format_count(order.count),
        "remaining_count_fp": format_count(order.count),
        "fill_count_fp": "0.00",
        "expiration_ts_ms": order.expires,
        "order_group_id": order.group,
    }


def _applied(call: Call) -> HttpAnswer:
    """Return the answer to a write that was applied."""
    if call.request.method == "DELETE":
        status, rows = 200, [{"order_id": each, "reduced_by": "10.00"} for each in _cancelled(call)]
    else:
        status = 201
        rows = [
            {
                "order_id": _ORDER_ID + order.client_id,
                "client_order_id": order.client_id,
                "fill_count": "0.00",
                "remaining_count": format_count(order.count),
            }
            for order in _places(call)
        ]
    batched = call.request.path.endswith("/batched")
    return HttpAnswer(status, msgspec.json.encode({"orders": rows} if batched else rows[0]))
