"""The time from a frame to the best prices, and from a frame to the order that answers it.

All in this process, with the clock handed in; the floor is the typed decode of the same frames.
Each figure is the median of several rounds, because other processes disturb some of them.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from statistics import median, quantiles
from typing import Literal, TypeAlias

import msgspec

from mmbot.kalshi.auth import Signer
from mmbot.kalshi.feed import Feed
from mmbot.recording.replay import Unsigning
from mmbot.research.bench_market import (
    NOW,
    SETTINGS,
    STRIKES,
    BenchMarket,
    Frames,
    confirmations,
)
from mmbot.research.book_peers import ToTop, peers
from mmbot.trading.book import Book
from mmbot.trading.events import BookChanged, BookReplaced
from mmbot.trading.values import Side

# CPU nanoseconds of this thread; a wall clock would count other processes as well.
Clock: TypeAlias = Callable[[], int]

_MARKETS = len(STRIKES)
# One frame in twenty moves a best price.
_QUIET_BETWEEN = 38
# Between two changes that move a price, in milliseconds.
_APART_MS = 1
_CLOCK_READINGS = 101


class HotPath(msgspec.Struct, frozen=True):
    """What was measured, in microseconds; `missing` says which peers are not installed.

    `order` is from a frame that moves the price to the request, p50 and p99, and `signed` the same
    with an Ed25519 signature.
    """

    decode_floor: float
    raw_to_top: float
    peers: dict[str, float]
    quiet_frame: float
    order: tuple[float, float]
    signed: tuple[float, float]
    missing: list[str]


class _BookChange(msgspec.Struct):
    market_ticker: str
    price_dollars: str
    delta_fp: str
    side: Literal["yes", "no"]
    clock: int = 0
    ts_ms: int = 0


class _BookFrame(msgspec.Struct):
    """The fields of a frame that every book needs."""

    type: str
    sid: int
    seq: int
    msg: _BookChange
    sending_ts_ms: int = 0


def time_hot_path(clock: Clock, signer: Signer, frames: int, orders: int, rounds: int) -> HotPath:
    """Measure `rounds` rounds of `frames` frames, then `orders` frames that move an order."""
    snapshots, changes = _book_frames(frames * rounds)
    others, missing = peers(snapshots)
    decode = msgspec.json.Decoder(_BookFrame).decode
    runs: dict[str, ToTop] = {"floor": decode, "own": _to_top(snapshots), **others}
    market = BenchMarket(_MARKETS, Unsigning())
    rng = random.Random("quiet")  # noqa: S311 (which levels change)
    spent: dict[str, list[float]] = {name: [] for name in (*runs, "quiet")}
    for number in range(rounds):
        for name, run in runs.items():
            # Every book sees the changes once, in order.
            part = changes[number * frames : (number + 1) * frames]
            spent[name].append(_each(clock, run, part))
        market.at(market.now + 1_000)
        quiet = list(market.frames.quiet(frames, market.middles, rng))
        spent["quiet"].append(_each(clock, market.received, quiet))
    figures = {name: median(times) for name, times in spent.items()}
    return HotPath(
        figures["floor"],
        figures["own"],
        {name: figures[name] for name in others},
        figures["quiet"],
        time_orders(clock, Unsigning(), orders),
        time_orders(clock, signer, orders),
        missing,
    )


def time_orders(clock: Clock, signer: Signer, orders: int) -> tuple[float, float]:
    """Return p50 and p99 of the time from a frame that moves an order to the request.

    The best prices of all markets go, one frame after another, and come back after the orders that
    answered are off. The time that it takes to read the clock is subtracted: it equals a few calls.
    """
    market = BenchMarket(_MARKETS, signer)
    reading = median(_reading_the_clock(clock) for _ in range(_CLOCK_READINGS))
    taken: list[float] = []
    sent: list[int] = []
    market.sent = lambda _: sent.append(clock())
    bursts = 0
    while len(taken) < orders:
        bursts += 1
        if bursts * _MARKETS > 10 * orders + 1_000:
            raise RuntimeError("the price moves no orders")
        side: Side = "ask" if bursts % 2 else "bid"
        for burst in zip(*(market.move(index, side) for index in range(_MARKETS)), strict=True):
            for frame in burst:
                market.at(market.now + _APART_MS)
                sent.clear()
                began = clock()
                market.received(frame)
                if sent:
                    taken.append((sent[0] - began - reading) / 1000)
            market.settle()
    return median(taken), quantiles(taken, n=100)[-1]


def _reading_the_clock(clock: Clock) -> int:
    began = clock()
    return clock() - began


def _each(clock: Clock, run: Callable[[bytes], object], frames: Sequence[bytes]) -> float:
    """Return the microseconds that each frame takes."""
    began = clock()
    for frame in frames:
        run(frame)
    return (clock() - began) / 1000 / len(frames)


def _book_frames(frames: int) -> tuple[list[bytes], list[bytes]]:
    """Return snapshots of some books, and changes, one in twenty of which moves a best price."""
    rng = random.Random("books")  # noqa: S311 (which levels change)
    rendered = Frames([f"KXTSAW-26APR19-A{s / 1e6:.2f}" for s in STRIKES], NOW)
    middles = [50] * len(STRIKES)
    snapshots = [rendered.snapshot(index, middles[index]) for index in range(_MARKETS)]
    changes: list[bytes] = []
    while len(changes) < frames:
        changes += rendered.quiet(_QUIET_BETWEEN, middles, rng)
        changes += rendered.move(rng.randrange(_MARKETS), rng.choice(("bid", "ask")), 50)
    return snapshots, changes[:frames]


def _to_top(snapshots: Sequence[bytes]) -> ToTop:
    """Return the bot's path from a frame to the best prices of its book."""
    feed = Feed(SETTINGS.exchange.series)
    feed.watch([msgspec.json.decode(frame)["msg"]["market_ticker"] for frame in snapshots], NOW)
    for told in confirmations(feed.connected(NOW).frames):
        feed.received(told, NOW)
    books: dict[str, Book] = {}
    for frame in snapshots:
        for event in feed.received(frame, NOW).events:
            if isinstance(event, BookReplaced):
                books[event.ticker] = Book(event.bids, event.asks)

    def to_top(frame: bytes) -> object:
        change = feed.book_change(frame, NOW)
        if change is None:
            # The first change is read this way: only then is the next number known.
            (event,) = feed.received(frame, NOW).events
            change = event if isinstance(event, BookChanged) else None
        if change is None:
            raise RuntimeError("a frame of the bench is no change of a book")
        book = books[change.ticker]
        book.change(change.side, change.price, change.delta)
        return book.best_bid, book.best_ask

    return to_top
