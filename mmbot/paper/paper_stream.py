"""One stream connection of paper trading, between the bot's session and the exchange's.

Private channels are served by the paper exchange, public ones by the real one. Book frames are
rewritten so that they contain the paper orders, and the real trades that fill these are subscribed
to beside what the bot subscribes to. The bot is taken to subscribe to books in YES prices
(`use_yes_price`). Times are wall times.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from mmbot.exchange.broadcast import broadcast
from mmbot.exchange.facts import BookLevelChanged, Fact
from mmbot.exchange.stream_session import StreamCommand, StreamSession
from mmbot.exchange.tape import delta_json
from mmbot.kalshi import messages as wire
from mmbot.kalshi.book_changes import COUNTS, PRICES, SIDES, ChangeFrame, read_change
from mmbot.kalshi.stream_events import fee_change
from mmbot.paper.mirror import MirroredMarket, OrderLevelChange
from mmbot.paper.paper_exchange import PaperExchange
from mmbot.paper.rewrite import (
    FrameData,
    Numbering,
    with_fields,
    with_levels,
    with_number,
    with_params,
)
from mmbot.trading.values import Side
from mmbot.units import Count, Milliseconds, Price, parse_count, parse_price

_BOOKS: Final = "orderbook_delta"
_PRIVATE: Final = frozenset(
    {"communications", "fill", "market_positions", "order_group_updates", "user_orders"}
)
# Ids of this layer's own commands and subscriptions start here, far above the bot's and the
# exchange's.
FIRST_OWN_ID: Final = 1_000_000_000
# How long the exchange may take to answer a subscription.
_SUBSCRIBE_TIMEOUT_MS: Final = 5_000
_CHANNEL_ERROR: Final = 10
_SIDES: Final[dict[str, Side]] = {"bid": "bid", "ask": "ask"}


class PaperStream:
    """The frames of one connection in both directions."""

    def __init__(self, exchange: PaperExchange) -> None:
        """Start without subscriptions and books."""
        self._exchange = exchange
        self._session = StreamSession(exchange.state, exchange.credential, FIRST_OWN_ID)
        self._out: list[FrameData] = []
        self._numbers: dict[int, Numbering] = {}
        self._command_id = FIRST_OWN_ID
        # Deadlines of the answers to own subscriptions, by command id.
        self._awaited: dict[int, Milliseconds] = {}
        self._trade_tickers: set[str] = set()
        self._trade_sids: set[int] = set()
        self._book_sid = 0
        self._forget_books()

    def outgoing(self, frame: bytes, now: Milliseconds) -> list[bytes]:
        """Take a frame of the bot; return the frames to send to the exchange."""
        try:
            command = msgspec.json.decode(frame, type=StreamCommand)
        except msgspec.MsgspecError:
            return [frame]
        params = command.params or {}
        if command.cmd == "subscribe":
            books = _BOOKS in params.get("channels", ())
            frames = self._split(command, "channels", frame, now)
            return frames + self._subscribe_trades(params, now) if books else frames
        named = params.get("sids") or [params.get("sid")]
        if self._book_sid and self._book_sid in named:
            if command.cmd == "unsubscribe":
                self._forget_books()
            elif params.get("action") == "add_markets":
                return [frame, *self._subscribe_trades(params, now)]
        return self._split(command, "sids", frame, now)

    def incoming(self, data: FrameData, now: Milliseconds) -> None:
        """Take a frame of the exchange; `take` returns what the bot is to receive."""
        if self._handle_next_change(data, now):
            return
        try:
            frame = wire.decode_frame(data)
        except wire.Malformed:
            self._out.append(data)  # the bot reports what is wrong with it
        else:
            self._handle(frame, data, now)

    def check_timeouts(self, now: Milliseconds) -> None:
        """Give up on trades whose subscription the exchange has not answered in time."""
        if self._awaited and min(self._awaited.values()) <= now:
            self._end_fill_channel(now)

    def publish(self, facts: Iterable[Fact], now: Milliseconds) -> None:
        """Queue the frames that facts of the paper exchange mean for the bot."""
        facts = list(facts)
        broadcast(self._exchange.state, [self._session], facts, now)
        for ticker in dict.fromkeys(f.ticker for f in facts if isinstance(f, BookLevelChanged)):
            market = self._exchange.market(ticker)
            self._inject(market, [*market.conceal(), *market.reveal()], now)

    def last_numbers(self) -> dict[int, int]:
        """Return the number of the last frame of each of the exchange's subscriptions."""
        return {sid: numbering.last for sid, numbering in self._numbers.items() if numbering.last}

    def take(self) -> list[FrameData]:
        """Return the queued frames for the bot, once."""
        frames, self._out = self._out, []
        frames += self._session.outbox
        self._session.outbox.clear()
        return frames

    # Subscriptions

    def _split(
        self, command: StreamCommand, field: str, frame: bytes, now: Milliseconds
    ) -> list[bytes]:
        """Answer a command as far as it is private; return what is left for the exchange."""
        params = command.params or {}
        items = params.get(field) or []
        private = _PRIVATE if field == "channels" else self._session.subscriptions.keys()
        if private.isdisjoint(items):
            return [frame]
        own = [item for item in items if item in private]
        others = [item for item in items if item not in private]
        self._session.receive(with_params(command, {**params, field: own}), now)
        return [with_params(command, {**params, field: others})] if others else []

    def _subscribe_trades(self, params: dict[str, Any], now: Milliseconds) -> list[bytes]:
        """Subscribe to the trades of the markets whose books the bot subscribes to."""
        asked = params.get("market_tickers") or [params.get("market_ticker")]
        tickers = [ticker for ticker in asked if ticker and ticker not in self._trade_tickers]
        if not tickers:
            return []
        self._trade_tickers.update(tickers)
        self._command_id += 1
        self._awaited[self._command_id] = now + _SUBSCRIBE_TIMEOUT_MS
        command = StreamCommand(self._command_id, "subscribe")
        return [with_params(command, {"channels": ["trade"], "market_tickers": tickers})]

    # Frames of the exchange

    def _handle(self, frame: wire.Frame, data: FrameData, now: Milliseconds) -> None:
        in_sequence = self._in_sequence(frame)
        if frame.id > FIRST_OWN_ID or frame.sid in self._trade_sids:
            if in_sequence:
                self._handle_trades(frame, now)
            return
        if not in_sequence:
            self._forward(frame, data)
            return
        try:
            match frame.type:
                case "subscribed":
                    self._handle_subscribed(frame, data)
                case "orderbook_snapshot":
                    self._handle_snapshot(frame, data)
                case "orderbook_delta":
                    self._handle_delta(frame, data, now)
                case "market_lifecycle_v2":
                    self._handle_lifecycle(frame, data, now)
                case "event_fee_update":
                    self._handle_fees(frame, data, now)
                case _:
                    self._forward(frame, data)
        except (wire.Malformed, ValueError):
            self._forward(frame, data)

    def _in_sequence(self, frame: wire.Frame) -> bool:
        """Return whether a frame is to be read; one older than the last of its sid is not."""
        last = self._numbering(frame.sid).last
        if not (frame.sid and frame.seq and last) or frame.seq == last + 1:
            return True
        if frame.seq > last and frame.sid == self._book_sid:
            # A gap: the bot drops every book and requests them again.
            for market in self._exchange.markets():
                market.forget_book()
        return frame.seq > last

    def _forward(self, frame: wire.Frame | ChangeFrame, data: FrameData) -> None:
        """Queue a frame for the bot under the next sequence number that the bot expects."""
        if frame.sid and frame.seq:
            seq = self._numbering(frame.sid).passed_on(frame.seq)
            if seq != frame.seq:
                data = with_number(data, frame.seq, seq)
        self._out.append(data)

    def _numbering(self, sid: int) -> Numbering:
        return self._numbers.setdefault(sid, Numbering())

    def _handle_subscribed(self, frame: wire.Frame, data: FrameData) -> None:
        answer = wire.decode(frame.msg, wire.Subscribed)
        if answer.channel == _BOOKS:
            self._forget_books()
            self._book_sid = answer.sid
        self._forward(frame, data)

    def _handle_lifecycle(self, frame: wire.Frame, data: FrameData, now: Milliseconds) -> None:
        ticker = wire.word(wire.subject(frame.msg).market_ticker)
        if ticker in self._exchange.state.engine.markets:
            market = self._exchange.market(ticker)
            change = wire.decode(frame.msg, wire.MarketLifecycle)
            match change.event_type:
                case "activated" | "deactivated":
                    active = change.event_type == "activated"
                    self._exchange.activate(market, active=active, now=now)
                case "close_date_updated" if change.close_ts is not None:
                    self._exchange.set_close(market, change.close_ts * 1000)
                case "determined" | "settled":
                    value = wire.settlement_value(change.result, change.settlement_value)
                    self._exchange.decide(market, wire.word(change.result), value, now)
        self._forward(frame, data)

    def _handle_fees(self, frame: wire.Frame, data: FrameData, now: Milliseconds) -> None:
        change = fee_change(frame.msg, f"{self._exchange.state.settings.series}-")
        if change is not None:
            self._exchange.fees.state(change.ticker, change.fee, now)
        self._forward(frame, data)

    # Trades

    def _handle_trades(self, frame: wire.Frame, now: Milliseconds) -> None:
        self._awaited.pop(frame.id, None)
        self._numbering(frame.sid).passed_on(frame.seq)
        try:
            match frame.type:
                case "subscribed":
                    self._trade_sids.add(wire.decode(frame.msg, wire.Subscribed).sid)
                case "trade":
                    trade = wire.decode(frame.msg, _Trade)
                    price, count = parse_price(trade.yes_price_dollars), parse_count(trade.count_fp)
                    if not trade.is_block_trade:
                        taker = _SIDES.get(wire.word(trade.taker_book_side))
                        self._exchange.trade(trade.market_ticker, price, count, now, taker)
                case "error":
                    self._end_fill_channel(now)
        except (wire.Malformed, ValueError):
            self._end_fill_channel(now)

    def _end_fill_channel(self, now: Milliseconds) -> None:
        """End the bot's fill subscription, as there are no fills without trades: it reconnects."""
        self._awaited = {}
        self._session.set_time(now)
        for subscription in list(self._session.subscriptions.values()):
            if subscription.channel == "fill":
                self._session.end(subscription, _CHANNEL_ERROR)

    # Books

    def _forget_books(self) -> None:
        self._book_sid = 0
        for market in self._exchange.markets():
            market.forget_book()

    def _handle_snapshot(self, frame: wire.Frame, data: FrameData) -> None:
        if frame.sid == self._book_sid:
            snapshot = wire.decode(frame.msg, _Snapshot)
            bids = wire.book_levels(snapshot.yes_dollars_fp)
            asks = wire.book_levels(snapshot.no_dollars_fp)
            market = self._exchange.market(snapshot.market_ticker)
            market.identify(snapshot.market_id)
            market.replace_book(bids, asks, snapshot.clock)
            if market.shows_orders:
                data = with_fields(data, {"msg": with_levels(frame.msg, market)})
        self._forward(frame, data)

    def _handle_next_change(self, data: FrameData, now: Milliseconds) -> bool:
        """Handle a frame that is but the next change of a book; return whether it is one.

        Most frames are: any other is left to the general way.
        """
        try:
            frame = read_change(data)
        except wire.UNREADABLE:
            return False
        change = frame.msg
        price, count = PRICES[change.price_dollars], COUNTS[change.delta_fp]
        if (
            not self._book_sid
            or frame.sid != self._book_sid
            or frame.id
            or frame.seq != self._numbering(frame.sid).last + 1
            or price is None
            or count is None
        ):
            return False
        market = self._exchange.market(change.market_ticker)
        self._change_book(frame, data, market, SIDES[change.side], price, count, change.clock, now)
        return True

    def _handle_delta(self, frame: wire.Frame, data: FrameData, now: Milliseconds) -> None:
        if frame.sid != self._book_sid:
            self._forward(frame, data)
            return
        delta, side, price, count = wire.book_change(frame.msg)
        market = self._exchange.market(delta.market_ticker)
        self._change_book(frame, data, market, side, price, count, delta.clock, now)

    def _change_book(
        self,
        frame: wire.Frame | ChangeFrame,
        data: FrameData,
        market: MirroredMarket,
        side: Side,
        price: Price,
        count: Count,
        clock: int,
        now: Milliseconds,
    ) -> None:
        if not market.change_book(side, price, count, clock):
            # Every order is shown, or not, as it was.
            self._forward(frame, data)
            return
        # Orders that the change crosses leave the shown book before it enters it.
        self._inject(market, market.conceal(), now)
        self._forward(frame, data)
        self._inject(market, market.reveal(), now)

    def _inject(
        self, market: MirroredMarket, changes: Iterable[OrderLevelChange], now: Milliseconds
    ) -> None:
        for order, delta in changes:
            change = BookLevelChanged(
                ticker=market.ticker,
                side=order.side,
                price=order.price,
                delta=delta,
                clock=market.book_clock + 1 if market.book_clock else 0,
                at=now,
                account=self._exchange.account,
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


class _Trade(msgspec.Struct, frozen=True):
    market_ticker: str
    yes_price_dollars: str | int | float
    count_fp: str | int | float
    is_block_trade: bool = False
    taker_book_side: wire.Word = None


class _Snapshot(wire.BookSnapshot, frozen=True, kw_only=True):
    market_id: str = ""
