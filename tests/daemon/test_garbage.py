from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from mmbot.daemon import garbage


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    yield
    gc.unfreeze()


def test_what_is_there_at_the_start_is_no_business_of_a_collection() -> None:
    there: list[dict[str, int]] = [{}]
    garbage.freeze()
    assert gc.get_freeze_count() > 0
    assert not any(each is there for each in gc.get_objects())


def test_memory_that_was_freed_is_given_back() -> None:
    before = _resident_bytes()
    # Small enough not to be given back by themselves.
    parts = [bytearray(100_000) for _ in range(1000)]
    last = bytearray(100_000)
    del parts
    garbage.give_back()
    assert _resident_bytes() < before + 50_000_000
    assert last


def _resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
