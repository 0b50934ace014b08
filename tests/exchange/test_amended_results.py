"""Results that are amended before they are paid out, with every other fault."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from mmbot.exchange.timetable import settlement_times
from mmbot.faultlab.faults import named
from mmbot.faultlab.scenario import weeks
from mmbot.faultlab.world import World
from mmbot.units import ONE_DOLLAR

(WEEK,) = weeks(1)


def amended_world(seed: str, faults: Iterable[str]) -> World:
    """A week in which every result of the event is amended ten seconds later."""
    world = World(seed, (WEEK,), faults)
    venue = world.venue
    determined, _ = (world.scenario.clock.wall_time(at) for at in settlement_times(WEEK.settles))

    def amend(now: int) -> None:
        for market in venue.exchange.engine.markets.values():
            venue.amend_market(market.ticker, "no" if market.result == "yes" else "yes", now)

    venue.schedule(determined + 10_000, amend)
    return world


@pytest.mark.parametrize("seed", ["1", "2"])
def test_the_ledger_ends_with_the_amended_payout(seed: str) -> None:
    world = amended_world(seed, named("all"))
    assert world.run().what == ""
    # The world compares the money once every market has a result.
    for market in world.venue.exchange.engine.markets.values():
        booked = world.ledger.settlements[market.ticker]
        assert booked.value == (ONE_DOLLAR if market.result == "yes" else 0)
    assert world.ledger.fills
