from __future__ import annotations

import random

import pytest

from mmbot.exchange.exchange_state import ExchangeState, FeeChange, SimulatedExchangeSettings
from mmbot.exchange.fees import FeeSchedule
from mmbot.faultlab.fees_known import least_fee, reckoned_with
from mmbot.underlying.calendar import CalendarClock
from mmbot.units import Count, Price

FREE, CHARGED = FeeSchedule(), FeeSchedule("quadratic_with_maker_fees")
COMBO = FeeSchedule("quadratic_with_combo_maker_fees")
AT, UNNOTICED_MS = 1_000_000, 150_000


def exchange(*changes: FeeChange) -> ExchangeState:
    made = ExchangeState(SimulatedExchangeSettings(), CalendarClock(), random.Random(1))
    made.fee_changes += changes
    return made


@pytest.mark.parametrize("event", [None, "E"])
def test_a_change_may_go_unnoticed_for_a_while(event: str | None) -> None:
    changed = exchange(FeeChange("1", CHARGED, AT, event))
    assert reckoned_with(changed, "E", AT - 1) == [FREE]
    assert reckoned_with(changed, "E", AT + UNNOTICED_MS - 1) == [FREE, CHARGED]
    assert reckoned_with(changed, "E", AT + UNNOTICED_MS) == [CHARGED]
    assert reckoned_with(changed, "F", AT + UNNOTICED_MS) == [CHARGED if event is None else FREE]


def test_an_event_s_own_fees_go_before_the_series_until_they_end() -> None:
    late = AT + 2 * UNNOTICED_MS
    changed = exchange(
        FeeChange("1", COMBO, AT, "E"), FeeChange("2", CHARGED, AT), FeeChange("3", None, late, "E")
    )
    assert reckoned_with(changed, "E", late - 1) == [COMBO]
    assert reckoned_with(changed, "E", late) == [COMBO, CHARGED]


def test_the_bot_is_held_to_the_cheapest_that_it_may_reckon_with() -> None:
    assert least_fee([COMBO, CHARGED], Price(4_300), Count(10_000)) == 429_000
