"""Wire objects: the exchange's state as the JSON that REST and the stream send."""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Mapping
from typing import Any, TypeAlias

from mmbot.exchange.accounts import Position
from mmbot.exchange.exchange_state import ExchangeEvent, ExchangeState
from mmbot.exchange.facts import AccountFilled, Settled, Traded
from mmbot.exchange.market import ExchangeMarket
from mmbot.exchange.order_types import ExchangeOrder
from mmbot.exchange.quote_history import ExchangeCandle, Ohlc
from mmbot.units import (
    MONEY_PER_CENT,
    ONE_DOLLAR,
    Count,
    Milliseconds,
    Money,
    Price,
    format_count,
    format_money,
    format_price,
    total,
)

Json: TypeAlias = dict[str, Any]

_SETTLEMENT_TIMER_S = 60
_NOTICE = "Simulated market."


def rfc3339(milliseconds: Milliseconds) -> str:
    """Return a time in the exchange's format."""
    seconds, fraction = divmod(milliseconds, 1000)
    return f"{_to_the_second(seconds)}{f'.{fraction:03d}' if fraction else ''}Z"


@functools.lru_cache(maxsize=10_000)
def _to_the_second(seconds: int) -> str:
    return dt.datetime.fromtimestamp(seconds, dt.UTC).isoformat()[: len("2026-01-01T00:00:00")]


def outcome(side: str) -> str:
    """Return the leg that a book side buys."""
    return "yes" if side == "bid" else "no"


def both_prices(price: Price) -> Json:
    """Return a price on both legs."""
    return {
        "yes_price_dollars": format_price(price),
        "no_price_dollars": format_price(Price(ONE_DOLLAR - price)),
    }


def cents(money: Money) -> int:
    """Return money in whole cents, rounded down."""
    return money // MONEY_PER_CENT


def series_json(exchange: ExchangeState, now: Milliseconds, *, volume: bool = False) -> Json:
    """Return the one series."""
    settings = exchange.settings
    simulated = settings.underlying.simulated
    answer: Json = {
        "ticker": settings.series,
        "title": simulated.title,
        "frequency": "weekly",
        "category": simulated.category,
        "categories": [simulated.category],
        "tags": [simulated.tag],
        "settlement_sources": _settlement_sources(exchange),
        "contract_url": "",
        "contract_terms_url": "",
        "additional_prohibitions": [],
        "fee_type": exchange.series_fees.fee_type,
        "fee_multiplier": exchange.series_fees.multiplier,
        "exchange_index": settings.exchange_index,
        "last_updated_ts": rfc3339(now),
    }
    if volume:
        volume_of_all = Count(sum(m.volume for m in exchange.engine.markets.values()))
        answer["volume_fp"] = format_count(volume_of_all)
    return answer


def _settlement_sources(exchange: ExchangeState) -> list[Json]:
    simulated = exchange.settings.underlying.simulated
    return [{"name": simulated.tag, "url": simulated.source}]


def event_title(exchange: ExchangeState, event: ExchangeEvent) -> str:
    """Return an event's title."""
    title, sunday = exchange.settings.underlying.simulated.event_title, event.week.sunday
    return f"{title}, week ending {sunday:%B} {sunday.day} (simulated)"


def event_json(exchange: ExchangeState, event: ExchangeEvent) -> Json:
    """Return an event without its markets."""
    override = event.fee_override
    return {
        "event_ticker": event.ticker,
        "series_ticker": exchange.settings.series,
        "title": event_title(exchange, event),
        "sub_title": f"Week of {event.week.monday} to {event.week.sunday}",
        "category": exchange.settings.underlying.simulated.category,
        "mutually_exclusive": False,
        "collateral_return_type": "",
        "strike_date": rfc3339(exchange.clock.wall_time(event.week.closes)),
        "strike_period": "week",
        "settlement_sources": _settlement_sources(exchange),
        "fee_type_override": override.fee_type if override else None,
        "fee_multiplier_override": override.multiplier if override else None,
        "exchange_index": exchange.settings.exchange_index,
        "last_updated_ts": rfc3339(event.updated_ms),
    }


def price_ranges(market: ExchangeMarket) -> list[Json]:
    """Return the price bands in which a market accepts orders."""
    return [
        {
            "start": format_price(band.start),
            "end": format_price(band.end),
            "step": format_price(band.step),
        }
        for band in market.grid.bands
    ]


def market_json(market: ExchangeMarket, volume_24h: Count) -> Json:
    """Return a market with its quotes."""
    answer = _description(market) | _quotes(market, volume_24h)
    if market.result:
        answer["settlement_value_dollars"] = format_price(settlement_value(market))
    if market.settled_ms is not None:
        answer["settlement_ts"] = rfc3339(market.settled_ms)
    return answer


