from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from mmbot.daemon.garbage import GarbageCollector


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    thresholds = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*thresholds)


def test_what_is_there_at_the_start_is_frozen_and_the_oldest_is_not_collected_by_itself() -> None:
    collector = GarbageCollector()
    collector.freeze(0.0)
    assert gc.get_freeze_count() > 0
    assert gc.get_threshold()[2] > 100_000


def test_it_collects_when_nobody_waits_and_after_a_while_in_any_case() -> None:
    collector = GarbageCollector()
    collector.freeze(100.0)
    assert not collector.collect_if_due(110.0, idle=True)
    assert collector.collect_if_due(131.0, idle=True)
    assert not collector.collect_if_due(200.0, idle=False)
    assert collector.collect_if_due(500.0, idle=False)
