"""What the exchange lists: events and markets, their changes, and their settlement.

A reading of the listing may be some seconds old when it comes, because caches stand before it;
what the stream says is news. So a reading does not undo what was told of a market shortly before,
and a change that only a reading can tell is read twice, at once and when no cache is that old.
"""

from __future__ import annotations

import msgspec

from mmbot.trading.command_buffer import CommandBuffer
from mmbot.trading.commands import RecordSettlement, RequestBelief
from mmbot.trading.events import (
    ListingRead,
    MarketActivity,
    MarketClosing,
    MarketSettled,
    PriceGridChanged,
)
from mmbot.trading.order_manager import OrderManager
from mmbot.trading.state import EventState, TradingState
from mmbot.trading.values import ListedEvent, Market
from mmbot.units import format_count, format_money, format_price

# Milliseconds.
_EVERY = 300_000
_EVERY_WHILE_SHUT = 2_000
# An event is kept on the desk for so long after its close: what is told of it later is old news.
_KEPT = 14 * 24 * 3_600_000
# The caches keep a listing for fifteen seconds, and reading takes a moment.
_OLDEST_COPY = 20_000


class Listings:
    """Keeps the desk's events and markets as the exchange has them; `due` is the next reading."""

    def __init__(self, state: TradingState, outbox: CommandBuffer, orders: OrderManager) -> None:
        self._state = state
        self._out = outbox
        self._orders = orders
        self.due: int | None = None

    # Readings

    def read(self, event: ListingRead) -> None:
        """Take in a reading."""
        service = self._state.service
        if service.shut != event.shut:
            self._out.note("exchange.shut" if event.shut else "exchange.open", reason=event.shut)
        if service.shut and not event.shut:
            # Nothing follows the last frames before a pause: one that was lost shows nowhere.
            self._state.renew_books(self._state.event_of_market, self._out)
        service.shut = event.shut
        self.due = self._out.now + (_EVERY_WHILE_SHUT if event.shut else _EVERY)
        for listed in event.events:
            self._list(listed)
        for ladder in tuple(self._state.events.values()):
            live = any(self._state.orders.of(ticker) for ticker in ladder.markets)
            if ladder.final and not live and self._out.now > ladder.closes + _KEPT:
                self._state.forget(ladder)

    def read_within(self, wait: int) -> None:
        """Have the listing read in so many milliseconds at the latest."""
        at = self._out.now + wait
        self.due = at if self.due is None else min(self.due, at)
        self._out.wake_by(self.due)

    def stale(self) -> None:
        """Read the listing now, and once more when no copy of it is older than this."""
        self._out.send(self._state.listing_reading())
        self.read_within(_OLDEST_COPY)

    def read_when_due(self) -> None:
        """Read the listing if it is time."""
        if self.due is not None and self._out.now >= self.due:
            self.due = self._out.now + _EVERY
            self._out.send(self._state.listing_reading())

    def _list(self, event: ListedEvent) -> None:
        before = self._state.events.get(event.ticker)
        known = before.markets if before else {}
        if any(market.ticker not in known for market in event.markets):
            self._take_up(event, before)
        for market in event.markets:
            fresh_until = (
                self._state.event_of_market[market.ticker].markets[market.ticker].fresh_until
            )
            if self._out.now < fresh_until:
                self.read_within(fresh_until - self._out.now)
            else:
                self._change(market)

    def _take_up(self, event: ListedEvent, before: EventState | None) -> None:
        state = self._state
        ladder = before.extended(event) if before else EventState(event)
        ladder.expect_releases(state.settings, state.clock, state.missing)
        state.events[event.ticker] = ladder
        state.event_of_market |= dict.fromkeys(ladder.markets, ladder)
        for market in event.markets:
            state.shard(market.shard)
        if any(self._out.now < market.closes for market in event.markets):
            self._out.send(RequestBelief(ladder.week, ladder.strikes))
        self._out.note("event.listed", event_ticker=event.ticker, markets=len(event.markets))

    # Changes

    def closing(self, event: MarketClosing) -> str | None:
        """A market's close was moved."""
        return self._told(event.ticker, closes=event.closes)

    def activity(self, event: MarketActivity) -> str | None:
        """A market was paused, or taken up again."""
        return self._told(event.ticker, active=event.active)

    def regridded(self, event: PriceGridChanged) -> str | None:
        """A market takes other prices; what rests in it rests on."""
        return self._told(event.ticker, grid=event.grid)

    def _told(self, ticker: str, **changes: object) -> str | None:
        listing = self._state.market(ticker)
        if listing is None:
            return None
        listing.fresh_until = self._out.now + _OLDEST_COPY
        self._change(msgspec.structs.replace(listing.terms, **changes))
        return ticker

    def _change(self, market: Market) -> None:
        listing = self._state.event_of_market[market.ticker].markets[market.ticker]
        before, listing.terms = listing.terms, market
        if before == market:
            return
        self._state.shard(market.shard)
        self._out.note(
            "market.changed",
            market=market.ticker,
            active=market.active,
            closes=market.closes,
            regridded=before.grid != market.grid,
        )
        if before.active != market.active:
            # A pause and its end both take orders off.
            for order in self._state.orders.of(market.ticker):
                if order.state != "placing":
                    order.doubt()

    # Settlement

    def settled(self, event: MarketSettled) -> str | None:
        """A market is decided, or that is amended; it is booked when every fill of it is."""
        listing = self._state.market(event.ticker)
        if listing is None:
            return None
        if event.read and self._out.now < listing.fresh_until:
            self.read_within(listing.fresh_until - self._out.now)
            return None
        if not event.read:
            listing.fresh_until = self._out.now + _OLDEST_COPY
        if listing.result != event.value:
            listing.result, listing.final = event.value, False
            self._orders.abandon(event.ticker)
        elif listing.final or not event.final:
            return None
        if self._state.service.reconciled and self._state.event_of_market[event.ticker].reconciled:
            self._book(event.ticker, final=event.final)
        return event.ticker

    def book_results(self) -> None:
        """Book what was decided while the account's fills were not all known."""
        for ticker, ladder in self._state.event_of_market.items():
            listing = ladder.markets[ticker]
            late_fill = ladder.portfolio.position(ticker) != listing.paid
            if listing.result != listing.settled or (listing.settled is not None and late_fill):
                self._book(ticker, final=listing.final)

    def _book(self, ticker: str, *, final: bool) -> None:
        ladder = self._state.event_of_market[ticker]
        listing = ladder.markets[ticker]
        value, position = listing.result or 0, ladder.portfolio.position(ticker)
        payout = position * value
        news = (listing.settled, listing.paid) != (value, position)
        listing.settled, listing.paid, listing.final = value, position, final
        self._out.send(RecordSettlement(ticker, value, position, payout, self._out.now, final))
        if not news:
            return
        self._out.note(
            "market.settled",
            event_ticker=ladder.ticker,
            market=ticker,
            value=format_price(value),
            position=format_count(position),
            payout=format_money(payout),
        )
        if ladder.settled:
            self._note_event(ladder)

    def _note_event(self, ladder: EventState) -> None:
        pnl = ladder.portfolio.cash + sum(
            ladder.portfolio.position(ticker) * (listing.settled or 0)
            for ticker, listing in ladder.markets.items()
        )
        self._out.note("event.settled", event_ticker=ladder.ticker, pnl=format_money(pnl))
