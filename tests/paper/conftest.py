from __future__ import annotations

import pytest

from tests.paper.bench import Bench


@pytest.fixture
def bench() -> Bench:
    bench = Bench()
    bench.connect()
    bench.snapshot({"0.4000": "30.00", "0.4200": "103.00"}, {"0.4600": "146.00"})
    return bench
