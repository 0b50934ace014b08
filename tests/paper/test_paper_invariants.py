"""What holds for any requests, frames and trades."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmbot.kalshi.feed import Feed
from mmbot.kalshi.http import BASE_PATH, HttpRequest
from mmbot.paper.paper_trading import passes
from mmbot.trading.book import Book
from mmbot.trading.events import BookChanged, BookReplaced, BooksDistrusted
from mmbot.units import (
    Count,
    Price,
    format_count,
    format_price,
    parse_count,
    parse_price,
)
from tests.paper.bench import (
    BOOK_SID,
    LIFECYCLE_SID,
    NOW,
    OWN,
    PRIVATE,
    TICKER,
    TRADE_SID,
    Bench,
    Frame,
    delta_frame,
    subscribed,
)

_METHODS = st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "get"])
_SEGMENTS = st.sampled_from(
    [
        "portfolio",
        "events",
        "orders",
        "markets",
        "account",
        "api_keys",
        "..",
        ".",
        "%2e%2e",
        "order_groups",
        "batched",
        "exchange",
        "subaccounts",
        "transfer",
        "historical",
        "fills",
        "x",
        "",
    ]
)
_PATHS = st.lists(_SEGMENTS, max_size=5).map(lambda parts: "/".join([BASE_PATH, *parts]))
_ANY_PATH = _PATHS | st.text(max_size=30)
_VENUE = Bench().venue


@given(method=_METHODS, path=_ANY_PATH, body=st.binary(max_size=40))
def test_nothing_but_public_reads_ever_goes_out(method: str, path: str, body: bytes) -> None:
    request = HttpRequest(method, path, body=body)
    answer = _VENUE.answer(request, NOW)
    if answer is None:
        assert method == "GET"
        assert not path.startswith(f"{BASE_PATH}/portfolio")
        assert ".." not in path
    elif method != "GET":
        assert answer.status >= 400 or path.startswith(f"{BASE_PATH}/portfolio/")


_CHANNELS = [*PRIVATE, "orderbook_delta", "trade", "ticker", "market_lifecycle_v2"]


@given(channels=st.lists(st.sampled_from(_CHANNELS)), connected=st.booleans())
def test_no_private_channel_is_ever_asked_for_outside(channels: list[str], connected: bool) -> None:
    bench = Bench()
    if connected:
        bench.venue.connected()
    for sent in bench.send(1, "subscribe", channels=channels, market_tickers=[TICKER]):
        assert PRIVATE.isdisjoint(sent["params"]["channels"])


@pytest.mark.parametrize(
    "path", ["/exchange/status", "/account/limits", "/events", f"/markets/{TICKER}/orderbook"]
)
def test_public_reads_go_out(path: str) -> None:
    assert passes(HttpRequest("GET", BASE_PATH + path))


_PRICES = st.integers(1, 99).map(lambda cents: cents * 100)
_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("place"), st.sampled_from(["bid", "ask"]), _PRICES),
        st.tuples(st.just("real"), st.sampled_from(["yes", "no"]), _PRICES),
        st.tuples(st.just("trade"), st.just(""), _PRICES),
        st.tuples(st.just("expire"), st.just(""), st.just(0)),
        st.tuples(st.just("gap"), st.just(""), st.integers(1, 3)),
        st.tuples(st.just("again"), st.just(""), st.just(0)),
    ),
    max_size=25,
)


@settings(max_examples=150, deadline=None)
@given(steps=_STEPS)
def test_the_bots_book_stays_whole_and_only_real_gaps_are_gaps(
    steps: list[tuple[str, str, int]],
) -> None:
    run = Replay()
    for step in steps:
        run.play(*step)
    assert run.gaps_seen == run.gaps_made


class Replay:
    """The bot's own feed and book, behind paper trading, on a real book kept by the test."""

    def __init__(self) -> None:
        self.bench = Bench()
        self.feed = Feed("KXTSAW")
        self.feed.watch([TICKER], NOW)
        self.real: dict[tuple[str, Price], Count] = {
            ("yes", Price(3000)): Count(500),
            ("no", Price(7000)): Count(500),
        }
        self.book: Book | None = None
        self.gaps_made = self.gaps_seen = self.placed = 0
        self.bench.venue.connected()
        for command in self.feed.connected(NOW).frames:
            self.bench.venue.outgoing(command, NOW)
        self.deliver(self.bench.take())
        for frame in (
            subscribed(3, "market_lifecycle_v2", LIFECYCLE_SID),
            subscribed(4, "orderbook_delta", BOOK_SID),
            subscribed(OWN + 1, "trade", TRADE_SID),
        ):
            self.deliver(self.bench.hear(frame))
        self.resync()

    def play(self, kind: str, side: str, number: int) -> None:
        match kind:
            case "place":
                self.placed += 1
                self.bench.place(
                    side, format_price(Price(number)), client_order_id=f"mmbot-{self.placed}"
                )
                self.deliver(self.bench.take())
            case "real":
                self.change(side, Price(number))
            case "trade":
                self.deliver(self.bench.trade(format_price(Price(number)), "7.00"))
            case "expire":
                self.bench.now += 61_000
                self.bench.venue.advance(self.bench.now)
                self.deliver(self.bench.take())
            case "gap":
                self.gaps_made += 1
                after = self.bench.numbered(delta_frame("yes", "0.0100", "1.00"), number)
                self.deliver(self.bench.hear(after))
                self.resync()
            case "again":
                repeated = delta_frame("yes", "0.0100", "1.00") | {"seq": self.bench.real_seq}
                self.deliver(self.bench.hear(repeated))
        self.check()

    def change(self, side: str, price: Price) -> None:
        """Add to a level, or empty it, where that does not cross the real book."""
        bids = [p for (s, p) in self.real if s == "yes"]
        asks = [p for (s, p) in self.real if s == "no"]
        if side == "yes" and any(ask <= price for ask in asks):
            return
        if side == "no" and any(bid >= price for bid in bids):
            return
        emptied = self.real.pop((side, price), None)
        if emptied is None:
            delta = self.real[side, price] = Count(300)
        else:
            delta = Count(-emptied)
        self.deliver(self.bench.delta(side, format_price(price), format_count(delta)))

    def resync(self) -> None:
        levels = {
            side: {format_price(p): format_count(c) for (s, p), c in self.real.items() if s == side}
            for side in ("yes", "no")
        }
        self.deliver(self.bench.snapshot(levels["yes"], levels["no"]))

    def deliver(self, frames: list[Frame]) -> None:
        for frame in frames:
            step = self.feed.received(orjson.dumps(frame), self.bench.now)
            assert not step.reconnect
            for event in step.events:
                match event:
                    case BookReplaced():
                        self.book = Book(event.bids, event.asks)
                    case BookChanged() if self.book is not None:
                        self.book.change(event.side, event.price, event.delta)
                    case BooksDistrusted():
                        self.gaps_seen += 1
                        self.book = None

    def check(self) -> None:
        """The book that the bot is shown less its own orders must be the real book."""
        assert self.book is not None
        orders = self.bench.rest("orders", status="resting")["orders"]
        own: dict[tuple[str, Price], Count] = {}
        for order in orders:
            level = order["outcome_side"], parse_price(order["yes_price_dollars"])
            own[level] = Count(own.get(level, 0) + parse_count(order["remaining_count_fp"]))
        seen = {("yes", p): c for p, c in self.book.levels("bid")}
        seen |= {("no", p): c for p, c in self.book.levels("ask")}
        lowest = min((p for s, p in self.real if s == "no"), default=10_000)
        highest = max((p for s, p in self.real if s == "yes"), default=0)
        shown = {
            (side, price): count
            for (side, price), count in own.items()
            if (price < lowest if side == "yes" else price > highest)
        }
        together = self.real.keys() | shown.keys()
        assert seen == {at: self.real.get(at, 0) + shown.get(at, 0) for at in together}
