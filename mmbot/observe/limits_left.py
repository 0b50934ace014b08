"""How much is left of each limit in `[limits]`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mmbot.observe.pnl import EventPnl
from mmbot.status_report import LimitStatus
from mmbot.trading.event_state import EventState
from mmbot.trading.state import TradingState
from mmbot.units import Count, Milliseconds, Money, format_count, format_money


def limits_left(
    state: TradingState, events: Mapping[EventState, EventPnl], now: Milliseconds
) -> Iterator[LimitStatus]:
    """Yield the account's limits, then those of each event that can still lose."""
    limits = state.settings.limits
    lost = state.losses.loss(state.clock.at(now).date())
    yield _money("daily_loss_dollars", "", limits.daily_loss, lost)
    live = len(state.orders)
    yield LimitStatus(
        "orders", "", "orders", str(limits.orders), str(live), str(limits.orders - live)
    )
    cap = format_count(limits.fill_cap)
    yield LimitStatus("contracts_per_15_seconds", "", "contracts", cap, None, None)
    for event_state, pnl in events.items():
        if not event_state.settled:
            yield from _limits_of_event(state, event_state, pnl)


def _limits_of_event(
    state: TradingState, event_state: EventState, pnl: EventPnl
) -> Iterator[LimitStatus]:
    lost = Money(event_state.unlisted.loss - min(pnl.filled))
    yield _money("event_loss_dollars", event_state.ticker, state.loss_limit(), lost)
    held = {t: abs(event_state.portfolio.position(t)) for t in event_state.markets}
    largest = max(held, key=lambda ticker: held[ticker])
    most = state.settings.limits.position
    yield LimitStatus(
        "contracts_per_market",
        largest,
        "contracts",
        format_count(most),
        format_count(Count(held[largest])),
        format_count(Count(most - held[largest])),
    )


def _money(limit: str, scope: str, most: Money, lost: Money) -> LimitStatus:
    """Return the status of a loss limit; a profit uses nothing and adds to what is left."""
    used, left = Money(max(0, lost)), Money(most - lost)
    return LimitStatus(
        limit, scope, "dollars", format_money(most), format_money(used), format_money(left)
    )
