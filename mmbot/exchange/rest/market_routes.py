"""Public market data: series, events, markets, books, trades, and the exchange's state."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeVar

from mmbot.exchange.exchange_state import ExchangeEvent, ExchangeState, FeeChange
from mmbot.exchange.facts import Traded
from mmbot.exchange.market import ExchangeMarket
from mmbot.exchange.order_types import RequestRefused
from mmbot.exchange.render import (
    Json,
    book_levels,
    event_json,
    market_json,
    rfc3339,
    series_json,
    trade_json,
)
from mmbot.exchange.rest.rest_call import Reply, RestCall
from mmbot.exchange.timetable import maintenance_windows
from mmbot.units import Count

T = TypeVar("T")

_DAY_MS = 86_400_000
_STATUS_FILTERS = {
    "unopened": ("initialized",),
    "open": ("active",),
    "paused": ("inactive",),
    "closed": ("closed", "determined", "disputed", "amended"),
    "settled": ("finalized",),
}
_MOST_BOOKS = 100


def get_series(call: RestCall) -> Reply:
    """Return one series."""
    check_series(call, call.path["series_ticker"])
    return Reply(
        200,
        {"series": series_json(call.exchange, call.now, volume=call.flag("include_volume"))},
    )


def list_series(call: RestCall) -> Reply:
    """List the series, all on one page."""
    one = series_json(call.exchange, call.now, volume=call.flag("include_volume"))
    category, tags = call.text("category"), call.listed("tags")
    listed = category in (None, one["category"]) and (not tags or set(tags) & set(one["tags"]))
    return Reply(200, {"series": [one] if listed else []})


def check_series(call: RestCall, ticker: str) -> None:
    """Refuse a call about another series."""
    if ticker != call.exchange.settings.series:
        raise RequestRefused("not_found", "series not found")


def _live_markets(call: RestCall, event: ExchangeEvent) -> list[ExchangeMarket]:
    exchange = call.exchange
    return [m for m in exchange.markets_of(event) if exchange.is_live(m, call.now)]


def get_event(call: RestCall) -> Reply:
    """Return an event, with its markets nested in it or beside it."""
    event = _event(call)
    nested, bare = call.flag("with_nested_markets"), call.flag("exclude_markets")
    if nested and bare:
        raise RequestRefused("invalid_parameters", "exclude_markets and with_nested_markets")
    listed = [] if bare else _live_markets(call, event)
    markets = _rendered(call, listed, _volume_24h(call))
    body = event_json(call.exchange, event)
    if nested:
        body["markets"], markets = markets, []
    body = call.exchange.oddities.changed(event.ticker, body)
    return Reply(200, {"event": body, "markets": markets})


def _event(call: RestCall) -> ExchangeEvent:
    event = call.exchange.events.get(call.path["event_ticker"])
    if event is None or not _live_markets(call, event):
        raise RequestRefused("not_found", "event not found")
    return event


def list_events(call: RestCall) -> Reply:
    """List events; one matches a status if any of its markets does."""
    exchange = call.exchange
    status = call.choice("status", ("unopened", "open", "closed", "settled"))
    wanted, series = call.listed("tickers"), call.text("series_ticker")
    least_close = call.integer("min_close_ts")
    least_update = call.integer("min_updated_ts")
    found = [
        (number, event)
        for number, event in _numbered(exchange.events.values())
        if (not wanted or event.ticker in wanted)
        and series in (None, exchange.settings.series)
        and any(
            _has_status(m, status) and (least_close is None or m.close_ms >= least_close * 1000)
            for m in _live_markets(call, event)
        )
        and (least_update is None or event.updated_ms >= least_update * 1000)
    ]
    page, cursor = call.page(found, default=200, most=200)
    bodies = [event_json(exchange, event) for event in page]
    if call.flag("with_nested_markets"):
        volume = _volume_24h(call)
        for event, body in zip(page, bodies, strict=True):
            body["markets"] = _rendered(call, _live_markets(call, event), volume)
    odd = exchange.oddities
    bodies = [odd.changed(event.ticker, body) for event, body in zip(page, bodies, strict=True)]
    if not cursor:
        bodies += odd.events
    return Reply(200, {"events": bodies, "cursor": cursor})


def list_markets(call: RestCall) -> Reply:
    """List markets by any of the filters."""
    exchange = call.exchange
    status = call.choice("status", tuple(_STATUS_FILTERS))
    call.choice("mve_filter", ("only", "exclude"))
    wanted = call.listed("tickers")
    events, series = call.listed("event_ticker"), call.text("series_ticker")
    found = [
        (number, market)
        for number, market in _numbered(exchange.engine.markets.values())
        if (not wanted or market.ticker in wanted)
        and (not events or market.terms.event_ticker in events)
        and series in (None, exchange.settings.series)
        and call.text("mve_filter") != "only"
        and _has_status(market, status)
        and _timed(call, market)
        and exchange.is_live(market, call.now)
    ]
    page, cursor = call.page(found)
    return Reply(200, {"markets": _rendered(call, page, _volume_24h(call)), "cursor": cursor})


def get_market(call: RestCall) -> Reply:
    """Return one market."""
    market = call.exchange.market(call.path["ticker"])
    if not call.exchange.is_live(market, call.now):
        raise RequestRefused("not_found", "market not found")
    return Reply(200, {"market": market_json(market, _volume_24h(call)[market.ticker])})


def _timed(call: RestCall, market: ExchangeMarket) -> bool:
    instants = {
        "created": market.terms.created_ms,
        "close": market.close_ms,
        "settled": market.settled_ms,
        "updated": market.updated_ms,
    }
    return all(
        call.span(f"min_{name}_ts", f"max_{name}_ts").holds(at) for name, at in instants.items()
    )


def _has_status(market: ExchangeMarket, status: str | None) -> bool:
    return status is None or market.status in _STATUS_FILTERS[status]


def _numbered(items: Iterable[T]) -> Iterator[tuple[int, T]]:
    """Number items in descending order, so that the next page continues below the last item."""
    return ((-number, item) for number, item in enumerate(items))


def _rendered(
    call: RestCall, markets: Iterable[ExchangeMarket], volume: Mapping[str, Count]
) -> list[Json]:
    changed = call.exchange.oddities.changed
    return [changed(m.ticker, market_json(m, volume[m.ticker])) for m in markets]


def _volume_24h(call: RestCall) -> defaultdict[str, Count]:
    volume: defaultdict[str, Count] = defaultdict(lambda: Count(0))
    for _, trade in reversed(call.exchange.history.trades):
        if trade.at < call.now - _DAY_MS:
            break
        volume[trade.ticker] = Count(volume[trade.ticker] + trade.count)
    return volume


def orderbook(call: RestCall) -> Reply:
    """Return one book; an unknown ticker has an empty one."""
    depth = call.integer("depth", 0, 0, 100) or 0
    return Reply(200, {"orderbook_fp": _book(call.exchange, call.path["ticker"], depth)})


def orderbooks(call: RestCall) -> Reply:
    """Return several books; the parameter is repeated: a comma list is one unknown ticker."""
    tickers = call.texts("tickers")
    if not 0 < len(tickers) <= _MOST_BOOKS:
        raise RequestRefused("invalid_parameters", f"give 1 to {_MOST_BOOKS} tickers")
    books = [{"ticker": t, "orderbook_fp": _book(call.exchange, t, 0)} for t in tickers]
    return Reply(200, {"orderbooks": books})


def _book(exchange: ExchangeState, ticker: str, depth: int) -> Json:
    market = exchange.engine.markets.get(ticker)
    sides = book_levels(market, depth) if market else {"yes": [], "no": []}
    return {"yes_dollars": sides["yes"], "no_dollars": sides["no"]}


def trades(call: RestCall) -> Reply:
    """List public trades that are still live, newest first."""
    first = call.exchange.cutoff(call.now)
    return traded(call, lambda trade: trade.at >= first)


def traded(call: RestCall, served: Callable[[Traded], bool]) -> Reply:
    """List the trades that one tier serves, newest first; none is a block trade."""
    ticker, blocks = call.text("ticker"), call.flag("is_block_trade")
    span, history = call.span(), call.exchange.history
    listed = history.trades if ticker is None else history.trades_of.get(ticker, ())
    found = (
        (number, trade)
        for number, trade in reversed(listed)
        if not blocks and span.holds(trade.at) and served(trade)
    )
    page, cursor = call.page(found)
    return Reply(200, {"trades": [trade_json(t) for t in page], "cursor": cursor})


# The exchange


def status_body(exchange: ExchangeState) -> Json:
    """Return the exchange's status, which is also the body of a 503."""
    active = not exchange.engine.exchange_paused
    trading = not exchange.trading_paused()
    up = not exchange.shard_down
    return {
        "exchange_active": active,
        "trading_active": trading,
        "intra_exchange_transfers_active": active,
        "exchange_estimated_resume_time": None,
        "exchange_index_statuses": [
            {
                "exchange_index": exchange.settings.exchange_index,
                "description": "Default",
                "exchange_active": active and up,
                "trading_active": trading and up,
                "intra_exchange_transfers_active": active and up,
            }
        ],
    }


