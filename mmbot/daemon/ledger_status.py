"""The status from a ledger alone, if no daemon answers: halt, positions, P&L."""

from __future__ import annotations

import datetime as dt
import string
from collections.abc import Iterable
from pathlib import Path

from mmbot.config import Settings
from mmbot.daemon.ledger import read_halt
from mmbot.daemon.ledger_reader import TradeRecords, read_marks, read_pauses, read_records
from mmbot.status_report import EventStatus, HaltStatus, MarketStatus, PnlStatus, StatusReport
from mmbot.trading.commands import RecordSettlement
from mmbot.trading.losses import DailyLosses
from mmbot.trading.portfolio import Portfolio
from mmbot.trading.values import event_of
from mmbot.underlying.calendar import Week, from_milliseconds
from mmbot.units import (
    ONE_DOLLAR,
    Count,
    Milliseconds,
    Money,
    format_count,
    format_money,
    format_price,
    parse_money,
    total,
    value_of,
)

_NO_WEEK = Week(dt.date(2000, 1, 2))


def status_of_ledger(directory: Path, settings: Settings, now: Milliseconds) -> StatusReport:
    """Return the status from the ledger in a state directory.

    Raises:
        BadInput: There is none, or it cannot be read.
    """
    records, halt = read_records(directory), read_halt(directory)
    at = from_milliseconds(now)
    losses = DailyLosses()
    losses.restore(read_marks(directory))
    events = tuple(
        _event(event, records, losses.start(at.date(), event))
        for event in sorted(_open_events(records, Week.of(at.date())), key=_week)
    )
    return StatusReport(
        running=False,
        at=now,
        calendar=at,
        mode=settings.mode,
        pnl=_pnl(events, Week.of(at.date()), at.date()),
        directory=str(directory),
        series=settings.exchange.series,
        halt=None if halt is None else HaltStatus(halt.since, halt.reason),
        paused=read_pauses(directory),
        events=events,
    )


def _open_events(records: TradeRecords, running: Week) -> set[str]:
    """Return the events with a fill and without final settlements, and that of this week."""
    final = {each.ticker: each.final for each in records.settlements}
    return {
        event
        for each in records.fills
        if (event := event_of(each.fill.ticker))
        and (not final.get(each.fill.ticker, False) or _week(event) == running)
    }


def _week(event: str) -> Week:
    try:
        return Week.from_event_ticker(event)
    except ValueError:
        # An event of no week is shown before all others.
        return _NO_WEEK


def _event(event: str, records: TradeRecords, start: Money) -> EventStatus:
    fills = [each.fill for each in records.fills if event_of(each.fill.ticker) == event]
    paid = {each.ticker: each for each in records.settlements}
    portfolio = Portfolio(tuple(sorted({fill.ticker for fill in fills}, key=_strike)))
    for fill in fills:
        portfolio.book(fill)
    markets = tuple(_market(ticker, portfolio, paid) for ticker in portfolio.tickers)
    settled = all(market.settled for market in markets)
    fair = [market.pnl_fair for market in markets if market.pnl_fair is not None]
    known = len(fair) == len(markets)
    marked = total(map(parse_money, fair))
    worst = marked if settled else min(portfolio.wealth())
    return EventStatus(
        event=event,
        week=_week(event).sunday,
        cash=format_money(portfolio.cash),
        pnl_fair=format_money(marked) if known else None,
        pnl_worst=format_money(worst),
        pnl_worst_if_filled=format_money(worst),
        pnl_today_fair=format_money(Money(marked - start)) if known else None,
        pnl_today_worst=format_money(Money(worst - start)),
        markets=markets,
        settled=settled,
    )


def _strike(ticker: str) -> tuple[float, str]:
    """Return the number at the end of a market's ticker, such as 2.45 for `A2.45`."""
    try:
        return float(ticker.rpartition("-")[2].lstrip(string.ascii_letters)), ticker
    except ValueError:
        return 0.0, ticker


def _market(ticker: str, portfolio: Portfolio, paid: dict[str, RecordSettlement]) -> MarketStatus:
    position, cash = portfolio.position(ticker), portfolio.cash_of(ticker)
    settlement = paid.get(ticker)
    if settlement is not None:
        value, worst = settlement.value, Money(cash + settlement.payout)
    else:
        value, worst = None, Money(cash + value_of(Count(min(0, position)), ONE_DOLLAR))
    fair = worst if settlement is not None or not position else None
    return MarketStatus(
        market=ticker,
        position=format_count(position),
        cash=format_money(cash),
        pnl_fair=None if fair is None else format_money(fair),
        pnl_worst=format_money(worst),
        result=None if value is None else format_price(value),
        settled=settlement is not None,
    )


def _pnl(events: Iterable[EventStatus], running: Week, day: dt.date) -> PnlStatus:
    listed = tuple(events)
    in_week = [each for each in listed if each.week == running.sunday]
    week = next(iter(in_week or listed[-1:]), None)
    nothing = format_money(Money(0))
    return PnlStatus(
        day=day,
        today_fair=_sum(each.pnl_today_fair for each in listed),
        today_worst=_sum(each.pnl_today_worst for each in listed) or nothing,
        week=week.event if week else "",
        week_fair=week.pnl_fair if week else nothing,
        week_worst=week.pnl_worst if week else nothing,
        total_fair=_sum(each.pnl_fair for each in listed),
        total_worst=_sum(each.pnl_worst for each in listed) or nothing,
    )


def _sum(amounts: Iterable[str | None]) -> str | None:
    """Return the sum, or `None` if an amount is not known."""
    listed = list(amounts)
    known = [parse_money(amount) for amount in listed if amount is not None]
    return format_money(total(known)) if len(known) == len(listed) else None
