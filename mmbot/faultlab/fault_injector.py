"""Injects faults at occasions: of network, exchange, operator, belief, clock, page and disk.

Each begins at a drawn time; one that lasts ends by itself, or when all faults are ended.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import islice
from typing import Final, Protocol

from mmbot.exchange.exchange_state import STRUCTURES
from mmbot.exchange.fees import FeeSchedule
from mmbot.exchange.order_types import NewOrder
from mmbot.faultlab.environment import Environment
from mmbot.faultlab.manual_trades import place
from mmbot.faultlab.odd_rows import FOREIGN_ROWS, UNREADABLE_EVENTS, UNREADABLE_MARKETS
from mmbot.trading.values import CLIENT_ID_PREFIX, Side
from mmbot.units import ONE_CENT, ONE_CONTRACT, ONE_DOLLAR, Count, Milliseconds, Price

_SECOND_MS: Final = 1_000
# A clock step is from seconds to hours, in either direction, and is undone after a while.
_CLOCK_STEPS_MS: Final = (3_000, 9_000, 120_000, 7_200_000)
_STEPPED_MS: Final = (5_000, 40_000)
_CLOCK_DRIFT_PPM: Final = (-10_000, 10_000)
_FORECAST_JUMP: Final = (-90_000, 90_000)
# How long each fault lasts: the bounds.
_STORM_MS, _SHARD_MS, _NO_SNAPSHOT_MS = (2_000, 20_000), (5_000, 40_000), (2_000, 15_000)
_HALT_MS: Final = (2_000, 600_000)
_PAUSE_MS, _DISK_FULL_MS, _LOCKED_MS = (3_000, 60_000), (5_000, 60_000), (500, 5_000)
_COMMIT_MS: Final = (2_000, 60_000)
_FEES_MS, _LAGGING_MS = (60_000, 280_000), (10_000, 120_000)
_FEES_AHEAD_MS: Final = (0, 0, 90_000)
# How old the account's readings are while they lag.
_LAG_MS: Final = (500, 4_000)
# How long the account's lists of fills and positions are empty.
_EMPTY_MS: Final = (2_000, 90_000)
# The message types of channels that may die, alone or together.
_BOOK_TYPES: Final = frozenset({"orderbook_delta", "orderbook_snapshot"})
_OWN_TYPES: Final = ({"fill"}, {"user_order"}, {"fill", "user_order"})
_CHANNELS: Final = (
    _BOOK_TYPES,
    *map(frozenset, _OWN_TYPES),
    _BOOK_TYPES | {"fill", "user_order", "market_lifecycle_v2", "order_group_updates"},
)
_EARLY_CLOSE_SECONDS: Final = (1, 60)
_PAGE_SECONDS: Final = {
    "counts_late": (30, 120),
    "counts_missing": (7_200, 90_000),
    "counts_revised": (60, 86_400),
    "counts_swapped": (30, 86_400),
    "counts_absurd": (30, 86_400),
    "page_changed": (30, 86_400),
    "page_forbidden": (30, 86_400),
    "row_blank": (30, 600),
    "row_doubled": (30, 600),
    "row_marked": (30, 86_400),
    "row_misdated": (30, 600),
    "table_empty": (30, 600),
}
# One kind in six is not public.
_FEE_SCHEDULES: Final = (
    FeeSchedule(),
    FeeSchedule("quadratic_with_maker_fees"),
    FeeSchedule("quadratic_with_maker_fees", 0.5),
    FeeSchedule("quadratic_with_combo_maker_fees"),
    FeeSchedule("quadratic_with_combo_maker_fees", 4.0),
    FeeSchedule("flat"),
)
# Error codes after which a channel delivers nothing more.
_CHANNEL_ERRORS: Final = (10, 25)
_BY_HAND_COUNT: Final = Count(3 * ONE_CONTRACT)
# The number of latest orders that may get an invented fill.
_LATEST_ORDERS: Final = 20
_UNREADABLE_MS: Final = (30_000, 200_000)
_MOST_FOREIGN_ROWS: Final = 20
# Counted by `Faults` for each affected message.
_COUNTED_LATER: Final = frozenset({"rate_storm", "snapshot_missing"})


class ProcessControl(Protocol):
    """What faults do to the process, in any session."""

    def shift_forecast(self, by: int) -> None:
        """Shift its forecast by `by` counts, at once."""

    def halt(self) -> None:
        """Halt its quoting until `resume`."""

    def resume(self) -> None:
        """Resume its quoting."""

    def commit(self) -> None:
        """Commit its pending writes."""


class FaultInjector:
    """Injects faults at occasions into one world."""

    def __init__(self, environment: Environment, process: ProcessControl) -> None:
        """Begin without faults."""
        self._scheduler = environment.scheduler
        self._faults = environment.faults
        self._account = environment.scenario.account
        self._venue = environment.scenario.venue
        self._network = network = environment.network
        self._pages = environment.pages
        self._ledger = environment.ledger
        self._clock = environment.clock
        self._process = process
        # Functions that end lasting faults.
        self._undo: list[Callable[[], None]] = []
        self._orders_by_hand = 0
        self._injections: dict[str, Callable[[], None]] = {
            "rate_storm": self._rate_storm,
            "shard_down": self._shard_down,
            "snapshot_missing": self._snapshot_missing,
            "half_open": network.leave_half_open,
            "disconnect": network.cut,
            "channel_error": self._channel_error,
            "exchange_pause": self._exchange_pause,
            "market_pause": self._market_pause,
            "early_close": self._early_close,
            "grid_changed": self._grid_changed,
            "fees_changed": self._fees_changed,
            "portfolio_lag": self._portfolio_lag,
            "other_client": self._other_client,
            "fill_invented": self._invent_fill,
            "lists_empty": self._empty_lists,
            "channel_silent": self._silence_channel,
            "foreign_rows": self._foreign_rows,
            "unreadable_market": self._unreadable_market,
            "scalar_result": self._scalar_result,
            "halt": self._halt,
            "belief_jump": self._belief_jump,
            "clock_step": self._clock_step,
            "clock_drift": self._clock_drift,
            "disk_full": partial(self._ledger_fails, "disk_full", _DISK_FULL_MS),
            "database_locked": partial(self._ledger_fails, "database_locked", _LOCKED_MS),
            "commit_slow": self._commit_slow,
            **{name: partial(self._page_fails, name) for name in _PAGE_SECONDS},
        }

    @property
    def names(self) -> frozenset[str]:
        """The faults that can be injected."""
        return frozenset(self._injections)

    def inject(self, name: str) -> None:
        """Begin a fault now."""
        if name not in _COUNTED_LATER:
            self._faults.count(name)
        self._injections[name]()

    def end_all(self) -> None:
        """End every lasting fault, except a halt, which the operator ends."""
        for undo in self._undo:
            undo()
        self._undo.clear()
        self._faults.lists_empty_until = 0
        self._network.end_silence()
        self._pages.clear_faults()
        self._clock.show_true_time()

    def _end_of(self, name: str, span_ms: tuple[int, int]) -> Milliseconds:
        return self._scheduler.now + self._faults.rng(name).randint(*span_ms)

    # The network

    def _rate_storm(self) -> None:
        self._faults.storm_until = self._end_of("rate_storm", _STORM_MS)

    def _shard_down(self) -> None:
        """Make the shard refuse all orders, and the exchange's status report it."""
        until = self._end_of("shard_down", _SHARD_MS)
        exchange, self._faults.shard_down_until = self._venue.exchange, until
        exchange.shard_down = True

        def up() -> None:
            exchange.shard_down = False

        self._until(until, up)

    def _snapshot_missing(self) -> None:
        self._faults.no_snapshot_until = self._end_of("snapshot_missing", _NO_SNAPSHOT_MS)

    def _channel_error(self) -> None:
        connection = self._network.connection
        session = None if connection is None else connection.session
        if session is not None and session.subscriptions:
            rng = self._faults.rng("channel_error")
            sid = rng.choice(sorted(session.subscriptions))
            code = rng.choice(_CHANNEL_ERRORS)
            self._venue.kill_channel(session, sid, code, self._scheduler.now)

    def _silence_channel(self) -> None:
        """Have channels die on a live connection."""
        self._network.silence(self._faults.rng("channel_silent").choice(_CHANNELS))

    def _invent_fill(self) -> None:
        """Report a fill that never happened, of a resting own order or one of the latest."""
        rng, exchange = self._faults.rng("fill_invented"), self._venue.exchange
        orders = sorted(exchange.engine.resting(self._account), key=lambda order: order.order_id)
        if rng.random() < 0.5:
            latest = islice(reversed(exchange.history.orders.values()), _LATEST_ORDERS)
            orders = [order for _, order in latest if order.account is self._account]
        own = [each for each in orders if each.client_order_id.startswith(CLIENT_ID_PREFIX)]
        if own:
            order = rng.choice(own)
            most = order.remaining or ONE_CONTRACT
            count = most if rng.random() < 0.5 else Count(rng.randint(1, most))
            self._network.invent_fill(order, count)

    def _empty_lists(self) -> None:
        self._faults.lists_empty_until = self._end_of("lists_empty", _EMPTY_MS)

    # The exchange

    def _ticker(self, name: str) -> str:
        markets = self._venue.exchange.engine.markets
        return self._faults.rng(name).choice(sorted(markets))

    def _exchange_pause(self) -> None:
        venue, now = self._venue, self._scheduler.now
        paused = venue.exchange.trading_paused()
        whole = self._faults.rng("exchange_pause").random() < 0.5
        (venue.pause_exchange if whole else venue.pause_trading)(now)

        def resume() -> None:
            venue.resume_exchange(self._scheduler.now)
            if paused:
                venue.pause_trading(self._scheduler.now)

        self._until(self._end_of("exchange_pause", _PAUSE_MS), resume)

    def _market_pause(self) -> None:
        venue, ticker = self._venue, self._ticker("market_pause")
        if venue.exchange.market(ticker).status != "active":
            return
        venue.pause_market(ticker, self._scheduler.now)

        def unpause() -> None:
            if venue.exchange.market(ticker).status == "inactive":
                venue.unpause_market(ticker, self._scheduler.now)

        self._until(self._end_of("market_pause", _PAUSE_MS), unpause)

    def _until(self, at: Milliseconds, undo: Callable[[], None]) -> None:
        """End a fault at a true time, or with all faults if that is earlier."""

        def once() -> None:
            if undo in self._undo:
                self._undo.remove(undo)
                undo()

        self._undo.append(undo)
        self._scheduler.at(at, once)

    def _early_close(self) -> None:
        ticker = self._ticker("early_close")
        venue, now = self._venue, self._scheduler.now
        if venue.exchange.market(ticker).status == "active":
            seconds = self._faults.rng("early_close").randint(*_EARLY_CLOSE_SECONDS)
            venue.move_close(ticker, (now // _SECOND_MS + seconds) * _SECOND_MS, now)

    def _grid_changed(self) -> None:
        ticker = self._ticker("grid_changed")
        structure = self._faults.rng("grid_changed").choice(sorted(STRUCTURES))
        self._venue.change_grid(ticker, structure, self._scheduler.now)

    def _fees_changed(self) -> None:
        """Change the maker fee: of one event, which the stream announces, or of the series."""
        rng, venue = self._faults.rng("fees_changed"), self._venue
        usual = venue.exchange.settings.fees
        fees = rng.choice([each for each in _FEE_SCHEDULES if each != usual])
        at = self._scheduler.now + rng.choice(_FEES_AHEAD_MS)
        until = at + rng.randint(*_FEES_MS)
        if rng.random() < 0.5:
            event = self._ticker("fees_changed").rpartition("-")[0]
            venue.override_fees(event, fees, self._scheduler.now)
            self._until(until, lambda: venue.override_fees(event, None, self._scheduler.now))
        else:
            venue.schedule_fees(fees, at)
            # A scheduled change is not withdrawn.
            self._until(until, lambda: venue.schedule_fees(usual, max(at, self._scheduler.now)))

    def _portfolio_lag(self) -> None:
        """Make the exchange's reads of the account up to seconds old."""
        history = self._venue.exchange.history
        usual, history.lag = history.lag, self._faults.rng("portfolio_lag").randint(*_LAG_MS)

        def fresh() -> None:
            history.lag = usual

        self._until(self._end_of("portfolio_lag", _LAGGING_MS), fresh)

    def _other_client(self) -> None:
        """Trade by hand as the account's owner, with a resting or a taking order."""
        rng = self._faults.rng("other_client")
        self._orders_by_hand += 1
        side: Side = rng.choice(("bid", "ask"))
        resting = rng.random() < 0.5
        low, high = (1, 10) if (side == "bid") == resting else (90, 99)
        order = NewOrder(
            self._ticker("other_client"),
            side,
            Price(rng.randint(low, high) * ONE_CENT),
            _BY_HAND_COUNT,
            "good_till_canceled" if resting else "immediate_or_cancel",
            client_order_id=f"by-hand-{self._orders_by_hand}",
        )
        place(self._venue, self._account, order, self._scheduler.now)

    def _foreign_rows(self) -> None:
        """Add rows of trades elsewhere to the account, readable or not; they stay."""
        rng, now = self._faults.rng("foreign_rows"), self._scheduler.now
        odd = self._venue.exchange.oddities
        row = rng.choice(FOREIGN_ROWS) | {"order_id": f"foreign-{len(odd.orders)}"}
        user = self._account.user_id
        self._venue.send_row(user, "user_orders", "user_order", row, now)
        self._venue.send_row(user, "fill", "fill", row | {"trade_id": "foreign"}, now)
        if len(odd.orders) < _MOST_FOREIGN_ROWS:
            odd.orders.append(row)
            odd.positions.append(row)
            odd.events.append(rng.choice(UNREADABLE_EVENTS))
        self._network.pump()

    def _unreadable_market(self) -> None:
        """Make the listing of a market, or of its event, unreadable."""
        rng, now = self._faults.rng("unreadable_market"), self._scheduler.now
        ticker = self._ticker("unreadable_market")
        changes = rng.choice(UNREADABLE_MARKETS)
        if "markets" in changes:
            ticker = ticker.rpartition("-")[0]
        self._venue.change_row(ticker, changes, now)
        self._network.pump()

        def readable() -> None:
            self._venue.change_row(ticker, {}, self._scheduler.now)
            self._network.pump()

        self._until(self._end_of("unreadable_market", _UNREADABLE_MS), readable)

    def _scalar_result(self) -> None:
        """Have a market pay a fraction of a dollar."""
        value = self._faults.rng("scalar_result").randint(0, ONE_DOLLAR)
        self._venue.pay_fraction(self._ticker("scalar_result"), Price(value), self._scheduler.now)

    # The operator, the belief, the clock, the page and the ledger

    def _halt(self) -> None:
        """Halt for a while, over restarts and the end of all other faults."""
        self._scheduler.at(self._end_of("halt", _HALT_MS), self._process.resume)
        self._process.halt()

    def _belief_jump(self) -> None:
        by = self._faults.rng("belief_jump").randint(*_FORECAST_JUMP)
        self._process.shift_forecast(by)

    def _clock_step(self) -> None:
        rng = self._faults.rng("clock_step")
        most = rng.choice(_CLOCK_STEPS_MS)
        self._clock.step(rng.randint(-most, most))
        self._until(self._end_of("clock_step", _STEPPED_MS), lambda: self._clock.step(0))

    def _clock_drift(self) -> None:
        self._clock.drift(self._faults.rng("clock_drift").randint(*_CLOCK_DRIFT_PPM))

    def _page_fails(self, name: str) -> None:
        seconds = self._faults.rng(name).randint(*_PAGE_SECONDS[name])
        self._pages.inject(name, self._scheduler.now + seconds * _SECOND_MS)

    def _commit_slow(self) -> None:
        """Delay the commits of all writes from now on."""
        self._ledger.stalled = True

        def commit() -> None:
            self._ledger.stalled = False
            self._process.commit()

        self._until(self._end_of("commit_slow", _COMMIT_MS), commit)

    def _ledger_fails(self, name: str, span_ms: tuple[int, int]) -> None:
        self._ledger.unwritable_until = self._end_of(name, span_ms)
