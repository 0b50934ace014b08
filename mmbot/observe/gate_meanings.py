"""What each gate means, in a sentence: the names are what the log and the status say."""

from __future__ import annotations

from types import MappingProxyType

_MEANINGS = MappingProxyType(
    {
        # The whole service
        "stopping": "the daemon was told to stop",
        "halted": "the operator has halted it; `mmbot resume` ends that",
        "no_stream": "the exchange's stream is not up",
        "no_poller": "the reader of the counts has died and is started again",
        "no_heartbeat": "the daemon's heartbeat has died and is started again",
        "no_tick": "the daemon's clock has died and is started again",
        "stale_feed": "the stream's frames come late",
        "not_reconciled": "the account has not been read since the stream came up",
        "exchange_not_read": "the exchange's state has not been read yet",
        "listing_not_read": "the listing could not be read several times in a row",
        "exchange_paused": "the exchange has paused trading",
        # The shard
        "no_group": "there is no order group to place orders in",
        "group_triggered": "too much filled at once, and the order group waits to be reset",
        # The event
        "no_belief": "no belief of the week has been formed yet",
        "release_due": "a day's count may be out that the belief does not know; if none will come, "
        "say so with `mmbot counts none DATE`",
        # The market
        "settled": "the market is decided",
        "market_paused": "the exchange has paused the market",
        "not_open": "the market has not opened yet",
        "closed": "the market closes within a second or has closed",
        "no_book": "its book is not known, or not trusted, and has been asked for",
        "no_market_price": "no market of the ladder says what this one is worth, and too few days "
        "are published to do without",
        # The quote
        "reduce_only": "the event or the day has lost what it may, and there is nothing to reduce",
        "fair_extreme": "its fair value is beyond quoting.minimum_fair or quoting.maximum_fair",
        "no_price_or_room": "no price keeps the margin, or the position has no room to grow",
        # A fill that keeps new orders away for a while
        "taken_on_news": "an order was filled here while a count was news, and whoever took it may "
        "have read it better; tried again half an hour after the count",
        # A refusal that keeps new orders away for a while
        "post_only_cross": "an order would have crossed the book; tried again in a moment",
        "already_exists": "an order was there already; the exchange is asked",
        "insufficient_balance": "the balance did not suffice for an order; tried again in a minute",
        "paused": "an order was refused because trading is paused",
        "inactive": "an order was refused because the market is not active",
        "not_found": "an order was refused because the market or the group is gone",
        "no_change": "a change was refused because it changed nothing",
        "rate_limited": "the exchange refused an order for want of tokens",
        "clock": "the exchange refuses this machine's clock",
        "unauthorised": "the exchange refuses the API key",
        "forbidden": "the API key may not trade",
        "other": "the exchange refused an order; the log says why",
    }
)
_FEE = "fee_type_"


def meaning(gate: str) -> str:
    """Return what a gate means; empty for one that has nothing to add to its name."""
    if gate.startswith(_FEE):
        return "makers would pay a fee that is not known here"
    return _MEANINGS.get(gate, "")
