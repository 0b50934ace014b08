"""The one line that `systemctl status` shows."""

from __future__ import annotations

from mmbot.daemon.status_line import status_line
from mmbot.trading.events import Halted
from mmbot.trading.gates import Gate
from tests.trading.builders import MIDDLE, Bench, market_settled


def test_it_says_what_is_quoted() -> None:
    bench = Bench()
    bench.rest()
    line = status_line(bench.engine.state)
    assert line.startswith("quotes 1 market by 2 orders; T-26NOV29: forecast 2,700,000, ")
    assert "1 of 7 days published, at worst -" in line


def test_before_anything_is_known_it_says_what_is_missing() -> None:
    line = status_line(Bench().engine.state)
    assert line == f"quotes nothing: {Gate.NO_STREAM.meaning} (no_stream)"


def test_a_halt_is_the_one_reason() -> None:
    bench = Bench()
    bench.start()
    bench.handle(Halted(bench.now, "lunch"))
    assert status_line(bench.engine.state) == f"quotes nothing: {Gate.HALTED.meaning} (halted)"


def test_markets_without_books_are_counted() -> None:
    bench = Bench()
    bench.start()
    assert status_line(bench.engine.state) == f"quotes nothing: {Gate.NO_BOOK.meaning} (no_book)"
    bench.engine.state.market(MIDDLE).shut_gate = None
    assert "2 of 3 markets: " in status_line(bench.engine.state)


def test_markets_that_are_over_are_no_reason() -> None:
    bench = Bench()
    bench.start()
    for ticker in bench.engine.state.event_of_market:
        bench.handle(market_settled(ticker, 0))
    assert status_line(bench.engine.state) == "quotes nothing: every market is over"


def test_a_week_that_is_not_listed_is_said() -> None:
    bench = Bench()
    bench.start()
    bench.engine.state.event_of_market.clear()
    bench.engine.state.events.clear()
    assert status_line(bench.engine.state) == "quotes nothing: no market is listed"