def _description(market: ExchangeMarket) -> Json:
    terms = market.terms
    return {
        "ticker": market.ticker,
        "event_ticker": terms.event_ticker,
        "market_type": "binary",
        "title": market.terms.rule,
        "subtitle": market.terms.title,
        "yes_sub_title": market.terms.title,
        "no_sub_title": market.terms.title,
        "rules_primary": market.terms.rule,
        "rules_secondary": _NOTICE,
        "created_time": rfc3339(terms.created_ms),
        "updated_time": rfc3339(market.updated_ms),
        "open_time": rfc3339(terms.open_ms),
        "close_time": rfc3339(market.close_ms),
        "expected_expiration_time": rfc3339(terms.settle_ms),
        "expiration_time": rfc3339(terms.settle_ms),
        "latest_expiration_time": rfc3339(terms.settle_ms + 7 * 86_400_000),
        "settlement_timer_seconds": _SETTLEMENT_TIMER_S,
        "status": market.status,
        "result": market.result,
        "can_close_early": True,
        "expiration_value": market.expiration_value,
        "strike_type": "greater",
        "floor_strike": terms.floor_strike,
    }


def _quotes(market: ExchangeMarket, volume_24h: Count) -> Json:
    bid, ask = market.best_bid or Price(0), market.best_ask or ONE_DOLLAR
    return {
        "yes_bid_dollars": format_price(bid),
        "yes_bid_size_fp": format_count(market.sides["bid"].best_count),
        "yes_ask_dollars": format_price(ask),
        "yes_ask_size_fp": format_count(market.sides["ask"].best_count),
        "no_bid_dollars": format_price(Price(ONE_DOLLAR - ask)),
        "no_ask_dollars": format_price(Price(ONE_DOLLAR - bid)),
        "last_price_dollars": format_price(market.last_price),
        "previous_yes_bid_dollars": format_price(Price(0)),
        "previous_yes_ask_dollars": format_price(Price(0)),
        "previous_price_dollars": format_price(Price(0)),
        "volume_fp": format_count(market.volume),
        "volume_24h_fp": format_count(volume_24h),
        "open_interest_fp": format_count(market.open_interest),
        "notional_value_dollars": format_price(ONE_DOLLAR),
        "settlement_bounds_type": "default",
        "price_level_structure": market.structure,
        "price_ranges": price_ranges(market),
        "exchange_index": market.terms.exchange_index,
    }


def settlement_value(market: ExchangeMarket) -> Price:
    """Return what one YES contract of a determined market pays."""
    return market.yes_value


def book_levels(
    market: ExchangeMarket, depth: int = 0, *, no_as_yes: bool = False
) -> dict[str, list[Any]]:
    """Return both sides' levels, best last; NO prices unless `no_as_yes`."""
    sides: dict[str, list[Any]] = {}
    for name, side in (("yes", market.sides["bid"]), ("no", market.sides["ask"])):
        best_first = side.prices()[: depth or None]
        flip = name == "no" and not no_as_yes
        sides[name] = [
            [format_price(Price(ONE_DOLLAR - p) if flip else p), format_count(side.totals[p])]
            for p in reversed(best_first)
        ]
    return sides


def order_json(order: ExchangeOrder, exchange_index: int) -> Json:
    """Return an order as the portfolio lists it."""
    answer: Json = {
        "order_id": order.order_id,
        "user_id": order.account.user_id,
        "client_order_id": order.client_order_id,
        "ticker": order.ticker,
        "side": outcome(order.side),
        "action": "buy",
        "outcome_side": outcome(order.side),
        "book_side": order.side,
        "type": "limit",
        "status": order.status,
        **both_prices(order.price),
        **order_counts(order),
        "expiration_time": None if order.expires_ms is None else rfc3339(order.expires_ms),
        "created_time": rfc3339(order.created_ms),
        "last_update_time": rfc3339(order.updated_ms),
        "self_trade_prevention_type": order.self_trade_prevention,
        "order_group_id": order.group_id,
        "cancel_order_on_pause": order.cancel_on_pause,
        "subaccount_number": order.account.subaccount,
        "exchange_index": exchange_index,
    }
    return answer


def order_counts(order: ExchangeOrder) -> Json:
    """Return an order's counts, fill costs and fees, on its own leg."""
    return {
        "fill_count_fp": format_count(order.filled),
        "remaining_count_fp": format_count(order.remaining),
        "initial_count_fp": format_count(order.initial),
        "taker_fill_cost_dollars": format_money(order.fill_cost[True]),
        "maker_fill_cost_dollars": format_money(order.fill_cost[False]),
        "taker_fees_dollars": format_money(order.fees[True]),
        "maker_fees_dollars": format_money(order.fees[False]),
    }


