from __future__ import annotations

from mmbot.research.past_books import PastBooks
from mmbot.trading.book import Top
from mmbot.units import Price
from tests.research.past_weeks import HOUR, MINUTE, candle, ticker, trade

MARKET = ticker(2_500_000)
T = 1_000 * MINUTE
KNOWN = Top(Price(4800), Price(5200))


def books(minutes: bool = True, holds: int = 10 * MINUTE) -> PastBooks:
    return PastBooks([MARKET], {MARKET} if minutes else (), holds)


def test_nothing_is_known_before_a_candle_or_two_trades() -> None:
    held = books()
    assert held.top(MARKET, T) is None
    held.trade(trade(T, MARKET, 5200, 100, "yes"))
    assert held.top(MARKET, T) is None
    held.trade(trade(T + 1, MARKET, 4800, 100, "no"))
    assert held.top(MARKET, T + 1) == KNOWN


def test_a_candle_tells_both_sides_and_that_nobody_quotes_one() -> None:
    held = books()
    assert held.candle(candle(T, MARKET, 4800, None))
    assert held.top(MARKET, T) == Top(Price(4800), None)
    assert held.candle(candle(T + MINUTE, MARKET, 4800, 5200))
    assert not held.candle(candle(T + 2 * MINUTE, MARKET, 4800, 5200))


def test_a_trade_moves_the_side_that_its_taker_met() -> None:
    held = books()
    held.candle(candle(T, MARKET, 4800, 5200))
    assert held.trade(trade(T + 1, MARKET, 5300, 100, "yes"))
    assert held.top(MARKET, T + 1) == Top(Price(4800), Price(5300))
    assert not held.trade(trade(T + 2, MARKET, 5300, 100, "yes"))


def test_a_trade_through_the_other_side_leaves_that_unknown() -> None:
    held = books()
    held.candle(candle(T, MARKET, 4800, 5200))
    assert held.trade(trade(T + 1, MARKET, 4700, 100, "yes"))
    assert held.top(MARKET, T + 1) is None
    held.candle(candle(T + MINUTE, MARKET, 4600, 4700))
    assert held.top(MARKET, T + MINUTE) == Top(Price(4600), Price(4700))


def test_minutes_without_a_candle_left_the_book_as_it_was() -> None:
    with_minutes, without = books(), books(minutes=False)
    for held in (with_minutes, without):
        held.candle(candle(T, MARKET, 4800, 5200))
    assert with_minutes.top(MARKET, T + 100 * HOUR) == KNOWN
    assert without.top(MARKET, T + 10 * MINUTE - 1) == KNOWN
    assert without.top(MARKET, T + 10 * MINUTE) is None
    assert (with_minutes.known_until(MARKET), without.known_until(MARKET)) == (
        None,
        T + 10 * MINUTE,
    )


def test_what_was_known_before_a_release_is_not_until_the_minute_has_ended() -> None:
    with_minutes, without = books(), books(minutes=False)
    for held in (with_minutes, without):
        held.candle(candle(T, MARKET, 4800, 5200))
        assert held.release(T + 20_000) == T + MINUTE
        assert held.top(MARKET, T + MINUTE - 1) is None
    assert with_minutes.top(MARKET, T + MINUTE) == KNOWN
    assert without.top(MARKET, T + MINUTE) is None
    without.trade(trade(T + MINUTE, MARKET, 5200, 100, "yes"))
    assert without.top(MARKET, T + MINUTE) is None
    without.trade(trade(T + MINUTE, MARKET, 4800, 100, "no"))
    assert without.top(MARKET, T + MINUTE) == KNOWN


def test_a_crossed_candle_and_a_trade_of_an_unknown_taker_tell_nothing() -> None:
    held = books()
    held.candle(candle(T, MARKET, 5200, 4800))
    assert held.top(MARKET, T) is None
    assert not held.trade(trade(T, ticker(2_000_000), 5200, 100, "yes"))
