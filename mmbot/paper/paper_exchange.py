"""The paper exchange: a private exchange with one member, whose markets mirror real ones.

The owner passes in what the real market does: listings, pauses, settlements, and trades, which may
fill paper orders. Sans I/O; times are wall times.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterable

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mmbot.exchange import market_actions
from mmbot.exchange.access import Credential
from mmbot.exchange.exchange_state import ExchangeState, SimulatedExchangeSettings
from mmbot.exchange.facts import AccountFilled, Fact
from mmbot.exchange.order_types import NewOrder, RequestRefused
from mmbot.exchange.rest.router import RestRouter
from mmbot.kalshi import messages as wire
from mmbot.kalshi.http import HttpAnswer, HttpRequest
from mmbot.paper.mirror import MirroredMarket
from mmbot.paper.paper_fees import PaperFees
from mmbot.trading.values import Fill, Side
from mmbot.underlying.calendar import CalendarClock, to_milliseconds
from mmbot.units import Count, Milliseconds, Money, Price

_USER = "paper"
# More than all trades of the real tape can cost.
_TAPE_CASH = Money(10**18)
_FOREVER: Milliseconds = 2**62


class PaperExchange:
    """The paper account, its orders, and the markets they rest in.

    The owner takes the facts of what happens with `take_facts`, and passes to `fees` what the real
    exchange states about fees.
    """

    def __init__(
        self,
        series: str,
        subaccount: int,
        balance: Money,
        fills: Iterable[Fill],
        rng: random.Random,
        queue_ahead: Count | None = None,
    ) -> None:
        """Start with the positions that `fills` add up to; see `PaperBegan` and `PaperTrading`."""
        self.fees = PaperFees(series)
        self._queue_ahead = queue_ahead
        # Orders at whose price something has traded, and what is still ahead of them in the queue.
        self._ahead: dict[str, Count] = {}
        self.state = ExchangeState(SimulatedExchangeSettings(series=series), CalendarClock(), rng)
        self._engine = self.state.engine
        self._mirrored: dict[str, MirroredMarket] = {}
        # The period in which no market opens or closes.
        self._calm_from: Milliseconds = 0
        self._calm_until: Milliseconds = 0
        self._rest = RestRouter(self.state)
        public_key = Ed25519PrivateKey.generate().public_key()  # no signature is ever checked
        self.credential = Credential(_USER, _USER, public_key)
        self.account = self.state.open_account(_USER, subaccount, cash=balance)
        self._tape = self._engine.open_account("tape", cash=_TAPE_CASH)
        for fill in fills:
            self._restore(fill)

    def market(self, ticker: str) -> MirroredMarket:
        """Return a mirrored market, adding it if it is new."""
        market = self._mirrored.get(ticker)
        if market is None:
            market = MirroredMarket(ticker, self.state.settings.series)
            self._mirrored[ticker] = self._engine.markets[ticker] = market
            self._calm_until = 0
        return market

    def markets(self) -> list[MirroredMarket]:
        """Return every mirrored market."""
        return list(self._mirrored.values())

    def take_facts(self) -> list[Fact]:
        """Return the facts since the last call, and let the account's reads return them."""
        facts = self._engine.facts
        if facts:
            self._engine.facts = []
            self.state.history.record(facts)
        return facts

    def answer(self, request: HttpRequest, now: Milliseconds) -> HttpAnswer:
        """Answer a request of the account."""
        return self._rest.answer_as(self.credential, request, now)

    # What the real market does

    def reached_by(self, ticker: str, price: Price) -> bool:
        """Return whether a real trade at `price` might fill a paper order."""
        market = self._engine.markets.get(ticker)
        if market is None:
            return False
        bid, ask = market.sides["bid"].best, market.sides["ask"].best
        if (bid is not None and bid > price) or (ask is not None and ask < price):
            return True
        return self._queue_ahead is not None and price in (bid, ask)

    def trade(
        self,
        ticker: str,
        price: Price,
        count: Count,
        now: Milliseconds,
        taker: Side | None = None,
    ) -> None:
        """Fill the paper orders that a real trade went through, up to `count` in total.

        With a queue, orders at exactly its price follow once they are at the front; `taker` tells
        which side of the book it met.
        """
        market = self.market(ticker)
        bids = [bid for bid in market.sides["bid"].levels if bid > price]
        asks = [ask for ask in market.sides["ask"].levels if ask < price]
        left = count
        if bids:
            left = self._take(ticker, "ask", min(bids), count, now)
        elif asks:
            left = self._take(ticker, "bid", max(asks), count, now)
        if self._queue_ahead is not None and taker is not None and left:
            self._take_in_turn(market, price, left, taker, self._queue_ahead, now)

    def _take_in_turn(
        self,
        market: MirroredMarket,
        price: Price,
        count: Count,
        taker: Side,
        queue: Count,
        now: Milliseconds,
    ) -> None:
        """Fill orders at the price of a trade with what is left after the queue ahead of them."""
        met = market.sides["ask" if taker == "bid" else "bid"]
        resting = met.levels.get(price, {})
        ahead = {order_id: self._ahead.get(order_id, queue) for order_id in resting}
        self._ahead = {i: n for i, n in self._ahead.items() if i in self._engine.orders} | {
            order_id: Count(max(0, least - count)) for order_id, least in ahead.items()
        }
        past = count - min(ahead.values(), default=count)
        if past > 0:
            self._take(market.ticker, taker, price, Count(past), now)

    def _take(
        self, ticker: str, side: Side, limit: Price, count: Count, now: Milliseconds
    ) -> Count:
        """Trade against the paper orders; return how much of `count` is left."""
        request = NewOrder(ticker, side, limit, count, time_in_force="immediate_or_cancel")
        with contextlib.suppress(RequestRefused):  # a trade that arrives after the close
            return Count(count - self._engine.place(self._tape, request, now).filled)
        return count

    def list_market(self, event_ticker: str, listed: wire.RestMarket, now: Milliseconds) -> None:
        """Mirror a listed market's terms and state; raise `Malformed` for one of another kind."""
        market = self.market(listed.ticker)
        market.grid = wire.market(listed).grid
        self.set_close(market, to_milliseconds(listed.close_time))
        market.terms = msgspec.structs.replace(
            market.terms,
            event_ticker=event_ticker,
            open_ms=to_milliseconds(listed.open_time),
            exchange_index=listed.exchange_index,
        )
        # All markets of a series are on one shard.
        self.state.settings = msgspec.structs.replace(
            self.state.settings, exchange_index=listed.exchange_index
        )
        self._open_or_close(market, now)
        if wire.word(listed.status) in {"active", "inactive"}:
            self.activate(market, active=listed.status == "active", now=now)
        value = wire.settlement_value(listed.result, listed.settlement_value_dollars)
        self.decide(market, wire.word(listed.result), value, now)

    def set_close(self, market: MirroredMarket, at: Milliseconds) -> None:
        """Set when a market closes."""
        market.close_ms, self._calm_until = at, 0

    def activate(self, market: MirroredMarket, *, active: bool, now: Milliseconds) -> None:
        """Pause or resume a market; both cancel orders, as on the exchange."""
        if active and market.status == "inactive":
            market_actions.unpause(self._engine, market, now)
        elif not active and market.status == "active":
            market_actions.pause(self._engine, market, now)

    def pause(self, *, trading: bool, exchange: bool, now: Milliseconds) -> None:
        """Refuse orders while `trading` is paused, and cancels too while `exchange` is."""
        self._engine.trading_paused, self._engine.exchange_paused = trading, exchange
        if trading or exchange:
            market_actions.halt(self._engine, self._engine.orders.values(), now)

    def decide(
        self, market: MirroredMarket, result: str, value: Price | None, now: Milliseconds
    ) -> None:
        """Pay out a market at `value`, if that is known and it is not paid out yet."""
        if value is None or market.settled_ms is not None:
            return
        market.scalar_value = value
        market_actions.cancel_resting(self._engine, market, now, "CloseCancel")
        market_actions.determine(self._engine, market, result, "", now)
        market_actions.settle(self._engine, market, now)

    def advance(self, now: Milliseconds) -> None:
        """Expire orders, and open and close markets."""
        markets = self._mirrored.values()
        self.fees.apply(markets, now)
        self._engine.expire(now)
        if self._calm_from <= now < self._calm_until:
            return
        for market in markets:
            self._open_or_close(market, now)
        changes = (at for each in markets for at in (each.terms.open_ms, each.close_ms) if at > now)
        self._calm_from, self._calm_until = now, min(changes, default=_FOREVER)

    def _open_or_close(self, market: MirroredMarket, now: Milliseconds) -> None:
        is_open = market.terms.open_ms <= now < market.close_ms
        if is_open and market.status in {"initialized", "closed"}:
            market.status = "active"
        elif now >= market.close_ms and market.status in {"active", "inactive"}:
            market.status = "closed"
            market_actions.cancel_resting(self._engine, market, now, "CloseCancel")

    def _restore(self, fill: Fill) -> None:
        self.market(fill.ticker)
        position = self.account.position(fill.ticker)
        self.account.credit(position.apply(fill.side, fill.price, fill.count))
        self.account.charge(fill.fee, fill.ticker)
        position.updated_ms = fill.at
        restored = AccountFilled(
            trade_id=fill.trade_id,
            account=self.account,
            order_id=fill.order_id,
            client_order_id="",
            ticker=fill.ticker,
            side=fill.side,
            price=fill.price,
            count=fill.count,
            is_taker=False,
            fee=fill.fee,
            post_position=position.net,
            at=fill.at,
        )
        self.state.history.record([restored])
