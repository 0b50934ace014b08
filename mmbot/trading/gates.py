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
    """One gate: its value is what log, status and JSON show.

    Its `meaning` is for the operator: what is wrong; and what ends that, or that nothing has to.
    """

    meaning: str

    def __new__(cls, value: str, meaning: str = "") -> Gate:
        """Make a member that is equal to its value; `Gate(value)` finds it again."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member

    # The whole service
    STOPPING = "stopping", "the daemon was told to stop; it cancels its orders and ends"
    HALTED = "halted", "the operator has halted it; `mmbot resume` lets it quote again"
    CLOCK_OFF = (
        "clock_off",
        (
            "this machine's clock was set, or differs from the exchange's; let NTP keep the time "
            "(`timedatectl`)"
        ),
    )
    NO_STREAM = (
        "no_stream",
        "there is no connection to the exchange's stream; it is opened again by itself",
    )
    NO_POLLER = "no_poller", "the task that reads the counts has failed; it is being restarted"
    NO_HEARTBEAT = (
        "no_heartbeat",
        "the task that writes the heartbeat to the log has failed; it is being restarted",
    )
    NO_TICK = (
        "no_tick",
        "the task that watches the machine's clock has failed; it is being restarted",
    )
    NO_CONFIG = (
        "no_config",
        "the task that watches the config file has failed; it is being restarted",
    )
    NO_STATE = (
        "no_state",
        "the task that watches the ledger's file has failed; it is being restarted",
    )
    NO_NEIGHBOURS = (
        "no_neighbours",
        "the task that watches for other daemons on the account has failed; it is being restarted",
    )
    LEDGER_BEHIND = (
        "ledger_behind",
        "writes to the ledger take seconds; check that the disk is not full, failing or overloaded",
    )
    STALE_FEED = (
        "stale_feed",
        (
            "the stream's messages arrive seconds late, or bear times in the future; if that "
            "lasts, check the network and this machine's clock"
        ),
    )
    NOT_RECONCILED = (
        "not_reconciled",
        "the account has not been read since the stream connected; it is being read",
    )
    EXCHANGE_NOT_READ = (
        "exchange_not_read",
        "the exchange's state has not been read yet; it is being read",
    )
    LISTING_NOT_READ = (
        "listing_not_read",
        (
            "the list of markets could not be read several times in a row; it is tried again "
            "every few seconds"
        ),
    )
    EXCHANGE_PAUSED = (
        "exchange_paused",
        "the exchange has paused trading; nothing to do but wait for it",
    )
    FEE_TYPE = (
        "fee_type",
        (
            "the exchange states a fee for makers that mmbot does not know; it quotes again once "
            "a known fee is stated (docs/fees.md)"
        ),
    )
    # The shard
    NO_GROUP = (
        "no_group",
        "the order group that limits fills is missing; the exchange is asked for one",
    )
    GROUP_TRIGGERED = (
        "group_triggered",
        (
            "too many contracts filled within 15 seconds, so that the exchange cancelled the "
            "order group's orders; the group is reset after a minute"
        ),
    )
    # The event
    NO_BELIEF = (
        "no_belief",
        (
            "there is no forecast of the week yet (16 weeks have one at most); it is made once "
            "the counts are read"
        ),
    )
    RELEASE_DUE = (
        "release_due",
        (
            "a day's count may be out that the forecast does not include; it is waited for, and "
            "if none will come, say so with `mmbot counts none DATE`"
        ),
    )
    RELEASE_POSSIBLE = (
        "release_possible",
        (
            "a day's count may come out early; quoting resumes once the forecast includes it, or "
            "when the time for it is over"
        ),
    )
    EVENT_UNREADABLE = (
        "event_unreadable",
        (
            "the exchange's data about the event cannot be read; it is read again every half "
            "minute, and the log says what is wrong with it"
        ),
    )
    # The market
    PAUSED_BY_OPERATOR = (
        "paused_by_operator",
        "the operator has paused the market; `mmbot unpause` ends that",
    )
    POSITION_CONTRADICTS = (
        "position_contradicts",
        (
            "mmbot's record of the position differs from the account's; the account is read again "
            "until they agree, and if that takes minutes, compare the figures in the log with the "
            "account"
        ),
    )
    UNREADABLE = (
        "unreadable",
        (
            "the exchange's data about the market, or about our fills there, cannot be read; it "
            "is read again, and the log says what is wrong with it"
        ),
    )
    SETTLED = "settled", "the market has its result; nothing is left to do"
    MARKET_PAUSED = (
        "market_paused",
        "the exchange has paused the market; nothing to do but wait for it",
    )
    NOT_OPEN = "not_open", "the market has not opened yet; it is quoted from its opening on"
    CLOSED = "closed", "the market has closed, or closes within a second; nothing is left to do"
    NO_BOOK = (
        "no_book",
        "the market's order book is missing or out of date; a new copy is on request",
    )
    NO_MARKET_PRICE = (
        "no_market_price",
        (
            "no order book of the event is tight and deep enough to check the forecast here; "
            "quoting starts once one is, or once more days are published"
        ),
    )
    # The quote
    REDUCE_ONLY = (
        "reduce_only",
        (
            "the loss limit of the event or of the day is reached, and there is no position to "
            "reduce; the day's limit starts afresh tomorrow (`mmbot pnl`)"
        ),
    )
    FAIR_EXTREME = (
        "fair_extreme",
        (
            "the fair value is beyond quoting.minimum_fair or quoting.maximum_fair; it is quoted "
            "again once it is within"
        ),
    )
    NO_PRICE_OR_ROOM = (
        "no_price_or_room",
        "no price leaves the margin, or the position may not grow; `mmbot explain` shows which",
    )
    # A hold after a fill
    TAKEN_ON_NEWS = (
        "taken_on_news",
        (
            "an order filled here just after a count came out, and its taker may have read the "
            "count better; new orders follow half an hour after the count"
        ),
    )
    # Holds after a refusal
    POST_ONLY_CROSS = (
        "post_only_cross",
        (
            "an order was refused because it would have crossed the book; the next one follows in "
            "a second"
        ),
    )
    ALREADY_EXISTS = (
        "already_exists",
        "an order was refused because it exists already; the exchange is asked about it",
    )
    INSUFFICIENT_BALANCE = (
        "insufficient_balance",
        "an order was refused for want of money; it is tried again every minute, or deposit more",
    )
    PAUSED = (
        "paused",
        "an order was refused because trading is paused; it is tried again every five seconds",
    )
    INACTIVE = (
        "inactive",
        (
            "an order was refused because the market is not active; it is tried again every five "
            "seconds"
        ),
    )
    NOT_FOUND = (
        "not_found",
        "an order was refused because its market or order group is gone; both are looked up again",
    )
    NO_CHANGE = (
        "no_change",
        "a change was refused because it changed nothing; the exchange is asked about the order",
    )
    RATE_LIMITED = (
        "rate_limited",
        (
            "an order was refused because too many requests were sent; the next one follows in a "
            "second"
        ),
    )
    CLOCK = (
        "clock",
        (
            "the exchange refuses requests because of this machine's clock; let NTP keep the time "
            "(`timedatectl`)"
        ),
    )
    UNAUTHORISED = (
        "unauthorised",
        "the exchange refuses the API key; check the key with `mmbot check`, or create a new one",
    )
    FORBIDDEN = "forbidden", "the API key may not trade; create one that may and restart the daemon"
    OTHER = (
        "other",
        "the exchange refused an order; it is tried again in half a minute, and the log says why",
    )


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
