"""The checks that shut gates: functions of the present state; `None` if the gate is open."""

from __future__ import annotations

from bisect import bisect_right

from mmbot.forecast.belief import Belief
from mmbot.trading.event_state import EventState, ReleaseWindow
from mmbot.trading.gates import CLOSING_MARGIN_MS, Gate
from mmbot.trading.market_state import MarketState
from mmbot.trading.state import ServiceState, ShardState
from mmbot.units import Milliseconds


def service_gate(service: ServiceState) -> Gate | None:
    """Return why nothing at all may be quoted."""
    if service.stopping or service.halted:
        return Gate.STOPPING if service.stopping else Gate.HALTED
    if service.tasks_down:
        return service.tasks_down[0]
    if service.clocks_off:
        return Gate.CLOCK_OFF
    if service.ledger_behind:
        return Gate.LEDGER_BEHIND
    if not service.streaming:
        return Gate.NO_STREAM
    if service.lagging:
        return Gate.STALE_FEED
    if not service.reconciled:
        return Gate.NOT_RECONCILED
    return service.exchange.gate if service.exchange else None


def fee_gate(event_state: EventState) -> Gate | None:
    """Return why an event's maker fee keeps it from being quoted."""
    return Gate.FEE_TYPE if event_state.unknown_fee else None


def shard_gate(shard: ShardState) -> Gate | None:
    """Return why nothing on a shard may be quoted."""
    if not shard.group:
        return Gate.NO_GROUP
    return Gate.GROUP_TRIGGERED if shard.triggered else None


def belief_gate(
    belief: Belief | None,
    releases: tuple[Milliseconds, ...],
    windows: tuple[ReleaseWindow, ...],
    now: Milliseconds,
) -> Gate | None:
    """Return why an event's belief may not be traded on.

    Args:
        belief: The event's belief, if there is one.
        releases: For each day that gets a count, when it may be out; ascending. From then on,
        whoever has read the count knows more than a belief without it.
        windows: When a count may come early; a belief without it is not traded on in its window.
        now: The time.
    """
    if belief is None:
        return Gate.NO_BELIEF
    if belief.days_published < bisect_right(releases, now):
        return Gate.RELEASE_DUE
    for window in windows:
        if window.opens <= now < window.closes_at and belief.days_published < window.days_published:
            return Gate.RELEASE_POSSIBLE
    return None


def final_gate(market: MarketState, now: Milliseconds) -> Gate | None:
    """Return why a market will never be quoted again."""
    if market.result is not None:
        return Gate.SETTLED
    if market.unreadable:
        return Gate.UNREADABLE
    return Gate.CLOSED if now >= market.terms.closes - CLOSING_MARGIN_MS else None


def market_gate(market: MarketState, now: Milliseconds) -> Gate | None:
    """Return why a market that is not over may not be quoted."""
    if market.contradiction:
        return Gate.POSITION_CONTRADICTS
    if not market.terms.active:
        return Gate.MARKET_PAUSED
    if now < market.terms.opens:
        return Gate.NOT_OPEN
    if market.book is None:
        return Gate.NO_BOOK
    return None


def hold_gate(market: MarketState, now: Milliseconds) -> Gate | None:
    """Return why no new order may be sent to a market for the moment."""
    return market.held_by if now < market.held_until else None
