"""Fees in the exchange's messages, as terms and changes of terms.

Terms that cannot be read are no known fee: a kind that is no text becomes `not_stated`, and a
multiplier that is no number, or out of bounds, becomes negative. A change whose time cannot be read
may apply already.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from decimal import ROUND_CEILING, Decimal
from typing import Any, Final

import msgspec

from mmbot.kalshi import messages as wire
from mmbot.trading.fees import MOST_MULTIPLIER, ONE_TIME, UNREADABLE_MULTIPLIER, FeeChange, FeeTerms
from mmbot.trading.values import ListedEvent
from mmbot.underlying.calendar import to_milliseconds
from mmbot.units import Milliseconds

# Stands for a kind of fee that is no text; a kind that is shown is cut to this length.
_NO_WORD: Final = "not_stated"
_LONGEST_KIND: Final = 60
_UNKNOWN: Final = FeeTerms(_NO_WORD)


def fee_terms(kind: wire.Word, multiplier: wire.Word) -> FeeTerms:
    """Return the terms; `None` means not stated."""
    stated = None if kind is None else (wire.word(kind) or _NO_WORD)[:_LONGEST_KIND]
    return FeeTerms(stated, None if multiplier is None else _millionths(multiplier))


def series_terms(kind: wire.Word, multiplier: wire.Word) -> FeeTerms:
    """Return the terms of a series, which must state a kind."""
    return fee_terms(_NO_WORD if kind is None else kind, multiplier)


def _millionths(multiplier: wire.Word) -> int:
    if not isinstance(multiplier, str | int | float) or isinstance(multiplier, bool):
        return UNREADABLE_MULTIPLIER
    try:
        scaled = Decimal(str(multiplier)) * ONE_TIME
        within = 0 <= scaled <= MOST_MULTIPLIER
    except ArithmeticError:
        return UNREADABLE_MULTIPLIER
    return int(scaled.to_integral_value(ROUND_CEILING)) if within else UNREADABLE_MULTIPLIER


class _SeriesChange(msgspec.Struct, frozen=True):
    series_ticker: wire.Word = None
    fee_type: wire.Word = None
    fee_multiplier: wire.Word = None
    scheduled_ts: wire.Word = None


def series_changes(rows: Iterable[Any], series: str) -> tuple[FeeChange, ...]:
    """Return a series' changes among the rows of `/series/fee_changes`."""
    changes = []
    for row in rows:
        if isinstance(row, dict) and row.get("series_ticker") == series:
            change = wire.convert(row, _SeriesChange)
            terms = series_terms(change.fee_type, change.fee_multiplier)
            changes.append(FeeChange(_instant(change.scheduled_ts), terms))
    return tuple(changes)


class _EventChange(msgspec.Struct, frozen=True):
    event_ticker: wire.Word = None
    fee_type_override: wire.Word = None
    fee_multiplier_override: wire.Word = None
    scheduled_ts: wire.Word = None


def event_changes(rows: Iterable[Any], series: str) -> dict[str, tuple[FeeChange, ...]]:
    """Return each event's changes among the rows of `/events/fee_changes`.

    A change in the series whose event cannot be read is under "", as it may be any event's.
    """
    found: dict[str, tuple[FeeChange, ...]] = {}
    for row in rows:
        if not isinstance(row, dict):
            continue
        change = wire.convert(row, _EventChange)
        ours = wire.is_ours(change.event_ticker, f"{series}-")
        if not ours and row.get("series_ticker") != series:
            continue
        terms = fee_terms(change.fee_type_override, change.fee_multiplier_override)
        made = FeeChange(_instant(change.scheduled_ts), terms if ours else _UNKNOWN)
        event = change.event_ticker if ours else ""
        found[event] = (*found.get(event, ()), made)
    return found


def with_changes(
    event: ListedEvent, changes: Iterable[FeeChange], now: Milliseconds
) -> ListedEvent:
    """Return an event with the fee changes that may still matter.

    Its row may omit what the latest change has set, and either may be an old cached copy.
    """
    listed = sorted(changes, key=lambda change: change.at)
    undated = [change for change in listed if not change.at]
    past = [change for change in listed if 0 < change.at <= now]
    stated = event.fee
    if past and stated == FeeTerms():
        stated = past[-1].terms
    beside = [change for change in past[-1:] if change.terms != stated]
    to_come = (change for change in listed if change.at > now)
    return msgspec.structs.replace(event, fee=stated, fee_changes=(*undated, *beside, *to_come))


def _instant(stated: wire.Word) -> Milliseconds:
    with contextlib.suppress(wire.Malformed):
        return max(0, to_milliseconds(wire.convert({"at": stated}, _At).at))
    return 0


class _At(msgspec.Struct, frozen=True):
    at: wire.Instant
