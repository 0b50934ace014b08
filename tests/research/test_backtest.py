from __future__ import annotations

import datetime as dt

import msgspec
import pytest

from mmbot.config import ForecastSettings
from mmbot.exchange.fees import FeeSchedule, rounded_fee
from mmbot.forecast.belief import Belief
from mmbot.research.backtest import TradeOutcome, play_week
from mmbot.research.candles import HistoricalWeek
from mmbot.underlying.calendar import EASTERN
from tests.research.builders import (
    BOOKS,
    FRIDAY,
    MONDAY,
    SATURDAY,
    SUNDAY,
    THURSDAY,
    TUESDAY,
    WEDNESDAY,
    WEEK,
    Oracle,
    book,
    candle,
    quiet,
    real_week,
    strategy,
)

# The middle market's quotes: its margin allows 45 and 55 cents, and the others are beyond that.
BID, ASK = 4500, 5500
RELEASES = (TUESDAY, WEDNESDAY, THURSDAY, FRIDAY)


def traded(
    day: dt.date,
    low: int,
    high: int | None = None,
    last: int | None = None,
    volume: int = 100_000,
    pulls_for_releases: bool = True,
) -> tuple[TradeOutcome, ...]:
    """The fills of a week in which the middle market trades on one day."""
    days = quiet()
    days[1][day] = candle(BOOKS[1], low, high or low, last or low, volume)
    return play_week(
        strategy(pulls_for_releases=pulls_for_releases), real_week(days), Oracle()
    ).trades


@pytest.mark.parametrize("day", [MONDAY, SATURDAY, SUNDAY])
def test_outside_releases_a_trade_strictly_through_the_price_fills(day: dt.date) -> None:
    assert not traded(day, BID, ASK)
    (bought,) = traded(day, BID - 100, 5000)
    assert (bought.day, bought.side, bought.price, bought.count) == (day, "bid", BID, 1000)
    (sold,) = traded(day, 5000, ASK + 100)
    assert (sold.side, sold.price) == ("ask", ASK)


@pytest.mark.parametrize("day", RELEASES)
def test_on_a_day_with_a_release_only_the_last_trade_fills(day: dt.date) -> None:
    assert not traded(day, 1000, 9000, last=5000)
    (bought,) = traded(day, 1000, 9000, last=BID - 100)
    assert bought.side == "bid"


@pytest.mark.parametrize("day", RELEASES)
def test_an_order_that_rests_through_a_release_is_filled_by_any_trade(day: dt.date) -> None:
    sides = {trade.side for trade in traded(day, 1000, 9000, last=5000, pulls_for_releases=False)}
    assert sides == {"bid", "ask"}


def test_at_most_a_fifth_of_the_days_volume_fills() -> None:
    (bought,) = traded(SATURDAY, BID - 100, 5000, volume=2_000)
    assert bought.count == 400
    assert sum(trade.count for trade in traded(SATURDAY, 1000, 9000, volume=6_000)) == 1200


def test_a_day_without_a_candle_fills_nothing_and_leaves_the_book_as_it_was() -> None:
    days = quiet()
    for day in (THURSDAY, FRIDAY, SATURDAY):
        del days[1][day]
    days[1][SUNDAY] = candle(BOOKS[1], BID - 100, 5000, BID - 100, 100_000)
    (bought,) = play_week(strategy(), real_week(days), Oracle()).trades
    assert bought.day == SUNDAY


def test_orders_are_priced_against_the_book_of_the_evening_before() -> None:
    days = quiet()
    # Tuesday ends with another bid at 30 cents: on Wednesday ours is one tick above.
    days[1][TUESDAY] = candle(book(3000, 5200))
    days[1][WEDNESDAY] = candle(BOOKS[1], 2000, 2000, 2000, 100_000)
    (bought,) = play_week(strategy(), real_week(days), Oracle()).trades
    assert (bought.day, bought.price) == (WEDNESDAY, 3100)


def test_mondays_orders_are_priced_against_the_first_book_of_the_day() -> None:
    days = quiet()
    days[1][MONDAY] = candle(BOOKS[1], 1000, 1000, 1000, 100_000, opened=book(2000, None))
    (bought,) = play_week(strategy(), real_week(days), Oracle()).trades
    assert (bought.day, bought.price) == (MONDAY, 2100)


