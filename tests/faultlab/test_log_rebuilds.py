"""From the lines of the log alone the orders, the fills and the P&L of a week are made again."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
import orjson
import pytest

from mmbot.faultlab.faults import named
from mmbot.faultlab.process import SimulatedProcess
from mmbot.faultlab.scenario import weeks
from mmbot.faultlab.world import World
from mmbot.trading.commands import Note
from mmbot.trading.values import Fill
from mmbot.units import Money, parse_count, parse_money, parse_price, total

# Whoever is killed between a commit and its line has no line.
FAULTS = tuple(name for name in named("all") if name != "killed")


class Life(msgspec.Struct):
    """What the log has told of one order."""

    order_id: str = ""
    placed: int = 0
    told_filled: int = 0
    over: bool = False


class Rebuilt:
    """Orders, fills and payouts, from lines in their order."""

    def __init__(self) -> None:
        self.orders: dict[str, Life] = {}
        self.fills: dict[tuple[str, str], dict[str, Any]] = {}
        self.payouts: dict[str, Money] = {}

    def read(self, line: dict[str, Any]) -> None:
        match line["event"]:
            case "order.place" | "order.adopted":
                life = self.orders.setdefault(line["client_order_id"], Life())
                life.placed, life.over = parse_count(line["count"]), False
                life.order_id = line.get("order_id", life.order_id)
            case "order.resting":
                self.orders[line["client_order_id"]].order_id = line["order_id"]
            case "order.over":
                life = self.orders[line["client_order_id"]]
                life.over, life.told_filled = True, parse_count(line["filled"])
            case "fill":
                self.fills[line["trade_id"], line["order_id"]] = line
            case "fill.voided":
                del self.fills[line["trade_id"], line["order_id"]]
            case "market.settled":
                self.payouts[line["market"]] = parse_money(line["payout"])

    @property
    def booked(self) -> list[Fill]:
        return [
            Fill(
                line["trade_id"],
                line["order_id"],
                line["market"],
                line["side"],
                parse_price(line["price"]),
                parse_count(line["count"]),
                parse_money(line["fee"]),
                0,
            )
            for line in self.fills.values()
        ]

    @property
    def cash_change(self) -> Money:
        return total((*(fill.cash for fill in self.booked), *self.payouts.values()))


def played(
    seed: int, faults: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> tuple[World, Rebuilt]:
    """Play a week; return it, and what its log gives."""
    lines: list[bytes] = []

    def write(process: SimulatedProcess, note: Note) -> None:
        lines.append(orjson.dumps({"event": note.name, **note.fields}))

    monkeypatch.setattr(SimulatedProcess, "log", write)
    world = World(str(seed), weeks(1), faults)
    result = world.run()
    assert result.what == ""
    rebuilt = Rebuilt()
    for line in lines:
        rebuilt.read(orjson.loads(line))
    return world, rebuilt


@pytest.mark.parametrize(("seed", "faults"), [(5, ()), (7, FAULTS)], ids=["calm", "faults"])
def test_the_log_alone_gives_fills_and_pnl_to_the_cent(
    seed: int, faults: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    world, rebuilt = played(seed, faults, monkeypatch)
    assert rebuilt.fills.keys() == world.ledger.fills.keys()
    assert len(rebuilt.fills) > 5
    assert rebuilt.cash_change == world.ledger.cash_change()


def test_the_log_alone_gives_every_orders_life(monkeypatch: pytest.MonkeyPatch) -> None:
    _, rebuilt = played(5, (), monkeypatch)
    filled = Counter[str]()
    for fill in rebuilt.booked:
        filled[fill.order_id] += fill.count
    assert filled.keys() <= {life.order_id for life in rebuilt.orders.values()}
    assert len(rebuilt.orders) > 20
    for life in rebuilt.orders.values():
        assert not life.over or life.told_filled == filled[life.order_id] <= life.placed
    # What a session leaves that ends without a stop expires, which no line tells.
    left = {name for name, life in rebuilt.orders.items() if not life.over}
    last = max(name.split("-")[1] for name in rebuilt.orders)
    assert last not in {name.split("-")[1] for name in left}
