"""What must hold whatever breaks, checked after everything that happens.

The truth is the exchange's own: the auditor follows what the matching engine did, fact by fact, and
what went over the wire, and keeps books of its own. Nothing here asks the bot for its opinion
except where its opinion is what is judged.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, Final

from mmbot.bot.bot import Bot
from mmbot.bot.outputs import Output
from mmbot.exchange.accounts import Side
from mmbot.exchange.facts import AccountFilled, Fact, OrderChanged
from mmbot.exchange.order_types import ExchangeOrder
from mmbot.faultlab.holdings import Holding
from mmbot.faultlab.scenario import Scenario
from mmbot.faultlab.traffic import CreateRequest, StreamTruth, cancelled_ids, created
from mmbot.kalshi.gateway import Call
from mmbot.kalshi.http import HttpAnswer, HttpRequest
from mmbot.trading.commands import RecordFill
from mmbot.trading.portfolio import Portfolio
from mmbot.trading.values import CLIENT_ID_PREFIX, Fill
from mmbot.units import Count, Money, Price

# Milliseconds by which the bot's clock may be wrong, and whole seconds may round.
SKEW: Final = 6_000
# How long after the exchange has said so the bot may not know that an event charges makers: a copy
# of the listing may be old, and readings of it may fail.
_FEES_UNKNOWN: Final = 90_000
_SIDES: Final[tuple[Side, Side]] = ("bid", "ask")
_POSITIONS = "/trade-api/v2/portfolio/positions"


class InvariantBroken(Exception):
    """An invariant does not hold."""

    def __init__(self, invariant: str, what: str) -> None:
        super().__init__(invariant, what)
        self.invariant = invariant
        self.what = what


class Auditor:
    """Follows one world; raises `InvariantBroken` as soon as something is not as it must be."""

    def __init__(self, scene: Scenario, unjudged: Collection[str] = ()) -> None:
        """Begin with nothing seen; what is `unjudged` may be broken."""
        self._scene = scene
        self._account = scene.account
        self._unjudged = unjudged
        self._lifetime = scene.settings.orders.lifetime
        self._limit = scene.settings.limits.event_loss
        self.live: dict[str, ExchangeOrder] = {}
        # Orders that a life had under way when it ended, and that came to rest in a later one.
        self._late: set[str] = set()
        self.pending: dict[str, CreateRequest] = {}
        self.fills: dict[tuple[str, str], AccountFilled] = {}
        self._holdings: dict[str, Holding] = {}
        self._booked: set[tuple[str, str]] = set()
        self.life = ""
        self.stopping = self._still = False
        # Since when the operator has halted the bot, in true milliseconds.
        self.halted_at: int | None = None
        self._placed: set[tuple[str, Side]] = set()
        self.orders_placed = 0
        self.stream: StreamTruth | None = None

    # The exchange

    def facts(self, facts: Sequence[Fact]) -> None:
        """Follow what the matching engine did."""
        concerned = set()
        for fact in facts:
            if isinstance(fact, OrderChanged) and fact.order.account is self._account:
                if self._order_changed(fact):
                    concerned.add(_event(fact.order.ticker))
            elif isinstance(fact, AccountFilled) and fact.account is self._account:
                self._filled(fact)
                concerned.add(_event(fact.ticker))
        for event in sorted(concerned):
            self._check_worst_case(event)

    def _order_changed(self, fact: OrderChanged) -> bool:
        order = fact.order
        if not order.client_order_id.startswith(CLIENT_ID_PREFIX):
            return False
        self.pending.pop(order.client_order_id, None)
        if fact.reason == "SelfTradeCancel":
            raise InvariantBroken("self_cross", f"{_shown(order)} met another order of ours")
        if order.status != "resting":
            self.live.pop(order.order_id, None)
            return True
        before = self.live.get(order.order_id)
        self.live[order.order_id] = order
        self._check_fence(order, fact.at)
        if before is None:
            self.orders_placed += 1
            if _life(order.client_order_id) != self.life:
                self._late.add(order.order_id)
            self._check_company(order)
        elif (order.expires_ms or 0) > (before.expires_ms or 0):
            self._late.discard(order.order_id)
            self._check_company(order, renewed=True)
        return True

    def _check_fence(self, order: ExchangeOrder, now: int) -> None:
        missing = [
            name
            for name, there in (
                ("expiry", order.expires_ms is not None),
                ("post_only", order.post_only),
                ("cancel_on_pause", order.cancel_on_pause),
                ("group", order.group_id is not None),
            )
            if not there
        ]
        if missing:
            raise InvariantBroken("fence", f"{_shown(order)} rests without {', '.join(missing)}")
        if (order.expires_ms or 0) > now + self._lifetime + SKEW:
            raise InvariantBroken("fence", f"{_shown(order)} would outlive its lifetime")
        halted = self.halted_at
        if halted is not None and (order.expires_ms or 0) > halted + self._lifetime + SKEW:
            raise InvariantBroken("halted", f"{_shown(order)} was placed or renewed after the halt")

    def _check_company(self, order: ExchangeOrder, *, renewed: bool = False) -> None:
        """Refuse a second order on a side, unless an earlier life of the bot left the first."""
        for other in self.live.values():
            if other.order_id == order.order_id or other.ticker != order.ticker:
                continue
            if other.side == order.side:
                if renewed or _life(other.client_order_id) == _life(order.client_order_id):
                    raise InvariantBroken(
                        "one_order", f"{_shown(order)} rests beside {_shown(other)}"
                    )
            elif (order.price >= other.price) == (order.side == "bid"):
                raise InvariantBroken("self_cross", f"{_shown(order)} crosses {_shown(other)}")

    def _filled(self, fact: AccountFilled) -> None:
        self.fills[fact.trade_id, fact.order_id] = fact
        own = fact.client_order_id.startswith(CLIENT_ID_PREFIX)
        foreign = not own or fact.order_id in self._late
        self._holding(_event(fact.ticker)).book(fact, foreign=foreign)

    def _holding(self, event: str) -> Holding:
        if event not in self._holdings:
            self._holdings[event] = Holding(self._scene.venue.exchange.events[event].tickers)
        return self._holdings[event]

    def _check_worst_case(self, event: str) -> None:
        """Compare the least wealth with the limit: live orders and those on their way filled.

        What an earlier life had under way when it was killed, and what the exchange carries out
        only in the next one, nobody could know of. It has the short lifetime that it was sent with,
        counts from its first renewal on, and until then for whatever the bot sends after it has
        heard of it.
        """
        least, allowed = self._least(event), self._allowed(event)
        if least < allowed:
            raise InvariantBroken(
                "worst_case",
                f"an outcome loses ${-least / 1e6:.2f} where the limit of "
                f"${self._limit / 1e6:.2f} and others' trades allow ${-allowed / 1e6:.2f}",
            )

    def _least(self, event: str, heard_of: Collection[str] = ()) -> Money:
        return min(self._holding(event).wealth(self._exposed(heard_of)))

    def _allowed(self, event: str) -> Money:
        return -self._limit - self._holding(event).allowed

    def _late_heard_of(self, bot: Bot) -> set[str]:
        """Return the late orders that the bot has on its desk: these it has to count."""
        orders = bot.engine.state.orders
        late = (self.live[order_id] for order_id in self._late if order_id in self.live)
        return {order.order_id for order in late if orders.get(order.client_order_id)}

    def _exposed(self, heard_of: Collection[str]) -> Iterator[tuple[str, Side, Price, Count]]:
        for order in self.live.values():
            if order.order_id not in self._late or order.order_id in heard_of:
                yield order.ticker, order.side, order.price, order.remaining
        for wish in self.pending.values():
            yield wish.ticker, wish.side, wish.price, wish.count

    # What the bot does

    def born(self, life: str) -> None:
        """Follow a new life of the bot; what an earlier one had under way is not its doing."""
        self.life, self.stopping = life, False
        self.pending.clear()
        self._booked.clear()
        self.stream = None

    def outputs(self, outputs: Sequence[Output], bot: Bot, now: int) -> None:
        """Judge everything that one input made the bot do; `now` is the bot's own time."""
        creating = False
        for output in outputs:
            if isinstance(output, Call):
                request = output.request
                if creating and cancelled_ids(request):
                    raise InvariantBroken("cancels_first", "a cancel was sent after a create")
                for wish in created(request):
                    creating = True
                    self._check_wish(wish, bot, now)
            elif isinstance(output, RecordFill):
                self._check_booking(output.fill)
        self._check_lost(bot)

    def _check_booking(self, fill: Fill) -> None:
        if fill.key in self._booked:
            raise InvariantBroken("booked_once", f"the fill {fill.trade_id} was booked twice")
        self._booked.add(fill.key)
        if fill.key not in self.fills:
            raise InvariantBroken("booked_once", f"the fill {fill.trade_id} never happened")

    def _check_wish(self, wish: CreateRequest, bot: Bot, now: int) -> None:
        if wish.client_id in self.pending:
            raise InvariantBroken("one_order", f"{wish.client_id} was sent twice")
        self._check_rest(wish)
        if self.stopping:
            raise InvariantBroken(
                "stopping", f"{wish.client_id} was sent after the bot was told to stop"
            )
        if self.halted_at is not None:
            raise InvariantBroken("halted", f"{wish.client_id} was sent after the halt")
        self._check_gates(wish, bot, now)
        self._check_price(wish, bot)
        for order in self.live.values():
            meets = order.side != wish.side and order.ticker == wish.ticker
            if meets and (wish.price >= order.price) == (wish.side == "bid"):
                raise InvariantBroken("self_cross", f"{wish.client_id} would meet {_shown(order)}")
        event = _event(wish.ticker)
        heard_of = self._late_heard_of(bot)
        before = self._least(event, heard_of)
        self.pending[wish.client_id] = wish
        self._check_worst_case(event)
        if heard_of and self._least(event, heard_of) < min(before, self._allowed(event)):
            raise InvariantBroken(
                "worst_case", f"{wish.client_id} adds to what a late order may lose"
            )

    def _check_rest(self, wish: CreateRequest) -> None:
        """While nothing happens, an order may be placed, but not be placed again."""
        place = wish.ticker, wish.side
        if self._still and place in self._placed:
            raise InvariantBroken("restless", f"{wish.client_id} moves though nothing has happened")
        self._placed.add(place)

    def be_still(self, *, still: bool) -> None:
        """Take note that nobody else acts any more, or that something has happened."""
        self._still = still
        self._placed.clear()

    def _check_gates(self, wish: CreateRequest, bot: Bot, now: int) -> None:
        stream = self.stream
        if stream is None:
            raise InvariantBroken("no_stream", f"{wish.client_id} was sent without a stream")
        if not stream.account_read:
            raise InvariantBroken(
                "unreconciled", f"{wish.client_id} was sent before the account was read"
            )
        if wish.ticker not in stream.fresh:
            raise InvariantBroken(
                "distrusted_book", f"{wish.client_id} was sent on a book with a gap"
            )
        self._check_fees(wish, now)
        if "stale_belief" not in self._unjudged:
            self._check_belief(wish, bot, now)

    def _check_fees(self, wish: CreateRequest, now: int) -> None:
        exchange = self._scene.venue.exchange
        event = exchange.events[_event(wish.ticker)]
        known = now > event.updated_ms + _FEES_UNKNOWN
        if known and event.fee_override not in (None, exchange.settings.fees):
            raise InvariantBroken("charged", f"{wish.client_id} was sent though makers are charged")

    def _check_belief(self, wish: CreateRequest, bot: Bot, now: int) -> None:
        ladder = bot.engine.state.event_of_market[wish.ticker]
        belief, earliest = ladder.belief, self._scene.settings.counts.earliest_release
        due = len(ladder.week.days_due(self._scene.clock.at(now), earliest))
        if belief is None or belief.days_published < due:
            known = None if belief is None else belief.days_published
            raise InvariantBroken(
                "stale_belief", f"{wish.client_id} was sent knowing {known} of {due} days"
            )

    def _check_price(self, wish: CreateRequest, bot: Bot) -> None:
        """Refuse a price more than a tick beyond the best of the others, as the bot saw them."""
        listing = bot.engine.state.market(wish.ticker)
        if listing is None or listing.book is None:
            raise InvariantBroken("distrusted_book", f"{wish.client_id} was sent without a book")
        own: dict[Price, Count] = {}
        for order in bot.engine.state.orders:
            beside = order.ticker == wish.ticker and order.side == wish.side
            if beside and order.client_id != wish.client_id:
                own[order.price] = own.get(order.price, 0) + order.remaining
        side = wish.side
        levels = listing.book.levels(side)
        others = [price for price, count in levels if count > own.get(price, 0)]
        grid = listing.terms.grid
        if not others:
            return
        furthest = grid.ceil(others[0] + 1) if side == "bid" else grid.floor(others[0] - 1)
        if furthest is not None and (
            wish.price > furthest if side == "bid" else wish.price < furthest
        ):
            raise InvariantBroken(
                "overbid", f"{wish.client_id} at {wish.price} betters {others[0]}"
            )

    def _check_lost(self, bot: Bot) -> None:
        """Cancelled means cancelled: what rests at the exchange is on the bot's desk."""
        orders = bot.engine.state.orders
        for order in self.live.values():
            ours = _life(order.client_order_id) == self.life
            if ours and orders.get(order.client_order_id) is None:
                raise InvariantBroken(
                    "lost_order", f"{_shown(order)} rests and the bot takes it for over"
                )

    def arrived(self, request: HttpRequest, answer: HttpAnswer, *, tokens_known: bool) -> None:
        """Judge a call that the exchange has answered.

        Where the bot can know how many tokens it has, none may be missing for a cancel.
        """
        for wish in created(request):
            self.pending.pop(wish.client_id, None)
        for order_id in cancelled_ids(request):
            known = self._scene.venue.exchange.history.orders.get(order_id)
            if known and not known[1].client_order_id.startswith(CLIENT_ID_PREFIX):
                raise InvariantBroken(
                    "foreign_order", f"the bot cancelled {order_id}, which is not its own"
                )
            if answer.status == 429 and tokens_known:
                raise InvariantBroken("cancels_first", "no tokens were left for a cancel")

    def never_arrived(self, request: HttpRequest) -> None:
        """Follow a call that is lost on its way."""
        for wish in created(request):
            self.pending.pop(wish.client_id, None)

    def answered(self, request: HttpRequest, answer: HttpAnswer | None, stream: Any) -> None:
        """Follow an answer that reaches the bot, to a call made on `stream`."""
        read = request.path == _POSITIONS and answer is not None and answer.status == 200
        if read and self.stream is not None and stream is self.stream:
            self.stream.account_read = True

    # At rest

    def check_dead(self, since: int, now: int) -> None:
        """After death or stop no order outlives its expiry."""
        if now > since + self._lifetime + SKEW and self.live:
            order = next(iter(self.live.values()))
            raise InvariantBroken(
                "outlived", f"{_shown(order)} rests {now - since} ms after the bot's end"
            )

    def check_stopped(self) -> None:
        """Once the bot says that it is finished, nothing of it rests."""
        if self.live:
            raise InvariantBroken(
                "stopped", f"{_shown(next(iter(self.live.values())))} rests after the stop"
            )

    def check_halted(self) -> None:
        """While the operator has it halted, nothing of the bot rests."""
        if self.live:
            raise InvariantBroken(
                "halted", f"{_shown(next(iter(self.live.values())))} rests all the same"
            )

    def check_agreement(self, bot: Bot, booked: Iterable[Fill]) -> None:
        """Positions, fees, cash, orders and books are the exchange's, all messages drained."""
        state = bot.engine.state
        if not (state.service.streaming and state.service.reconciled):
            raise InvariantBroken("recovery", f"after the calm the bot is {state.service}")
        kept = {fill.key: _essence(fill) for fill in booked}
        true = {key: _essence(fill) for key, fill in self.fills.items()}
        if kept != true:
            missing = [key for key in true if kept.get(key) != true[key]]
            raise InvariantBroken(
                "ledger", f"{len(true)} fills, {len(kept)} in the ledger; {missing[:2]}"
            )
        for ladder in state.events.values():
            self._check_portfolio(ladder.portfolio, self._holding(ladder.ticker))
        ours = {order.client_id: order.remaining for order in state.orders if order.remaining}
        theirs = {order.client_order_id: order.remaining for order in self.live.values()}
        if ours != theirs:
            raise InvariantBroken("orders", f"the bot has {ours} where {theirs} rest")
        self._check_books(bot)

    def _check_portfolio(self, portfolio: Portfolio, holding: Holding) -> None:
        for ticker, held in holding.positions.items():
            position = portfolio.position(ticker)
            if position != held:
                raise InvariantBroken("positions", f"{ticker}: {position} where {held} are held")
        if portfolio.cash != holding.cash:
            raise InvariantBroken("cash", f"{portfolio.cash} where {holding.cash} is right")

    def _check_books(self, bot: Bot) -> None:
        if self._scene.venue.exchange.trading_paused():
            # The bot reads every book anew once the pause is over, and quotes nothing before.
            return
        for ticker, ladder in bot.engine.state.event_of_market.items():
            market = self._scene.venue.exchange.engine.markets[ticker]
            if market.status != "active":
                continue
            book = ladder.markets[ticker].book
            if book is None:
                raise InvariantBroken("recovery", f"after the calm there is no book of {ticker}")
            for side in _SIDES:
                theirs = market.sides[side].totals
                if dict(book.levels(side)) != theirs:
                    raise InvariantBroken(
                        "book", f"the {side}s of {ticker} differ from the exchange's"
                    )


def _event(ticker: str) -> str:
    return ticker.rpartition("-")[0]


def _life(client_id: str) -> str:
    return client_id.removeprefix(CLIENT_ID_PREFIX).rpartition("-")[0]


def _shown(order: ExchangeOrder) -> str:
    return f"{order.client_order_id} ({order.side} {order.remaining} at {order.price})"


def _essence(fill: Fill | AccountFilled) -> tuple[str, str, Price, Count, Money]:
    return fill.ticker, fill.side, fill.price, fill.count, fill.fee
