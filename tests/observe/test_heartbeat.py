"""A heartbeat is one short line, and a market has one only when something changed."""

from __future__ import annotations

import msgspec
import orjson

from mmbot.log_events import objection
from mmbot.observe.heartbeat import Heartbeat
from mmbot.observe.status import status
from mmbot.status_report import StatusReport, Surroundings
from mmbot.trading.events import Filled
from mmbot.underlying.counts import Counts
from tests.trading.builders import LOW, MIDDLE, Bench, book, fill


def report(bench: Bench) -> StatusReport:
    return status(bench.engine.state, Counts(), Surroundings(), bench.now)


def test_a_heartbeat_is_short_and_counts() -> None:
    bench = Bench()
    bench.rest()
    (name, fields), *markets = Heartbeat().lines(report(bench))
    assert name == "heartbeat"
    assert len(orjson.dumps(fields)) < 600
    assert (fields["quoted"], fields["markets"], fields["gates"]) == (1, 3, {"no_book": 2})
    assert [line["market"] for _, line in markets] == list(bench.engine.state.event_of_market)


def test_a_market_is_told_of_again_only_when_something_changed() -> None:
    bench, beat = Bench(), Heartbeat()
    bid = bench.rest()["bid"]
    beat.lines(report(bench))
    assert [name for name, _ in beat.lines(report(bench))] == ["heartbeat"]
    bench.handle(Filled(fill("t", "o-bid", 500, int(bid.price))))
    _, *told = beat.lines(report(bench))
    assert [(line["market"], line["position"]) for _, line in told] == [(MIDDLE, "5.00")]
    bench.handle(book(LOW, 7000, 9000))
    _, *told = beat.lines(report(bench))
    assert [line["market"] for _, line in told] == [LOW]


def test_whatever_is_told_is_documented() -> None:
    bench = Bench()
    bench.rest()
    whole = msgspec.structs.replace(
        report(bench), problems=("x",), unknown_words={"x": 1}, unreadable={"x": "y"}, log_dropped=1
    )
    for name, fields in Heartbeat().lines(whole):
        assert objection(name, "info", fields) == ""
