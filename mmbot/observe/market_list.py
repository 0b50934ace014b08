"""One event's public markets, beside their values according to a forecast."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import msgspec

from mmbot.config import Settings
from mmbot.forecast.belief import Belief
from mmbot.units import (
    ONE_CENT,
    ONE_DOLLAR,
    Price,
    floor_price,
    format_count,
    format_price,
    parse_count,
    parse_price,
)


class PublicMarket(msgspec.Struct, frozen=True):
    """One market.

    Attributes:
        market: Its ticker.
        strike: Passengers above which YES pays; `null` where the exchange names none.
        status: Its status on the exchange, such as `active`.
        yes_bid: The best bid for YES in dollars; `null` without one.
        yes_ask: The best offer of YES.
        no_bid: The best bid for NO.
        no_ask: The best offer of NO.
        spread: The distance of bid and offer, the same for both sides.
        volume: Contracts traded so far.
        result: `yes` or `no` once it is decided; else empty.
        side: The likelier side by the forecast; `null` without one.
        value: What it is worth, in dollars: its probability.
        margin_price: The highest bid for it that the margin allows, in whole cents.
    """

    market: str
    strike: int | None
    status: str
    yes_bid: str | None
    yes_ask: str | None
    no_bid: str | None
    no_ask: str | None
    spread: str | None
    volume: str
    result: str
    side: str | None = None
    value: float | None = None
    margin_price: str | None = None


COLUMNS = tuple(field.name for field in msgspec.structs.fields(PublicMarket))


class MarketList(msgspec.Struct, frozen=True):
    """The markets of one event, by strike ascending.

    Attributes:
        event: The event's ticker.
        week: The Sunday that names its week.
        counts_from: Where the counts are from, or why there is no forecast, in a sentence.
        markets: The markets.
        days_published: How many of the week's counts the forecast uses; `null` without one.
        mean: The expected average, in passengers.
        sd: Its standard deviation.
        margin: The margin that was taken off.
    """

    event: str
    week: dt.date
    counts_from: str
    markets: tuple[PublicMarket, ...]
    days_published: int | None = None
    mean: float | None = None
    sd: float | None = None
    margin: float | None = None


def strike_of(row: dict[str, Any]) -> int | None:
    """Return the strike of a listed market; `None` if it has none."""
    strike = row.get("floor_strike")
    if isinstance(strike, bool) or not isinstance(strike, int | float):
        return None
    return round(strike)


def list_markets(
    rows: list[dict[str, Any]], belief: Belief | None, settings: Settings
) -> Iterator[PublicMarket]:
    """Yield the markets of an event as the exchange lists it, by strike."""
    for row in sorted(rows, key=lambda row: strike_of(row) or 0):
        yield _market(row, belief, settings)


def _market(row: dict[str, Any], belief: Belief | None, settings: Settings) -> PublicMarket:
    bid, ask = _price(row.get("yes_bid_dollars")), _price(row.get("yes_ask_dollars"))
    listed = PublicMarket(
        market=str(row.get("ticker", "")),
        strike=strike_of(row),
        status=str(row.get("status", "")),
        yes_bid=_shown(bid),
        yes_ask=_shown(ask),
        no_bid=_shown(_other(ask)),
        no_ask=_shown(_other(bid)),
        spread=None if bid is None or ask is None else format_price(Price(ask - bid)),
        volume=_count(row.get("volume_fp")),
        result=str(row.get("result") or ""),
    )
    if belief is None or listed.strike not in belief.strikes:
        return listed
    above = belief.above[belief.strikes.index(listed.strike)]
    side, value = ("yes", above) if above >= 0.5 else ("no", 1 - above)
    most = floor_price(value * (1 - settings.quoting.margin_at(belief.days_published)))
    return msgspec.structs.replace(
        listed,
        side=side,
        value=round(value, 4),
        margin_price=format_price(Price(most - most % ONE_CENT)),
    )


def _price(text: object) -> Price | None:
    """Read a price of a book; a side without an order is listed at zero or at a dollar."""
    try:
        price = parse_price(str(text))
    except ValueError:
        return None
    return price if 0 < price < ONE_DOLLAR else None


def _other(price: Price | None) -> Price | None:
    return None if price is None else Price(ONE_DOLLAR - price)


def _shown(price: Price | None) -> str | None:
    return None if price is None else format_price(price)


def _count(text: object) -> str:
    try:
        return format_count(parse_count(str(text)))
    except ValueError:
        return ""
