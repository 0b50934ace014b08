"""Manual trades in a simulated world, in addition to its crowd's."""

from __future__ import annotations

from mmbot.exchange.accounts import Account
from mmbot.exchange.order_types import NewOrder, RequestRefused
from mmbot.exchange.venue import SimulatedVenue
from mmbot.faultlab.scenario import Scenario
from mmbot.trading.values import Side, opposite
from mmbot.units import ONE_CONTRACT, Milliseconds, Price


def place(venue: SimulatedVenue, account: Account, order: NewOrder, now: Milliseconds) -> None:
    """Place an order with the matching engine, if it accepts it, and broadcast the result."""
    try:
        venue.exchange.engine.place(account, order, now)
    except RequestRefused:
        # The market may be closed or paused, or the price no longer on its grid.
        return
    venue.advance(now)
    venue.publish(now)


def trade_against(
    scenario: Scenario, ticker: str, side: Side, price: Price, now: Milliseconds
) -> None:
    """Have the counterparty fill one contract of an order that has just come to rest."""
    order = NewOrder(ticker, opposite(side), price, ONE_CONTRACT, "immediate_or_cancel")
    place(scenario.venue, scenario.counterparty, order, now)
