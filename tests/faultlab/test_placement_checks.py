from __future__ import annotations

import random

import msgspec
import pytest

from mmbot.exchange.exchange_state import ExchangeState, FeeChange, SimulatedExchangeSettings
from mmbot.exchange.fees import FeeSchedule
from mmbot.faultlab.agreement import InvariantBroken
from mmbot.faultlab.placement_checks import PlacedBy, check_edge, check_listing
from mmbot.faultlab.traffic import CreateRequest
from mmbot.trading.pricing import QuoteLimits
from mmbot.trading.values import Side
from mmbot.underlying.calendar import CalendarClock
from mmbot.units import Count, Price

NOW = 10_000_000
EVENT = "KXTSAW-26OCT18"
# YES is worth 60 cents to its holder and 62 at fair value; a tenth of that is the margin.
LIMITS = QuoteLimits(0.62, 0.6, 0.55, 0.35, Count(0), Count(0), None, 0.02, 0.02)
PLACED = PlacedBy(LIMITS, 0.9)


def exchange(kind: str) -> ExchangeState:
    settings = SimulatedExchangeSettings(fees=FeeSchedule(kind))
    return ExchangeState(settings, CalendarClock(), random.Random(1))


def sent(side: Side, cents: float) -> CreateRequest:
    return CreateRequest("mmbot-1-1", f"{EVENT}-A1", side, Price(round(100 * cents)), Count(1_000))


# 55.8 cents are within the margin, 0.43 of them for the fee; an ask at 66 costs 34, and 34.2 are.
@pytest.mark.parametrize(
    ("kind", "side", "cents", "fits"),
    [
        ("quadratic", "bid", 55, True),
        ("quadratic", "bid", 56, False),
        ("quadratic_with_maker_fees", "bid", 55.3, True),
        ("quadratic_with_maker_fees", "bid", 55.4, False),
        ("quadratic", "ask", 66, True),
        ("quadratic_with_maker_fees", "ask", 66, False),
    ],
)
def test_margin_and_edge_are_kept_after_the_fee(
    kind: str, side: Side, cents: float, *, fits: bool
) -> None:
    if fits:
        check_edge(sent(side, cents), PLACED, exchange(kind), NOW)
        return
    with pytest.raises(InvariantBroken, match="edge"):
        check_edge(sent(side, cents), PLACED, exchange(kind), NOW)


def test_the_edge_over_the_reservation_price_is_kept_as_well() -> None:
    limits = msgspec.structs.replace(LIMITS, yes_edge=0.06)
    with pytest.raises(InvariantBroken, match="edge"):
        check_edge(sent("bid", 55), PlacedBy(limits, 0.9), exchange("quadratic"), NOW)


def test_an_order_that_was_placed_by_no_limits_is_found() -> None:
    with pytest.raises(InvariantBroken, match="without limits"):
        check_edge(sent("bid", 1), None, exchange("quadratic"), NOW)


def test_nothing_is_sent_under_a_fee_that_nobody_knows_once_that_is_to_be_noticed() -> None:
    changed = exchange("quadratic")
    changed.fee_changes.append(FeeChange("1", FeeSchedule("flat"), NOW))
    check_listing(sent("bid", 55), changed, NOW + 149_999)
    with pytest.raises(InvariantBroken, match="charged"):
        check_listing(sent("bid", 55), changed, NOW + 150_000)
