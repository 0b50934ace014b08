"""Account statements for the tax return: one row for each fill and each settlement.

Cash is the change of the account's balance. YES is bought at its price and NO at a dollar less
that; where a fill closes a position on the other side, each YES-NO pair pays a dollar back. The
cash of all rows of a settled market therefore adds up to its P&L. Times are New York's, with their
offset; that of a settlement is when it was received.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from mmbot.trading.commands import RecordFill, RecordSettlement
from mmbot.underlying.calendar import EASTERN, from_milliseconds
from mmbot.units import (
    ONE_DOLLAR,
    Count,
    Milliseconds,
    Money,
    Price,
    format_count,
    format_money,
    format_price,
    value_of,
)

FILL_COLUMNS = (
    "time", "time_zone", "ticker", "trade_id", "order_id", "side", "price", "count", "fee", "cash",
)  # fmt: skip
SETTLEMENT_COLUMNS = (
    "time", "time_zone", "ticker", "result", "position", "paid", "cash", "kind",
)  # fmt: skip


def fill_rows(fills: Iterable[RecordFill]) -> Iterator[tuple[str, ...]]:
    """Yield one row for each fill, given all fills in the order of their times."""
    positions: dict[str, Count] = defaultdict(lambda: Count(0))
    for record in fills:
        fill = record.fill
        before = positions[fill.ticker]
        positions[fill.ticker] = after = Count(before + fill.signed_count)
        cash = Money(fill.cash - _no_collateral(after) + _no_collateral(before))
        yield (
            *_time(fill.at),
            fill.ticker,
            fill.trade_id,
            fill.order_id,
            "YES bought" if fill.side == "bid" else "YES sold",
            format_price(fill.price),
            format_count(fill.count),
            format_money(fill.fee),
            format_money(cash),
        )


def settlement_rows(settlements: Iterable[RecordSettlement]) -> Iterator[tuple[str, ...]]:
    """Yield one row for each settlement, given all settlements in the order of booking.

    The cash of an amendment is the difference to the settlement before. Markets without a position
    at the end have no row.
    """
    paid: dict[str, Money] = {}
    for each in settlements:
        if not each.position and each.ticker not in paid:
            continue
        pays = Money(each.payout + _no_collateral(each.position))
        difference = Money(pays - paid.get(each.ticker, Money(0)))
        yield (
            *_time(each.at),
            each.ticker,
            _result(each.value),
            format_count(each.position),
            format_money(pays),
            format_money(difference),
            "amendment" if each.ticker in paid else "settlement",
        )
        paid[each.ticker] = pays


def _result(value: Price) -> str:
    if value == ONE_DOLLAR:
        return "yes"
    return format_price(value) if value else "no"


def _no_collateral(position: Count) -> Money:
    """Return the dollar a contract that a short YES position, held as NO, ties up."""
    return value_of(Count(max(0, -position)), ONE_DOLLAR)


def _time(at: Milliseconds) -> tuple[str, str]:
    # Settlements recorded by earlier versions have no time.
    return (from_milliseconds(at).isoformat(timespec="milliseconds") if at else "", EASTERN.key)
