"""Trades that other people make with a simulated world's markets, apart from its crowd."""

from __future__ import annotations

from mmbot.exchange.accounts import Account, Side
from mmbot.exchange.market import opposite
from mmbot.exchange.order_types import NewOrder, RequestRefused
from mmbot.exchange.venue import SimulatedVenue
from mmbot.faultlab.scenario import Scenario
from mmbot.units import ONE_CONTRACT, Price


def place(venue: SimulatedVenue, account: Account, wish: NewOrder, now: int) -> None:
    """Place an order straight into the matching engine, and let everyone hear of it."""
    try:
        venue.exchange.engine.place(account, wish, now)
    except RequestRefused:
        # A closed market, a pause, a grid: they try another time.
        return
    venue.advance(now)
    venue.spread_word(now)


def hit(scene: Scenario, ticker: str, side: Side, price: Price, now: int) -> None:
    """Let a stranger trade one contract with an order that has just come to rest."""
    wish = NewOrder(ticker, opposite(side), price, ONE_CONTRACT, "immediate_or_cancel")
    place(scene.venue, scene.stranger, wish, now)
