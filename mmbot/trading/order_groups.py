"""Our order groups: the exchange's own brake on how fast our orders may fill.

All our orders on a shard are in one group. When more of it trades in fifteen seconds than its cap
allows, the exchange cancels every order in it and takes no more until the group is reset. Nothing
is quoted without a group; one that was triggered is reset after a pause, long enough for a human
or a fresh belief to have noticed what happened.
"""

from __future__ import annotations

from mmbot.trading.command_buffer import CommandBuffer
from mmbot.trading.commands import EnsureGroup, ResetGroup
from mmbot.trading.events import GroupChanged, GroupReady, GroupUnavailable
from mmbot.trading.gates import ShardState
from mmbot.trading.state import TradingState

# Milliseconds.
_PAUSE = 60_000
_RETRY = 2_000

_Tickers = tuple[str, ...]


class OrderGroups:
    """Keeps a group on every shard that has markets; returns the markets to look at again."""

    def __init__(self, state: TradingState, outbox: CommandBuffer) -> None:
        self._state = state
        self._out = outbox

    def see_to(self) -> None:
        """Ask for what is missing: a group, or the reset of one whose pause is over."""
        if self._state.service.stopping:
            return
        for shard in self._state.shards.values():
            if shard.asked or (shard.group and not shard.triggered):
                continue
            if self._out.now < shard.due:
                self._out.wake_by(shard.due)
                continue
            if shard.group:
                shard.asked = True
                self._out.send(ResetGroup(shard.index, shard.group))
            else:
                self.verify(shard.index)

    def verify(self, index: int) -> None:
        """Have a shard's group found, or opened if there is none."""
        shard = self._state.shard(index)
        if not shard.asked:
            shard.asked = True
            self._out.send(EnsureGroup(index, self._state.settings.limits.fill_cap))

    def secured(self, event: GroupReady) -> _Tickers:
        """There is a group; one that was asked for with another cap is of no use any more."""
        shard = self._state.shard(event.shard)
        if event.contracts != self._state.settings.limits.fill_cap:
            return ()
        shard.asked = False
        if shard.group != event.group:
            shard.group, shard.triggered = event.group, False
            self._out.note("group.secured", shard=shard.index, group=shard.group)
        return self._state.on_shard(shard.index)

    def not_secured(self, event: GroupUnavailable) -> _Tickers:
        """There is none yet, or it was not reset."""
        shard = self._state.shard(event.shard)
        shard.asked, shard.due = False, self._out.now + _RETRY
        self._out.note("group.not_secured", "warning", shard=shard.index, reason=event.reason)
        return ()

    def changed(self, event: GroupChanged) -> _Tickers:
        """A group was triggered, reset or deleted; it may be another's."""
        for shard in self._state.shards.values():
            if shard.group == event.group:
                if event.news == "triggered":
                    self.trigger(shard.index)
                elif event.news == "deleted":
                    self.forget(shard.index)
                else:
                    self._reset(shard)
                return self._state.on_shard(shard.index)
        return ()

    def trigger(self, index: int) -> None:
        """Take note that the exchange took every order of the group off."""
        shard = self._state.shard(index)
        if shard.triggered:
            return
        shard.triggered, shard.due = True, self._out.now + _PAUSE
        self._out.note(
            "group.triggered",
            "warning",
            shard=index,
            group=shard.group,
            cap=self._state.settings.limits.contracts_per_15_seconds,
            pause_seconds=_PAUSE // 1000,
        )
        self._doubt_orders(shard)

    def forget(self, index: int) -> None:
        """Take note that a group is no more, and with it the orders that were in it."""
        shard = self._state.shard(index)
        self._drop_group(shard)
        self._out.note("group.gone", "warning", shard=index)
        self._doubt_orders(shard)

    def renew(self) -> None:
        """Have groups with another cap; whatever is in the old ones will be moved."""
        for shard in self._state.shards.values():
            self._drop_group(shard)

    def _drop_group(self, shard: ShardState) -> None:
        # Nobody waits for the answer to what was asked about it.
        shard.group, shard.triggered, shard.asked, shard.due = "", False, False, self._out.now

    def _reset(self, shard: ShardState) -> None:
        shard.asked = False
        if shard.triggered:
            shard.triggered = False
            self._out.note("group.reset", shard=shard.index, group=shard.group)

    def _doubt_orders(self, shard: ShardState) -> None:
        """What an order had filled before it was taken off, only the exchange can tell."""
        for ticker in self._state.on_shard(shard.index):
            for order in self._state.orders.of(ticker):
                if order.state != "placing":
                    order.doubt()
