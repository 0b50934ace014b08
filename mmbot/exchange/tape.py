"""Facts of the matching engine as messages of the stream's channels."""

from __future__ import annotations

from typing import Any, assert_never

from mmbot.exchange.accounts import Account, Position
from mmbot.exchange.exchange_state import ExchangeEvent, ExchangeState
from mmbot.exchange.facts import (
    AccountFilled,
    BookLevelChanged,
    GroupUpdated,
    MarketChanged,
    Traded,
)
from mmbot.exchange.market import ExchangeMarket
from mmbot.exchange.order_types import ExchangeOrder, Reason
from mmbot.exchange.render import (
    Json,
    both_prices,
    event_title,
    order_counts,
    outcome,
    price_ranges,
    rfc3339,
    settlement_value,
)
from mmbot.units import (
    MONEY_PER_DOLLAR,
    ONE_CONTRACT,
    ONE_DOLLAR,
    Milliseconds,
    Price,
    format_count,
    format_money,
    format_price,
)


def delta_json(
    change: BookLevelChanged, market: ExchangeMarket, *, no_as_yes: bool, own: bool
) -> Json:
    """Return a change of one level; only its owner is shown the order's client id."""
    flip = change.side == "ask" and not no_as_yes
    price = Price(ONE_DOLLAR - change.price) if flip else change.price
    message = {
        "market_ticker": change.ticker,
        "market_id": market.terms.market_id,
        "clock": change.clock,
        "price_dollars": format_price(price),
        "delta_fp": format_count(change.delta),
        "side": outcome(change.side),
        "ts": rfc3339(change.at),
        "ts_ms": change.at,
    }
    if own:
        message["client_order_id"] = change.client_order_id
        message["subaccount"] = change.account.subaccount
    return message


def trade_message(trade: Traded) -> Json:
    """Return a public trade."""
    return {
        "trade_id": trade.trade_id,
        "market_ticker": trade.ticker,
        **both_prices(trade.price),
        "count_fp": format_count(trade.count),
        "taker_side": outcome(trade.side),
        "taker_outcome_side": outcome(trade.side),
        "taker_book_side": trade.side,
        "is_block_trade": False,
        "ts": trade.at // 1000,
        "ts_ms": trade.at,
    }


def ticker_json(market: ExchangeMarket, now: Milliseconds) -> Json:
    """Return a market's top of book and volume."""
    bid, ask = market.best_bid or Price(0), market.best_ask or ONE_DOLLAR
    return {
        "market_ticker": market.ticker,
        "market_id": market.terms.market_id,
        "price_dollars": format_price(market.last_price),
        "yes_bid_dollars": format_price(bid),
        "yes_ask_dollars": format_price(ask),
        "yes_bid_size_fp": format_count(market.sides["bid"].best_count),
        "yes_ask_size_fp": format_count(market.sides["ask"].best_count),
        "last_trade_size_fp": format_count(market.last_count),
        "volume_fp": format_count(market.volume),
        "open_interest_fp": format_count(market.open_interest),
        "dollar_volume": market.turnover // MONEY_PER_DOLLAR,
        "dollar_open_interest": market.open_interest // ONE_CONTRACT,
        "ts": now // 1000,
        "ts_ms": now,
        "time": rfc3339(now),
    }


def fill_message(fill: AccountFilled, exchange_index: int) -> Json:
    """Return one account's half of a trade."""
    return {
        "trade_id": fill.trade_id,
        "order_id": fill.order_id,
        "client_order_id": fill.client_order_id,
        "market_ticker": fill.ticker,
        "exchange_index": exchange_index,
        "is_taker": fill.is_taker,
        "side": outcome(fill.side),
        "action": "buy",
        "purchased_side": outcome(fill.side),
        "outcome_side": outcome(fill.side),
        "book_side": fill.side,
        "yes_price_dollars": format_price(fill.price),
        "count_fp": format_count(fill.count),
        "fee_cost": format_money(fill.fee),
        "post_position_fp": format_count(fill.post_position),
        "subaccount": fill.account.subaccount,
        "ts": fill.at // 1000,
        "ts_ms": fill.at,
    }


