"""The exchange's events, markets and fees as rows, each checked by itself.

As with trades and candles, an unreadable or impossible row is left out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from mmbot.history.doubts import Doubts
from mmbot.history.rows import EventRecord, FeeChange, MarketRecord
from mmbot.history.store import is_ticker
from mmbot.history.wire import Unusable, read_count
from mmbot.kalshi import messages as wire
from mmbot.kalshi.vocabulary import ENUMS
from mmbot.underlying.calendar import Week, to_milliseconds
from mmbot.units import Milliseconds, parse_price

_T = TypeVar("_T")

_MILLION = 1_000_000
_LONGEST_TEXT = 200


class RestPastMarket(msgspec.Struct, frozen=True):
    """A market of either tier."""

    ticker: str
    open_time: wire.Instant
    close_time: wire.Instant
    event_ticker: wire.Word = None
    status: wire.Word = None
    result: wire.Word = None
    settlement_value_dollars: wire.Word = None
    settlement_ts: wire.Word = None
    expiration_value: wire.Word = None
    strike_type: wire.Word = None
    floor_strike: wire.Word = None
    cap_strike: wire.Word = None
    volume_fp: wire.Word = None
    price_ranges: wire.Word = None
    fee_waiver_expiration_time: wire.Word = None
    exchange_index: wire.Word = None


def read_market(row: RestPastMarket, series: str, doubts: Doubts) -> MarketRecord:
    """Return a market of the series; raise `Unusable` if its terms cannot be read."""
    event = wire.word(row.event_ticker) or row.ticker.rpartition("-")[0]
    if not event.startswith(f"{series}-"):
        raise Unusable("a market of another series", row.ticker)
    if not is_ticker(row.ticker) or not is_ticker(event) or not row.ticker.startswith(event):
        raise Unusable("a market with an invalid ticker", row.ticker)
    if row.open_time >= row.close_time:
        raise Unusable("a market that closes before it opens", row.ticker)
    status, result = wire.word(row.status), wire.word(row.result)
    value = wire.settlement_value(row.result, row.settlement_value_dollars) if result else None
    if status not in ENUMS["market status"].words:
        doubts.add("an unknown word for a market's status", row.status)
    if result and value is None:
        doubts.add("a result that cannot be read", f"{row.ticker}: {result}")
    return MarketRecord(
        ticker=row.ticker,
        event_ticker=event,
        series=series,
        strike=_strike(row),
        opens_ms=to_milliseconds(row.open_time),
        closes_ms=to_milliseconds(row.close_time),
        settled_ms=_instant(row.settlement_ts),
        status=status[:_LONGEST_TEXT],
        result=result[:_LONGEST_TEXT],
        yes_value=value,
        expiration_value=wire.word(row.expiration_value)[:_LONGEST_TEXT],
        volume=_maybe(read_count, row.volume_fp),
        price_bands=_maybe(_bands, row.price_ranges) or "",
        fee_waiver_ms=_instant(row.fee_waiver_expiration_time),
        shard=row.exchange_index if isinstance(row.exchange_index, int) else 0,
    )


def _strike(row: RestPastMarket) -> int | None:
    strike = row.floor_strike
    above = row.strike_type == "greater" or (row.strike_type is None and row.cap_strike is None)
    whole = isinstance(strike, int | float) and 0 <= strike < 2**53 and strike == strike // 1
    return int(strike) if above and whole else None


def _instant(value: wire.Word) -> Milliseconds | None:
    try:
        return to_milliseconds(msgspec.convert(value, wire.Instant))
    except msgspec.ValidationError:
        return None


def _bands(ranges: Any) -> str:
    bands = (
        (parse_price(band["start"]), parse_price(band["end"]), parse_price(band["step"]))
        for band in ranges
    )
    return ",".join(":".join(map(str, band)) for band in bands)


def _maybe(read: Callable[[Any], _T], value: Any) -> _T | None:
    """Return the value as read, or `None` if it cannot be read."""
    try:
        return read(value)
    except (ValueError, KeyError, TypeError):
        return None


class RestPastEvent(msgspec.Struct, frozen=True):
    """An event with its markets undecoded."""

    event_ticker: str
    title: wire.Word = None
    fee_type_override: wire.Word = None
    fee_multiplier_override: wire.Word = None
    markets: list[msgspec.Raw] = []


def read_event(row: RestPastEvent, series: str) -> EventRecord:
    """Return an event of the series, or raise `Unusable`."""
    try:
        week = Week.from_event_ticker(row.event_ticker)
    except ValueError as error:
        raise Unusable("an event of no week", str(error)) from None
    if not row.event_ticker.startswith(f"{series}-"):
        raise Unusable("an event of another series", row.event_ticker)
    return EventRecord(
        event_ticker=row.event_ticker,
        series=series,
        sunday=week.sunday,
        title=wire.word(row.title)[:_LONGEST_TEXT],
        fee_type=wire.word(row.fee_type_override)[:_LONGEST_TEXT] or None,
        fee_multiplier=_maybe(multiplier, row.fee_multiplier_override),
    )


# Fees


class RestFeeChange(msgspec.Struct, frozen=True):
    """A change of a series' fees."""

    scheduled_ts: wire.Instant
    id: wire.Word = None
    series_ticker: wire.Word = None
    fee_type: wire.Word = None
    fee_multiplier: wire.Word = None


def read_fee_change(row: RestFeeChange, series: str) -> FeeChange:
    """Return a change of the series' fees, or raise `Unusable`."""
    if row.series_ticker not in (None, series):
        raise Unusable("a change of another series' fees", row.series_ticker)
    return FeeChange(
        at_ms=to_milliseconds(row.scheduled_ts),
        series=series,
        fee_type=wire.word(row.fee_type)[:_LONGEST_TEXT],
        multiplier=_maybe(multiplier, row.fee_multiplier),
        change_id=wire.word(row.id)[:_LONGEST_TEXT],
        is_reading=False,
    )


def multiplier(value: Any) -> int:
    """Return a factor in 1e-6."""
    return round(float(value) * _MILLION)
