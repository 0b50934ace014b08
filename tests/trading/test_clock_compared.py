from __future__ import annotations

import pytest

from mmbot.trading.events import ClockCompared
from tests.trading.builders import NOW

DATE = NOW - NOW % 1_000


@pytest.mark.parametrize(
    ("sent", "received", "off"),
    [
        # The exchange answered at some instant of its second, while the request was under way.
        (DATE + 3_000, DATE + 3_010, False),
        (DATE + 3_001, DATE + 3_010, True),
        (DATE - 2_010, DATE - 2_000, False),
        (DATE - 2_010, DATE - 2_001, True),
        # A slow answer proves nothing.
        (DATE - 60_000, DATE + 60_000, False),
    ],
)
def test_a_clock_is_off_only_where_a_date_proves_it(sent: int, received: int, off: bool) -> None:
    compared = ClockCompared.with_date(DATE, sent, received)
    assert compared.against == "exchange"
    assert compared.off is off
