"""What a ledger stores, from plain integers, and what shows the state of a bot."""

from __future__ import annotations

import datetime as dt

from mmbot.daemon.operations import Observer
from mmbot.observe.explain import explain
from mmbot.observe.heartbeat import Heartbeat
from mmbot.observe.plan import plan
from mmbot.observe.status import status_steps
from mmbot.trading.commands import RecordSettlement
from mmbot.trading.losses import PnlMark
from mmbot.trading.values import Fill
from mmbot.units import Count, Milliseconds, Money, Price

OBSERVER = Observer(Heartbeat().lines, status_steps, explain, plan)
EVENT = "KXTSAW-26APR19"
TICKER = f"{EVENT}-A2.45"


def fill(
    trade_id: str = "t1",
    *,
    ticker: str = TICKER,
    price: int = 5_600,
    count: int = 1_000,
    fee: int = 1_300,
    at: Milliseconds = 1_776_000_000_000,
) -> Fill:
    """A purchase of YES."""
    return Fill(trade_id, "o1", ticker, "bid", Price(price), Count(count), Money(fee), at)


def settlement(
    value: int, position: int, *, ticker: str = TICKER, at: Milliseconds = 1
) -> RecordSettlement:
    """A settlement that pays `value` for each contract of the position."""
    payout = Money(value * position)
    return RecordSettlement(ticker, Price(value), Count(position), payout, at)


def mark(day: dt.date, event: str, start: int, latest: int) -> PnlMark:
    return PnlMark(day, event, Money(start), Money(latest))
