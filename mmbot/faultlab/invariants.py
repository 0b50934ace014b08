"""The invariants: what must hold under every fault, checked after every step.

The truth is the exchange's: the auditor follows the matching engine, fact by fact, and the wire,
and keeps its own records. The bot's state is read only where it is itself what is checked.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

from mmbot.bot.bot import Bot
from mmbot.bot.outputs import Output
from mmbot.exchange.facts import AccountFilled, Fact, OrderChanged
from mmbot.faultlab.agreement import (
    InvariantBroken,
    check_books,
    check_fills,
    check_orders,
    check_page,
    check_portfolio,
    check_settled_counts,
)
from mmbot.faultlab.live_orders import LiveOrders, is_own, session_of
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
from mmbot.faultlab.worst_case import WorstCase
from mmbot.kalshi.gateway import Call
from mmbot.kalshi.http import HttpAnswer, HttpRequest
from mmbot.trading.commands import Note, RecordFill, VoidFill
from mmbot.trading.gates import Gate
from mmbot.trading.values import CLIENT_ID_PREFIX, Fill, Side, event_of
from mmbot.underlying.counts import Counts
from mmbot.units import Milliseconds

__all__ = ["POSITIONS_PATH", "SKEW_MS", "Auditor", "InvariantBroken"]

# How long the bot may wait for the report of a confirmed order.
_UNREPORTED_MS: Final = 5_000
# The machine's clock is checked every second.
_CLOCK_UNNOTICED_MS: Final = 1_100
# The account is read every minute, and sooner after a failure.
_ASLEEP_MS: Final = 80_000
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
        new_year = scenario.weeks[0].monday.replace(month=1, day=1)
        self._settled = scenario.history.up_to(new_year - dt.timedelta(days=1))
        self.orders = LiveOrders(scenario.settings.orders.lifetime)
        self._worst = WorstCase(
            scenario.venue.exchange, self.orders, scenario.settings.limits.event_loss
        )
        self.fills: dict[tuple[str, str], AccountFilled] = {}
        # The fills that the present session has read from its ledger or booked.
        self._booked: set[tuple[str, str]] = set()
        # Whether a fault had emptied the account's list of fills when it was last read.
        self._fills_denied = False
        self.told_fills = ToldFills()
        self.stopping = self._still = False
        self._placed: set[tuple[str, Side]] = set()
        self.places = WatchedPlaces()
        self.stream: DeliveredStream | None = None
        # Whether a commit of the present session is overdue.
        self.ledger_behind = False

    # The exchange

    def follow_facts(self, facts: Sequence[Fact]) -> None:
        """Follow the facts of the matching engine."""
        concerned = set()
        for fact in facts:
            self.orders.now = max(self.orders.now, fact.at)
            if isinstance(fact, OrderChanged) and fact.order.account is self._account:
                if is_own(fact.order):
                    pending = self._worst.pending.pop(fact.order.client_order_id, None)
                    may_lose_otherwise = self.orders.changed(fact)
                    if pending or may_lose_otherwise or self._worst.fees_have_changed:
                        concerned.add(event_of(fact.order.ticker))
            elif isinstance(fact, AccountFilled) and fact.account is self._account:
                self._filled(fact)
                concerned.add(event_of(fact.ticker))
        for event in sorted(concerned):
            self._worst.check(event)

    def ended_falsely(self, client_id: str, now: Milliseconds) -> None:
        """Follow a report that ends a resting order; its fills that are not booked are excused."""
        self.orders.ended_falsely(client_id, now)
        for key, fact in self.fills.items():
            if fact.client_order_id == client_id and key not in self._booked:
                self._worst.excuse(fact)

    def fill_misstated(self, key: tuple[str, str], client_id: str, now: Milliseconds) -> None:
        """Follow a fill reported with wrong numbers: its order may seem over."""
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

    def _filled(self, fact: AccountFilled) -> None:
        self.fills[fact.trade_id, fact.order_id] = fact
        self._worst.book(fact)
        if not is_own(fact) or self.orders.is_unforeseen(fact):
            self._worst.excuse(fact)

    # What the bot does

    def session_started(self, session: str) -> None:
        """Follow a new session; what an earlier one had in flight is not held against it."""
        self.orders.session, self.stopping = session, False
        self._worst.pending.clear()
        self._booked.clear()
        self._fills_denied = False
        self.ledger_behind = False
        self.stream = None

    def fills_restored(self, fills: Iterable[Fill]) -> None:
        """Follow the fills that a new session has from the ledger."""
        self._booked.update(key for key in map(self.told_fills.true_key, fills) if key)

    def fills_listed(self, *, denied: bool) -> None:
        """Follow the account's list of fills, which a fault may have emptied."""
        self._fills_denied = denied

    def _excuse_denied(self) -> None:
        """Excuse the fills that neither the ledger nor the account's list shows this session."""
        for key, fact in self.fills.items():
            if key not in self._booked and session_of(fact) != self.orders.session:
                self._worst.excuse(fact)

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
                if not output.confirmed:
                    _check_told(output.fill, outputs, bot)
            elif isinstance(output, VoidFill):
                if self.told_fills.is_misstated(output.fill):
                    self._booked.discard(output.fill.key)
                else:
                    self.told_fills.voided(output.fill)
        self.orders.check_known(bot.engine.state.orders)

    def check_clock(
        self, outputs: Sequence[Output], ahead: Milliseconds, set_wrong_for: Milliseconds
    ) -> None:
        """Check that nothing is placed while the bot's time or the machine's clock is wrong.

        Args:
            outputs: The outputs of one input.
            ahead: How far the bot's time is ahead of the true time.
            set_wrong_for: How long the machine's clock has been set wrong.
        """
        if abs(ahead) <= SKEW_MS and set_wrong_for <= _CLOCK_UNNOTICED_MS:
            return
        if not any(isinstance(o, Call) and orders_created_by(o.request) for o in outputs):
            return
        if abs(ahead) > SKEW_MS:
            raise InvariantBroken("wrong_time", f"a place was sent {ahead} ms ahead of the time")
        if set_wrong_for > _CLOCK_UNNOTICED_MS:
            raise InvariantBroken(
                "wrong_time", f"a place was sent {set_wrong_for} ms after the clock was set wrong"
            )

    def check_awake(self, read_at: Milliseconds, now: Milliseconds) -> None:
        """Check that the bot has read the account recently, whatever its clocks have done."""
        if now - read_at > _ASLEEP_MS:
            raise InvariantBroken("asleep", f"the account was not read for {now - read_at} ms")

    def _check_booking(self, fill: Fill) -> None:
        key = self.told_fills.true_key(fill)
        if key is None:
            return
        if key in self._booked:
            key = self.told_fills.taken_for_equal(key, self.fills, self._booked)
        if key in self._booked:
            raise InvariantBroken("booked_once", f"the fill {fill.trade_id} was booked twice")
        self._booked.add(key)
        if key not in self.fills:
            raise InvariantBroken("booked_once", f"the fill {fill.trade_id} never happened")

    def _check_create(self, sent: CreateRequest, bot: Bot, now: Milliseconds) -> None:
        if sent.client_id in self._worst.pending:
            raise InvariantBroken("one_order", f"{sent.client_id} was sent twice")
        if self._fills_denied:
            self._excuse_denied()
        self._check_rest(sent)
        if self.stopping:
            raise InvariantBroken(
                "stopping", f"{sent.client_id} was sent after the bot was told to stop"
            )
        if self.orders.halted_at is not None:
            raise InvariantBroken("halted", f"{sent.client_id} was sent after the halt")
        if self.ledger_behind:
            raise InvariantBroken(
                "ledger_behind", f"{sent.client_id} was sent while a commit was overdue"
            )
        self._check_gates(sent, bot, now)
        self.orders.check_met_by(sent)
        self._worst.check_sent(sent, bot.engine.state.orders)

    def _check_rest(self, sent: CreateRequest) -> None:
        """Check that no order is placed twice in the same place while nothing happens."""
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
        check_price(sent, bot, self.orders.prices_lately_ours(sent))
        placed = self.places.take(sent.client_id)
        check_edge(sent, placed, self._scenario.venue.exchange, now)

    def _check_heard(self, sent: CreateRequest, stream: DeliveredStream, now: Milliseconds) -> None:
        """Check that only one order at a time is sent after one was confirmed but not reported."""
        since = stream.unreported_since
        if since is None or now <= since + _UNREPORTED_MS + SKEW_MS:
            return
        if self._worst.pending or any(self.orders.own()):
            raise InvariantBroken("deaf", f"{sent.client_id} was sent though no order is reported")

    def call_answered(
        self, request: HttpRequest, answer: HttpAnswer, *, tokens_known: bool
    ) -> None:
        """Check a call that the exchange has answered.

        If the bot can know its tokens, a cancel must not lack any.
        """
        for sent in orders_created_by(request):
            self._worst.pending.pop(sent.client_id, None)
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
            self._worst.pending.pop(sent.client_id, None)

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
            unreported: Whether that stream did not report own orders then.
            now: The true time.
        """
        if answer is None or stream is None or stream is not self.stream:
            return
        if request.path == POSITIONS_PATH and answer.status == 200:
            stream.account_read = True
        if unreported and stream.unreported_since is None and confirms_an_order(request, answer):
            stream.unreported_since = now

    def page_read(self, readable: Mapping[dt.date, int], counts: Counts) -> None:
        """Check the counts after a page with these readable counts was read."""
        check_page(readable, counts)
        check_settled_counts(counts, self._settled)

    # At rest

    def check_outlived(self, since: Milliseconds, now: Milliseconds) -> None:
        """Check that no order outlives its expiry after a kill or stop."""
        if now > since + self._scenario.settings.orders.lifetime + SKEW_MS:
            self.orders.check_none("outlived", f"rests {now - since} ms after the bot's end")

    def check_stopped(self) -> None:
        """Check that no order rests once the bot reports that it is finished."""
        self.orders.check_none("stopped", "rests after the stop")

    def check_halted(self) -> None:
        """Check that no order rests while the operator has halted the bot."""
        self.orders.check_none("halted", "rests all the same")

    def check_agreement(self, bot: Bot, booked: Iterable[Fill]) -> None:
        """Check that the bot's state and ledger agree with the exchange, all messages delivered."""
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
            check_portfolio(event_state.portfolio, self._worst.holding(event_state.ticker))
        check_orders(state.orders, self.orders)
        exchange = self._scenario.venue.exchange
        # After a pause the bot requests every book again, and quotes nothing before.
        if not exchange.trading_paused():
            check_books(state, exchange.engine.markets)


def _check_told(fill: Fill, outputs: Sequence[Output], bot: Bot) -> None:
    """Check that a fill booked from the stream alone is of an order that was live until then."""
    live = bot.engine.state.orders.get(fill.client_id) is not None
    notes = (each for each in outputs if isinstance(each, Note) and each.name == "order.over")
    if not live and all(note.fields["client_order_id"] != fill.client_id for note in notes):
        raise InvariantBroken(
            "booked_as_told", f"the fill {fill.trade_id} of {fill.client_id}, which was not live"
        )
