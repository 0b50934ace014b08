"""The exchange's own ledger, to check others against: one member's account, and all trades."""

from __future__ import annotations

from mmbot.exchange.facts import AccountFilled, Settled
from mmbot.exchange.order_types import ExchangeOrder
from mmbot.exchange.render import Json, outcome
from mmbot.exchange.venue import SimulatedVenue
from mmbot.units import Milliseconds, format_count, format_money, format_price


def ledger_json(venue: SimulatedVenue, user_id: str, now: Milliseconds) -> Json:
    """Return everything booked for a member's primary account, money in exact dollars."""
    exchange = venue.exchange
    account = venue.account(user_id)
    exchange.history.catch_up(now)
    fills, settlements = exchange.history.fills, exchange.history.settlements
    orders = [_order(order) for order in exchange.engine.resting(account)]
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
        "fills": [_fill(fill) for _, fill in fills if fill.account is account],
        "settlements": [
            _settlement(settled, exchange.engine.markets[settled.ticker].result)
            for _, settled in settlements
            if settled.account is account
        ],
        "settled_averages": {
            event.ticker: f"{venue.outcome(event.week):.6f}"
            for event in exchange.events.values()
            if any(market.result for market in exchange.markets_of(event))
        },
        "resting_orders": len(orders),
        "orders": orders,
        "ts_ms": now,
        "releases_done": venue.releases_done,
        "calendar": exchange.clock.at(now).isoformat(),
    }


def tape_json(venue: SimulatedVenue) -> Json:
    """Return every trade of every market, in order of time."""
    return {
        "trades": [
            {
                "trade_id": trade.trade_id,
                "ticker": trade.ticker,
                "taker_side": outcome(trade.side),
                "yes_price_dollars": format_price(trade.price),
                "count": format_count(trade.count),
                "ts_ms": trade.at,
            }
            for _, trade in venue.exchange.history.trades
        ],
        "results": {
            market.ticker: market.result for market in venue.exchange.engine.markets.values()
        },
    }


def _fill(fill: AccountFilled) -> Json:
    return {
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


def _settlement(settled: Settled, result: str) -> Json:
    return {
        "ticker": settled.ticker,
        "result": result,
        "position": format_count(settled.net),
        "payout_dollars": format_money(settled.payout),
        "ts_ms": settled.at,
    }


def _order(order: ExchangeOrder) -> Json:
    return {
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
