"""Applies what the exchange lists: events and markets, their changes and settlements.

A reading of the listing comes through caches and may be some seconds old; the stream is current.
So a reading does not undo what the stream just said about a market, and a change that only a
reading shows is read twice: at once, and again when no cached copy can be older than the change.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import assert_never

import msgspec

from mmbot.trading.command_buffer import CommandBuffer
from mmbot.trading.commands import ReadFeeType, RecordSettlement, RequestBelief
from mmbot.trading.event_state import EventState
from mmbot.trading.events import (
    EventFeeChanged,
    FeeTypeRead,
    ListingRead,
    MarketActivity,
    MarketClosing,
    MarketEvent,
    MarketSettled,
    PriceGridChanged,
)
from mmbot.trading.fee_watch import FeeWatch
from mmbot.trading.gates import Gate, ShutGate, exchange_gate
from mmbot.trading.market_data import MarketData
from mmbot.trading.market_names import contradicts_name
from mmbot.trading.market_state import MarketState
from mmbot.trading.order import OrderState
from mmbot.trading.order_manager import OrderManager
from mmbot.trading.reading_requests import listing_request
from mmbot.trading.state import TradingState
from mmbot.trading.values import ListedEvent, Market, Unreadable
from mmbot.units import (
    Milliseconds,
    Money,
    Price,
    format_count,
    format_money,
    format_price,
    total,
    value_of,
)

_INTERVAL_WHILE_SHUT_MS = 2_000
# The next copy may be readable again, and a position in an unreadable market is not known.
_INTERVAL_WHILE_UNREADABLE_MS = 30_000
_RETRY_MS = 2_000
# How many readings in a row may fail before nothing is quoted.
_FAILURES_TOLERATED = 3
# How long an event is kept after its close; later messages about it are ignored.
_KEPT_MS = 14 * 24 * 3_600_000
# The caches keep a listing for fifteen seconds, and a reading takes a moment.
_OLDEST_COPY_MS = 20_000


class Listings:
    """Keeps events and markets as the exchange lists them; `due` is the next reading."""

    def __init__(
        self,
        state: TradingState,
        buffer: CommandBuffer,
        orders: OrderManager,
        market_data: MarketData,
    ) -> None:
        self._state = state
        self._buffer = buffer
        self._orders = orders
        self._market_data = market_data
        self.fees = FeeWatch(state, buffer)
        self._failures = 0
        self.due: Milliseconds | None = None
        self.fees_due: Milliseconds | None = None

    # Readings

    def apply_reading(self, event: ListingRead, now: Milliseconds) -> None:
        """Apply a reading of the listing."""
        self._failures = 0
        self._state.listing_read_at = now
        service, shut = self._state.service, exchange_gate(event.shut)
        if service.exchange != shut:
            self._buffer.log("exchange.shut" if shut else "exchange.open", reason=event.shut)
        if service.exchange and not shut:
            # A frame lost just before the pause leaves a gap that only the next frame reveals.
            self._market_data.renew_books(self._state.event_of_market)
        service.exchange = shut
        # While a clock is off, the dates of the answers show when it is correct again.
        soon = shut or service.clocks_off
        # A fault of the listing as a whole shuts no market, so it needs no shorter interval.
        series = self._state.settings.exchange.series
        unquoted = any(each.ticker != series for each in event.unreadable)
        usual = _INTERVAL_WHILE_UNREADABLE_MS if unquoted else self._state.intervals.listing_ms
        self.due = now + (_INTERVAL_WHILE_SHUT_MS if soon else usual)
        self.fees_due = now + self._state.intervals.fees_ms
        unreadable = list(event.unreadable)
        for listed in event.events:
            unreadable += self._apply_event(listed, now)
        self._apply_unreadable(unreadable)
        self._apply_fees(event, now)
        for event_state in tuple(self._state.events.values()):
            live = any(self._state.orders.of(ticker) for ticker in event_state.markets)
            if event_state.final and not live and now > event_state.closes + _KEPT_MS:
                self._state.forget(event_state)

    def _apply_unreadable(self, rows: Iterable[Unreadable]) -> None:
        """Shut the events and markets that are listed but unreadable, and log each once."""
        before, self._state.unreadable = (
            self._state.unreadable,
            {each.ticker: each.reason for each in rows},
        )
        unreadable = self._state.unreadable
        for ticker, reason in unreadable.items():
            if before.get(ticker) != reason:
                self._buffer.log("listing.unreadable", "warning", ticker=ticker, reason=reason)
        for event_state, market in self._state.markets():
            event_state.unreadable = unreadable.get(event_state.ticker, "")
            market.unread_terms = unreadable.get(market.ticker, "")

    def _apply_fees(self, event: ListingRead, now: Milliseconds) -> None:
        change_seen = self.fees.apply_reading(event, now)
        self.fees.update(now)
        if change_seen is not None:
            self.read_within(change_seen - now, now)
        if any(each.unknown_fee for each in self._state.events.values()):
            self.read_within(_INTERVAL_WHILE_SHUT_MS, now)

    def apply_fee_type(self, event: FeeTypeRead, now: Milliseconds) -> None:
        """Apply the series' fee; have the listing read if it has changed."""
        if self.fees.apply_series(event.fee, now):
            self.read_within(_INTERVAL_WHILE_SHUT_MS, now)
        self.fees.update(now)

    def apply_event_fee(self, event: EventFeeChanged, now: Milliseconds) -> tuple[str, ...]:
        """Apply an event's own fee; return its markets."""
        affected = self.fees.apply_event(event.ticker, event.fee, now)
        self.fees.update(now)
        return affected

    def reading_failed(self, now: Milliseconds) -> None:
        """Read the listing again soon; after several failures in a row, quote nothing."""
        self._failures += 1
        self.read_within(_RETRY_MS, now)
        if self._failures >= _FAILURES_TOLERATED:
            self._state.service.exchange = ShutGate(Gate.LISTING_NOT_READ)

    def read_within(self, wait: Milliseconds, now: Milliseconds) -> None:
        """Have the listing read within `wait`."""
        self.due = now + wait if self.due is None else min(self.due, now + wait)
        self._buffer.wake_by(self.due)

    def read_twice(self, now: Milliseconds) -> None:
        """Read the listing now, and again once no cached copy can be older than now."""
        self._buffer.add(listing_request(self._state))
        self.read_within(_OLDEST_COPY_MS, now)

    def read_when_due(self, now: Milliseconds) -> None:
        """Read the listing if it is due."""
        if self.due is not None and now >= self.due:
            self.due = now + self._state.intervals.listing_ms
            self._buffer.add(listing_request(self._state))
        elif self.fees_due is not None and now >= self.fees_due:
            self._buffer.add(ReadFeeType())
        else:
            return
        self.fees_due = now + self._state.intervals.fees_ms

    def _apply_event(self, event: ListedEvent, now: Milliseconds) -> list[Unreadable]:
        """Apply the listing of an event; return the markets whose strike is in doubt."""
        before = self._state.events.get(event.ticker)
        known = {t: market.terms.strike for t, market in before.markets.items()} if before else {}
        doubts = [self._strike_doubt(each, known) for each in event.markets]
        clear = tuple(m for m, doubt in zip(event.markets, doubts, strict=True) if not doubt)
        if any(market.ticker not in known for market in clear):
            self._add_markets(msgspec.structs.replace(event, markets=clear), before, now)
        for terms in clear:
            fresh_until = self._state.market(terms.ticker).fresh_until
            if now < fresh_until:
                self.read_within(fresh_until - now, now)
            else:
                self._change_terms(terms)
        return [doubt for doubt in doubts if doubt]

    def _strike_doubt(self, market: Market, known: Mapping[str, int]) -> Unreadable | None:
        """Return why a market's strike is in doubt, or `None`.

        A strike never changes, no two markets of an event share one, and the market's name agrees
        with it; a strike that no week can come near is probably in another unit, such as thousands.
        """
        before, strike = known.get(market.ticker), market.strike
        if not self._state.underlying.can_settle_near(strike):
            return Unreadable(market.ticker, f"no week can settle near its strike of {strike:,}")
        if before is None and strike in known.values():
            return Unreadable(market.ticker, f"another market has its strike of {strike:,}")
        if before is not None and before != strike:
            return Unreadable(market.ticker, f"its strike was {before:,} and is {strike:,}")
        if contradicts_name(market.ticker, strike):
            return Unreadable(market.ticker, f"its name is not that of its strike of {strike:,}")
        return None

    def _add_markets(
        self, event: ListedEvent, before: EventState | None, now: Milliseconds
    ) -> None:
        state = self._state
        event_state = before.extended(event) if before else EventState(event)
        restored = event_state.restore_fills(state.recorded, state.unconfirmed)
        event_state.count_unlisted((*state.recorded, *state.unconfirmed))
        if restored:
            self._buffer.log("fills.restored", event_ticker=event.ticker, fills=restored)
        event_state.schedule_releases(state.settings, state.underlying, state.clock, state.missing)
        state.events[event.ticker] = event_state
        state.event_of_market |= dict.fromkeys(event_state.markets, event_state)
        for terms in event.markets:
            state.shard(terms.shard)
        if any(now < terms.closes for terms in event.markets):
            self._buffer.add(RequestBelief(event_state.week, event_state.strikes))
        self._buffer.log("event.listed", event_ticker=event.ticker, markets=len(event.markets))

    # Changes on the stream

    def apply(self, event: MarketEvent, now: Milliseconds) -> str | None:
        """Apply a change of one market; return its ticker if it is to be reviewed."""
        market = self._state.find_market(event.ticker)
        if market is None:
            return None
        match event:
            case MarketClosing():
                terms = msgspec.structs.replace(market.terms, closes=event.closes)
            case MarketActivity():
                terms = msgspec.structs.replace(market.terms, active=event.active)
            case PriceGridChanged():
                terms = msgspec.structs.replace(market.terms, grid=event.grid)
            case MarketSettled():
                return self._settled(event, market, now)
            case _:
                assert_never(event)
        market.fresh_until = now + _OLDEST_COPY_MS
        self._change_terms(terms)
        return event.ticker

    def _change_terms(self, terms: Market) -> None:
        market = self._state.market(terms.ticker)
        before, market.terms = market.terms, terms
        if before == terms:
            return
        self._state.shard(terms.shard)
        self._buffer.log(
            "market.changed",
            market=terms.ticker,
            active=terms.active,
            closes=terms.closes,
            regridded=before.grid != terms.grid,
        )
        if before.active != terms.active:
            # Both a pause and its end cancel orders.
            for order in self._state.orders.of(terms.ticker):
                if order.state is not OrderState.PLACING:
                    order.mark_unknown()

    # Settlement

    def _settled(self, event: MarketSettled, market: MarketState, now: Milliseconds) -> str | None:
        """Apply a result or its amendment; it is booked once every fill of the market is."""
        if event.read and now < market.fresh_until:
            self.read_within(market.fresh_until - now, now)
            return None
        if not event.read:
            market.fresh_until = now + _OLDEST_COPY_MS
        if event.value is None:
            if market.result is None and not market.terms.decided:
                self._change_terms(
                    msgspec.structs.replace(market.terms, decided=True, active=False)
                )
            return event.ticker
        if market.result != event.value:
            market.result, market.final = event.value, False
            self._orders.abandon(event.ticker)
        elif market.final or not event.final:
            return None
        event_state = self._state.event_of_market[event.ticker]
        if self._state.service.reconciled and event_state.reconciled:
            self._book(event_state, market, now, final=event.final)
        return event.ticker

    def book_results(self, now: Milliseconds) -> None:
        """Book the results that arrived before all fills of the account were known."""
        for event_state, market in self._state.markets():
            if market.result != market.settled:
                self._book(event_state, market, now, final=market.final)

    def book_late_fills(self, now: Milliseconds) -> None:
        """Book settlements again in markets whose fills have changed since."""
        for event_state, market in self._state.markets():
            position = event_state.portfolio.position(market.ticker)
            if market.settled is not None and position != market.paid:
                self._book(event_state, market, now, final=market.final)

    def _book(
        self, event_state: EventState, market: MarketState, now: Milliseconds, *, final: bool
    ) -> None:
        ticker = market.ticker
        value, position = market.result or Price(0), event_state.portfolio.position(ticker)
        payout = value_of(position, value)
        changed = (market.settled, market.paid) != (value, position)
        market.settled, market.paid, market.final = value, position, final
        self._buffer.add(RecordSettlement(ticker, value, position, payout, now, final))
        if not changed:
            return
        self._buffer.log(
            "market.settled",
            event_ticker=event_state.ticker,
            market=ticker,
            value=format_price(value),
            position=format_count(position),
            payout=format_money(payout),
        )
        if event_state.settled:
            self._log_settled_event(event_state)

    def _log_settled_event(self, event_state: EventState) -> None:
        portfolio = event_state.portfolio
        payouts = total(
            value_of(portfolio.position(ticker), market.settled or Price(0))
            for ticker, market in event_state.markets.items()
        )
        pnl = format_money(Money(portfolio.cash + payouts))
        self._buffer.log("event.settled", event_ticker=event_state.ticker, pnl=pnl)
