"""Checks that must hold for every order when the bot sends it.

Each compares an order with what the bot could know: what its stream had delivered, what the listing
said some time ago, which counts were out, and the book as the bot saw it.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import msgspec

from mmbot.bot.bot import Bot
from mmbot.exchange.exchange_state import ExchangeState
from mmbot.faultlab.agreement import InvariantBroken
from mmbot.faultlab.fees_known import least_fee, reckoned_with
from mmbot.faultlab.scenario import Scenario
from mmbot.faultlab.traffic import CreateRequest, DeliveredStream
from mmbot.trading.commands import Command, Place
from mmbot.trading.engine import Engine
from mmbot.trading.events import InputEvent
from mmbot.trading.portfolio import paid_each
from mmbot.trading.pricing import QuoteLimits
from mmbot.trading.state import TradingState
from mmbot.trading.values import event_of
from mmbot.units import (
    MONEY_PER_DOLLAR,
    ONE_CONTRACT,
    Count,
    Milliseconds,
    Price,
    PriceGrid,
    value_of,
)

# How far the bot's clock may be off, including rounding to whole seconds.
SKEW_MS: Final = 6_000
# How long the bot may trust books whose channel has died.
_BLIND_MS: Final = 5_000
# How long the bot may not know of a change of the listing: copies may be old, and readings fail.
_LISTING_UNKNOWN_MS: Final = 90_000
# A fee's step of rounding, in dollars.
_FEE_STEP: Final = 0.0001


def check_stream(
    sent: CreateRequest, stream: DeliveredStream | None, now: Milliseconds
) -> DeliveredStream:
    """Check that the stream covers the market and the account; return it.

    Raises:
        InvariantBroken: There is none, its books are silent or have a gap, or the account was not
            read since it opened.
    """
    if stream is None:
        raise InvariantBroken("no_stream", f"{sent.client_id} was sent without a stream")
    silent_since = stream.books_silent_since
    if silent_since is not None and now > silent_since + _BLIND_MS + SKEW_MS:
        raise InvariantBroken("blind", f"{sent.client_id} was sent on books that are not told")
    if not stream.account_read:
        raise InvariantBroken(
            "unreconciled", f"{sent.client_id} was sent before the account was read"
        )
    if sent.ticker not in stream.gapless_books:
        raise InvariantBroken("distrusted_book", f"{sent.client_id} was sent on a book with a gap")
    return stream


def check_listing(sent: CreateRequest, exchange: ExchangeState, now: Milliseconds) -> None:
    """Check that the listing, as of some time ago, allows the order.

    Raises:
        InvariantBroken: Its maker fee is not known, or it cannot be read.
    """
    if not any(each.is_public for each in reckoned_with(exchange, event_of(sent.ticker), now)):
        raise InvariantBroken("charged", f"{sent.client_id} was sent under a fee nobody knows")
    odd = exchange.oddities
    for ticker in (sent.ticker, event_of(sent.ticker)):
        changes = odd.changes.get(ticker)
        if changes and now > odd.changed_at[ticker] + _LISTING_UNKNOWN_MS:
            raise InvariantBroken(
                "unreadable", f"{sent.client_id} was sent though the listing says {changes}"
            )


class PlacedBy(msgspec.Struct, frozen=True):
    """The basis on which the engine placed an order: quote limits, and share of fair value."""

    limits: QuoteLimits
    share: float


class WatchedPlaces:
    """The basis on which each order was placed.

    A step of the bot may be several steps of its engine, each of which may reprice a market.
    """

    def __init__(self) -> None:
        """Begin without orders."""
        self._placed: dict[str, PlacedBy] = {}

    def watch(self, engine: Engine) -> None:
        """Keep the basis of this engine's orders; drop earlier ones."""
        self._placed.clear()
        handle = engine.handle

        def watched(event: InputEvent, now: Milliseconds) -> list[Command]:
            commands = handle(event, now)
            for command in commands:
                if isinstance(command, Place):
                    self._keep(command, engine.state)
            return commands

        setattr(engine, "handle", watched)  # noqa: B010

    def _keep(self, place: Place, state: TradingState) -> None:
        limits = state.market(place.ticker).quote_limits
        published = state.event_of_market[place.ticker].days_published
        if limits is not None:
            share = 1 - state.settings.quoting.margin_at(published)
            self._placed[place.client_id] = PlacedBy(limits, share)

    def take(self, client_id: str) -> PlacedBy | None:
        """Return, once, the basis on which an order was placed."""
        return self._placed.pop(client_id, None)


