"""Faults of the exchange, as the bot's own reads see them."""

from __future__ import annotations

import msgspec
import pytest

from mmbot.faultlab.fault_injector import FaultInjector
from mmbot.faultlab.faults import FAULTS
from mmbot.faultlab.scenario import weeks
from mmbot.faultlab.world import World
from mmbot.kalshi.http import BASE_PATH, HttpRequest
from mmbot.kalshi.readings import ExchangeStatus


def spoilt(name: str) -> tuple[World, FaultInjector]:
    """Return a world in which one fault of occasion has just happened."""
    for seed in range(100):
        world = World(str(seed), weeks(1), [name])
        if world.faults.occasions(0, 1_000):
            world.faults.calm = False
            world.mishaps.happen(name)
            return world, world.mishaps
    pytest.fail(f"no seed uses {name}")


def read(world: World, path: str) -> dict[str, object]:
    answer = world.venue.handle(HttpRequest("GET", BASE_PATH + path), world.agenda.now)
    body: dict[str, object] = msgspec.json.decode(answer.body)
    return body


def shard(world: World) -> tuple[bool, bool]:
    status = msgspec.convert(read(world, "/exchange/status"), ExchangeStatus)
    (only,) = status.exchange_index_statuses
    return only.exchange_active, only.trading_active


def test_a_shard_that_is_down_is_so_in_the_exchanges_status_and_nowhere_else() -> None:
    world, mishaps = spoilt("shard_down")
    assert shard(world) == (False, False)
    assert read(world, "/exchange/status")["exchange_active"] is True
    mishaps.end()
    assert shard(world) == (True, True)


def test_fees_for_makers_last_until_the_calm() -> None:
    world, mishaps = spoilt("fees_changed")
    world.venue.advance(world.agenda.now)
    markets = world.venue.exchange.engine.markets.values()
    assert any(market.fees.fee_type != "quadratic" for market in markets)
    mishaps.end()
    world.venue.advance(world.agenda.now)
    assert {market.fees.fee_type for market in markets} == {"quadratic"}


def test_account_readings_lag_until_the_calm() -> None:
    world, mishaps = spoilt("portfolio_lag")
    assert world.venue.exchange.history.lag >= 500
    mishaps.end()
    assert world.venue.exchange.history.lag == 0


@pytest.mark.parametrize("name", [n for n, fault in FAULTS.items() if fault.point == "occasion"])
def test_every_fault_of_occasion_can_happen_at_any_time(name: str) -> None:
    _, mishaps = spoilt(name)
    mishaps.end()
