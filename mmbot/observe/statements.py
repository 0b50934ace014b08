"""Fills and settlements as an account statement shows them: one row each, for the tax return.

Cash is what the account's balance gained or lost. YES is bought at its price and NO at a dollar
less that; where a fill closes a position on the other side, each pair pays a dollar back. So the
cash of all rows of a settled market adds up to its P&L. Times are New York's, with their
offset; that of a settlement is when it was heard of.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from mmbot.trading.commands import RecordFill, RecordSettlement
from mmbot.tsa.calendar import EASTERN, from_milliseconds
from mmbot.units import (
    ONE_DOLLAR,
    Count,
    Money,
    format_count,
    format_money,
    format_price,
)

FILL_COLUMNS = (
    "time", "time_zone", "ticker", "trade_id", "order_id", "side", "price", "count", "fee", "cash",
)  # fmt: skip
SETTLEMENT_COLUMNS = (
    "time", "time_zone", "ticker", "result", "position", "paid", "cash", "kind",
)  # fmt: skip


def fill_rows(fills: Iterable[RecordFill]) -> Iterator[tuple[str, ...]]:
    """Yield a row a fill, given all of them in the order of their times."""
    positions: dict[str, Count] = defaultdict(int)
    for booked in fills:
        fill = booked.fill
        before = positions[fill.ticker]
        positions[fill.ticker] = after = before + fill.signed_count
        yield (
            *_time(fill.at),
            fill.ticker,
            fill.trade_id,
            fill.order_id,
            "YES bought" if fill.side == "bid" else "YES sold",
            format_price(fill.price),
            format_count(fill.count),
            format_money(fill.fee),
            format_money(fill.cash - _pledged(after) + _pledged(before)),
        )


def settlement_rows(settlements: Iterable[RecordSettlement]) -> Iterator[tuple[str, ...]]:
    """Yield a row a settlement, given all of them in the order of booking.

    Where one amends another, its cash is the difference. Markets in which nothing was held at the
    end paid nothing and have no row.
    """
    paid: dict[str, Money] = {}
    for each in settlements:
        if not each.position and each.ticker not in paid:
            continue
        pays = each.payout + _pledged(each.position)
        yield (
            *_time(each.at),
            each.ticker,
            {ONE_DOLLAR: "yes", 0: "no"}.get(each.value, format_price(each.value)),
            format_count(each.position),
            format_money(pays),
            format_money(pays - paid.get(each.ticker, 0)),
            "amendment" if each.ticker in paid else "settlement",
        )
        paid[each.ticker] = pays


def _pledged(position: Count) -> Money:
    """Return what was paid in beside the price received, to be able to pay if YES wins."""
    return max(0, -position) * ONE_DOLLAR


def _time(at: int) -> tuple[str, str]:
    # Settlements booked by earlier versions have no time.
    return (from_milliseconds(at).isoformat(timespec="milliseconds") if at else "", EASTERN.key)