@functools.lru_cache(maxsize=10_000)
def fill_json(fill: AccountFilled, exchange_index: int) -> Json:
    """Return a fill as the portfolio lists it."""
    return {
        "fill_id": fill.trade_id,
        "trade_id": fill.trade_id,
        "order_id": fill.order_id,
        "ticker": fill.ticker,
        "market_ticker": fill.ticker,
        "side": outcome(fill.side),
        "action": "buy",
        "outcome_side": outcome(fill.side),
        "book_side": fill.side,
        "count_fp": format_count(fill.count),
        **both_prices(fill.price),
        "is_taker": fill.is_taker,
        "fee_cost": format_money(fill.fee),
        "created_time": rfc3339(fill.at),
        "ts": fill.at // 1000,
        "subaccount_number": fill.account.subaccount,
        "exchange_index": exchange_index,
    }


def trade_json(trade: Traded) -> Json:
    """Return a trade of the public tape."""
    return {
        "trade_id": trade.trade_id,
        "ticker": trade.ticker,
        "count_fp": format_count(trade.count),
        **both_prices(trade.price),
        "taker_side": outcome(trade.side),
        "taker_outcome_side": outcome(trade.side),
        "taker_book_side": trade.side,
        "created_time": rfc3339(trade.at),
        "is_block_trade": False,
    }


def live_candle_json(candle: ExchangeCandle) -> Json:
    """Return a candle of the live tier; without trades its prices are null."""
    prices = _candle_prices(candle)
    return {
        "end_period_ts": candle.end_ms // 1000,
        "yes_bid": {f"{name}_dollars": text for name, text in _ohlc(candle.bid).items()},
        "yes_ask": {f"{name}_dollars": text for name, text in _ohlc(candle.ask).items()},
        "price": {f"{name}_dollars": text for name, text in prices.items()},
        "volume_fp": format_count(candle.volume),
        "open_interest_fp": format_count(candle.open_interest),
    }


def historical_candle_json(candle: ExchangeCandle) -> Json:
    """Return a candle of the historical tier, whose names have no suffixes."""
    return {
        "end_period_ts": candle.end_ms // 1000,
        "yes_bid": _ohlc(candle.bid),
        "yes_ask": _ohlc(candle.ask),
        "price": _candle_prices(candle),
        "volume": format_count(candle.volume),
        "open_interest": format_count(candle.open_interest),
    }


def _ohlc(prices: Ohlc) -> Json:
    names = ("open", "low", "high", "close")
    return dict(zip(names, map(format_price, prices), strict=True))


def _candle_prices(candle: ExchangeCandle) -> Json:
    known: Json = dict.fromkeys(("open", "low", "high", "close", "mean", "previous"))
    if candle.price is not None:
        # A price unit is a hundred units of money.
        mean = Money(candle.value * 100 // candle.volume)
        known |= _ohlc(candle.price) | {"mean": format_money(mean)}
    if candle.previous is not None:
        known["previous"] = format_price(candle.previous)
    return known


def position_json(ticker: str, position: Position, exchange_index: int) -> Json:
    """Return an account's holding in one market."""
    return {
        "ticker": ticker,
        "exchange_index": exchange_index,
        "position_fp": format_count(position.net),
        "market_exposure_dollars": format_money(position.cost),
        "total_traded_dollars": format_money(position.traded),
        "realized_pnl_dollars": format_money(position.realized),
        "fees_paid_dollars": format_money(position.fees),
        "last_updated_ts": rfc3339(position.updated_ms),
    }


def event_position_json(event_ticker: str, positions: Mapping[str, Position]) -> Json:
    """Return the sums of an account's holdings in one event."""
    values = positions.values()
    return {
        "event_ticker": event_ticker,
        "total_cost_dollars": format_money(total(p.traded for p in values)),
        "total_cost_shares_fp": format_count(Count(sum(p.volume for p in values))),
        "event_exposure_dollars": format_money(total(p.cost for p in values)),
        "realized_pnl_dollars": format_money(total(p.realized for p in values)),
        "fees_paid_dollars": format_money(total(p.fees for p in values)),
    }


def settlement_json(settled: Settled, market: ExchangeMarket) -> Json:
    """Return a paid-out holding."""
    yes, no = Count(max(settled.net, 0)), Count(max(-settled.net, 0))
    return {
        "ticker": settled.ticker,
        "event_ticker": market.terms.event_ticker,
        "exchange_index": market.terms.exchange_index,
        "market_result": market.result,
        "yes_count_fp": format_count(yes),
        "yes_total_cost_dollars": format_money(settled.cost if yes else Money(0)),
        "no_count_fp": format_count(no),
        "no_total_cost_dollars": format_money(settled.cost if no else Money(0)),
        "revenue": cents(settled.payout),
        "settled_time": rfc3339(settled.at),
        "fee_cost": format_money(settled.fees),
        "value": settled.yes_value // 100,
    }
