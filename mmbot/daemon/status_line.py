"""What the bot does now, in one line: what is quoted, or the one reason why nothing is."""

from __future__ import annotations

from collections import Counter

from mmbot.trading.gate_checks import service_gate
from mmbot.trading.gates import Gate
from mmbot.trading.state import EventState, MarketState, TradingState
from mmbot.units import format_money

_OVER = frozenset({Gate.SETTLED, Gate.CLOSED})


def status_line(state: TradingState) -> str:
    """Return what is quoted, or why nothing is; money in dollars."""
    quoted = {order.ticker for order in state.orders if order.remaining > 0}
    if not quoted:
        return f"quotes nothing: {_reason(state)}"
    orders = sum(order.remaining > 0 for order in state.orders)
    held = [_event(state, event) for event in state.events.values() if quoted & set(event.markets)]
    markets = "market" if len(quoted) == 1 else "markets"
    return f"quotes {len(quoted)} {markets} by {orders} orders; {'; '.join(held)}"


def _event(state: TradingState, event: EventState) -> str:
    worst = format_money(min(event.portfolio.wealth(state.exposures(event))))
    mean = f"forecast {round(event.belief.mean):,}, " if event.belief else ""
    days = f"{event.days_published} of {len(event.week.days)} days published"
    return f"{event.ticker}: {mean}{days}, at worst {worst} dollars"


def _reason(state: TradingState) -> str:
    gate = service_gate(state.service)
    if gate is not None:
        return f"{gate.meaning} ({gate})"
    markets = [market for _, market in state.markets()]
    open_markets = [market for market in markets if _gate(market) not in _OVER]
    if not open_markets:
        return "every market is over" if markets else "no market is listed"
    gates = Counter(map(_gate, open_markets))
    gate, count = gates.most_common(1)[0]
    if gate is None:
        return "the first orders are on their way"
    many = "" if count == len(open_markets) else f"{count} of {len(open_markets)} markets: "
    return f"{many}{gate.meaning} ({gate})"


def _gate(market: MarketState) -> Gate | None:
    return market.shut_gate.gate if market.shut_gate else None
