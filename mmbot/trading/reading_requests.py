"""The commands that read the account and the listing."""

from __future__ import annotations

from mmbot.trading.commands import ReadAccount, ReadListing
from mmbot.trading.state import TradingState
from mmbot.trading.values import event_of
from mmbot.units import Milliseconds


def account_request(state: TradingState, now: Milliseconds) -> ReadAccount:
    """Return the command that reads the account: every market that is not settled."""
    open_: list[str] = []
    decided: list[str] = []
    for _, market in state.markets():
        if market.settled is None:
            undecided = market.result is None and not market.terms.decided
            (open_ if undecided else decided).append(market.ticker)
    return ReadAccount(tuple(open_), tuple(decided), tuple(state.shards), now)


def listing_request(state: TradingState) -> ReadListing:
    """Return the command that reads the listing, and the results that may still change."""
    held = [ticker for ticker, event_state in state.events.items() if not event_state.final]
    held += [ticker for ticker in state.held if ticker not in state.events]
    # A traded market that could not be read with the rest of its event still has a result to come.
    traded = {fill.ticker for fill in (*state.recorded, *state.unconfirmed)}
    held += [event_of(ticker) for ticker in traded - state.event_of_market.keys()]
    return ReadListing(tuple(sorted(set(held))))
