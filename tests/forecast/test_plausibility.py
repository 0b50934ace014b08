from __future__ import annotations

import datetime as dt

from mmbot.forecast.plausibility import CONFIRM_AFTER, Doubts

DAY = dt.date(2024, 9, 7)
NOW = dt.datetime(2024, 9, 9, 12, 30, tzinfo=dt.UTC)
FAR = 8.0


def test_a_plausible_count_is_used_at_once() -> None:
    assert Doubts().read(DAY, 2_000_000, NOW, 5.9) == (Doubts(), True)


def test_an_implausible_count_waits() -> None:
    doubts, use = Doubts().read(DAY, 2_500_000, NOW, -FAR)
    assert not use
    assert [(d.day, d.count, d.since) for d in doubts.held] == [(DAY, 2_500_000, NOW)]


def test_a_read_within_the_pages_cache_confirms_nothing() -> None:
    doubts, _ = Doubts().read(DAY, 2_500_000, NOW, FAR)
    soon = NOW + CONFIRM_AFTER - dt.timedelta(seconds=1)
    assert doubts.read(DAY, 2_500_000, soon, FAR) == (doubts, False)


def test_the_same_count_eleven_minutes_later_is_used() -> None:
    doubts, _ = Doubts().read(DAY, 2_500_000, NOW, FAR)
    assert doubts.read(DAY, 2_500_000, NOW + CONFIRM_AFTER, FAR) == (Doubts(), True)


def test_another_implausible_count_starts_the_wait_anew() -> None:
    doubts, _ = Doubts().read(DAY, 2_500_000, NOW, FAR)
    later = NOW + CONFIRM_AFTER
    doubts, use = doubts.read(DAY, 2_600_000, later, FAR)
    assert not use
    assert [(d.count, d.since) for d in doubts.held] == [(2_600_000, later)]


def test_a_corrected_count_is_used_and_ends_the_doubt() -> None:
    doubts, _ = Doubts().read(DAY, 2_500_000, NOW, FAR)
    assert doubts.read(DAY, 2_100_000, NOW, 0.3) == (Doubts(), True)


def test_one_days_doubt_is_not_anothers() -> None:
    doubts, _ = Doubts().read(DAY, 2_500_000, NOW, FAR)
    other = DAY + dt.timedelta(days=1)
    doubts, use = doubts.read(other, 2_500_000, NOW + CONFIRM_AFTER, FAR)
    assert not use
    assert {doubt.day for doubt in doubts.held} == {DAY, other}
