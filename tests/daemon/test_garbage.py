from __future__ import annotations

import gc
from collections.abc import Iterator

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
