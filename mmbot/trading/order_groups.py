"""Our order groups: the exchange's limit on how fast our orders may fill.

All our orders on a shard are in one group. If more contracts of it fill in fifteen seconds than its
cap, the exchange cancels every order in it and accepts none until the group is reset. Nothing is
quoted without a group; a triggered one is reset after a pause that gives the operator or a new
belief time to react.
"""

from __future__ import annotations

from typing import assert_never

from mmbot.trading.command_buffer import CommandBuffer
from mmbot.trading.commands import EnsureGroup, ResetGroup
from mmbot.trading.events import GroupChanged, GroupEvent, GroupReady, GroupUnavailable
from mmbot.trading.order import OrderState
from mmbot.trading.state import ShardState, TradingState
from mmbot.units import Milliseconds

_PAUSE_MS = 60_000
_RETRY_MS = 2_000

_Tickers = tuple[str, ...]


class OrderGroups:
    """Keeps a group on every shard that has markets; each input returns the markets to review."""

    def __init__(self, state: TradingState, buffer: CommandBuffer) -> None:
        self._state = state
        self._buffer = buffer

    def apply(self, event: GroupEvent, now: Milliseconds) -> _Tickers:
        """Apply a change of a group, or the answer to a request for one."""
        match event:
            case GroupReady():
                return self._ready(event)
            case GroupUnavailable():
                shard = self._state.shard(event.shard)
                shard.requested, shard.due = False, now + _RETRY_MS
                self._buffer.log(
                    "group.not_secured", "warning", shard=shard.index, reason=event.reason
                )
                return ()
            case GroupChanged():
                return self._changed(event, now)
            case _:
                assert_never(event)

    def request_missing(self, now: Milliseconds) -> None:
        """Request each missing group, and the reset of each triggered one whose pause is over."""
        if self._state.service.stopping:
            return
        for shard in self._state.shards.values():
            if shard.requested or (shard.group and not shard.triggered):
                continue
            if now < shard.due:
                self._buffer.wake_by(shard.due)
            elif shard.group:
                shard.requested = True
                self._buffer.add(ResetGroup(shard.index, shard.group))
            else:
                self.ensure(shard.index)

    def ensure(self, index: int) -> None:
        """Request a shard's group, unless a request is in flight."""
        shard = self._state.shard(index)
        if not shard.requested:
            shard.requested = True
            self._buffer.add(EnsureGroup(index, self._state.settings.limits.fill_cap))

    def trigger(self, index: int, now: Milliseconds) -> None:
        """Stop quoting on a shard: the exchange has cancelled every order of its group."""
        shard = self._state.shard(index)
        if shard.triggered:
            return
        shard.triggered, shard.due = True, now + _PAUSE_MS
        self._buffer.log(
            "group.triggered",
            "warning",
            shard=index,
            group=shard.group,
            cap=self._state.settings.limits.contracts_per_15_seconds,
            pause_seconds=_PAUSE_MS // 1000,
        )
        self._mark_orders_unknown(shard)

    def replace_all(self, now: Milliseconds) -> None:
        """Drop all groups, as the cap has changed; orders in the old ones are then replaced."""
        for shard in self._state.shards.values():
            _drop_group(shard, now)

    def _ready(self, event: GroupReady) -> _Tickers:
        shard = self._state.shard(event.shard)
        if event.contracts != self._state.settings.limits.fill_cap:
            # It was requested before the cap changed.
            return ()
        shard.requested = False
        if shard.group != event.group:
            shard.group, shard.triggered = event.group, False
            self._buffer.log("group.secured", shard=shard.index, group=shard.group)
        return self._state.on_shard(shard.index)

    def _changed(self, event: GroupChanged, now: Milliseconds) -> _Tickers:
        """Apply the trigger, reset or deletion of a group, if it is one of ours."""
        for shard in self._state.shards.values():
            if shard.group != event.group:
                continue
            match event.news:
                case "triggered":
                    self.trigger(shard.index, now)
                case "deleted":
                    _drop_group(shard, now)
                    self._buffer.log("group.gone", "warning", shard=shard.index)
                    self._mark_orders_unknown(shard)
                case "reset":
                    self._reset(shard)
                case _:
                    assert_never(event.news)
            return self._state.on_shard(shard.index)
        return ()

    def _reset(self, shard: ShardState) -> None:
        shard.requested = False
        if shard.triggered:
            shard.triggered = False
            self._buffer.log("group.reset", shard=shard.index, group=shard.group)

    def _mark_orders_unknown(self, shard: ShardState) -> None:
        """Mark the shard's orders unknown: only the exchange knows what filled before that."""
        for ticker in self._state.on_shard(shard.index):
            for order in self._state.orders.of(ticker):
                if order.state is not OrderState.PLACING:
                    order.mark_unknown()


def _drop_group(shard: ShardState, now: Milliseconds) -> None:
    """Drop a shard's group; another can be requested at once, whatever is in flight."""
    shard.group, shard.triggered, shard.requested, shard.due = "", False, False, now
