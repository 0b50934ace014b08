"""The engine against a small exchange that answers late, out of order, wrongly or not at all."""

from __future__ import annotations

import random
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmbot.trading import requoting
from mmbot.trading.commands import (
    Cancel,
    Command,
    Decrease,
    EnsureGroup,
    Place,
    QueryOrder,
    ReadAccount,
    ReadListing,
    Renew,
    ResetGroup,
    StopConfirmed,
    WakeAt,
)
from mmbot.trading.events import (
    BeliefFormed,
    BooksDistrusted,
    Filled,
    GroupChanged,
    InputEvent,
    ListingRead,
    OrderAbsent,
    OrderRenewed,
    OrderReported,
    ReadingFailed,
    Reconciled,
    StreamLost,
    StreamUp,
    Woken,
    WriteRefused,
    WriteUnknown,
)
from mmbot.trading.operator_events import Stopping
from mmbot.trading.portfolio import Exposure, Portfolio
from mmbot.trading.values import Fill, OrderReport, Refusal, Write
from mmbot.units import CENT_GRID, Count, Milliseconds, Money
from tests.trading.builders import (
    PLENTY,
    STRIKES,
    Bench,
    belief,
    book,
    group_ready,
    order_cancelled,
    order_decreased,
    order_placed,
)

TICKERS = tuple(STRIKES)
LOSS = 15_000_000
# Measuring which branches it takes makes it four times as slow, and other tests take them all.
pytestmark = pytest.mark.no_cover

SEEDS = st.integers(0, 2**32)
_ANSWER_MS = 5_000
_WRITES: dict[type, Write] = {
    Place: "place",
    Cancel: "cancel",
    Renew: "renew",
    Decrease: "decrease",
}
_REFUSALS: tuple[Refusal, ...] = (
    "post_only_cross",
    "insufficient_balance",
    "other",
    "rate_limited",
    "group_triggered",
    "inactive",
    "clock",
)


class Resting(msgspec.Struct):
    """An order as the exchange knows it."""

    place: Place
    order_id: str
    filled: Count = Count(0)
    ended: bool = False
    expires: int = 0
    count: Count = Count(0)

    @property
    def remaining(self) -> Count:
        return Count(0 if self.ended else self.count - self.filled)

    @property
    def report(self) -> OrderReport:
        place = self.place
        return OrderReport(
            place.client_id,
            self.order_id,
            place.ticker,
            place.side,
            place.price,
            self.filled,
            self.remaining,
            "ended" if self.ended else "resting",
            self.expires,
        )


