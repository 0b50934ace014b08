from __future__ import annotations

import datetime as dt

import pytest

from mmbot.exchange.accounts import Account
from mmbot.exchange.facts import AccountFilled
from mmbot.exchange.timetable import Release
from mmbot.faultlab.pnl_by_window import PnlByWindow, PnlTotals, pnl_by_window
from mmbot.trading.values import Side
from mmbot.underlying.calendar import EASTERN, Week, to_milliseconds
from mmbot.units import Count, Money, Price

WEEK = Week(dt.date(2026, 4, 19))
TICKER = "KXTSAW-26APR19-A2.45"
WORTHLESS = {TICKER: Price(0)}
GATE = dt.time(6, 55)
RELEASE = Release(dt.datetime(2026, 4, 14, 8, 30, tzinfo=EASTERN), (WEEK.monday,))
OF_LAST_WEEK = Release(
    dt.datetime(2026, 4, 13, 8, 30, tzinfo=EASTERN), (WEEK.monday - dt.timedelta(days=1),)
)


def ms(hour: int, minute: int, day: int = 14) -> int:
    return to_milliseconds(dt.datetime(2026, 4, day, hour, minute, tzinfo=EASTERN))


def fill(side: Side, price: int, at: int, fee: int = 0) -> AccountFilled:
    return AccountFilled(
        trade_id=f"{at}",
        account=Account("member"),
        order_id="order",
        client_order_id="mmbot-1-1",
        ticker=TICKER,
        side=side,
        price=Price(price),
        count=Count(200),
        is_taker=False,
        fee=Money(fee),
        post_position=Count(0),
        at=at,
    )


def totals(fills: int, contracts: int, pnl: int) -> PnlTotals:
    return PnlTotals(fills, Count(contracts), Money(pnl))


@pytest.mark.parametrize(
    ("side", "value", "pnl"),
    [("bid", 10_000, 1_199_500), ("bid", 0, -800_500), ("ask", 0, 799_500)],
)
def test_a_fill_is_worth_its_settled_value_less_price_and_fee(
    side: Side, value: int, pnl: int
) -> None:
    earned = pnl_by_window(
        [fill(side, 4_000, ms(12, 0), fee=500)], {TICKER: Price(value)}, [RELEASE], GATE
    )
    assert earned.apart == totals(1, 200, pnl)


@pytest.mark.parametrize(
    ("at", "when"),
    [
        (ms(6, 54), "apart"),
        (ms(6, 55), "awaited"),
        (ms(8, 29), "awaited"),
        (ms(8, 30), "news"),
        (ms(8, 59), "news"),
        (ms(9, 0), "apart"),
        (ms(8, 30, day=13), "apart"),
    ],
)
def test_fills_are_told_apart_by_when_they_happened(at: int, when: str) -> None:
    fills = [fill("bid", 4_000, at)]
    earned = pnl_by_window(fills, WORTHLESS, [RELEASE, OF_LAST_WEEK], GATE)
    assert getattr(earned, when).fills == earned.total.fills == 1


def test_a_count_that_is_out_before_the_gate_is_news_at_once() -> None:
    early = Release(dt.datetime(2026, 4, 14, 6, 40, tzinfo=EASTERN), (WEEK.monday,))
    at = [ms(6, 41), ms(6, 56), ms(7, 10)]
    earned = pnl_by_window([fill("bid", 4_000, each) for each in at], WORTHLESS, [early], GATE)
    assert (earned.awaited.fills, earned.news.fills, earned.apart.fills) == (0, 2, 1)


def test_what_was_earned_adds_up() -> None:
    one = PnlByWindow(totals(1, 100, 5), totals(2, 300, -7), totals(4, 400, 1))
    assert one + one == PnlByWindow(totals(2, 200, 10), totals(4, 600, -14), totals(8, 800, 2))
    assert one.total == totals(7, 800, -1)
