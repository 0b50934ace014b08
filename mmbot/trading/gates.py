"""The gates: why a market is not quoted.

Each gate is a fact about the present, and the first that is shut is the reason that log and status
show. A shut gate takes the quotes off; a hold only stops new orders. `gate_checks` decides which
are shut.
"""

from __future__ import annotations

import enum
from typing import Final, NamedTuple

from mmbot.units import Milliseconds

# Quotes come off this long before the close, because after it not even a cancel is accepted.
CLOSING_MARGIN_MS: Final[Milliseconds] = 1_000


class Gate(enum.StrEnum):
    """One gate: its value is what log, status and JSON show, `meaning` a sentence about it."""

    meaning: str

    def __new__(cls, value: str, meaning: str = "") -> Gate:
        """Make a member that is equal to its value; `Gate(value)` finds it again."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member

    # The whole service
    STOPPING = "stopping", "the daemon was told to stop"
    HALTED = "halted", "the operator has halted it; `mmbot resume` ends that"
    CLOCK_OFF = (
        "clock_off",
        (
            "this machine's clock was set, or the bot's time is not the exchange's; let NTP set "
            "the clock"
        ),
    )
    NO_STREAM = "no_stream", "the exchange's stream is not up"
    NO_POLLER = "no_poller", "the reader of the counts has died and is started again"
    NO_HEARTBEAT = "no_heartbeat", "the daemon's heartbeat has died and is started again"
    NO_TICK = "no_tick", "the daemon's clock has died and is started again"
    NO_CONFIG = "no_config", "the watcher of the config file has died and is started again"
    NO_STATE = "no_state", "the watcher of the ledger's file has died and is started again"
    NO_NEIGHBOURS = (
        "no_neighbours",
        "the watcher for other daemons on the account has died and is started again",
    )
    LEDGER_BEHIND = (
        "ledger_behind",
        "the disk takes seconds to keep what happened; see that it is neither broken nor busy",
    )
    STALE_FEED = "stale_feed", "the stream's frames come late, or from the future"
    NOT_RECONCILED = "not_reconciled", "the account has not been read since the stream came up"
    EXCHANGE_NOT_READ = "exchange_not_read", "the exchange's state has not been read yet"
    LISTING_NOT_READ = "listing_not_read", "the listing could not be read several times in a row"
    EXCHANGE_PAUSED = "exchange_paused", "the exchange has paused trading"
    FEE_TYPE = "fee_type", "makers would pay a fee that is not known here"
    # The shard
    NO_GROUP = "no_group", "there is no order group to place orders in"
    GROUP_TRIGGERED = (
        "group_triggered",
        "too much filled at once, and the order group waits to be reset",
    )
    # The event
    NO_BELIEF = "no_belief", "no belief of the week has been formed yet (16 weeks have one at most)"
    RELEASE_DUE = (
        "release_due",
        (
            "a day's count may be out that the belief does not know; if none will come, "
            "say so with `mmbot counts none DATE`"
        ),
    )
    RELEASE_POSSIBLE = (
        "release_possible",
        (
            "a day's count may come early; nothing is quoted until the belief has it or the time "
            "for it is over"
        ),
    )
    EVENT_UNREADABLE = (
        "event_unreadable",
        "what the exchange lists of the event cannot be read; the log says what",
    )
    # The market
    PAUSED_BY_OPERATOR = (
        "paused_by_operator",
        "the operator has paused the market; `mmbot unpause` ends that",
    )
    POSITION_CONTRADICTS = (
        "position_contradicts",
        (
            "what is booked here is not what the account holds; the account is read again until "
            "they agree"
        ),
    )
    UNREADABLE = (
        "unreadable",
        "what the exchange says of the market, or of our fills there, cannot be read",
    )
    SETTLED = "settled", "the market is decided"
    MARKET_PAUSED = "market_paused", "the exchange has paused the market"
    NOT_OPEN = "not_open", "the market has not opened yet"
    CLOSED = "closed", "the market closes within a second or has closed"
    NO_BOOK = "no_book", "its book is not known, or not trusted, and has been asked for"
    NO_MARKET_PRICE = (
        "no_market_price",
        (
            "no market of the event shows what this one is worth, and too few days "
            "are published to do without"
        ),
    )
    # The quote
    REDUCE_ONLY = (
        "reduce_only",
        "the event or the day has lost what it may, and there is nothing to reduce",
    )
    FAIR_EXTREME = (
        "fair_extreme",
        "its fair value is beyond quoting.minimum_fair or quoting.maximum_fair",
    )
    NO_PRICE_OR_ROOM = (
        "no_price_or_room",
        "no price keeps the margin, or the position has no room to grow",
    )
    # A hold after a fill
    TAKEN_ON_NEWS = (
        "taken_on_news",
        (
            "an order was filled here while a count was news, and whoever took it may "
            "have read it better; tried again half an hour after the count"
        ),
    )
    # Holds after a refusal
    POST_ONLY_CROSS = (
        "post_only_cross",
        "an order would have crossed the book; tried again in a moment",
    )
    ALREADY_EXISTS = "already_exists", "an order was there already; the exchange is asked"
    INSUFFICIENT_BALANCE = (
        "insufficient_balance",
        "the balance did not suffice for an order; tried again in a minute",
    )
    PAUSED = "paused", "an order was refused because trading is paused"
    INACTIVE = "inactive", "an order was refused because the market is not active"
    NOT_FOUND = "not_found", "an order was refused because the market or the group is gone"
    NO_CHANGE = "no_change", "a change was refused because it changed nothing"
    RATE_LIMITED = "rate_limited", "the exchange refused an order for want of tokens"
    CLOCK = "clock", "the exchange refuses this machine's clock"
    UNAUTHORISED = "unauthorised", "the exchange refuses the API key"
    FORBIDDEN = "forbidden", "the API key may not trade"
    OTHER = "other", "the exchange refused an order; the log says why"


# Gates that are shut only because this session has not read or computed something yet.
NOT_LEARNT_YET: Final = frozenset(
    {
        Gate.EXCHANGE_NOT_READ,
        Gate.NOT_RECONCILED,
        Gate.NO_BELIEF,
        Gate.NO_BOOK,
        Gate.NO_GROUP,
        Gate.NO_MARKET_PRICE,
    }
)


class ShutGate(NamedTuple):
    """A shut gate; `detail` is a kind of fee or a sentence."""

    gate: Gate
    detail: str = ""

    @property
    def text(self) -> str:
        """What log, status and JSON show."""
        if not self.detail:
            return str(self.gate)
        return f"{self.gate}{'_' if self.gate is Gate.FEE_TYPE else ': '}{self.detail}"


def exchange_gate(shut: str) -> ShutGate | None:
    """Return the gate that the exchange's state shuts; `shut` is as in `ListingRead`.

    Raises:
        ValueError: There is no such gate.
    """
    return ShutGate(Gate(shut)) if shut else None


def task_gate(name: str) -> Gate:
    """Return the gate that is shut while one of the daemon's tasks is down.

    Raises:
        ValueError: There is no such task.
    """
    return Gate(f"no_{name}")
