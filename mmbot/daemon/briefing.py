"""The week in plain text: the forecast, and the value of each market."""

from __future__ import annotations

from collections.abc import Iterator

from mmbot.daemon.status_line import dollars, prediction, status_line
from mmbot.status_report import EventStatus, MarketStatus, StatusReport

_COLUMNS = "      above  belief   fair    bid    ask      held  why not quoted"


def briefing(report: StatusReport) -> str:
    """Return a text about every unsettled week: forecast, money, and a line for each market."""
    lines = [status_line(report)]
    for event in report.events:
        if not event.settled:
            lines += ["", prediction(event), _money(event), "", _COLUMNS]
            lines += _rows(event)
    return "\n".join(lines)


def _money(event: EventStatus) -> str:
    return (
        f"P&L {dollars(event.pnl_fair)} at fair value, {dollars(event.pnl_worst_if_filled)} at "
        f"worst; today {dollars(event.pnl_today_fair)}"
    )


def _rows(event: EventStatus) -> Iterator[str]:
    for market in event.markets:
        strike = "" if market.strike is None else f"{market.strike:,}"
        why = "" if market.gate is None else market.gate.gate
        yield (
            f"{strike:>11}  {_share(market.belief):>6}  {_share(market.fair):>5}  "
            f"{_quote(market, 'bid'):>5}  {_quote(market, 'ask'):>5}  {market.position:>8}  {why}"
        ).rstrip()


def _share(estimate: float | None) -> str:
    return "-" if estimate is None else f"{estimate:.2f}"


def _quote(market: MarketStatus, side: str) -> str:
    prices = [float(order.price) for order in market.quotes if order.side == side]
    return f"{prices[0]:.2f}" if prices else "-"
