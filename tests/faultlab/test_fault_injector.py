"""Faults of occasion: each can be injected, and is seen where the bot would see it."""

from __future__ import annotations

import msgspec
import pytest

from mmbot.faultlab.faults import FAULTS, Faults
from mmbot.faultlab.scenario import weeks
from mmbot.faultlab.world import World
from mmbot.kalshi.http import BASE_PATH, HttpRequest
from mmbot.kalshi.listing_readings import ExchangeStatus
from mmbot.units import Price

OCCASIONS = [name for name, fault in FAULTS.items() if fault.point == "occasion"]


def world_with(name: str) -> World:
    """Return a world into which a fault of occasion has just been injected."""
    seed = next(s for s in map(str, range(100)) if Faults(s, [name]).occasions(0, 1_000))
    world = World(seed, weeks(1), [name])
    world.faults.calm = False
    world.injector.inject(name)
    return world


def read(world: World, path: str) -> dict[str, object]:
    answer = world.venue.handle(HttpRequest("GET", BASE_PATH + path), world.scheduler.now)
    body: dict[str, object] = msgspec.json.decode(answer.body)
    return body


def shard(world: World) -> tuple[bool, bool]:
    status = msgspec.convert(read(world, "/exchange/status"), ExchangeStatus)
    (only,) = status.exchange_index_statuses
    return only.exchange_active, only.trading_active


def test_a_shard_that_is_down_is_so_in_the_exchanges_status_and_nowhere_else() -> None:
    world = world_with("shard_down")
    assert shard(world) == (False, False)
    assert read(world, "/exchange/status")["exchange_active"] is True
    world.injector.end_all()
    assert shard(world) == (True, True)


def test_other_fees_last_until_the_faults_end() -> None:
    world = world_with("fees_changed")
    usual = world.venue.exchange.settings.fees
    # The longest time ahead at which they are scheduled.
    world.venue.advance(world.scheduler.now + 90_000)
    markets = world.venue.exchange.engine.markets.values()
    assert any(market.fees != usual for market in markets)
    world.injector.end_all()
    world.venue.advance(world.scheduler.now + 90_000)
    assert {market.fees for market in markets} == {usual}


def test_account_readings_lag_until_the_faults_end() -> None:
    world = world_with("portfolio_lag")
    assert world.venue.exchange.history.lag >= 500
    world.injector.end_all()
    assert world.venue.exchange.history.lag == 0


@pytest.mark.parametrize("name", OCCASIONS)
def test_every_fault_of_occasion_can_be_injected_at_any_time(name: str) -> None:
    world_with(name).injector.end_all()


def test_the_injector_has_every_fault_of_occasion_and_no_other() -> None:
    assert World("1", weeks(1), ()).injector.names == set(OCCASIONS)


def test_foreign_rows_stay_in_the_lists_and_events_that_cannot_be_read_in_the_listing() -> None:
    world = world_with("foreign_rows")
    world.injector.end_all()
    odd = world.venue.exchange.oddities
    assert (len(odd.orders), len(odd.positions), len(odd.events)) == (1, 1, 1)
    listed = read(world, "/events")["events"]
    assert isinstance(listed, list)
    assert listed[-1] in odd.events


def test_a_market_that_cannot_be_read_can_be_read_again_in_the_end() -> None:
    world = world_with("unreadable_market")
    odd = world.venue.exchange.oddities
    assert any(odd.changes.values())
    world.injector.end_all()
    assert not any(odd.changes.values())


def test_a_market_that_pays_a_fraction_is_determined_so() -> None:
    world = world_with("scalar_result")
    (market,) = (
        market
        for market in world.venue.exchange.engine.markets.values()
        if market.scalar_value is not None
    )
    world.venue.advance(market.terms.settle_ms + 3_600_000)
    assert market.result == "scalar"
    assert market.yes_value == market.scalar_value
    value = market.scalar_value
    world.venue.pay_fraction(market.ticker, Price(1), market.terms.settle_ms + 3_600_000)
    assert market.scalar_value == value
