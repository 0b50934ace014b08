from __future__ import annotations

import pytest

from mmbot.kalshi.http import HttpAnswer, HttpRequest, date_of
from mmbot.trading.events import ClockCompared, FeedLagged
from tests.kalshi.stream_line import Line
from tests.kalshi.test_gateway import gateway
from tests.kalshi.write_commands import NOW, PLACE

DATE = "Tue, 24 Nov 2026 10:00:00 GMT"
AT = 1_795_514_400_000


@pytest.mark.parametrize("zone", ["GMT", "-0000", "+0000"])
def test_a_date_is_the_beginning_of_its_second(zone: str) -> None:
    answer = HttpAnswer(200, b"", (("date", DATE.replace("GMT", zone)),))
    assert date_of(HttpRequest("GET", "/trade-api/v2/exchange/status"), answer) == AT


@pytest.mark.parametrize("second", [0, 1, 9, 10, 59])
@pytest.mark.parametrize("zone", ["GMT", "+0000"])
def test_every_second_of_a_minute_has_its_date(second: int, zone: str) -> None:
    date = DATE.replace("00:00 GMT", f"00:{second:02d} {zone}")
    answer = HttpAnswer(200, b"", (("date", date),))
    at = date_of(HttpRequest("GET", "/trade-api/v2/exchange/status"), answer)
    assert at == AT + 1000 * second


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/trade-api/v2/portfolio/orders", ()),
        ("/trade-api/v2/portfolio/orders", (("date", "now"),)),
        ("/trade-api/v2/portfolio/orders", (("date", DATE.replace(":00 ", ":99 ")),)),
        ("/trade-api/v2/portfolio/orders", (("date", DATE.replace(":00 ", ":xx ")),)),
        ("/trade-api/v2/portfolio/orders", (("date", DATE.replace("10:", "99:")),)),
        ("/trade-api/v2/events", (("date", DATE), ("age", "12"))),
        ("/trade-api/v2/series/KXTSAW", (("date", DATE),)),
    ],
)
def test_a_copy_or_an_unreadable_date_tells_no_time(
    path: str, headers: tuple[tuple[str, str], ...]
) -> None:
    assert date_of(HttpRequest("GET", path), HttpAnswer(200, b"", headers)) is None


def test_answers_tell_when_the_clock_begins_to_be_off_and_when_it_is_right() -> None:
    dated = HttpAnswer(503, b"", (("date", DATE),))
    gate = gateway()

    def compared(sent: int, received: int) -> list[bool]:
        (call,) = gate.write([PLACE], sent)
        events, _ = gate.answered(call.id, dated, received)
        return [event.off for event in events if isinstance(event, ClockCompared)]

    # However slow an answer is, one that may have been given in time is no reason.
    assert compared(AT - 8_000, AT + 9_000) == []
    assert compared(AT - 9_000, AT - 8_900) == [True]
    assert compared(AT - 9_000, AT - 8_900) == []
    assert compared(AT, AT + 100) == [False]
    assert compared(AT + 3_001, AT + 3_100) == [True]


def test_an_answer_that_never_came_tells_no_time() -> None:
    gate = gateway()
    (call,) = gate.write([PLACE], NOW)
    events, _ = gate.answered(call.id, None, NOW)
    assert not [event for event in events if isinstance(event, ClockCompared)]


def test_a_frame_from_the_future_is_as_bad_as_one_that_is_late(line: Line) -> None:
    assert line.hear("ok", {}, sending_ts_ms=line.now + 2_000).events == []
    assert line.hear("ok", {}, sending_ts_ms=line.now + 2_001).events == [
        FeedLagged(-2_001, late=True)
    ]
    assert line.hear("ok", {}, sending_ts_ms=line.now + 1_000).events == [
        FeedLagged(-1_000, late=False)
    ]
