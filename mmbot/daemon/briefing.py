"""The week on a page of plain text: the prediction, and what each market is worth."""

from __future__ import annotations

from collections.abc import Iterator

from mmbot.daemon.status_line import status_line
from mmbot.trading.state import EventState, MarketState, TradingState
from mmbot.units import MONEY_PER_DOLLAR, ONE_CONTRACT, ONE_DOLLAR, Milliseconds, Money

_COLUMNS = f"{'above':>11}  {'fair':>5}  {'bid':>5}  {'ask':>5}  {'held':>8}  why not quoted"


def prediction(event: EventState) -> str:
    """Return the forecast of a week in one line."""
    days = f"{event.days_published} of {len(event.week.days)} days published"
    if event.belief is None:
        return f"{event.ticker}: no forecast yet, {days}"
    mean, sd = round(event.belief.mean), round(event.belief.sd)
    return f"{event.ticker}: {mean:,} passengers a day, give or take {sd:,}; {days}"


def briefing(state: TradingState, now: Milliseconds) -> str:
    """Return every week that is traded: forecast, money, and a line for each market."""
    lines = [status_line(state)]
    for event in state.events.values():
        lines += ["", prediction(event), _money(state, event, now), "", _COLUMNS]
        lines += _rows(state, event)
    return "\n".join(lines)


def _money(state: TradingState, event: EventState, now: Milliseconds) -> str:
    pnl = event.marked_pnl()
    at_fair = "not known" if pnl is None else _dollars(pnl)
    worst = _dollars(Money(min(event.portfolio.wealth(state.exposures(event)))))
    today = _dollars(Money(-state.losses.loss(state.clock.at(now).date())))
    return f"P&L {at_fair} at fair value, {worst} at worst; today {today}"


def _rows(state: TradingState, event: EventState) -> Iterator[str]:
    for ticker, market in event.markets.items():
        own = {order.side: order.price / ONE_DOLLAR for order in state.orders.of(ticker)}
        bid, ask = (f"{own[s]:.2f}" if s in own else "-" for s in ("bid", "ask"))
        held = f"{event.portfolio.position(ticker) / ONE_CONTRACT:.2f}"
        strike = f"{market.terms.strike:,}"
        yield f"{strike:>11}  {_fair(market):>5}  {bid:>5}  {ask:>5}  {held:>8}  {_why(market)}"


def _fair(market: MarketState) -> str:
    return "-" if market.fair is None else f"{market.fair:.2f}"


def _why(market: MarketState) -> str:
    return "" if market.shut_gate is None else str(market.shut_gate.gate)


def _dollars(money: Money) -> str:
    sign = "-" if money < 0 else ""
    return f"{sign}${abs(money) / MONEY_PER_DOLLAR:,.2f}"
