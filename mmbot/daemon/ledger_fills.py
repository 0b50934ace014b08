"""A ledger's fills with their markouts, as commands show them."""

from __future__ import annotations

from pathlib import Path

from mmbot.daemon.ledger_reader import TradeRecords, read_records
from mmbot.daemon_api import FillsReport
from mmbot.status_report import ShownFill, ShownMarkout
from mmbot.trading.commands import Markout, RecordFill
from mmbot.units import Milliseconds, format_count, format_money, format_price


def list_fills(
    directory: Path, event: str, most: int, now: Milliseconds, *, running: bool
) -> FillsReport:
    """Return the latest fills in the ledger of a state directory.

    Args:
        directory: The state directory.
        event: The event of the fills; all if empty.
        most: The largest number of fills to return.
        now: The time.
        running: Whether a daemon answers.

    Raises:
        BadInput: There is no ledger, or it cannot be read.
    """
    records = read_records(directory, event)
    shown = shown_fills(records, most)
    return FillsReport(running, now, shown, len(records.fills) - len(shown))


def shown_fills(records: TradeRecords, most: int) -> tuple[ShownFill, ...]:
    """Return the latest fills, with their markouts."""
    markouts: dict[tuple[str, str], dict[str, ShownMarkout]] = {}
    for markout in records.markouts:
        of_fill = markouts.setdefault((markout.trade_id, markout.order_id), {})
        of_fill[markout.horizon] = _markout(markout)
    return tuple(_fill(each, markouts.get(each.fill.key, {})) for each in records.fills[-most:])


def _fill(record: RecordFill, markouts: dict[str, ShownMarkout]) -> ShownFill:
    fill, view = record.fill, record.view
    return ShownFill(
        trade_id=fill.trade_id,
        order_id=fill.order_id,
        market=fill.ticker,
        side=fill.side,
        price=format_price(fill.price),
        count=format_count(fill.count),
        fee=format_money(fill.fee),
        at=fill.at,
        days_published=record.days_published,
        belief=_rounded(view.belief),
        mid=_rounded(view.mid),
        fair=_rounded(view.fair),
        confirmed=record.confirmed,
        markouts=markouts,
    )


def _markout(markout: Markout) -> ShownMarkout:
    view = markout.view
    return ShownMarkout(markout.at, _rounded(view.belief), _rounded(view.mid), _rounded(view.fair))


def _rounded(dollars: float | None) -> float | None:
    return None if dollars is None else round(dollars, 4)
