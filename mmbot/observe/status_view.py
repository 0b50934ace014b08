"""A status as text for a terminal of 80 columns."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from itertools import groupby

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from mmbot.status_report import (
    Ages,
    BookLevel,
    EventStatus,
    LatencyStatus,
    LimitStatus,
    MarketStatus,
    OwnOrder,
    PnlStatus,
    ShownGate,
    StatusReport,
)
from mmbot.underlying.calendar import EASTERN, from_milliseconds
from mmbot.units import Milliseconds

# Gates of markets that need no row of their own.
_HIDDEN = frozenset({"fair_extreme", "settled", "closed"})
_LIMIT_NAMES = {
    "daily_loss_dollars": "daily loss",
    "event_loss_dollars": "loss of the week",
    "contracts_per_market": "position",
    "contracts_per_15_seconds": "fills in 15 s",
    "orders": "orders",
}


def status_view(report: StatusReport) -> RenderableType:
    """Return a status as text and tables; events that are settled are left out."""
    parts: list[RenderableType] = [*_head(report), *_figures(report)]
    for event in report.events:
        if not event.settled:
            parts += _event(event)
    if not any(not event.settled for event in report.events):
        parts.append(Text("No event is open." if report.running else "No position is open."))
    return Group(*parts)


# The session


def _head(report: StatusReport) -> Iterator[Text]:
    now = report.calendar.astimezone(EASTERN)
    state, style = _state(report)
    yield Text.assemble(
        (f"mmbot {report.mode}", "bold"), "  ", (state, style), f"  {now:%a %Y-%m-%d %H:%M:%S %Z}"
    )
    if report.since is not None:
        age = duration(report.at - report.since)
        yield Text(
            f"session {report.session}, for {age}, process {report.process}, at {report.exchange}"
        )
    if report.halt is not None:
        reason = f": {report.halt.reason}" if report.halt.reason else ""
        yield Text(f"halted since {_instant(report.halt.since)}{reason}", style="bold red")
    if report.gate is not None and not report.halt:
        yield Text(f"{_gate_name(report.gate)}: {report.gate.meaning}", style="yellow")
    if report.paused:
        yield Text(f"paused by the operator: {', '.join(report.paused)}", style="yellow")
    for problem in report.problems:
        yield Text(problem, style="bold red")


def _state(report: StatusReport) -> tuple[str, str]:
    if not report.running:
        return "NOT RUNNING", "bold red"
    if report.halt is not None:
        return "HALTED", "bold red"
    if not report.quoting:
        return "NOT QUOTING", "bold yellow"
    markets = [market for event in report.events for market in event.markets]
    quoted = sum(bool(market.quotes) for market in markets)
    return f"QUOTING {quoted} of {len(markets)} markets", "bold green"


def _figures(report: StatusReport) -> Iterator[RenderableType]:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    if report.running:
        table.add_row("ages", _ages(report.ages))
    if report.latency is not None:
        table.add_row("quick", _latency(report.latency))
    table.add_row("P&L", _pnl(report.pnl))
    if report.limits:
        table.add_row("left", "; ".join(map(_limit, _with_left(report.limits))))
    if report.cash is not None:
        table.add_row(
            "cash", f"{_dollars(report.cash)} before open events; {report.live_orders} orders live"
        )
    if report.unreadable:
        table.add_row("unreadable", ", ".join(report.unreadable))
    yield table


def _with_left(limits: tuple[LimitStatus, ...]) -> list[LimitStatus]:
    return [each for each in limits if each.left is not None]


def _limit(limit: LimitStatus) -> str:
    scope = f" in {limit.scope.rpartition('-')[2]}" if limit.unit == "contracts" else ""
    left, most = limit.left or "", limit.most
    if limit.unit == "dollars":
        return f"{_LIMIT_NAMES[limit.limit]} {_dollars(left)} of {_dollars(most)}"
    return f"{_LIMIT_NAMES[limit.limit]} {float(left):g} of {float(most):g}{scope}"


def _ages(ages: Ages) -> str:
    named = {
        "stream": ages.stream_ms,
        "own orders": ages.orders_ms,
        "forecast": ages.belief_ms,
        "page": ages.page_ms,
        "account": ages.account_ms,
    }
    return ", ".join(
        f"{name} {'never' if age is None else duration(age)}" for name, age in named.items()
    )


def _latency(latency: LatencyStatus) -> str:
    """Return medians and 99th percentiles."""
    order, age, lag = latency.order_us, latency.age_ms, latency.lag_ms
    risk = latency.risk_cent_seconds
    parts = {
        "order": order
        and f"{order.p50 / 1000:.2f} ms after its frame (p99 {order.p99 / 1000:.2f})",
        "data": age and f"{age.p50:.0f} ms old (p99 {age.p99:.0f})",
        "loop": lag and f"{lag.p50:.1f} ms late (p99 {lag.p99:.1f})",
        "a count": risk and f"left {risk.p50:.1f} cent seconds at risk (p99 {risk.p99:.1f})",
    }
    told = [f"{name} {figures}" for name, figures in parts.items() if figures]
    return ", ".join(told) or "nothing measured yet"


def _pnl(pnl: PnlStatus) -> str:
    today = f"today {signed(pnl.today_fair)} (at worst {signed(pnl.today_worst)})"
    week = f"week {signed(pnl.week_fair)} (at worst {signed(pnl.week_worst)})"
    total = f"all {signed(pnl.total_fair)}"
    return ", ".join([today, *([week] if pnl.week else []), total])


# An event


def _event(event: EventStatus) -> Iterator[RenderableType]:
    yield Text("")
    yield Text.assemble(
        (event.event, "bold"),
        f"  week to {event.week:%a %Y-%m-%d}",
        f", {event.days_published} of 7 published" if event.days else "",
        ", only reducing" if event.reduce_only else "",
    )
    published = [each for each in event.days if each.count is not None]
    if published:
        yield Text("  ".join(f"{each.day:%a} {each.count:,}" for each in published), style="dim")
    if event.forecast is not None:
        yield _forecast(event)
    shown = [market for market in event.markets if _has_something(market)]
    if shown:
        yield _markets(shown)
    yield from _gates(event.markets)


def _forecast(event: EventStatus) -> Text:
    forecast = event.forecast
    if forecast is None:
        return Text("")
    members = ", ".join(f"{m.method} {m.weight:.0%} {m.mean:,.0f}" for m in forecast.members)
    text = f"forecast {forecast.mean:,.0f} give or take {forecast.sd:,.0f}"
    return Text(f"{text} ({members})" if members else text)


def _has_something(market: MarketStatus) -> bool:
    """Return whether a market is traded, was traded, or could be."""
    could_be = market.fair is not None and not (market.gate and market.gate.gate in _HIDDEN)
    return bool(market.quotes) or float(market.cash) != 0 or could_be


def _markets(markets: list[MarketStatus]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False, pad_edge=False)
    for heading in ("", "fair", "book bid", "ask", "own bid", "ask", "held", "P&L", "at worst"):
        table.add_column(heading, justify="right", no_wrap=True)
    for market in markets:
        table.add_row(
            _short(market.market),
            "" if market.fair is None else f"{market.fair:.3f}",
            _level(market.book_bid),
            _level(market.book_ask),
            _quotes(market, "bid"),
            _quotes(market, "ask"),
            f"{float(market.position):+g}" if float(market.position) else "",
            _of_position(market, market.pnl_fair),
            _of_position(market, market.pnl_worst),
        )
    return table


def _of_position(market: MarketStatus, pnl: str | None) -> str:
    """Return the P&L of a market that has traded."""
    return signed(pnl) if float(market.position) or float(market.cash) else ""


def _gates(markets: tuple[MarketStatus, ...]) -> Iterator[Text]:
    """Yield each gate that is shut once, with its markets and its meaning."""
    names: dict[ShownGate, list[str]] = {}
    for gate, run in groupby(markets, key=lambda market: market.gate):
        if gate is not None:
            names.setdefault(gate, []).append(_run([*run]))
    for gate, runs in names.items():
        yield Text.assemble((" ".join(runs), "bold"), f" {_gate_name(gate)}: {gate.meaning}")


def _run(markets: list[MarketStatus]) -> str:
    """Return neighbouring markets as a range."""
    first, last = _short(markets[0].market), _short(markets[-1].market)
    return first if len(markets) == 1 else f"{first}..{last}"


def _gate_name(gate: ShownGate) -> str:
    return f"{gate.gate} ({gate.detail})" if gate.detail else gate.gate


def _short(ticker: str) -> str:
    return ticker.rpartition("-")[2]


def _level(level: BookLevel | None) -> str:
    return "" if level is None else f"{_count(level.count)}@{price(level.price)}"


def _quotes(market: MarketStatus, side: str) -> Text:
    orders = [each for each in market.quotes if each.side == side and float(each.count)]
    return Text("\n").join(map(_order, orders))


def _order(order: OwnOrder) -> Text:
    style = "green" if order.state == "resting" else "yellow"
    return Text(f"{_count(order.count)}@{price(order.price)}", style=style)


# Figures


def _count(count: str) -> str:
    contracts = float(count)
    if contracts >= 10_000:
        return f"{contracts / 1000:.3g}k"
    return f"{contracts:.0f}" if contracts >= 100 else f"{contracts:g}"


def price(dollars: str) -> str:
    """Return a price with at least two decimals, such as .56 or .565."""
    return dollars.rstrip("0").ljust(4, "0").removeprefix("0")


def _dollars(amount: str) -> str:
    return f"{float(amount):,.2f}"


def signed(amount: str | None) -> str:
    """Return an amount with its sign in cents, or a question mark if it is not known."""
    return "?" if amount is None else f"{float(amount):+,.2f}"


def _instant(at: Milliseconds) -> str:
    return f"{from_milliseconds(at):%a %Y-%m-%d %H:%M:%S %Z}"


def duration(milliseconds: Milliseconds) -> str:
    """Return a duration in its greatest unit, such as `0.2 s` or `3 min`."""
    seconds = milliseconds / 1000
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    for unit, length in (("min", dt.timedelta(hours=1)), ("h", dt.timedelta(days=2))):
        if seconds < length.total_seconds():
            return f"{seconds / (60 if unit == 'min' else 3600):.0f} {unit}"
    return f"{seconds / 86_400:.0f} days"
