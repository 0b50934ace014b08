"""The bot's state in one line: what is quoted, or the one reason why nothing is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from mmbot.status_report import EventStatus, MarketStatus, StatusReport
from mmbot.trading.gates import Gate

# A gate that stays shut for good is no news.
_OVER = frozenset({str(Gate.SETTLED), str(Gate.CLOSED)})


def status_line(report: StatusReport) -> str:
    """Return what is quoted, or why nothing is; money in dollars."""
    quoted = [market for market in _markets(report) if market.quotes]
    if not (report.quoting and quoted):
        return f"quotes nothing: {_reason(report)}"
    orders = sum(len(market.quotes) for market in quoted)
    markets = "market" if len(quoted) == 1 else "markets"
    events = "; ".join(
        f"{prediction(event)}, at worst {dollars(event.pnl_worst_if_filled)}"
        for event in report.events
        if any(market.quotes for market in event.markets)
    )
    return f"quotes {len(quoted)} {markets} by {orders} orders; {events}"


def prediction(event: EventStatus) -> str:
    """Return the forecast of a week in one line."""
    days = f"{event.days_published} of {len(event.days)} days published"
    if event.forecast is None:
        return f"{event.event}: no forecast yet, {days}"
    mean, sd = round(event.forecast.mean), round(event.forecast.sd)
    return f"{event.event}: {mean:,} {event.forecast.unit}, give or take {sd:,}; {days}"


def dollars(money: str | None) -> str:
    """Return an amount of a report, rounded to the cent."""
    if money is None:
        return "not known"
    amount = float(money)
    return f"{'-' if amount < 0 else ''}${abs(amount):,.2f}"


def _markets(report: StatusReport) -> Iterator[MarketStatus]:
    return (market for event in report.events for market in event.markets)


def _reason(report: StatusReport) -> str:
    markets = list(_markets(report))
    now = [market for market in markets if market.gate is None or market.gate.gate not in _OVER]
    gate = report.gate
    if gate is None or gate.gate in _OVER:
        if not now:
            return "every market is over" if markets else "no market is listed"
        gate = Counter(market.gate for market in now).most_common(1)[0][0]
    if gate is None:
        return "the first orders are on their way"
    shut = sum(market.gate == gate for market in now)
    many = "" if shut in {0, len(now)} else f"{shut} of {len(now)} markets: "
    detail = f": {gate.detail}" if gate.detail else ""
    return f"{many}{gate.meaning} ({gate.gate}{detail})"