def order_message(order: ExchangeOrder, reason: Reason, exchange_index: int) -> Json:
    """Return an order as it stood after a change."""
    message: Json = {
        "order_id": order.order_id,
        "user_id": order.account.user_id,
        "client_order_id": order.client_order_id,
        "ticker": order.ticker,
        "exchange_index": exchange_index,
        "status": order.status,
        "side": outcome(order.side),
        "is_yes": order.side == "bid",
        "outcome_side": outcome(order.side),
        "book_side": order.side,
        "yes_price_dollars": format_price(order.price),
        **order_counts(order),
        "self_trade_prevention_type": order.self_trade_prevention,
        "created_time": rfc3339(order.created_ms),
        "created_ts_ms": order.created_ms,
        "last_update_time": rfc3339(order.updated_ms),
        "last_updated_ts_ms": order.updated_ms,
        "subaccount_number": order.account.subaccount,
    }
    if order.group_id is not None:
        message["order_group_id"] = order.group_id
    if order.expires_ms is not None:
        message["expiration_time"] = rfc3339(order.expires_ms)
        message["expiration_ts_ms"] = order.expires_ms
    if reason:
        message["last_update_reason"] = reason
    return message


def position_message(account: Account, ticker: str, position: Position) -> Json:
    """Return an account's holding in one market."""
    return {
        "user_id": account.user_id,
        "market_ticker": ticker,
        "position_fp": format_count(position.net),
        "position_cost_dollars": format_money(position.cost),
        "realized_pnl_dollars": format_money(position.realized),
        "fees_paid_dollars": format_money(position.fees),
        "position_fee_cost_dollars": format_money(position.fees),
        "volume_fp": format_count(position.volume),
        "subaccount": account.subaccount,
    }


def group_message(change: GroupUpdated) -> Json:
    """Return a change of an order group."""
    message: Json = {
        "event_type": change.event_type,
        "order_group_id": change.group_id,
        "ts_ms": change.at,
    }
    if change.limit is not None:
        message["contracts_limit_fp"] = format_count(change.limit)
    return message


def lifecycle_message(
    change: MarketChanged, market: ExchangeMarket, exchange: ExchangeState
) -> Json:
    """Return a change of a market's state, with the fields of its event type."""
    terms = market.terms
    message: Json = {
        "event_type": change.event_type,
        "market_ticker": market.ticker,
        "exchange_index": terms.exchange_index,
    }
    details: Json
    match change.event_type:
        case "created":
            details = {
                "open_ts": terms.open_ms // 1000,
                "close_ts": market.close_ms // 1000,
                **_grid(market),
                "additional_metadata": _metadata(market, exchange),
            }
        case "activated" | "deactivated":
            details = {"is_deactivated": change.event_type == "deactivated"}
        case "close_date_updated":
            details = {"close_ts": market.close_ms // 1000}
        case "price_level_structure_updated":
            details = _grid(market)
        case "determined":
            details = {
                "result": market.result,
                "determination_ts": _seconds(market.determined_ms),
                "settlement_value": format_price(settlement_value(market)),
            }
        case "settled":
            details = {"settled_ts": _seconds(market.settled_ms)}
        case _:
            assert_never(change.event_type)
    return message | details


def _grid(market: ExchangeMarket) -> Json:
    return {
        "price_level_structure": market.structure,
        "price_ranges": price_ranges(market),
    }


def _seconds(milliseconds: Milliseconds | None) -> int:
    return (milliseconds or 0) // 1000


def _metadata(market: ExchangeMarket, exchange: ExchangeState) -> dict[str, Any]:
    return {
        "name": market.terms.title,
        "title": event_title(exchange, exchange.events[market.terms.event_ticker]),
        "yes_sub_title": market.terms.title,
        "no_sub_title": market.terms.title,
        "rules_primary": market.terms.rule,
        "rules_secondary": "",
        "can_close_early": True,
        "event_ticker": market.terms.event_ticker,
        "expected_expiration_ts": market.terms.settle_ms // 1000,
        "strike_type": "greater",
        "floor_strike": market.terms.floor_strike,
    }


def event_message(event: ExchangeEvent, exchange: ExchangeState) -> Json:
    """Return a new event."""
    return {
        "event_ticker": event.ticker,
        "series_ticker": exchange.settings.series,
        "exchange_index": exchange.settings.exchange_index,
        "title": event_title(exchange, event),
        "subtitle": f"Week of {event.week.monday} to {event.week.sunday}",
        "collateral_return_type": "",
        "strike_date": exchange.clock.wall_time(event.week.closes) // 1000,
    }
