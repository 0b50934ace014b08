"""The lines of a heartbeat: a short one, and one for each market in which something changed."""

from __future__ import annotations

from typing import Any, TypeAlias

from mmbot.status_report import EventStatus, MarketStatus, StatusReport

LogLine: TypeAlias = tuple[str, dict[str, Any]]


class Heartbeat:
    """Makes the lines, and remembers the last one of each market."""

    def __init__(self) -> None:
        self._told: dict[str, tuple[object, ...]] = {}

    def lines(self, report: StatusReport) -> list[LogLine]:
        """Return the events and fields to log for a status."""
        lines = [("heartbeat", heartbeat(report))]
        for event in report.events:
            for market in event.markets:
                fields = _market(event, market)
                # Fair values move all the time; only a change of a cent is worth a line.
                fair = market.fair and round(market.fair, 2)
                seen = (fair, *(fields[name] for name in ("bid", "ask", "position", "reason")))
                if self._told.get(market.market) != seen:
                    self._told[market.market] = seen
                    lines.append(("market.status", fields))
        listed = {market.market for event in report.events for market in event.markets}
        self._told = {ticker: seen for ticker, seen in self._told.items() if ticker in listed}
        return lines


def heartbeat(report: StatusReport) -> dict[str, Any]:
    """Return the fields of a heartbeat."""
    ages, pnl = report.ages, report.pnl
    markets = [market for event in report.events for market in event.markets]
    fields = {
        "calendar": report.calendar.isoformat(timespec="seconds"),
        "streaming": report.streaming,
        "reconciled": report.reconciled,
        "halted": report.halt is not None,
        "stopping": report.stopping,
        "quoted": sum(bool(market.quotes) for market in markets),
        "markets": len(markets),
        "live_orders": report.live_orders,
        "gates": report.gates,
        "feed_age_ms": ages.stream_ms,
        "orders_age_ms": ages.orders_ms,
        "belief_age_ms": ages.belief_ms,
        "page_age_ms": ages.page_ms,
        "account_age_ms": ages.account_ms,
        "pnl_today_fair": pnl.today_fair,
        "pnl_today_worst": pnl.today_worst,
        "pnl_week_fair": pnl.week_fair,
        "pnl_week_worst": pnl.week_worst,
    }
    for name in ("problems", "unreadable", "unknown_words", "log_dropped"):
        value = getattr(report, name)
        if value:
            fields[name] = value
    return fields


def _market(event: EventStatus, market: MarketStatus) -> dict[str, Any]:
    quotes = {order.side: order.price for order in market.quotes}
    gate = market.gate
    return {
        "event_ticker": event.event,
        "market": market.market,
        "strike": market.strike,
        "fair": market.fair,
        "mid": market.mid,
        "reservation": market.reservation,
        "bid": quotes.get("bid"),
        "ask": quotes.get("ask"),
        "position": market.position,
        "reason": "" if gate is None else gate.gate,
    }
