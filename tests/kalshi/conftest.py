from __future__ import annotations

import pytest

from tests.kalshi.builders import A, B
from tests.kalshi.stream_line import Line


@pytest.fixture
def line() -> Line:
    started = Line(A, B)
    started.start()
    return started