def test_beliefs_are_formed_at_the_time_of_the_order() -> None:
    oracle = Oracle()
    play_week(strategy(), real_week(quiet()), oracle)
    hours = [(10, 0), (9, 30), (9, 30), (9, 30), (9, 30), (0, 0), (0, 0)]
    expected = [
        dt.datetime.combine(day, dt.time(*hour), EASTERN)
        for day, hour in zip(WEEK.days, hours, strict=True)
    ]
    assert sorted(set(oracle.asked)) == expected


class Fickle(Oracle):
    """Is sure of the opposite from Tuesday on."""

    def __call__(self, forecast: ForecastSettings, real: HistoricalWeek, at: dt.datetime) -> Belief:
        belief = super().__call__(forecast, real, at)
        above = (0.5, 0.2, 0.1) if belief.days_published else (0.95, 0.9, 0.8)
        return msgspec.structs.replace(belief, above=above)


@pytest.mark.parametrize("updates", [True, False])
def test_a_strategy_that_does_not_update_quotes_mondays_belief_all_week(updates: bool) -> None:
    days = quiet()
    days[1][SATURDAY] = candle(BOOKS[1], 1000, 9000, 5000, 100_000)
    result = play_week(strategy(updates=updates), real_week(days), Fickle())
    assert result.trades
    assert {round(trade.fair, 9) for trade in result.trades} == {0.2 if updates else 0.9}
    assert {trade.days_published for trade in result.trades} == {4}


def test_a_fill_moves_the_next_days_quotes() -> None:
    days = quiet()
    for day in (SATURDAY, SUNDAY):
        days[1][day] = candle(BOOKS[1], BID - 100, 5000, 5000, 100_000)
    # On Sunday YES is worth less to whoever holds some, and the bid stands lower.
    middle = strategy(margin=0.0, minimum_edge_cents=5.0, minimum_fair=0.3, maximum_fair=0.7)
    poor = msgspec.structs.replace(middle, cash=200_000_000)
    trades = play_week(poor, real_week(days), Oracle()).trades
    assert [(t.day, t.price, t.count) for t in trades] == [(SATURDAY, BID, 500)]


def test_a_week_is_traded_with_its_fees_where_they_are_known() -> None:
    days = quiet()
    days[1][WEDNESDAY] = candle(BOOKS[1], 4_000, 5_000, 4_000, 10_000)
    free = play_week(strategy(), real_week(days), Oracle())
    fees = FeeSchedule("quadratic_with_maker_fees", 0.5)
    charged = play_week(strategy(), msgspec.structs.replace(real_week(days), fees=fees), Oracle())
    assert (free.fees_known, charged.fees_known) == (False, True)
    (first,), (second,) = free.trades, charged.trades
    assert first.fee == 0
    # What makers pay is known to the bot too: it bids that much less.
    assert second.fee == rounded_fee(fees.raw(second.price, second.count, is_taker=False)) > 0
    assert second.price < first.price


def test_a_fill_has_its_spend_edge_markout_and_pnl() -> None:
    days = quiet()
    days[1][SATURDAY] = candle(BOOKS[1], BID - 100, 5000, 5000, 100_000)
    days[1][SUNDAY] = candle(book(6000, 6400))
    (bought,) = play_week(strategy(), real_week(days), Oracle()).trades
    assert (bought.spend, bought.fee, bought.pnl) == (4_500_000, 0, 5_500_000)
    assert bought.claimed == pytest.approx(10 * 0.05)
    assert bought.markout == pytest.approx(10 * (0.62 - 0.45))
    sold = msgspec.structs.replace(bought, side="ask", price=5500)
    assert (sold.spend, sold.pnl) == (4_500_000, -4_500_000)
    assert sold.claimed == pytest.approx(10 * 0.05)


def test_opinions_are_of_markets_with_a_narrow_book() -> None:
    days = quiet()
    days[0] = {day: candle(book(7000, 8001)) for day in WEEK.days}
    days[2] = {day: candle(book(None, 2200)) for day in WEEK.days}
    opinions = play_week(strategy(belief_weight=[0.5] * 5), real_week(days), Oracle()).predictions
    assert {each.ticker[-4:] for each in opinions} == {"2.50"}
    assert [each.days_published for each in opinions] == [0, 1, 2, 3, 4, 4, 4]
    assert {(each.belief, each.mid, each.pooled, each.outcome) for each in opinions} == {
        (0.5, 0.5, 0.5, True)
    }
