"""The invariants: what must hold under every fault, checked after everything that happens.

The truth is the exchange's own: the auditor follows the matching engine, fact by fact, and the
wire, and keeps books of its own. The bot's state is read only where that state is what is checked.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final

from mmbot.bot.bot import Bot
from mmbot.bot.outputs import Output
from mmbot.exchange.facts import AccountFilled, Fact, OrderChanged
from mmbot.exchange.order_types import ExchangeOrder
from mmbot.faultlab.agreement import (
    InvariantBroken,
    check_books,
    check_fills,
    check_orders,
    check_page,
    check_portfolio,
    check_settled_counts,
)
from mmbot.faultlab.fees_known import least_fee, reckoned_with
from mmbot.faultlab.holdings import Holding
from mmbot.faultlab.placement_checks import (
    SKEW_MS,
    WatchedPlaces,
    check_belief,
    check_edge,
    check_listing,
    check_price,
    check_stream,
)
from mmbot.faultlab.scenario import Scenario
from mmbot.faultlab.told_fills import ToldFills
from mmbot.faultlab.traffic import (
    CreateRequest,
    DeliveredStream,
    cancelled_ids,
    confirms_an_order,
    orders_created_by,
)
from mmbot.kalshi.gateway import Call
from mmbot.kalshi.http import HttpAnswer, HttpRequest
from mmbot.trading.commands import RecordFill, VoidFill
from mmbot.trading.gates import Gate
from mmbot.trading.values import CLIENT_ID_PREFIX, Fill, Side, event_of
from mmbot.tsa.counts import Counts
from mmbot.units import Count, Milliseconds, Money, Price

__all__ = ["POSITIONS_PATH", "SKEW_MS", "Auditor", "InvariantBroken"]

# How long the bot may wait for the report of an order that was confirmed.
_UNREPORTED_MS: Final = 5_000
# The machine's clock is looked at every second.
_CLOCK_UNNOTICED_MS: Final = 1_100
# The account is read every minute, and sooner after a failure.
_ASLEEP_MS: Final = 80_000
# How long after a report that ended an order falsely the bot may take it for over: until a reading
# of the account lists it once more, a query confirms that it rests, and what was placed in its
# place is cancelled, all of which may fail a few times.
_FALSELY_OVER_MS: Final = 40_000
# How long the book that the bot sees may show an own order that has ended: the answer to its cancel
# may be late, and the stream later still.
_STILL_SHOWN_MS: Final = 30_000
POSITIONS_PATH = "/trade-api/v2/portfolio/positions"


class Auditor:
    """Follows one world.

    Raises:
        InvariantBroken: An invariant does not hold; raised by whatever method finds it.
    """

    def __init__(self, scenario: Scenario, unjudged: Collection[str] = ()) -> None:
        """Begin with nothing seen; the invariants named in `unjudged` are not checked."""
        self._scenario = scenario
        self._account = scenario.account
        self._unjudged = unjudged
        self._lifetime = scenario.settings.orders.lifetime
        self._limit = scenario.settings.limits.event_loss
        self.live: dict[str, ExchangeOrder] = {}
        # Orders that a session had under way at its end, and that came to rest in a later one.
        self._late: set[str] = set()
        # When an own order at that price ended last.
        self._lately_ours: dict[tuple[str, Side, Price], Milliseconds] = {}
        # When a report last ended an order falsely, by client id; and the time of the last fact.
        self._false_ends: dict[str, Milliseconds] = {}
        self._now: Milliseconds = 0
        self.pending: dict[str, CreateRequest] = {}
        self.fills: dict[tuple[str, str], AccountFilled] = {}
        self._holdings: dict[str, Holding] = {}
        # The fills that the present session has from its ledger, or has booked.
        self._booked: set[tuple[str, str]] = set()
        # Whether the account's list of fills was empty when this session read it last.
        self._fills_denied = False
        self._excused: set[tuple[str, str]] = set()
        self.told_fills = ToldFills()
        self.session = ""
        self.stopping = self._still = False
        # Since when the operator has halted the bot, in true milliseconds.
        self.halted_at: Milliseconds | None = None
        self._placed: set[tuple[str, Side]] = set()
        self.places = WatchedPlaces()
        self.orders_placed = 0
        self.stream: DeliveredStream | None = None
        # Whether a commit of the present session is overdue.
        self.ledger_behind = False

    # The exchange

    def follow_facts(self, facts: Sequence[Fact]) -> None:
        """Follow what the matching engine did."""
        concerned = set()
        for fact in facts:
            self._now = max(self._now, fact.at)
            if isinstance(fact, OrderChanged) and fact.order.account is self._account:
                if self._order_changed(fact):
                    concerned.add(event_of(fact.order.ticker))
            elif isinstance(fact, AccountFilled) and fact.account is self._account:
                self._filled(fact)
                concerned.add(event_of(fact.ticker))
        for event in sorted(concerned):
            self._check_worst_case(event)

    def ended_falsely(self, client_id: str, now: Milliseconds) -> None:
        """Follow a report that ends an order which rests; none of its fills may be known yet."""
        self._now = self._false_ends[client_id] = now
        for key, fact in self.fills.items():
            if fact.client_order_id == client_id and key not in self._booked:
                self._excuse(key, fact)

    def fill_misstated(self, key: tuple[str, str], client_id: str, now: Milliseconds) -> None:
        """Follow a fill that is told with more contracts than it has: its order may seem over."""
        self.told_fills.misstate(key)
        self.ended_falsely(client_id, now)

    def channel_silenced(self, kinds: Collection[str], now: Milliseconds) -> None:
        """Follow a channel that dies on the present connection."""
        if self.stream is not None and "orderbook_delta" in kinds:
            self.stream.books_silent_since = now
        if self.stream is not None and "user_order" in kinds:
            self.stream.reports_silent = True

    def channels_restored(self) -> None:
        """Follow that every channel of the present connection delivers again."""
        if self.stream is not None:
            self.stream.books_silent_since = self.stream.unreported_since = None
            self.stream.reports_silent = False

    def _may_be_taken_for_over(self, order: ExchangeOrder) -> bool:
        told = self._false_ends.get(order.client_order_id)
        return told is not None and self._now < told + _FALSELY_OVER_MS

    def _order_changed(self, fact: OrderChanged) -> bool:
        order = fact.order
        if not order.client_order_id.startswith(CLIENT_ID_PREFIX):
            return False
        self.pending.pop(order.client_order_id, None)
        if fact.reason == "SelfTradeCancel":
            raise InvariantBroken("self_cross", f"{_shown(order)} met another order of ours")
        if order.status != "resting":
            if self.live.pop(order.order_id, None) is not None:
                self._lately_ours[order.ticker, order.side, order.price] = fact.at
            return True
        before = self.live.get(order.order_id)
        self.live[order.order_id] = order
        self._check_protections(order, fact.at)
        if before is None:
            self.orders_placed += 1
            if _session_of(order) != self.session:
                self._late.add(order.order_id)
            self._check_alone(order)
        elif (order.expires_ms or 0) > (before.expires_ms or 0):
            self._late.discard(order.order_id)
            if not self._may_be_taken_for_over(order):
                self._false_ends.pop(order.client_order_id, None)
            self._check_alone(order, renewed=True)
        return True

    def _check_protections(self, order: ExchangeOrder, now: Milliseconds) -> None:
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
        if (order.expires_ms or 0) > now + self._lifetime + SKEW_MS:
            raise InvariantBroken("fence", f"{_shown(order)} would outlive its lifetime")
        halted = self.halted_at
        if halted is not None and (order.expires_ms or 0) > halted + self._lifetime + SKEW_MS:
            raise InvariantBroken("halted", f"{_shown(order)} was placed or renewed after the halt")

    def _check_alone(self, order: ExchangeOrder, *, renewed: bool = False) -> None:
        """Check that no order rests on its side or meets it; an earlier session may leave one."""
        for other in self.live.values():
            if other.order_id == order.order_id or other.ticker != order.ticker:
                continue
            if self._may_be_taken_for_over(order) or self._may_be_taken_for_over(other):
                continue
            if other.side == order.side:
                late = {order.order_id, other.order_id} & self._late
                if renewed or not late:
                    raise InvariantBroken(
                        "one_order", f"{_shown(order)} rests beside {_shown(other)}"
                    )
            elif (order.price >= other.price) == (order.side == "bid"):
                raise InvariantBroken("self_cross", f"{_shown(order)} crosses {_shown(other)}")

    def _filled(self, fact: AccountFilled) -> None:
        self.fills[fact.trade_id, fact.order_id] = fact
        own = fact.client_order_id.startswith(CLIENT_ID_PREFIX)
        falsely_over = fact.client_order_id in self._false_ends
        holding = self._holding(event_of(fact.ticker))
        holding.book(fact, self._fee(event_of(fact.ticker), fact.price, fact.count))
        if not own or fact.order_id in self._late or falsely_over:
            self._excuse((fact.trade_id, fact.order_id), fact)

    def _excuse(self, key: tuple[str, str], fact: AccountFilled) -> None:
        """Hold a fill against nobody, once."""
        if key not in self._excused:
            self._excused.add(key)
            self._holding(event_of(fact.ticker)).excuse(fact)

    def _holding(self, event: str) -> Holding:
        if event not in self._holdings:
            self._holdings[event] = Holding(self._scenario.venue.exchange.events[event].tickers)
        return self._holdings[event]

    def _check_worst_case(self, event: str) -> None:
        """Check the least wealth, with live orders and creates under way filled, against the limit.

        What an earlier session had under way when it was killed, and the exchange executes only in
        the next one, that one cannot know of, and no session of what was said to have ended and
        rests. Such an order keeps its short lifetime; it counts from its first renewal on, and
        before that for whatever the bot sends once it knows of it.
        """
        least, allowed = self._least(event), self._allowed(event)
        if least < allowed:
            raise InvariantBroken(
                "worst_case",
                f"an outcome loses ${-least / 1e6:.2f} where the limit of "
                f"${self._limit / 1e6:.2f} and others' trades allow ${-allowed / 1e6:.2f}",
            )

    def _least(self, event: str, known: Collection[str] = ()) -> Money:
        return min(self._holding(event).wealth(self._exposed(known)))

    def _allowed(self, event: str) -> Money:
        return Money(-self._limit - self._holding(event).unavoidable_loss)

    def _is_unforeseen(self, order: ExchangeOrder) -> bool:
        return order.order_id in self._late or order.client_order_id in self._false_ends

    def _known_unforeseen(self, bot: Bot) -> set[str]:
        """Return the unforeseen orders that the bot knows: these it has to count."""
        known = bot.engine.state.orders
        return {
            order.order_id
            for order in self.live.values()
            if self._is_unforeseen(order)
            and not self._may_be_taken_for_over(order)
            and known.get(order.client_order_id)
        }

    def _exposed(self, known: Collection[str]) -> Iterator[tuple[str, Side, Price, Count, Money]]:
        counted = [
            (order.ticker, order.side, order.price, order.remaining)
            for order in self.live.values()
            if order.order_id in known or not self._is_unforeseen(order)
        ]
        counted += [
            (sent.ticker, sent.side, sent.price, sent.count) for sent in self.pending.values()
        ]
        for ticker, side, price, count in counted:
            yield ticker, side, price, count, self._fee(event_of(ticker), price, count)

    def _fee(self, event: str, price: Price, count: Count) -> Money:
        """Return the least that the bot may reckon with for an order, or for a fill."""
        schedules = reckoned_with(self._scenario.venue.exchange, event, self._now)
        return least_fee(schedules, price, count)

    # What the bot does

    def session_started(self, session: str) -> None:
        """Follow a new session; what an earlier one had under way is not held against it."""
        self.session, self.stopping = session, False
        self.pending.clear()
        self._booked.clear()
        self._fills_denied = False
        self.ledger_behind = False
        self.stream = None

    def fills_restored(self, fills: Iterable[Fill]) -> None:
        """Follow what a new session has from the ledger."""
        self._booked.update(key for key in map(self.told_fills.true_key, fills) if key)

    def fills_listed(self, *, denied: bool) -> None:
        """Follow the account's list of fills, which a fault may have emptied."""
        self._fills_denied = denied

    def _excuse_denied(self) -> None:
        """Hold no fill against a session that neither ledger nor account know of."""
        for key, fact in self.fills.items():
            if key not in self._booked and _session_of(fact) != self.session:
                self._excuse(key, fact)

    def check_outputs(self, outputs: Sequence[Output], bot: Bot, now: Milliseconds) -> None:
        """Check everything that the bot did on one input; `now` is the bot's own time."""
        creating = False
        for output in outputs:
            if isinstance(output, Call):
                request = output.request
                if creating and cancelled_ids(request):
                    raise InvariantBroken("cancels_first", "a cancel was sent after a create")
                for sent in orders_created_by(request):
                    creating = True
                    self._check_create(sent, bot, now)
            elif isinstance(output, RecordFill):
                self._check_booking(output.fill)
            elif isinstance(output, VoidFill):
                if self.told_fills.is_misstated(output.fill):
                    self._booked.discard(output.fill.key)
                else:
                    self.told_fills.voided(output.fill)
        self._check_lost(bot)

    def check_clock(
        self, outputs: Sequence[Output], ahead: Milliseconds, set_wrong_for: Milliseconds
    ) -> None:
        """Check that nothing is placed while the bot's time or the machine's clock is wrong.

        Args:
            outputs: The outputs of one input.
            ahead: How far the bot's time is ahead of the true one.
            set_wrong_for: For how long the machine's clock has been set wrong.
        """
        placing = any(isinstance(o, Call) and orders_created_by(o.request) for o in outputs)
        if placing and abs(ahead) > SKEW_MS:
            raise InvariantBroken("wrong_time", f"a place was sent {ahead} ms ahead of the time")
        if placing and set_wrong_for > _CLOCK_UNNOTICED_MS:
            raise InvariantBroken(
                "wrong_time", f"a place was sent {set_wrong_for} ms after the clock was set wrong"
            )

    def check_awake(self, read_at: Milliseconds, now: Milliseconds) -> None:
        """Check that the bot has read the account lately, whatever its clocks have been through."""
        if now - read_at > _ASLEEP_MS:
            raise InvariantBroken("asleep", f"the account was not read for {now - read_at} ms")

    def _check_booking(self, fill: Fill) -> None:
        key = self.told_fills.true_key(fill)
        if key is None:
            return
        if key in self._booked:
            raise InvariantBroken("booked_once", f"the fill {fill.trade_id} was booked twice")
        self._booked.add(key)
        if key not in self.fills:
            raise InvariantBroken("booked_once", f"the fill {fill.trade_id} never happened")

    def _check_create(self, sent: CreateRequest, bot: Bot, now: Milliseconds) -> None:
        if sent.client_id in self.pending:
            raise InvariantBroken("one_order", f"{sent.client_id} was sent twice")
        if self._fills_denied:
            self._excuse_denied()
        self._check_rest(sent)
        if self.stopping:
            raise InvariantBroken(
                "stopping", f"{sent.client_id} was sent after the bot was told to stop"
            )
        if self.halted_at is not None:
            raise InvariantBroken("halted", f"{sent.client_id} was sent after the halt")
        if self.ledger_behind:
            raise InvariantBroken(
                "ledger_behind", f"{sent.client_id} was sent while a commit was overdue"
            )
        self._check_gates(sent, bot, now)
        for order in self.live.values():
            meets = order.side != sent.side and order.ticker == sent.ticker
            meets = meets and not self._may_be_taken_for_over(order)
            if meets and (sent.price >= order.price) == (sent.side == "bid"):
                raise InvariantBroken("self_cross", f"{sent.client_id} would meet {_shown(order)}")
        event = event_of(sent.ticker)
        known = self._known_unforeseen(bot)
        before = self._least(event, known)
        self.pending[sent.client_id] = sent
        self._check_worst_case(event)
        if known and self._least(event, known) < min(before, self._allowed(event)):
            raise InvariantBroken(
                "worst_case", f"{sent.client_id} adds to what an unforeseen order may lose"
            )

    def _prices_lately_ours(self, sent: CreateRequest) -> set[Price]:
        """Return where own orders on its side ended so lately that a book may still show them."""
        since = self._now - _STILL_SHOWN_MS
        return {
            price
            for (ticker, side, price), ended in self._lately_ours.items()
            if (ticker, side) == (sent.ticker, sent.side) and ended >= since
        }

    def _check_rest(self, sent: CreateRequest) -> None:
        """While nothing happens, an order may be placed once, but not again."""
        place = sent.ticker, sent.side
        if self._still and place in self._placed:
            raise InvariantBroken("restless", f"{sent.client_id} moves though nothing has happened")
        self._placed.add(place)

    def set_quiet(self, *, still: bool) -> None:
        """Set whether all other traders have stopped acting."""
        self._still = still
        self._placed.clear()

    def _check_gates(self, sent: CreateRequest, bot: Bot, now: Milliseconds) -> None:
        self._check_heard(sent, check_stream(sent, self.stream, now), now)
        check_listing(sent, self._scenario.venue.exchange, now)
        if "stale_belief" not in self._unjudged:
            check_belief(sent, bot, self._scenario, now)
        check_price(sent, bot, self._prices_lately_ours(sent))
        placed = self.places.take(sent.client_id)
        check_edge(sent, placed, self._scenario.venue.exchange, now)

    def _check_heard(self, sent: CreateRequest, stream: DeliveredStream, now: Milliseconds) -> None:
        """Check that one order at a time is sent once one was confirmed and not reported."""
        since = stream.unreported_since
        if since is None or now <= since + _UNREPORTED_MS + SKEW_MS:
            return
        resting = (o for o in self.live.values() if not self._may_be_taken_for_over(o))
        if self.pending or any(_session_of(order) == self.session for order in resting):
            raise InvariantBroken("deaf", f"{sent.client_id} was sent though no order is reported")

    def _check_lost(self, bot: Bot) -> None:
        """Check that the bot knows every order of this session that rests."""
        orders = bot.engine.state.orders
        for order in self.live.values():
            ours = _session_of(order) == self.session and not self._may_be_taken_for_over(order)
            if ours and orders.get(order.client_order_id) is None:
                raise InvariantBroken(
                    "lost_order", f"{_shown(order)} rests and the bot takes it for over"
                )

    def call_answered(
        self, request: HttpRequest, answer: HttpAnswer, *, tokens_known: bool
    ) -> None:
        """Check a call that the exchange has answered.

        Where the bot can know its tokens, a cancel must not lack any.
        """
        for sent in orders_created_by(request):
            self.pending.pop(sent.client_id, None)
        for order_id in cancelled_ids(request):
            known = self._scenario.venue.exchange.history.orders.get(order_id)
            if known and not known[1].client_order_id.startswith(CLIENT_ID_PREFIX):
                raise InvariantBroken(
                    "foreign_order", f"the bot cancelled {order_id}, which is not its own"
                )
            if answer.status == 429 and tokens_known:
                raise InvariantBroken("cancels_first", "no tokens were left for a cancel")

    def call_lost(self, request: HttpRequest) -> None:
        """Follow a call that is lost before it reaches the exchange."""
        for sent in orders_created_by(request):
            self.pending.pop(sent.client_id, None)

    def answer_delivered(
        self,
        request: HttpRequest,
        answer: HttpAnswer | None,
        stream: DeliveredStream | None,
        *,
        unreported: bool,
        now: Milliseconds,
    ) -> None:
        """Follow an answer that reaches the bot.

        Args:
            request: What is answered.
            answer: The answer.
            stream: The stream that was up when the request was sent.
            unreported: Whether that did not tell of own orders then.
            now: The true time.
        """
        if answer is None or stream is None or stream is not self.stream:
            return
        if request.path == POSITIONS_PATH and answer.status == 200:
            stream.account_read = True
        if unreported and stream.unreported_since is None and confirms_an_order(request, answer):
            stream.unreported_since = now

    def page_read(self, readable: Mapping[dt.date, int], counts: Counts) -> None:
        """Check the counts after a page of which some right counts can be read."""
        new_year = self._scenario.weeks[0].monday.replace(month=1, day=1)
        check_page(readable, counts)
        check_settled_counts(counts, self._scenario.history.up_to(new_year - dt.timedelta(days=1)))

    # At rest

    def check_outlived(self, since: Milliseconds, now: Milliseconds) -> None:
        """Check that no order outlives its expiry after a kill or stop."""
        if now > since + self._lifetime + SKEW_MS and self.live:
            order = next(iter(self.live.values()))
            raise InvariantBroken(
                "outlived", f"{_shown(order)} rests {now - since} ms after the bot's end"
            )

    def check_stopped(self) -> None:
        """Check that no order rests once the bot says that it is finished."""
        if self.live:
            raise InvariantBroken(
                "stopped", f"{_shown(next(iter(self.live.values())))} rests after the stop"
            )

    def check_halted(self) -> None:
        """Check that no order rests while the operator has the bot halted."""
        if self.live:
            raise InvariantBroken(
                "halted", f"{_shown(next(iter(self.live.values())))} rests all the same"
            )

    def check_agreement(self, bot: Bot, booked: Iterable[Fill]) -> None:
        """Check that the bot's state and ledger are the exchange's, all messages delivered."""
        state = bot.engine.state
        service = state.service
        if service.clocks_off or not (service.streaming and service.reconciled):
            raise InvariantBroken("recovery", f"after the calm the bot is {state.service}")
        if state.service.exchange and state.service.exchange.gate is Gate.LISTING_NOT_READ:
            raise InvariantBroken("recovery", "after the calm the listing cannot be read")
        kept = list(booked)
        self.told_fills.pair_equals(kept, self.fills)
        check_fills(kept, self.told_fills.true_key, self.fills)
        for event_state in state.events.values():
            check_portfolio(event_state.portfolio, self._holding(event_state.ticker))
        check_orders(state.orders, self.live.values())
        exchange = self._scenario.venue.exchange
        # After a pause the bot reads every book anew, and quotes nothing before.
        if not exchange.trading_paused():
            check_books(state, exchange.engine.markets)


def _session_of(order: ExchangeOrder | AccountFilled) -> str:
    return order.client_order_id.removeprefix(CLIENT_ID_PREFIX).rpartition("-")[0]


def _shown(order: ExchangeOrder) -> str:
    return f"{order.client_order_id} ({order.side} {order.remaining} at {order.price})"