def check_edge(
    sent: CreateRequest, placed: PlacedBy | None, exchange: ExchangeState, now: Milliseconds
) -> None:
    """Check that the price keeps margin and edge after the exchange's fee.

    Raises:
        InvariantBroken: It does not, or the market was not priced.
    """
    if placed is None:
        raise InvariantBroken("edge", f"{sent.client_id} was sent without limits")
    fee = least_fee(reckoned_with(exchange, event_of(sent.ticker), now), sent.price, sent.count)
    cost = (value_of(sent.count, paid_each(sent.side, sent.price)) + fee) / MONEY_PER_DOLLAR
    limits = placed.limits
    fair, worth, edge = limits.fair, limits.reservation, limits.yes_edge
    if sent.side == "ask":
        fair, worth, edge = 1 - fair, 1 - worth, limits.no_edge
    most = min(worth - edge, placed.share * fair) * sent.count / ONE_CONTRACT
    if cost > most + _FEE_STEP:
        raise InvariantBroken(
            "edge", f"{sent.client_id} costs {cost:.4f} in all where {most:.4f} keeps the edge"
        )


def check_belief(sent: CreateRequest, bot: Bot, scenario: Scenario, now: Milliseconds) -> None:
    """Check that the belief has every count that is due.

    Raises:
        InvariantBroken: It does not, or there is none.
    """
    event_state = bot.engine.state.event_of_market[sent.ticker]
    belief, earliest = event_state.belief, scenario.settings.counts.earliest_release
    at, week = scenario.clock.at(now), event_state.week
    due = len(scenario.underlying.days_due(week, at, earliest))
    if belief is None or belief.days_published < due:
        known = None if belief is None else belief.days_published
        raise InvariantBroken(
            "stale_belief", f"{sent.client_id} was sent knowing {known} of {due} days"
        )


def check_price(sent: CreateRequest, bot: Bot, lately_ours: Collection[Price]) -> None:
    """Check that the price is at most a tick better than the best of others, as the bot saw it.

    What the book shows at a price in `lately_ours` may be an own order that is already gone, or
    another's.

    Raises:
        InvariantBroken: It is better by more, or the bot has no book of the market.
    """
    market = bot.engine.state.find_market(sent.ticker)
    if market is None or market.book is None:
        raise InvariantBroken("distrusted_book", f"{sent.client_id} was sent without a book")
    own: dict[Price, Count] = {}
    for order in bot.engine.state.orders:
        beside = order.ticker == sent.ticker and order.side == sent.side
        if beside and order.client_id != sent.client_id:
            own[order.price] = Count(own.get(order.price, 0) + order.remaining)
    side = sent.side
    levels = market.book.levels(side)
    others = [price for price, count in levels if count > own.get(price, 0)]
    surely = [price for price in others if price not in lately_ours]
    if not others or not surely:
        return
    if all(_overbids(sent, best[0], market.terms.grid) for best in (others, surely)):
        raise InvariantBroken("overbid", f"{sent.client_id} at {sent.price} betters {others[0]}")


def _overbids(sent: CreateRequest, best: Price, grid: PriceGrid) -> bool:
    if sent.side == "bid":
        furthest = grid.ceil(Price(best + 1))
        return furthest is not None and sent.price > furthest
    furthest = grid.floor(Price(best - 1))
    return furthest is not None and sent.price < furthest
