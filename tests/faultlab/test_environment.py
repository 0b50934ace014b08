from __future__ import annotations

import msgspec
import pytest

from mmbot.faultlab.environment import LocalClock
from mmbot.faultlab.faults import Faults
from mmbot.faultlab.in_memory_ledger import InMemoryLedger, ProcessDied
from mmbot.faultlab.scheduler import Scheduler
from mmbot.trading.commands import RecordSettlement
from mmbot.trading.values import Fill, Side
from mmbot.units import MONEY_PER_DOLLAR, ONE_CONTRACT, ONE_DOLLAR, Money, Price

SETTLED = RecordSettlement("E-1", ONE_DOLLAR, ONE_CONTRACT, MONEY_PER_DOLLAR, 9)


def fill(trade: str, ticker: str, side: Side, price: int, fee: int) -> Fill:
    return Fill(trade, "order", ticker, side, Price(price), ONE_CONTRACT, Money(fee), 0)


def remembering(*fills: Fill) -> InMemoryLedger:
    memory = InMemoryLedger(Faults("1", ()))
    memory.fills |= {each.key: each for each in fills}
    return memory


def test_a_clock_that_was_set_wrong_and_runs_fast_can_be_set_right() -> None:
    agenda = Scheduler(1_000_000)
    clock = LocalClock(agenda)
    clock.step(-3_000)
    clock.drift(10_000)
    agenda.advance_to(1_100_000)
    assert clock.wall() == 1_100_000 - 3_000 + 1_000
    assert clock.elapsed() == 1_100_000 + 1_000
    clock.show_true_time()
    assert clock.wall() == 1_100_000
    assert clock.elapsed() == 1_100_000 + 1_000


def test_what_was_earned_is_fills_and_payouts_of_all_events() -> None:
    memory = remembering(fill("a", "E-1", "bid", 4_000, 50), fill("b", "F-1", "ask", 3_000, 0))
    memory.settlements["E-1"] = SETTLED
    assert memory.cash_change() == -400_000 - 50 + 300_000 + 1_000_000


def test_an_event_with_fills_is_unsettled_until_its_settlements_are_final() -> None:
    memory = remembering(fill("a", "E-1", "bid", 4_000, 0), fill("b", "F-1", "bid", 4_000, 0))
    settlement = SETTLED
    memory.settlements["E-1"] = settlement
    assert memory.unsettled_events() == ("E", "F")
    memory.settlements["E-1"] = msgspec.structs.replace(settlement, final=True)
    assert memory.unsettled_events() == ("F",)


def test_a_ledger_that_cannot_be_written_ends_the_process_unless_it_is_calm() -> None:
    faults = Faults("1", ())
    memory = InMemoryLedger(faults)
    memory.unwritable_until = 100
    faults.calm = False
    with pytest.raises(ProcessDied):
        memory.require_writable(99)
    memory.require_writable(100)
    faults.calm = True
    memory.require_writable(99)
