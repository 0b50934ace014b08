"""The desk at a glance, as plain values for a log line or a page."""

from __future__ import annotations

from typing import Any

from mmbot.trading.state import EventState, TradingState
from mmbot.units import format_count, format_money, format_price


def status(state: TradingState) -> dict[str, Any]:
    """Return what each event and each of its markets shows now; money in dollars, as text."""
    return {
        "live_orders": len(state.orders),
        "stopping": state.service.stopping,
        "halted": state.service.halted,
        "reconciled": state.service.reconciled,
        "events": [_event(state, ladder) for ladder in state.events.values()],
    }


def _event(state: TradingState, ladder: EventState) -> dict[str, Any]:
    wealth = ladder.portfolio.wealth(state.exposures(ladder))
    return {
        "event": ladder.ticker,
        "known": ladder.days_published,
        "mean": round(ladder.belief.mean) if ladder.belief else None,
        "worst_case": format_money(min(wealth)),
        "cash": format_money(ladder.portfolio.cash),
        "markets": [_market(state, ladder, ticker) for ticker in ladder.markets],
    }


def _market(state: TradingState, ladder: EventState, ticker: str) -> dict[str, Any]:
    listing = ladder.markets[ticker]
    quotes = {order.side: format_price(order.price) for order in state.orders.of(ticker)}
    return {
        "market": ticker,
        "strike": listing.terms.strike,
        "fair": _rounded(listing.fair),
        "mid": _rounded(listing.market_mid.mid if listing.market_mid.live else None),
        "reservation": _rounded(listing.quote_limits.reservation if listing.quote_limits else None),
        "bid": quotes.get("bid"),
        "ask": quotes.get("ask"),
        "position": format_count(ladder.portfolio.position(ticker)),
        "reason": listing.reason,
    }


def _rounded(dollars: float | None) -> float | None:
    return None if dollars is None else round(dollars, 4)
