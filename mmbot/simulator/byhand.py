"""Trades that other people make with a simulated world's markets, apart from its crowd."""

from __future__ import annotations

from mmbot.simulator.ledger import Account, Side
from mmbot.simulator.market import opposite
from mmbot.simulator.orders import NewOrder, Refusal
from mmbot.simulator.scene import Scene
from mmbot.simulator.venue import Venue
from mmbot.units import ONE_CONTRACT, Price


def place(venue: Venue, account: Account, wish: NewOrder, now: int) -> None:
    """Place an order straight into the matching engine, and let everyone hear of it."""
    try:
        venue.exchange.engine.place(account, wish, now)
    except Refusal:
        # A closed market, a pause, a grid: they try another time.
        return
    venue.advance(now)
    venue.spread_word(now)


def hit(scene: Scene, ticker: str, side: Side, price: Price, now: int) -> None:
    """Let a stranger trade one contract with an order that has just come to rest."""
    wish = NewOrder(ticker, opposite(side), price, ONE_CONTRACT, "immediate_or_cancel")
    place(scene.venue, scene.stranger, wish, now)
