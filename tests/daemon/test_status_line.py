"""The one line that `systemctl status` shows."""

from __future__ import annotations

from mmbot.daemon.status_line import dollars, status_line
from mmbot.trading.gates import Gate
from mmbot.trading.operator_events import Halted
from tests.daemon.test_metrics import report
from tests.trading.builders import LOW, MIDDLE, Bench, market_settled


def line(bench: Bench) -> str:
    return status_line(report(bench))


def test_it_says_what_is_quoted() -> None:
    bench = Bench()
    bench.rest()
    assert line(bench).startswith(
        "quotes 1 market by 2 orders; T-26NOV29: 2,700,000 passengers a day, give or take 80,000; "
    )
    assert line(bench).rpartition(", ")[2].startswith("at worst -$")


def test_before_anything_is_known_it_says_what_is_missing() -> None:
    assert line(Bench()) == f"quotes nothing: {Gate.NO_STREAM.meaning} (no_stream)"


def test_a_halt_is_the_one_reason_though_quotes_are_still_on_their_way_off() -> None:
    bench = Bench()
    bench.rest()
    bench.handle(Halted(bench.now, "lunch"))
    assert line(bench) == f"quotes nothing: {Gate.HALTED.meaning} (halted)"


def test_markets_without_books_are_counted() -> None:
    bench = Bench()
    bench.start()
    assert line(bench) == f"quotes nothing: {Gate.NO_BOOK.meaning} (no_book)"
    bench.engine.state.market(MIDDLE).shut_gate = None
    assert "2 of 3 markets: " in line(bench)


def test_markets_that_are_over_are_no_reason() -> None:
    bench = Bench()
    bench.start()
    bench.handle(market_settled(LOW, 0), market_settled(MIDDLE, 0))
    assert line(bench) == f"quotes nothing: {Gate.NO_BOOK.meaning} (no_book)"
    for ticker in bench.engine.state.event_of_market:
        bench.handle(market_settled(ticker, 0))
    assert line(bench) == "quotes nothing: every market is over"


def test_a_week_that_is_not_listed_is_said() -> None:
    bench = Bench()
    bench.start()
    bench.engine.state.event_of_market.clear()
    bench.engine.state.events.clear()
    assert line(bench) == "quotes nothing: no market is listed"


def test_money_is_written_to_the_cent() -> None:
    assert [dollars(each) for each in ("-1234.567000", "0.000000", None)] == [
        "-$1,234.57", "$0.00", "not known",
    ]  # fmt: skip
