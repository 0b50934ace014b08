"""The pace of requests: within the bucket, slower after a refusal, and never without end."""

from __future__ import annotations

import random
from email.utils import formatdate

import pytest

from mmbot.exchange.access import TIERS, RateBuckets
from mmbot.exchange.order_types import RequestRefused
from mmbot.history.pacing import MOST_ATTEMPTS, USUAL_RATE, Pacer
from mmbot.kalshi.http import HttpAnswer

OK, LIMITED, BROKEN = HttpAnswer(200), HttpAnswer(429), HttpAnswer(503)
NOW = 1_795_000_000_000


def sent(pacer: Pacer, milliseconds: int, cost: float = 10.0) -> list[int]:
    """Return when requests go out that are sent as soon as they may."""
    now, times = NOW, []
    while now < NOW + milliseconds:
        wait = pacer.wait_ms(cost, now)
        if wait:
            now += wait
        else:
            times.append(now)
    return times


def test_the_exchanges_bucket_never_refuses_it() -> None:
    bucket = RateBuckets(TIERS["basic"])
    for at in sent(Pacer(random.Random(1)), 120_000):
        bucket.take("read", 10, at)


def test_it_uses_four_fifths_of_what_it_may() -> None:
    assert len(sent(Pacer(random.Random(1)), 60_000)) == pytest.approx(16 * 60, rel=0.05)


def test_a_request_dearer_than_the_bucket_is_sent_in_the_end() -> None:
    assert sent(Pacer(random.Random(1)), 60_000, cost=USUAL_RATE * 4)


def test_after_refusals_it_is_slower_and_with_answers_as_fast_as_before() -> None:
    pacer = Pacer(random.Random(1))
    for attempt in range(1, 6):
        assert pacer.repeat_after(LIMITED, attempt, NOW)
    slow = len(sent(pacer, 60_000))
    assert slow < 500
    for _ in range(200):
        assert pacer.repeat_after(OK, 1, NOW) is None
    assert len(sent(pacer, 120_000)) > 2 * slow


def test_a_refusal_pauses_everybody() -> None:
    pacer = Pacer(random.Random(1))
    pause = pacer.repeat_after(LIMITED, 3, NOW)
    assert pause is not None
    assert pacer.wait_ms(10, NOW) == pause


@pytest.mark.parametrize("answer", [None, LIMITED, BROKEN])
def test_pauses_double_up_to_half_a_minute(answer: HttpAnswer | None) -> None:
    pacer = Pacer(random.Random(1))
    pauses = [pacer.repeat_after(answer, n, NOW) or 0 for n in range(1, MOST_ATTEMPTS + 1)]
    assert 375 <= pauses[0] <= 625
    assert max(pauses) <= 37_500
    assert 120_000 < sum(pauses) < 600_000


@pytest.mark.parametrize("answer", [OK, HttpAnswer(404), HttpAnswer(401)])
def test_an_answer_that_will_stay_the_same_counts(answer: HttpAnswer) -> None:
    assert Pacer(random.Random(1)).repeat_after(answer, 1, NOW) is None


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [
        ("7", 7_000, 7_000),
        (formatdate(NOW / 1000 + 9, usegmt=True), 8_000, 9_000),
        ("86400", 120_000, 120_000),
        ("soon", 375, 625),
        ("-3", 375, 625),
    ],
)
def test_what_the_header_says_is_waited_within_bounds(text: str, least: int, most: int) -> None:
    answer = HttpAnswer(429, b"", (("retry-after", text),))
    assert least <= (Pacer(random.Random(1)).repeat_after(answer, 1, NOW) or 0) <= most


def test_without_a_pace_the_bucket_would_refuse() -> None:
    bucket = RateBuckets(TIERS["basic"])
    for _ in range(60):
        bucket.take("read", 10, NOW)
    with pytest.raises(RequestRefused):
        bucket.take("read", 10, NOW)
