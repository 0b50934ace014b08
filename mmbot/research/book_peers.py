"""Order books of other engines, for the comparison: a raw frame in, the best bid and ask out.

They come with the extra `mmbot[peers]`, and are left out if they are not installed.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeAlias

import msgspec

ToTop: TypeAlias = Callable[[bytes], object]


class _Change(msgspec.Struct):
    market_ticker: str
    price_dollars: str
    delta_fp: str
    side: Literal["yes", "no"]
    ts_ms: int = 0


class _Snapshot(msgspec.Struct):
    market_ticker: str
    yes_dollars_fp: tuple[tuple[str, str], ...] = ()
    no_dollars_fp: tuple[tuple[str, str], ...] = ()


class _ChangeFrame(msgspec.Struct):
    seq: int
    msg: _Change


class _SnapshotFrame(msgspec.Struct):
    seq: int
    msg: _Snapshot


def peers(snapshots: Sequence[bytes]) -> tuple[dict[str, ToTop], list[str]]:
    """Return each installed peer's function, its books set, and a sentence for each missing one."""
    found: dict[str, ToTop] = {}
    missing = []
    for name, build in (("nautilus_trader", _nautilus), ("pykalshi", _pykalshi)):
        try:
            found[name] = build(snapshots)
        except ImportError as error:
            missing.append(f"{name} is left out ({error}); pip install 'mmbot[peers]' adds it")
    return found, missing


def _nautilus(snapshots: Sequence[bytes]) -> ToTop:
    """Rust book: msgspec, then `OrderBookDelta`, `apply_delta`, the best prices."""
    module = importlib.import_module
    book = module("nautilus_trader.model.book")
    data = module("nautilus_trader.model.data")
    enums = module("nautilus_trader.model.enums")
    identifiers = module("nautilus_trader.model.identifiers")
    objects = module("nautilus_trader.model.objects")
    sides = {"yes": enums.OrderSide.BUY, "no": enums.OrderSide.SELL}
    update, delete = enums.BookAction.UPDATE, enums.BookAction.DELETE
    delta_of, order_of = data.OrderBookDelta, data.BookOrder
    price_of, quantity_of = objects.Price, objects.Quantity
    books: dict[str, Any] = {}
    sizes: dict[tuple[str, str, str], float] = {}
    decoder = msgspec.json.Decoder(_ChangeFrame)

    def set_level(ticker: str, side: str, price: str, change: float, seq: int, ts: int) -> Any:
        instrument, held = books[ticker]
        key = ticker, side, price
        size = sizes.get(key, 0.0) + change
        sizes[key] = size
        order = order_of(sides[side], price_of(float(price), 4), quantity_of(size, 2), 0)
        action = update if size > 0 else delete
        held.apply_delta(delta_of(instrument, action, order, 0, seq, ts, ts))
        return held

    for frame in snapshots:
        snapshot = msgspec.json.decode(frame, type=_SnapshotFrame)
        ticker = snapshot.msg.market_ticker
        instrument = identifiers.InstrumentId.from_str(f"{ticker.replace('.', '-')}.KALSHI")
        books[ticker] = instrument, book.OrderBook(instrument, enums.BookType.L2_MBP)
        levels = {"yes": snapshot.msg.yes_dollars_fp, "no": snapshot.msg.no_dollars_fp}
        for side, held in levels.items():
            for price, count in held:
                set_level(ticker, side, price, float(count), snapshot.seq, 0)

    def to_top(frame: bytes) -> object:
        decoded = decoder.decode(frame)
        change = decoded.msg
        held = set_level(
            change.market_ticker,
            change.side,
            change.price_dollars,
            float(change.delta_fp),
            decoded.seq,
            change.ts_ms * 1_000_000,
        )
        return held.best_bid_price(), held.best_ask_price()

    return to_top


def _pykalshi(snapshots: Sequence[bytes]) -> ToTop:
    """The package's own models and `OrderbookManager`, fed as its feed does."""
    json = importlib.import_module("json")
    feed = importlib.import_module("pykalshi.feed")
    manager = importlib.import_module("pykalshi.orderbook").OrderbookManager
    books: dict[str, Any] = {}
    for frame in snapshots:
        message = feed.OrderbookSnapshotMessage.model_validate(json.loads(frame)["msg"])
        books[message.market_ticker] = held = manager(message.market_ticker)
        held.apply_snapshot(message.yes_dollars, message.no_dollars)

    def to_top(frame: bytes) -> object:
        message = feed.OrderbookDeltaMessage.model_validate(json.loads(frame)["msg"])
        held = books[message.market_ticker]
        held.apply_delta(message.side, message.price_dollars, message.delta_fp)
        return held.best_bid, held.best_ask

    return to_top
