from __future__ import annotations

import datetime as dt

import pytest
from mmbot.simulator.facts import Filled
from mmbot.simulator.ledger import Account
from mmbot.simulator.tally import Earned, Tally, release_spans, tally
from mmbot.simulator.timetable import Release
from mmbot.tsa.calendar import EASTERN, Week, to_milliseconds

WEEK = Week(dt.date(2026, 4, 19))
TICKER = "KXTSAW-26APR19-A2.45"
GATE = dt.time(6, 55)
RELEASE = Release(dt.datetime(2026, 4, 14, 8, 30, tzinfo=EASTERN), (WEEK.monday,))
OF_LAST_WEEK = Release(
    dt.datetime(2026, 4, 13, 8, 30, tzinfo=EASTERN), (WEEK.monday - dt.timedelta(days=1),)
)


def ms(hour: int, minute: int, day: int = 14) -> int:
    return to_milliseconds(dt.datetime(2026, 4, day, hour, minute, tzinfo=EASTERN))


def fill(side: str, price: int, at: int, fee: int = 0) -> Filled:
    return Filled(
        trade_id=f"{at}",
        account=Account("member"),
        order_id="order",
        client_order_id="mmbot-1-1",
        ticker=TICKER,
        side=side,  # type: ignore[arg-type]
        price=price,
        count=200,
        is_taker=False,
        fee=fee,
        post_position=0,
        at=at,
    )


def test_hours_around_a_release_begin_with_the_gate_and_end_when_everybody_has_read_it() -> None:
    assert release_spans(WEEK, [RELEASE], GATE) == ((ms(6, 55), ms(9, 0)),)


def test_hours_around_a_release_before_the_gate_begin_with_the_count() -> None:
    early = Release(dt.datetime(2026, 4, 14, 6, 40, tzinfo=EASTERN), (WEEK.monday,))
    assert release_spans(WEEK, [early], GATE) == ((ms(6, 40), ms(7, 10)),)


def test_another_weeks_release_is_none_of_this_week() -> None:
    assert release_spans(WEEK, [OF_LAST_WEEK], GATE) == ()


@pytest.mark.parametrize(
    ("side", "value", "pnl"),
    [("bid", 10_000, 1_199_500), ("bid", 0, -800_500), ("ask", 0, 799_500)],
)
def test_a_fill_is_worth_its_settled_value_less_price_and_fee(
    side: str, value: int, pnl: int
) -> None:
    earned = tally([fill(side, 4_000, ms(12, 0), fee=500)], {TICKER: value}, [RELEASE], GATE)
    assert earned.apart == Tally(1, 200, pnl)


def test_fills_are_told_apart_by_when_they_happened() -> None:
    at = [ms(6, 54), ms(6, 55), ms(8, 59), ms(9, 0), ms(8, 30, day=13)]
    fills = [fill("bid", 4_000, each) for each in at]
    earned = tally(fills, {TICKER: 0}, [RELEASE, OF_LAST_WEEK], GATE)
    assert (earned.around.fills, earned.apart.fills) == (2, 3)


def test_what_was_earned_adds_up() -> None:
    one = Earned(Tally(1, 100, 5), Tally(2, 300, -7))
    assert one + one == Earned(Tally(2, 200, 10), Tally(4, 600, -14))
    assert one.total == Tally(3, 400, -2)