class Walk:
    """A bench, an exchange, and the messages under way between them."""

    def __init__(self, seed: int, *, faults: bool) -> None:
        self.rng = random.Random(seed)
        self.bench = Bench(limits={"event_loss_dollars": LOSS / 1e6, "contracts_per_market": 30})
        self.faults = faults
        self.orders: dict[str, Resting] = {}
        self.fills: list[Fill] = []
        self.to_exchange: list[Command] = []
        self.to_bot: list[InputEvent] = []
        # When the reading that is wanted was asked for.
        self.reading: Milliseconds | None = None
        self.listing_wanted = False
        self.streaming = False
        self.finished = False
        self.wakes = 0

    # What the bot handles

    def tell(self, event: InputEvent) -> None:
        now = self.bench.now
        for command in self.bench.handle(event):
            match command:
                case EnsureGroup() | ResetGroup():
                    self.to_exchange.append(command)
                case Place() | Cancel() | Renew() | Decrease() | QueryOrder():
                    self._check_write(command)
                    self.to_exchange.append(command)
                case ReadAccount():
                    self.reading = now
                case ReadListing():
                    self.listing_wanted = True
                case WakeAt():
                    assert command.at > now or not isinstance(event, Woken)
                case StopConfirmed():
                    self.finished = True
        self._check_promises()

    def _check_write(self, command: Command) -> None:
        if not isinstance(command, Place):
            return
        state = self.bench.engine.state
        market = state.market(command.ticker)
        assert market.book is not None
        assert market.fair is not None
        assert state.service.streaming
        assert state.service.reconciled
        assert not state.service.stopping
        assert state.service.exchange is None
        assert self.bench.now + 1000 < command.expires <= self.bench.now + 60_000
        paid, worth = command.price / 1e4, market.fair
        if command.side == "ask":
            paid, worth = 1 - paid, 1 - worth
        assert paid <= worth * 0.9 + 1e-9
        assert CENT_GRID.accepts(command.price)

    def _check_promises(self) -> None:
        state = self.bench.engine.state
        if all(order.order_id for order in state.orders):
            # A fill that is booked before its order is identified counts twice until then.
            for event_state in state.events.values():
                assert min(event_state.portfolio.wealth(state.exposures(event_state))) >= -LOSS
        assert min(self._true_wealth()) >= -LOSS
        for ticker in TICKERS:
            alive = [o for o in self.orders.values() if o.place.ticker == ticker and o.remaining]
            bids = [o.place.price for o in alive if o.place.side == "bid"]
            asks = [o.place.price for o in alive if o.place.side == "ask"]
            assert len(bids) <= 1
            assert len(asks) <= 1
            assert not bids or not asks or bids[0] < asks[0]
        budget = state.budget
        assert budget.available(self.bench.now) >= 0

    def _true_wealth(self) -> list[Money]:
        """The worst case of what the exchange has, and of what is on its way there."""
        portfolio = Portfolio(TICKERS)
        for fill in self.fills:
            portfolio.book(fill)
        under_way = [c for c in self.to_exchange if isinstance(c, Place)]
        exposed = [(o.place, o.remaining) for o in self.orders.values()]
        exposed += [(place, place.count) for place in under_way]
        return portfolio.wealth(
            Exposure(portfolio.strike_index(place.ticker), place.side, place.price, count)
            for place, count in exposed
        )

    # What the exchange does

    def say(self, event: InputEvent) -> None:
        """Say something on the stream; a stream that is down says nothing."""
        if self.streaming:
            self.to_bot.append(event)

    def serve(self) -> None:
        """Let one request, any, arrive at the exchange."""
        command = self.to_exchange.pop(self.rng.randrange(len(self.to_exchange)))
        lost = self.faults and self.rng.random() < 0.15
        if isinstance(command, QueryOrder):
            self._serve_look_up(command, lost=lost)
        elif isinstance(command, EnsureGroup):
            self.to_bot.append(group_ready(command.shard, "g", command.contracts))
        elif isinstance(command, ResetGroup):
            self.to_bot.append(GroupChanged(command.group, "reset"))
        elif isinstance(command, Place | Cancel | Renew | Decrease):
            never_arrived = lost and self.rng.random() < 0.5
            unknown = WriteUnknown(command.client_id, _WRITES[type(command)], "")
            answer: InputEvent = unknown if never_arrived else self._serve_write(command)
            self.to_bot.append(unknown if lost else answer)

    def _serve_write(self, command: Place | Cancel | Renew | Decrease) -> InputEvent:
        match command:
            case Place():
                return self._serve_place(command)
            case Cancel():
                order = self.orders.get(command.client_id)
                if order is None or not order.remaining:
                    return WriteRefused(command.client_id, "cancel", "not_found", "")
                remaining, order.ended = order.remaining, True
                self.say(OrderReported(order.report))
                return order_cancelled(command.client_id, remaining)
            case Renew():
                order = self.orders.get(command.client_id)
                if order is None or not order.remaining:
                    return WriteRefused(command.client_id, "renew", "not_found", "")
                assert command.count == order.count, "a renewal must change nothing else"
                order.expires = command.expires
                self.say(OrderReported(order.report))
                return OrderRenewed(command.client_id, command.expires)
            case Decrease():
                order = self.orders.get(command.client_id)
                if order is None or not order.remaining:
                    return WriteRefused(command.client_id, "decrease", "not_found", "")
                if order.remaining <= command.remaining:
                    return WriteRefused(command.client_id, "decrease", "no_change", "")
                order.count = Count(order.filled + command.remaining)
                self.say(OrderReported(order.report))
                return order_decreased(command.client_id, command.remaining)

    def _serve_place(self, command: Place) -> InputEvent:
        if self.faults and self.rng.random() < 0.1:
            return WriteRefused(command.client_id, "place", self.rng.choice(_REFUSALS), "")
        assert command.group, "no order without a group"
        order = Resting(
            command, f"o-{len(self.orders)}", expires=command.expires, count=command.count
        )
        self.orders[command.client_id] = order
        self.say(OrderReported(order.report))
        return order_placed(command.client_id, order.order_id)

    def _serve_look_up(self, command: QueryOrder, *, lost: bool) -> None:
        order = self.orders.get(command.client_id)
        if lost:
            return
        if order is None:
            self.to_bot.append(OrderAbsent(command.client_id))
        else:
            self.to_bot.append(OrderReported(order.report, queried=True))

    def trade(self) -> None:
        """Let somebody trade with one of our orders."""
        alive = [order for order in self.orders.values() if order.remaining]
        if alive:
            order = self.rng.choice(alive)
            place, count = order.place, Count(self.rng.randint(1, order.remaining))
            order.filled = Count(order.filled + count)
            order.ended = order.filled == order.count
            fill = Fill(
                trade_id=f"t-{len(self.fills)}",
                order_id=order.order_id,
                ticker=place.ticker,
                side=place.side,
                price=place.price,
                count=count,
                fee=Money(0),
                at=0,
                client_id=self.rng.choice(("", place.client_id)),
            )
            self.fills.append(fill)
            self.say(Filled(fill))
            self.say(OrderReported(order.report))

    def expire(self) -> None:
        for order in self.orders.values():
            if order.remaining and order.expires <= self.bench.now:
                order.ended = True
                self.say(OrderReported(order.report))

    def deliver(self) -> None:
        """Tell the bot one message, any, and sometimes the same once more."""
        message = self.to_bot.pop(self.rng.randrange(len(self.to_bot)))
        self.tell(message)
        if self.faults and isinstance(message, Filled | OrderReported) and self.rng.random() < 0.1:
            self.tell(message)

    def read(self) -> None:
        """Answer whatever reading is wanted, from what is true now."""
        if self.reading is not None:
            asked, self.reading = self.reading, None
            orders = tuple(o.report for o in self.orders.values() if o.remaining)
            self.tell(Reconciled(orders, tuple(self.fills), {0: PLENTY}, requested_at=asked))
        if self.listing_wanted:
            self.listing_wanted = False
            self.tell(ListingRead("", (self.bench.listed,)))

    def fail_reading(self) -> None:
        if self.reading is not None:
            self.reading = None
            self.tell(ReadingFailed("account", "no answer"))

    def pass_time(self, milliseconds: int) -> None:
        """Let time pass, waking the bot whenever it wished to be."""
        until = self.bench.now + milliseconds
        while (wake := self.bench.wake) is not None and wake <= until:
            self.bench.wake = None
            self.bench.now = max(self.bench.now, wake)
            self.expire()
            self.wakes += 1
            self.tell(Woken())
        self.bench.now = until
        self.expire()

    def connect(self) -> None:
        self.streaming = True
        self.tell(StreamUp())
        for ticker in TICKERS:
            self.show_book(ticker)

    def lose_stream(self) -> None:
        self.streaming = False
        self.to_bot = [
            m
            for m in self.to_bot
            if not isinstance(m, Filled) and not (isinstance(m, OrderReported) and not m.queried)
        ]
        self.tell(StreamLost())
        self.connect()

    def show_book(self, ticker: str | None = None) -> None:
        bid = self.rng.randrange(500, 8000, 100)
        shown = book(
            ticker or self.rng.choice(TICKERS), bid, bid + self.rng.randrange(100, 2000, 100)
        )
        self.tell(shown)

    def believe(self) -> None:
        above = sorted((self.rng.uniform(0.02, 0.98) for _ in TICKERS), reverse=True)
        self.tell(BeliefFormed(belief((above[0], above[1], above[2]))))

    def trigger(self) -> None:
        """Let the exchange take every order off, and say so before or after it says of which."""
        self.say(GroupChanged("g", "triggered"))
        for order in self.orders.values():
            if order.remaining:
                order.ended = True
                self.say(OrderReported(order.report))

    def distrust(self) -> None:
        ticker = self.rng.choice(TICKERS)
        self.tell(BooksDistrusted((ticker,), "gap"))
        self.show_book(ticker)

    # Whole walks

    def begin(self) -> None:
        self.connect()
        self.settle()
        self.believe()
        for ticker in TICKERS:
            self.show_book(ticker)

    def settle(self, milliseconds: int = 0) -> None:
        """Let everything under way arrive, for so long."""
        until = self.bench.now + milliseconds
        while True:
            for _ in range(1000):
                if self.to_exchange:
                    self.serve()
                elif self.to_bot:
                    self.deliver()
                elif self.reading is not None or self.listing_wanted:
                    self.read()
                else:
                    break
            else:
                pytest.fail("messages without end")
            if self.bench.now >= until:
                return
            self.pass_time(100)

    def pass_some_time(self) -> None:
        """Let time pass, in which no request is under way for longer than its answer is awaited."""
        milliseconds = self.rng.choice((1, 50, 400, 3_000, 20_000))
        while milliseconds > _ANSWER_MS and self.to_exchange:
            self.serve()
        self.pass_time(milliseconds)

    def wander(self, steps: int) -> None:
        doings: list[Callable[[], None]] = [
            self.trade,
            self.show_book,
            self.show_book,
            self.believe,
        ]
        if self.faults:
            doings += [self.lose_stream, self.fail_reading, self.distrust, self.trigger]
        for _ in range(steps):
            choice = self.rng.random()
            if choice < 0.3 and self.to_exchange:
                self.serve()
            elif choice < 0.6 and self.to_bot:
                self.deliver()
            elif choice < 0.7:
                self.read()
            elif choice < 0.9:
                self.rng.choice(doings)()
            else:
                self.pass_some_time()


