from __future__ import annotations

import datetime as dt

from mmbot.forecast.plausibility import CONFIRM_AFTER, HeldCounts

DAY = dt.date(2024, 9, 7)
NOW = dt.datetime(2024, 9, 9, 12, 30, tzinfo=dt.UTC)
FAR = 8.0


def test_a_plausible_count_is_used_at_once() -> None:
    assert HeldCounts().read(DAY, 2_000_000, NOW, 5.9) == (HeldCounts(), True)


def test_an_implausible_count_waits() -> None:
    held, use = HeldCounts().read(DAY, 2_500_000, NOW, -FAR)
    assert not use
    assert [(d.day, d.count, d.since) for d in held.held] == [(DAY, 2_500_000, NOW)]


def test_a_read_within_the_pages_cache_confirms_nothing() -> None:
    held, _ = HeldCounts().read(DAY, 2_500_000, NOW, FAR)
    soon = NOW + CONFIRM_AFTER - dt.timedelta(seconds=1)
    assert held.read(DAY, 2_500_000, soon, FAR) == (held, False)


def test_the_same_count_eleven_minutes_later_is_used() -> None:
    held, _ = HeldCounts().read(DAY, 2_500_000, NOW, FAR)
    assert held.read(DAY, 2_500_000, NOW + CONFIRM_AFTER, FAR) == (HeldCounts(), True)


def test_another_implausible_count_starts_the_wait_anew() -> None:
    held, _ = HeldCounts().read(DAY, 2_500_000, NOW, FAR)
    later = NOW + CONFIRM_AFTER
    held, use = held.read(DAY, 2_600_000, later, FAR)
    assert not use
    assert [(d.count, d.since) for d in held.held] == [(2_600_000, later)]


def test_a_corrected_count_is_used_and_is_no_longer_held() -> None:
    held, _ = HeldCounts().read(DAY, 2_500_000, NOW, FAR)
    assert held.read(DAY, 2_100_000, NOW, 0.3) == (HeldCounts(), True)


def test_counts_are_held_by_day() -> None:
    held, _ = HeldCounts().read(DAY, 2_500_000, NOW, FAR)
    other = DAY + dt.timedelta(days=1)
    held, use = held.read(other, 2_500_000, NOW + CONFIRM_AFTER, FAR)
    assert not use
    assert {each.day for each in held.held} == {DAY, other}
