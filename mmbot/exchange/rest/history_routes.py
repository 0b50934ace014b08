"""The market's past: candles of both tiers, and the markets and trades of the historical one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from mmbot.exchange.market import ExchangeMarket
from mmbot.exchange.order_types import RequestRefused
from mmbot.exchange.quote_history import ExchangeCandle
from mmbot.exchange.render import (
    Json,
    historical_candle_json,
    live_candle_json,
    market_json,
    rfc3339,
)
from mmbot.exchange.rest.market_routes import check_series, traded
from mmbot.exchange.rest.rest_call import Reply, RestCall
from mmbot.units import Count

_PERIODS: Final = (1, 60, 1440)
_MINUTE_MS: Final = 60_000
# The most candles in one answer, over all its markets.
_MOST_CANDLES: Final = 10_000
_MOST_MARKETS: Final = 100


def cutoff(call: RestCall) -> Reply:
    """Return the boundaries between the two tiers."""
    first = rfc3339(call.exchange.cutoff(call.now))
    names = ("market_settled", "trades_created", "orders_updated", "market_positions_last_updated")
    return Reply(200, {f"{name}_ts": first for name in names})


def historical_trades(call: RestCall) -> Reply:
    """List public trades of the historical tier, newest first."""
    end = call.exchange.archived_until(call.now)
    return traded(call, lambda trade: trade.at < end)


def historical_markets(call: RestCall) -> Reply:
    """List archived markets; at most one of the filters may be given."""
    exchange = call.exchange
    tickers, event, series = (
        call.listed("tickers"),
        call.text("event_ticker"),
        call.text("series_ticker"),
    )
    if sum(map(bool, (tickers, event, series))) > 1:
        raise RequestRefused("invalid_parameters", "give one of the filters")
    call.choice("mve_filter", ("exclude",))
    found = [
        (-number, market)
        for number, market in enumerate(exchange.engine.markets.values())
        if (not tickers or market.ticker in tickers)
        and event in (None, market.terms.event_ticker)
        and series in (None, exchange.settings.series)
        and exchange.is_archived(market, call.now)
    ]
    page, cursor = call.page(found)
    return Reply(200, {"markets": [_rendered(call, m) for m in page], "cursor": cursor})


def historical_market(call: RestCall) -> Reply:
    """Return one archived market."""
    return Reply(200, {"market": _rendered(call, _archived(call))})


def _rendered(call: RestCall, market: ExchangeMarket) -> Json:
    return call.exchange.oddities.changed(market.ticker, market_json(market, Count(0)))


def _archived(call: RestCall) -> ExchangeMarket:
    market = call.exchange.market(call.path["ticker"])
    if not call.exchange.is_archived(market, call.now):
        raise RequestRefused("not_found", "market not found")
    return market


def _live(call: RestCall, ticker: str) -> ExchangeMarket:
    market = call.exchange.market(ticker)
    if not call.exchange.is_live(market, call.now):
        raise RequestRefused("not_found", "market not found")
    return market


# Candles


def historical_candles(call: RestCall) -> Reply:
    """Return an archived market's candles, in the historical tier's format."""
    market, (start, end, period) = _archived(call), _range(call)
    found = _within_bounds(_candles(call, market, start, end, period))
    bodies = [historical_candle_json(each) for each in found]
    return Reply(200, {"ticker": market.ticker, "candlesticks": bodies})


def market_candles(call: RestCall) -> Reply:
    """Return one live market's candles."""
    check_series(call, call.path["series_ticker"])
    market, (start, end, period) = _live(call, call.path["ticker"]), _range(call)
    found = _within_bounds(_candles(call, market, start, end, period))
    bodies = [live_candle_json(each) for each in found]
    return Reply(200, {"ticker": market.ticker, "candlesticks": bodies})


def many_candles(call: RestCall) -> Reply:
    """Return several live markets' candles."""
    tickers, (start, end, period) = call.listed("market_tickers"), _range(call)
    if not 0 < len(tickers) <= _MOST_MARKETS:
        raise RequestRefused("invalid_parameters", f"give 1 to {_MOST_MARKETS} tickers")
    found = {t: _candles(call, _live(call, t), start, end, period) for t in tickers}
    _within_bounds([candle for candles in found.values() for candle in candles])
    bodies = [
        {"market_ticker": ticker, "candlesticks": [live_candle_json(each) for each in candles]}
        for ticker, candles in found.items()
    ]
    return Reply(200, {"markets": bodies})


def event_candles(call: RestCall) -> Reply:
    """Return the candles of an event's live markets; if too many, only up to an adjusted end."""
    check_series(call, call.path["series_ticker"])
    event = call.exchange.events.get(call.path["event_ticker"])
    if event is None:
        raise RequestRefused("not_found", "event not found")
    start, end, period = _range(call)
    markets = [_live(call, ticker) for ticker in event.tickers]
    # Each of the markets may have a candle in every period.
    ends = _MOST_CANDLES // len(markets)
    adjusted = min(end, start + (ends - 1) * period * 60)
    found = [_candles(call, market, start, adjusted, period) for market in markets]
    bodies = [[live_candle_json(each) for each in candles] for candles in found]
    return Reply(
        200,
        {
            "market_tickers": [market.ticker for market in markets],
            "market_candlesticks": bodies,
            "adjusted_end_ts": adjusted,
        },
    )


def _candles(
    call: RestCall, market: ExchangeMarket, start: int, end: int, period: int
) -> list[ExchangeCandle]:
    trades = [trade for _, trade in call.exchange.history.trades_of.get(market.ticker, ())]
    # A period that is not over yet has a candle too, of what there is so far.
    until = min(end * 1000, call.now + period * _MINUTE_MS)
    return call.exchange.quotes.candles(
        market.ticker, trades, start * 1000, until, period * _MINUTE_MS
    )


def _range(call: RestCall) -> tuple[int, int, int]:
    start, end, period = _required(call, ("start_ts", "end_ts", "period_interval"))
    if period not in _PERIODS:
        raise RequestRefused("invalid_parameters", "period_interval must be 1, 60 or 1440")
    return start, end, period


def _required(call: RestCall, names: tuple[str, ...]) -> Iterator[int]:
    for name in names:
        value = call.integer(name)
        if value is None:
            raise RequestRefused("invalid_parameters", f"{name} is required")
        yield value


def _within_bounds(found: list[ExchangeCandle]) -> list[ExchangeCandle]:
    if len(found) > _MOST_CANDLES:
        raise RequestRefused("invalid_parameters", f"more than {_MOST_CANDLES} candles")
    return found
