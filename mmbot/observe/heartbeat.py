"""The fields of a heartbeat: the trading state at a glance."""

from __future__ import annotations

from typing import Any

from mmbot.trading.state import EventState, TradingState
from mmbot.units import format_count, format_money, format_price


def heartbeat(state: TradingState) -> dict[str, Any]:
    """Return the present figures of each event and its markets; money in dollars, as text."""
    return {
        "live_orders": len(state.orders),
        "stopping": state.service.stopping,
        "halted": state.service.halted,
        "reconciled": state.service.reconciled,
        "unreadable": state.unreadable,
        "events": [_event(state, event_state) for event_state in state.events.values()],
    }


def _event(state: TradingState, event_state: EventState) -> dict[str, Any]:
    wealth = event_state.portfolio.wealth(state.exposures(event_state))
    return {
        "event": event_state.ticker,
        "known": event_state.days_published,
        "mean": round(event_state.belief.mean) if event_state.belief else None,
        "worst_case": format_money(min(wealth)),
        "cash": format_money(event_state.portfolio.cash),
        "markets": [_market(state, event_state, ticker) for ticker in event_state.markets],
    }


def _market(state: TradingState, event_state: EventState, ticker: str) -> dict[str, Any]:
    market = event_state.markets[ticker]
    quotes = {order.side: format_price(order.price) for order in state.orders.of(ticker)}
    return {
        "market": ticker,
        "strike": market.terms.strike,
        "fair": _rounded(market.fair),
        "mid": _rounded(market.market_mid.mid if market.market_mid.live else None),
        "reservation": _rounded(market.quote_limits.reservation if market.quote_limits else None),
        "bid": quotes.get("bid"),
        "ask": quotes.get("ask"),
        "position": format_count(event_state.portfolio.position(ticker)),
        "reason": market.reason,
    }


def _rounded(dollars: float | None) -> float | None:
    return None if dollars is None else round(dollars, 4)
