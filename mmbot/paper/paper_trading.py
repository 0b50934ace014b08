"""Paper trading: the real market is read, and the bot's orders stay inside.

A layer between the bot's bytes and the transport. Whatever concerns the bot's own account is
answered by an exchange of its own, in which nobody else trades; only reads of public market data
pass. An order fills when the real market trades through it, at a price strictly worse for the
order's owner than the order's own: then at the order's price, up to the trade's size, best price
first, oldest first. Each trade fills once. That is less than a real order would get, which also
trades, in its turn, at its own price; and trades that are missed while the stream is down fill
nothing. A paper order moves nobody, as a real one might.

The bot is taken to ask for books in YES prices (`use_yes_price`). Times are wall milliseconds.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from mmbot.exchange.broadcast import broadcast
from mmbot.exchange.facts import BookLevelChanged
from mmbot.exchange.order_types import RequestRefused
from mmbot.exchange.rest.refusals import refusal_answer
from mmbot.exchange.stream_session import StreamCommand, StreamSession
from mmbot.exchange.tape import delta_json
from mmbot.kalshi import messages as wire
from mmbot.kalshi.http import BASE_PATH, HttpAnswer, HttpRequest
from mmbot.paper.mirror import MirroredMarket, OrderLevelChange
from mmbot.paper.paper_exchange import PaperExchange
from mmbot.paper.rewrite import FrameData, Numbering, with_fields, with_levels, with_params
from mmbot.trading.values import Fill
from mmbot.units import Money, parse_count, parse_price

# The reads that pass: their first segment below the base path. All others concern the account.
_PUBLIC = frozenset(
    {"account", "api_keys", "events", "exchange", "incentive_programs", "markets", "series"}
)
# The writes that stay inside; all others are refused.
_WRITES = tuple(f"{BASE_PATH}/portfolio/{name}" for name in ("events/orders", "order_groups"))

_BOOKS = "orderbook_delta"
_PRIVATE = frozenset(
    {"communications", "fill", "market_positions", "order_group_updates", "user_orders"}
)
# Commands and subscriptions of this layer's own are numbered from here, far above all others.
_OWN_NUMBERS = 1_000_000_000
# How long the exchange may take to answer a subscription.
_PATIENCE = 5_000
_CHANNEL_ERROR = 10


class PaperTrading:
    """One bot's paper account, laid over the real market.

    Every input may leave frames for the bot: those of `incoming` are returned, whatever the other
    inputs leave is had with `take`.
    """

    def __init__(
        self,
        series: str,
        subaccount: int,
        balance: Money,
        fills: Iterable[Fill],
        rng: random.Random,
    ) -> None:
        """Begin unconnected.

        Args:
            series: The series that is traded.
            subaccount: The number of the subaccount that the bot speaks of.
            balance: The cash at the start, before `fills` are paid for.
            fills: What earlier lives bought and sold in markets that are not settled yet.
            rng: Draws the ids of orders and trades, so its seed must be new in each life.
        """
        self._inside = PaperExchange(series, subaccount, balance, fills, rng)
        self._handlers: dict[str, Callable[[wire.Frame, FrameData, int], None]] = {
            "subscribed": self._subscribed,
            "orderbook_snapshot": self._snapshot,
            "orderbook_delta": self._delta,
            "market_lifecycle_v2": self._lifecycle,
        }
        self._begin(None)

    # REST

    def answer(self, request: HttpRequest, now: int) -> HttpAnswer | None:
        """Answer a request, or return `None` for one that may go to the exchange."""
        if passes(request):
            return None
        if request.method != "GET" and not request.path.startswith(_WRITES):
            what = "paper mode writes nothing to the exchange"
            return refusal_answer(RequestRefused("permission_denied", what))
        self._inside.pass_time(now)
        answer = self._inside.answer(request, now)
        self._tell(now)
        return answer

    def learn(self, request: HttpRequest, answer: HttpAnswer | None, now: int) -> None:
        """Read what the exchange answered: markets' terms and results, and pauses."""
        path = request.path.removeprefix(BASE_PATH)
        if answer is None or answer.status != 200:
            return
        with contextlib.suppress(wire.Malformed):  # the bot will say what is wrong with it
            if path == "/exchange/status":
                status = wire.decode(answer.body, _Status)
                self._inside.pause(
                    trading=not status.trading_active, exchange=not status.exchange_active, now=now
                )
            elif path == "/events" or path.startswith("/events/"):
                listing = wire.decode(answer.body, _Listing)
                for event in (*listing.events, *([listing.event] if listing.event else ())):
                    for market in event.markets:
                        self._inside.list_market(event.event_ticker, market, now)
        self.advance(now)

    # The stream

    def connected(self) -> None:
        """Take note of a new connection."""
        self._begin(StreamSession(self._inside.state, self._inside.credential, _OWN_NUMBERS))

    def disconnected(self) -> None:
        """Take note that the connection is gone; orders rest on until they expire."""
        self._begin(None)

    def _begin(self, session: StreamSession | None) -> None:
        """Begin a connection, or a time without one: neither numbers nor books outlive it."""
        self._session = session
        self._out: list[FrameData] = []
        self._numbers: dict[int, Numbering] = {}
        self._command_id = _OWN_NUMBERS
        # Subscriptions to trades that were asked for: command id -> until when to wait.
        self._asked: dict[int, int] = {}
        self._followed: set[str] = set()
        self._tape_sids: set[int] = set()
        self._forget_books()

    def outgoing(self, frame: bytes, now: int) -> list[bytes]:
        """Take in a frame of the bot's; return what to send to the exchange."""
        try:
            command = msgspec.json.decode(frame, type=StreamCommand)
        except msgspec.MsgspecError:
            return [frame]
        params = command.params or {}
        if command.cmd == "subscribe":
            books = _BOOKS in params.get("channels", ())
            frames = self._split(command, "channels", frame, now)
            return frames + self._follow(params, now) if books else frames
        named = params.get("sids") or [params.get("sid")]
        if self._book_sid and self._book_sid in named:
            if command.cmd == "unsubscribe":
                self._forget_books()
            elif params.get("action") == "add_markets":
                return [frame, *self._follow(params, now)]
        return self._split(command, "sids", frame, now)

    def incoming(self, data: FrameData, now: int) -> list[FrameData]:
        """Take in a frame of the exchange's; return the frames for the bot."""
        self.advance(now)
        try:
            frame = wire.decode_frame(data)
        except wire.Malformed:
            self._out.append(data)  # the bot will say what is wrong with it
        else:
            self._read(frame, data, now)
        self._tell(now)
        return self.take()

    def advance(self, now: int) -> None:
        """Let expire, open and close whatever the time has come for."""
        self._inside.pass_time(now)
        if any(deadline <= now for deadline in self._asked.values()):
            self._lose_tape()
        self._tell(now)

    def take(self) -> list[FrameData]:
        """Return the frames that wait for the bot, once."""
        frames, self._out = self._out, []
        if self._session is not None:
            frames += self._session.outbox
            self._session.outbox.clear()
        return frames

    # Subscriptions

    def _split(self, command: StreamCommand, field: str, frame: bytes, now: int) -> list[bytes]:
        """Answer inside for what is private or ours; return what the exchange is to answer."""
        params = command.params or {}
        items = params.get(field) or []
        if self._session is None:
            return []
        ours = _PRIVATE if field == "channels" else self._session.subscriptions.keys()
        if ours.isdisjoint(items):
            return [frame]
        mine = [item for item in items if item in ours]
        others = [item for item in items if item not in ours]
        self._session.receive(with_params(command, {**params, field: mine}), now)
        return [with_params(command, {**params, field: others})] if others else []

    def _follow(self, params: dict[str, Any], now: int) -> list[bytes]:
        """Subscribe to the trades of the markets whose books are asked for."""
        asked = params.get("market_tickers") or [params.get("market_ticker")]
        tickers = [ticker for ticker in asked if ticker and ticker not in self._followed]
        if not tickers:
            return []
        self._followed.update(tickers)
        self._command_id += 1
        self._asked[self._command_id] = now + _PATIENCE
        command = StreamCommand(self._command_id, "subscribe")
        return [with_params(command, {"channels": ["trade"], "market_tickers": tickers})]

    # Frames of the exchange

    def _read(self, frame: wire.Frame, data: FrameData, now: int) -> None:
        follows = self._follows(frame)
        if frame.id > _OWN_NUMBERS or frame.sid in self._tape_sids:
            if follows:
                self._read_tape(frame, now)
        else:
            handler = self._handlers.get(frame.type, self._pass_on)
            try:
                (handler if follows else self._pass_on)(frame, data, now)
            except (wire.Malformed, ValueError):
                self._pass_on(frame, data, now)

    def _follows(self, frame: wire.Frame) -> bool:
        """Say whether a frame is to be read: one that was overtaken is not."""
        last = self._numbering(frame.sid).last
        if not (frame.sid and frame.seq and last) or frame.seq == last + 1:
            return True
        if frame.seq > last and frame.sid == self._book_sid:
            # The bot trusts no book now, and will ask for all of them anew.
            for market in self._inside.markets():
                market.forget_book()
        return frame.seq > last

    def _pass_on(self, frame: wire.Frame, data: FrameData, _now: int) -> None:
        """Hand a frame to the bot under the number that follows from what it was handed so far."""
        if frame.sid and frame.seq:
            seq = self._numbering(frame.sid).passed_on(frame.seq)
            if seq != frame.seq:
                data = with_fields(data, {"seq": seq})
        self._out.append(data)

    def _numbering(self, sid: int) -> Numbering:
        return self._numbers.setdefault(sid, Numbering())

    def _subscribed(self, frame: wire.Frame, data: FrameData, now: int) -> None:
        answer = wire.decode(frame.msg, wire.Subscribed)
        if answer.channel == _BOOKS:
            self._forget_books()
            self._book_sid = answer.sid
        self._pass_on(frame, data, now)

    def _lifecycle(self, frame: wire.Frame, data: FrameData, now: int) -> None:
        ticker = wire.decode(frame.msg, wire.LifecycleSubject).market_ticker
        if ticker in self._inside.state.engine.markets:
            market = self._inside.market(ticker)
            change = wire.decode(frame.msg, wire.MarketLifecycle)
            match change.event_type:
                case "activated" | "deactivated":
                    active = change.event_type == "activated"
                    self._inside.activate(market, active=active, now=now)
                case "close_date_updated" if change.close_ts is not None:
                    market.close_ms = change.close_ts * 1000
                case "determined" | "settled":
                    self._inside.decide(market, change.result, now)
        self._pass_on(frame, data, now)

    # Trades

    def _read_tape(self, frame: wire.Frame, now: int) -> None:
        self._asked.pop(frame.id, None)
        self._numbering(frame.sid).passed_on(frame.seq)
        try:
            match frame.type:
                case "subscribed":
                    self._tape_sids.add(wire.decode(frame.msg, wire.Subscribed).sid)
                case "trade":
                    trade = wire.decode(frame.msg, _Trade)
                    price, count = parse_price(trade.yes_price_dollars), parse_count(trade.count_fp)
                    if not trade.is_block_trade:
                        self._inside.trade(trade.market_ticker, price, count, now)
                case "error":
                    self._lose_tape()
        except (wire.Malformed, ValueError):
            self._lose_tape()

    def _lose_tape(self) -> None:
        """Without trades there are no fills: say so, which makes the bot connect anew."""
        self._asked = {}
        if self._session is not None:
            for subscription in list(self._session.subscriptions.values()):
                if subscription.channel == "fill":
                    self._session.end(subscription, _CHANNEL_ERROR)

    # Books

    def _forget_books(self) -> None:
        self._book_sid = 0
        for market in self._inside.markets():
            market.forget_book()

    def _snapshot(self, frame: wire.Frame, data: FrameData, now: int) -> None:
        if frame.sid == self._book_sid:
            snapshot = wire.decode(frame.msg, _Snapshot)
            bids = wire.book_levels(snapshot.yes_dollars_fp)
            asks = wire.book_levels(snapshot.no_dollars_fp)
            market = self._inside.market(snapshot.market_ticker)
            market.identify(snapshot.market_id)
            market.replace_book(bids, asks, snapshot.clock)
            if market.shows_orders:
                data = with_fields(data, {"msg": with_levels(frame.msg, market)})
        self._pass_on(frame, data, now)

    def _delta(self, frame: wire.Frame, data: FrameData, now: int) -> None:
        if frame.sid != self._book_sid:
            self._pass_on(frame, data, now)
            return
        delta, side, price, count = wire.book_change(frame.msg)
        market = self._inside.market(delta.market_ticker)
        market.change_book(side, price, count, delta.clock)
        # Whatever the change crosses must have gone before it comes.
        self._inject(market, market.conceal(), now)
        self._pass_on(frame, data, now)
        self._inject(market, market.reveal(), now)

    def _inject(
        self, market: MirroredMarket, changes: Iterable[OrderLevelChange], now: int
    ) -> None:
        for order, delta in changes:
            change = BookLevelChanged(
                ticker=market.ticker,
                side=order.side,
                price=order.price,
                delta=delta,
                clock=market.book_clock + 1 if market.book_clock else 0,
                at=now,
                account=self._inside.account,
                client_order_id=order.client_order_id,
            )
            frame = {
                "type": _BOOKS,
                "sid": self._book_sid,
                "seq": self._numbering(self._book_sid).added_one(),
                "sending_ts_ms": now,
                "msg": delta_json(change, market, no_as_yes=True, own=True),
            }
            self._out.append(msgspec.json.encode(frame))

    def _tell(self, now: int) -> None:
        """Show the bot what has become of its orders."""
        facts = self._inside.take_facts()
        sessions = [self._session] if self._session else []
        broadcast(self._inside.state, sessions, facts, now)
        for ticker in dict.fromkeys(f.ticker for f in facts if isinstance(f, BookLevelChanged)):
            market = self._inside.market(ticker)
            self._inject(market, [*market.conceal(), *market.reveal()], now)


def passes(request: HttpRequest) -> bool:
    """Say whether a request may leave the house: a plain read of what everybody may see."""
    inside, base, below = request.path.partition(BASE_PATH + "/")
    segments = below.split("/")
    plain = base and not inside and "%" not in below and not {"", ".", ".."} & set(segments)
    return request.method == "GET" and bool(plain) and segments[0] in _PUBLIC


class _Trade(msgspec.Struct, frozen=True):
    market_ticker: str
    yes_price_dollars: str | int | float
    count_fp: str | int | float
    is_block_trade: bool = False


class _Snapshot(wire.BookSnapshot, frozen=True, kw_only=True):
    market_id: str = ""


class _Status(msgspec.Struct, frozen=True):
    exchange_active: bool
    trading_active: bool


class _Listing(msgspec.Struct, frozen=True):
    events: tuple[wire.RestEvent, ...] = ()
    event: wire.RestEvent | None = None
