"""P&L of a market, an event and the account: at fair, at worst, and today's."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping

import msgspec

from mmbot.status_report import PnlStatus
from mmbot.trading.event_state import EventState
from mmbot.trading.market_state import MarketState
from mmbot.trading.portfolio import Portfolio
from mmbot.trading.state import TradingState
from mmbot.underlying.calendar import Week
from mmbot.units import (
    ONE_DOLLAR,
    Count,
    Milliseconds,
    Money,
    format_money,
    total,
    value_of,
)


class Pnl(msgspec.Struct, frozen=True):
    """P&L with positions at fair value and in the worst outcome.

    `fair` is `None` while a position cannot be valued.
    """

    fair: Money | None
    worst: Money


class EventPnl(msgspec.Struct, frozen=True):
    """The P&L of an event, and its P&L at the start of the day.

    `held` is the P&L in each outcome, `filled` the same with every order filled where that hurts.
    """

    fair: Money | None
    worst: Money
    worst_if_filled: Money
    start: Money
    held: tuple[Money, ...]
    filled: tuple[Money, ...]

    @property
    def today_fair(self) -> Money | None:
        """Today's P&L at fair."""
        return None if self.fair is None else Money(self.fair - self.start)

    @property
    def today_worst(self) -> Money:
        """Today's P&L, if the worst outcome came true."""
        return Money(self.worst - self.start)


def market_pnl(portfolio: Portfolio, market: MarketState) -> Pnl:
    """Return the P&L of one market; once it is settled its payout counts."""
    cash, position = portfolio.cash_of(market.ticker), portfolio.position(market.ticker)
    if market.settled is not None:
        paid = Money(cash + value_of(position, market.settled))
        return Pnl(paid, paid)
    # A short position pays a dollar where YES does.
    worst = Money(cash + value_of(Count(min(0, position)), ONE_DOLLAR))
    if not position:
        return Pnl(cash, cash)
    if market.fair is None:
        return Pnl(None, worst)
    return Pnl(Money(cash + round(position * market.fair * ONE_DOLLAR)), worst)


def event_pnl(state: TradingState, event_state: EventState, now: Milliseconds) -> EventPnl:
    """Return the P&L of one event at `now`."""
    fair, portfolio = event_state.marked_pnl(), event_state.portfolio
    start = state.losses.start(state.clock.at(now).date(), event_state.ticker)
    held = tuple(portfolio.wealth())
    filled = tuple(portfolio.wealth(state.exposures(event_state)))
    if event_state.settled and fair is not None:
        return EventPnl(fair, fair, fair, start, held, filled)
    return EventPnl(fair, min(held), min(filled), start, held, filled)


def account_pnl(events: Mapping[EventState, EventPnl], day: dt.date) -> PnlStatus:
    """Return the P&L over all events, and that of the week of `day`, or else of the latest."""
    running = [each for each in events if each.week == Week.of(day)]
    latest = sorted(events, key=lambda each: each.week)[-1:]
    week = next(iter(running or latest), None)
    of_week = events[week] if week else None
    every = tuple(events.values())
    return PnlStatus(
        day=day,
        today_fair=_sum(pnl.today_fair for pnl in every),
        today_worst=format_money(total(pnl.today_worst for pnl in every)),
        week=week.ticker if week else "",
        week_fair=_sum([of_week.fair] if of_week else []),
        week_worst=format_money(of_week.worst if of_week else Money(0)),
        total_fair=_sum(pnl.fair for pnl in every),
        total_worst=format_money(total(pnl.worst for pnl in every)),
    )


def _sum(amounts: Iterable[Money | None]) -> str | None:
    """Return the sum of some amounts, or `None` if one of them is not known."""
    listed = list(amounts)
    known = [amount for amount in listed if amount is not None]
    return format_money(total(known)) if len(known) == len(listed) else None