def check_agreement(walk: Walk) -> None:
    """What the engine believes of its orders and positions is what the exchange has."""
    state = walk.bench.engine.state
    ours = {o.client_id: (o.state, o.remaining) for o in state.orders}
    theirs = {c: ("resting", o.remaining) for c, o in walk.orders.items() if o.remaining}
    assert ours == theirs
    truth = Portfolio(TICKERS)
    for fill in walk.fills:
        truth.book(fill)
    for ticker in TICKERS:
        assert state.event_of_market[ticker].portfolio.position(ticker) == truth.position(ticker)


@pytest.mark.parametrize("faults", [False, True])
@settings(max_examples=25, deadline=None)
@given(seed=SEEDS)
def test_every_promise_is_kept_on_the_way_and_everything_is_known_at_the_end(
    faults: bool, seed: int
) -> None:
    walk = Walk(seed, faults=faults)
    walk.begin()
    walk.wander(150)
    walk.faults = False
    walk.settle(90_000)
    check_agreement(walk)
    walk.tell(Stopping())
    walk.settle(30_000)
    assert walk.finished
    assert not any(order.remaining for order in walk.orders.values())


def test_an_engine_that_is_left_alone_wakes_only_for_what_is_due() -> None:
    walk = Walk(1, faults=False)
    walk.begin()
    walk.settle()
    walk.wakes = 0
    walk.settle(300_000)
    # Ten half lives and five readings, each for six orders at the most.
    assert 10 <= walk.wakes <= 60


def commands(seed: int) -> list[Command]:
    walk = Walk(seed, faults=True)
    walk.begin()
    walk.wander(200)
    return walk.bench.all_commands


def test_the_same_events_give_the_same_commands() -> None:
    assert commands(7) == commands(7)


@settings(max_examples=10, deadline=None)
@given(seed=SEEDS)
def test_headroom_kept_from_an_earlier_review_is_what_would_be_found_anew(seed: int) -> None:
    kept = commands(seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(requoting, "headroom_basis", lambda _state: (object(),))
        assert commands(seed) == kept
