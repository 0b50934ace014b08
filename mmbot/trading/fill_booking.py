"""Books fills in portfolio, ledger and orders, and voids them."""

from __future__ import annotations

from mmbot.trading.command_buffer import CommandBuffer
from mmbot.trading.commands import QueryOrder, RecordFill, VoidFill
from mmbot.trading.echo_watch import EchoWatch
from mmbot.trading.event_state import EventState
from mmbot.trading.fee_watch import check_fee
from mmbot.trading.fill_reports import FillSource, ReportedFill
from mmbot.trading.markouts import Markouts
from mmbot.trading.order import Order
from mmbot.trading.state import TradingState
from mmbot.trading.values import CLIENT_ID_PREFIX, Fill, Side
from mmbot.underlying.calendar import from_milliseconds
from mmbot.units import Count, Milliseconds, Price, format_count, format_money, format_price


class FillBooking:
    """Books the fills that the stream and the account's list report."""

    def __init__(
        self, state: TradingState, buffer: CommandBuffer, markouts: Markouts, echoes: EchoWatch
    ) -> None:
        self._state = state
        self._buffer = buffer
        self._markouts = markouts
        self._echoes = echoes

    def book(self, fill: Fill, source: FillSource, now: Milliseconds) -> str | None:
        """Book a fill unless it is known; return its market if it was booked."""
        event_state = self._state.event_of_market.get(fill.ticker)
        if event_state is None or not event_state.fills.add(fill, source, now):
            return None
        event_state.portfolio.book(fill)
        if source == "list":
            self._echoes.fill_listed(fill, now)
        event_state.hold_after_fill(fill, now)
        record = self._markouts.record_fill(fill, event_state, now, confirmed=source == "list")
        self._buffer.add(record)
        self._log_fill(fill, event_state, record)
        order = self._state.orders.of_fill(fill)
        if order is not None:
            self.identify(order, fill.order_id)
            check_fee(self._buffer, event_state, fill, now)
        return fill.ticker

    def misfit(self, fill: Fill) -> str:
        """Return why a fill on the stream fits no live order of ours; "" if it fits one."""
        order = self._state.orders.of_fill(fill) or self._unidentified(fill)
        event_state = self._state.event_of_market.get(fill.ticker)
        if event_state and event_state.fills.is_known(fill, "stream"):
            return ""
        told = f"trade {fill.trade_id}: {_terms(fill.side, fill.price)}, of an order"
        if order is None:
            return f"{told} that is not known to be live"
        if fill.ticker != order.ticker:
            return f"{told} in {order.ticker}"
        worse = fill.price > order.price if order.side == "bid" else fill.price < order.price
        if fill.side != order.side or worse:
            return f"{told} {_terms(order.side, order.price)}"
        left = Count(order.count - order.booked)
        if fill.count > left:
            return f"trade {fill.trade_id}: {format_count(fill.count)} of {format_count(left)} left"
        return ""

    def _unidentified(self, fill: Fill) -> Order | None:
        """Return an order without an exchange's id that may be that of a fill without our id."""
        of_market = self._state.orders.of(fill.ticker)
        waiting = (o for o in of_market if not o.order_id and o.side == fill.side)
        return None if fill.client_id else next(waiting, None)

    def _log_fill(self, fill: Fill, event_state: EventState, record: RecordFill) -> None:
        self._buffer.log(
            "fill",
            at=from_milliseconds(fill.at).isoformat(timespec="milliseconds"),
            event_ticker=event_state.ticker,
            market=fill.ticker,
            trade_id=fill.trade_id,
            order_id=fill.order_id,
            side=fill.side,
            price=format_price(fill.price),
            count=format_count(fill.count),
            fee=format_money(fill.fee),
            position=format_count(event_state.portfolio.position(fill.ticker)),
            fair=event_state.markets[fill.ticker].fair,
            known=record.days_published,
        )

    def query_order_of(self, fill: Fill) -> None:
        """Query the exchange for how much of a fill's order is filled, if the order is ours."""
        client_id = self._state.orders.client_id_of(fill.order_id) or fill.client_id
        if client_id.startswith(CLIENT_ID_PREFIX):
            self._buffer.add(QueryOrder(client_id, fill.order_id, fill.ticker, fill.at))

    def void(self, event_state: EventState, reported: ReportedFill, reason: str) -> None:
        """Remove a booked fill that the exchange does not confirm."""
        fill = reported.fill
        event_state.fills.remove(reported)
        event_state.portfolio.void(fill)
        kept = (each for each in self._state.unconfirmed if each.key != fill.key)
        self._state.unconfirmed = tuple(kept)
        self._buffer.add(VoidFill(fill, reason))
        self._buffer.log(
            "fill.voided",
            "warning",
            event_ticker=event_state.ticker,
            market=fill.ticker,
            trade_id=fill.trade_id,
            order_id=fill.order_id,
            reason=reason,
        )
        order = self._state.orders.by_order_id(fill.order_id)
        if order is not None:
            self._state.orders.unbook(order, event_state.portfolio.filled(fill.order_id))

    def identify(self, order: Order, order_id: str) -> None:
        """Set the exchange's id of an order, and how much of it is booked."""
        if order.order_id != order_id:
            self._buffer.log(
                "order.resting",
                market=order.ticker,
                client_order_id=order.client_id,
                order_id=order_id,
            )
        portfolio = self._state.event_of_market[order.ticker].portfolio
        self._state.orders.identify(order, order_id, portfolio.filled(order_id))


def _terms(side: Side, price: Price) -> str:
    return f"{side} at {format_price(price)}"