def exchange_status(call: RestCall) -> Reply:
    """Return whether the exchange and trading are active."""
    return Reply(200, status_body(call.exchange))


def schedule(call: RestCall) -> Reply:
    """Return the weekly hours and the coming maintenance."""
    clock = call.exchange.clock
    today = clock.at(call.now)
    weekdays = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
    hours: Json = {day: [{"open_time": "00:00", "close_time": "00:00"}] for day in weekdays}
    hours["start_time"] = rfc3339(clock.wall_time(today - dt.timedelta(days=365)))
    hours["end_time"] = rfc3339(clock.wall_time(today + dt.timedelta(days=365)))
    windows = maintenance_windows(today, weeks=2) if call.exchange.settings.maintenance else []
    return Reply(
        200,
        {
            "schedule": {
                "standard_hours": [hours],
                "maintenance_windows": [
                    {
                        "start_datetime": rfc3339(clock.wall_time(start)),
                        "end_datetime": rfc3339(clock.wall_time(end)),
                    }
                    for start, end in windows
                ],
            }
        },
    )


def user_data_timestamp(call: RestCall) -> Reply:
    """Return how fresh the portfolio reads are."""
    return Reply(200, {"as_of_time": rfc3339(call.exchange.history.as_of)})


def series_fee_changes(call: RestCall) -> Reply:
    """List the series' fee changes; past ones only on request."""
    past = call.flag("show_historical")
    series = call.exchange.settings.series
    changes = [
        {
            "id": change.change_id,
            "series_ticker": series,
            "fee_type": change.fees.fee_type,
            "fee_multiplier": change.fees.multiplier,
            "scheduled_ts": rfc3339(change.at),
        }
        for change in call.exchange.fee_changes
        if change.event_ticker is None
        and change.fees is not None
        and (past or change.at > call.now)
        and call.text("series_ticker") in (None, series)
    ]
    return Reply(200, {"series_fee_change_arr": changes})


def event_fee_changes(call: RestCall) -> Reply:
    """List the events' fee overrides, past ones included."""
    wanted = call.text("event_ticker")
    found: list[tuple[int, FeeChange]] = [
        (-number, change)
        for number, change in enumerate(call.exchange.fee_changes)
        if change.event_ticker is not None and wanted in (None, change.event_ticker)
    ]
    page, cursor = call.page(found)
    bodies = [
        {
            "id": change.change_id,
            "event_ticker": change.event_ticker,
            "series_ticker": call.exchange.settings.series,
            "fee_type_override": change.fees.fee_type if change.fees else None,
            "fee_multiplier_override": change.fees.multiplier if change.fees else None,
            "scheduled_ts": rfc3339(change.at),
        }
        for change in page
    ]
    return Reply(200, {"event_fee_changes": bodies, "cursor": cursor})
