"""The desk at a glance, as plain values for a log line or a page."""

from __future__ import annotations

from typing import Any

from mmbot.trading.state import EventState, TradingState
from mmbot.units import format_count, format_money, format_price


def status(desk: TradingState) -> dict[str, Any]:
    """Return what each event and each of its markets shows now; money in dollars, as text."""
    return {
        "live_orders": len(desk.orders),
        "stopping": desk.service.stopping,
        "halted": desk.service.halted,
        "reconciled": desk.service.reconciled,
        "events": [_event(desk, ladder) for ladder in desk.ladders.values()],
    }


def _event(desk: TradingState, ladder: EventState) -> dict[str, Any]:
    wealth = ladder.portfolio.wealth(desk.exposures(ladder))
    return {
        "event": ladder.ticker,
        "known": ladder.known,
        "mean": round(ladder.belief.mean) if ladder.belief else None,
        "worst_case": format_money(min(wealth)),
        "cash": format_money(ladder.portfolio.cash),
        "markets": [_market(desk, ladder, ticker) for ticker in ladder.listings],
    }


def _market(desk: TradingState, ladder: EventState, ticker: str) -> dict[str, Any]:
    listing = ladder.listings[ticker]
    quotes = {order.side: format_price(order.price) for order in desk.orders.of(ticker)}
    return {
        "market": ticker,
        "strike": listing.market.strike,
        "fair": _rounded(listing.fair),
        "mid": _rounded(listing.opinion.mid if listing.opinion.live else None),
        "reservation": _rounded(listing.terms.reservation if listing.terms else None),
        "bid": quotes.get("bid"),
        "ask": quotes.get("ask"),
        "position": format_count(ladder.portfolio.position(ticker)),
        "reason": listing.reason,
    }


def _rounded(dollars: float | None) -> float | None:
    return None if dollars is None else round(dollars, 4)
