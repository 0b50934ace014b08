"""The exchange's own ledger of one member, for whoever checks the member's books."""

from __future__ import annotations

from mmbot.simulator.render import Json, outcome
from mmbot.simulator.venue import Venue
from mmbot.units import format_count, format_money, format_price


def ledger_json(venue: Venue, user_id: str, now: int) -> Json:
    """Return everything booked for a member's primary account, money as exact dollars."""
    exchange = venue.exchange
    account = venue.account(user_id)
    exchange.history.catch_up(now)
    averages = {
        event.ticker: f"{venue.average(event.week):.6f}"
        for event in exchange.events.values()
        if any(m.result for m in exchange.markets_of(event))
    }
    return {
        "user_id": user_id,
        "cash_at_start_dollars": format_money(account.deposited),
        "cash_dollars": format_money(account.cash),
        "fees_dollars": format_money(account.fees),
        "positions": [
            {
                "ticker": ticker,
                "position": format_count(position.net),
                "cost_dollars": format_money(position.cost),
                "realized_pnl_dollars": format_money(position.realized),
                "fees_dollars": format_money(position.fees),
            }
            for ticker, position in account.positions.items()
        ],
        "fills": [
            {
                "trade_id": fill.trade_id,
                "order_id": fill.order_id,
                "client_order_id": fill.client_order_id,
                "ticker": fill.ticker,
                "side": fill.side,
                "outcome": outcome(fill.side),
                "yes_price_dollars": format_price(fill.price),
                "count": format_count(fill.count),
                "fee_dollars": format_money(fill.fee),
                "is_taker": fill.is_taker,
                "ts_ms": fill.at,
            }
            for _, fill in exchange.history.fills
            if fill.account is account
        ],
        "settlements": [
            {
                "ticker": settled.ticker,
                "result": exchange.engine.markets[settled.ticker].result,
                "position": format_count(settled.net),
                "payout_dollars": format_money(settled.payout),
                "ts_ms": settled.at,
            }
            for _, settled in exchange.history.settlements
            if settled.account is account
        ],
        "settled_averages": averages,
        "resting_orders": len(exchange.engine.resting(account)),
        "orders": [
            {
                "order_id": order.order_id,
                "client_order_id": order.client_order_id,
                "ticker": order.ticker,
                "side": order.side,
                "yes_price_dollars": format_price(order.price),
                "remaining": format_count(order.remaining),
                "expires_ms": order.expires_ms,
                "group_id": order.group_id,
                "post_only": order.post_only,
            }
            for order in exchange.engine.resting(account)
        ],
        "ts_ms": now,
        "releases_done": venue.releases_done,
        "calendar": exchange.clock.at(now).isoformat(),
    }
