"""What happens at an occasion: the exchange's bad moments, the clock's, the page's, the disk's."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final, Protocol

from mmbot.exchange.accounts import Side
from mmbot.exchange.exchange_state import STRUCTURES
from mmbot.exchange.fees import FeeSchedule
from mmbot.exchange.order_types import NewOrder
from mmbot.faultlab.environment import Environment
from mmbot.faultlab.manual_trades import place
from mmbot.units import ONE_CENT, ONE_CONTRACT

_SECOND: Final = 1_000
_STEP: Final = (-3_000, 3_000)
_JUMP: Final = (-90_000, 90_000)
_DRIFT: Final = (-10_000, 10_000)
_STORM, _SHARD, _NO_SNAPSHOT = (2_000, 20_000), (5_000, 40_000), (2_000, 15_000)
_HALT: Final = (2_000, 600_000)
_PAUSE, _BROKEN_DISK, _LOCKED = (3_000, 60_000), (5_000, 60_000), (500, 5_000)
_FEES, _LAGGING, _LAG = (60_000, 200_000), (10_000, 120_000), (500, 4_000)
_CHARGES: Final = ("quadratic_with_maker_fees", "quadratic_with_combo_maker_fees")
_PAGE_HOURS: Final = {
    "counts_late": (30, 120),
    "counts_missing": (7_200, 90_000),
    "counts_revised": (60, 86_400),
    "counts_swapped": (30, 86_400),
    "counts_absurd": (30, 86_400),
    "page_changed": (30, 86_400),
    "page_forbidden": (30, 86_400),
}
_TERMINAL: Final = (10, 25)
_FOREIGN: Final = 3 * ONE_CONTRACT


class ProcessControl(Protocol):
    """What is done to the process itself, whichever life it is in."""

    def surprise(self, by: int) -> None:
        """Let its forecast move all at once, by so many passengers."""

    def halt(self) -> None:
        """Have it show no quote until `resume`."""

    def resume(self) -> None:
        """Let it quote again."""


class FaultInjector:
    """Carries out faults of occasion in one world."""

    def __init__(self, around: Environment, process: ProcessControl) -> None:
        """Begin with nothing spoilt."""
        self._agenda = around.agenda
        self._faults = around.faults
        self._scene = around.scene
        self._venue = around.scene.venue
        self._network = network = around.network
        self._pages = around.pages
        self._memory = around.memory
        self._clock = around.clock
        self._process = process
        self._undo: list[Callable[[], None]] = []
        self._names = 0
        self._does: dict[str, Callable[[], None]] = {
            "rate_storm": self._rate_storm,
            "shard_down": self._shard_down,
            "snapshot_missing": self._snapshot_missing,
            "half_open": network.go_deaf,
            "disconnect": network.break_link,
            "channel_error": self._channel_error,
            "exchange_pause": self._exchange_pause,
            "market_pause": self._market_pause,
            "early_close": self._early_close,
            "grid_changed": self._grid_changed,
            "fees_changed": self._fees_changed,
            "portfolio_lag": self._portfolio_lag,
            "other_client": self._other_client,
            "halt": self._halt,
            "belief_jump": self._belief_jump,
            "clock_step": self._clock_step,
            "clock_drift": self._clock_drift,
            "disk_full": partial(self._ledger_fails, "disk_full", _BROKEN_DISK),
            "database_locked": partial(self._ledger_fails, "database_locked", _LOCKED),
        }

    def happen(self, name: str) -> None:
        """Let a fault of occasion happen now."""
        if name in _PAGE_HOURS:
            seconds = self._faults.rng(name).randint(*_PAGE_HOURS[name])
            self._pages.spoil(name, self._agenda.now + seconds * _SECOND)
            return
        if name not in ("rate_storm", "snapshot_missing"):
            self._faults.count(name)
        self._does[name]()

    def end(self) -> None:
        """Undo whatever would last: the exchange opens, the clock is set, the page is mended."""
        for undo in self._undo:
            undo()
        self._undo.clear()
        self._pages.mend()
        self._clock.set_right()

    def _lasting(self, name: str, span: tuple[int, int]) -> int:
        return self._agenda.now + self._faults.rng(name).randint(*span)

    # The network

    def _rate_storm(self) -> None:
        self._faults.storm_until = self._lasting("rate_storm", _STORM)

    def _shard_down(self) -> None:
        """Let the shard refuse all orders, and the exchange's status say so."""
        until = self._lasting("shard_down", _SHARD)
        exchange, self._faults.shard_down_until = self._venue.exchange, until
        exchange.shard_down = True

        def up() -> None:
            exchange.shard_down = False

        self._until(until, up)

    def _snapshot_missing(self) -> None:
        self._faults.no_snapshot_until = self._lasting("snapshot_missing", _NO_SNAPSHOT)

    def _channel_error(self) -> None:
        link = self._network.link
        if link is not None and link.session is not None and link.session.subscriptions:
            rng = self._faults.rng("channel_error")
            sid = rng.choice(sorted(link.session.subscriptions))
            self._venue.kill_channel(link.session, sid, rng.choice(_TERMINAL), self._agenda.now)

    # The exchange

    def _ticker(self, name: str) -> str:
        markets = self._venue.exchange.engine.markets
        return self._faults.rng(name).choice(sorted(markets))

    def _exchange_pause(self) -> None:
        venue, now = self._venue, self._agenda.now
        paused = venue.exchange.trading_paused()
        whole = self._faults.rng("exchange_pause").random() < 0.5
        (venue.pause_exchange if whole else venue.pause_trading)(now)

        def resume() -> None:
            venue.resume_exchange(self._agenda.now)
            if paused:
                venue.pause_trading(self._agenda.now)

        self._until(self._lasting("exchange_pause", _PAUSE), resume)

    def _market_pause(self) -> None:
        venue, ticker = self._venue, self._ticker("market_pause")
        if venue.exchange.market(ticker).status != "active":
            return
        venue.pause_market(ticker, self._agenda.now)

        def unpause() -> None:
            if venue.exchange.market(ticker).status == "inactive":
                venue.unpause_market(ticker, self._agenda.now)

        self._until(self._lasting("market_pause", _PAUSE), unpause)

    def _until(self, at: int, undo: Callable[[], None]) -> None:
        """Undo something at a time, or at the calm if that is earlier."""

        def once() -> None:
            if undo in self._undo:
                self._undo.remove(undo)
                undo()

        self._undo.append(undo)
        self._agenda.at(at, once)

    def _early_close(self) -> None:
        ticker = self._ticker("early_close")
        venue, now = self._venue, self._agenda.now
        if venue.exchange.market(ticker).status == "active":
            seconds = self._faults.rng("early_close").randint(1, 60)
            venue.move_close(ticker, (now // _SECOND + seconds) * _SECOND, now)

    def _grid_changed(self) -> None:
        ticker = self._ticker("grid_changed")
        structure = self._faults.rng("grid_changed").choice(sorted(STRUCTURES))
        self._venue.change_grid(ticker, structure, self._agenda.now)

    def _fees_changed(self) -> None:
        """Charge makers: in one event, of which the stream tells, or in the whole series."""
        rng, venue = self._faults.rng("fees_changed"), self._venue
        kind, until = rng.choice(_CHARGES), self._lasting("fees_changed", _FEES)
        usual = venue.exchange.settings.fees
        if rng.random() < 0.5:
            event = self._ticker("fees_changed").rpartition("-")[0]
            venue.override_fees(event, FeeSchedule(kind), self._agenda.now)
            self._until(until, lambda: venue.override_fees(event, None, self._agenda.now))
        else:
            venue.schedule_fees(FeeSchedule(kind), self._agenda.now)
            self._until(until, lambda: venue.schedule_fees(usual, self._agenda.now))

    def _portfolio_lag(self) -> None:
        """Let what the account reads of itself be seconds old."""
        history = self._venue.exchange.history
        usual, history.lag = history.lag, self._faults.rng("portfolio_lag").randint(*_LAG)

        def fresh() -> None:
            history.lag = usual

        self._until(self._lasting("portfolio_lag", _LAGGING), fresh)

    def _other_client(self) -> None:
        """Let the account's owner trade by hand: an order that rests, or one that takes."""
        rng = self._faults.rng("other_client")
        self._names += 1
        side: Side = rng.choice(("bid", "ask"))
        resting = rng.random() < 0.5
        low, high = (1, 10) if (side == "bid") == resting else (90, 99)
        wish = NewOrder(
            self._ticker("other_client"),
            side,
            rng.randint(low, high) * ONE_CENT,
            _FOREIGN,
            "good_till_canceled" if resting else "immediate_or_cancel",
            client_order_id=f"by-hand-{self._names}",
        )
        place(self._venue, self._scene.account, wish, self._agenda.now)

    # The operator, the belief, the clock and the ledger

    def _halt(self) -> None:
        """Halt for a while, which the calm does not end, nor the process's death."""
        self._agenda.at(self._lasting("halt", _HALT), self._process.resume)
        self._process.halt()

    def _belief_jump(self) -> None:
        self._process.surprise(self._faults.rng("belief_jump").randint(*_JUMP))

    def _clock_step(self) -> None:
        self._clock.step(self._faults.rng("clock_step").randint(*_STEP))

    def _clock_drift(self) -> None:
        self._clock.drift(self._faults.rng("clock_drift").randint(*_DRIFT))

    def _ledger_fails(self, name: str, span: tuple[int, int]) -> None:
        self._memory.broken_until = self._lasting(name, span)
