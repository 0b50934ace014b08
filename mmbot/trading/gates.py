"""The gates: why a market is not quoted.

Each gate is a fact about now, and the first that is shut is the reason that log and status show.
A shut gate takes the quotes off; a hold merely keeps new orders away.
"""

from __future__ import annotations

import enum
from bisect import bisect_right
from typing import TYPE_CHECKING, Final, NamedTuple

from mmbot.forecast.belief import Belief
from mmbot.units import Milliseconds

if TYPE_CHECKING:
    from mmbot.trading.state import MarketState, ReleaseWindow, ServiceState, ShardState

# Quotes come off this long before the close, because after it not even a cancel is accepted.
CLOSING_MARGIN_MS: Final = 1_000


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
    NO_STREAM = "no_stream", "the exchange's stream is not up"
    NO_POLLER = "no_poller", "the reader of the counts has died and is started again"
    NO_HEARTBEAT = "no_heartbeat", "the daemon's heartbeat has died and is started again"
    NO_TICK = "no_tick", "the daemon's clock has died and is started again"
    STALE_FEED = "stale_feed", "the stream's frames come late"
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
    NO_BELIEF = "no_belief", "no belief of the week has been formed yet"
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
    # The market
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
    """A gate that is shut; `detail` is the kind of fee that makers would pay."""

    gate: Gate
    detail: str = ""

    @property
    def text(self) -> str:
        """What log, status and JSON show."""
        return f"{self.gate}_{self.detail}" if self.detail else str(self.gate)


def exchange_gate(shut: str) -> ShutGate | None:
    """Return the gate that a reading of the exchange shuts; `shut` is that of `ListingRead`.

    Raises:
        ValueError: There is no such gate.
    """
    if not shut:
        return None
    prefix = f"{Gate.FEE_TYPE}_"
    if shut.startswith(prefix):
        return ShutGate(Gate.FEE_TYPE, shut.removeprefix(prefix))
    return ShutGate(Gate(shut))


def task_gate(name: str) -> Gate:
    """Return the gate that is shut while one of the daemon's tasks is down.

    Raises:
        ValueError: There is no such task.
    """
    return Gate(f"no_{name}")


def service_gate(service: ServiceState) -> Gate | None:
    """Return why nothing at all may be quoted."""
    if service.stopping or service.halted:
        return Gate.STOPPING if service.stopping else Gate.HALTED
    if service.tasks_down:
        return service.tasks_down[0]
    if not service.streaming:
        return Gate.NO_STREAM
    if service.lagging:
        return Gate.STALE_FEED
    if not service.reconciled:
        return Gate.NOT_RECONCILED
    return service.exchange.gate if service.exchange else None


def shard_gate(shard: ShardState) -> Gate | None:
    """Return why nothing on a shard may be quoted."""
    if not shard.group:
        return Gate.NO_GROUP
    return Gate.GROUP_TRIGGERED if shard.triggered else None


def belief_gate(
    belief: Belief | None,
    releases: tuple[Milliseconds, ...],
    windows: tuple[ReleaseWindow, ...],
    now: Milliseconds,
) -> Gate | None:
    """Return why an event's belief may not be traded on.

    Args:
        belief: The event's belief, if there is one.
        releases: The instants, ascending, from which one more day's count may be out each, except
            for days that get none. From then on, whoever has read the count knows more than a
            belief without it.
        windows: When a count may come early; without it, nothing is quoted until its window shuts.
        now: The time.
    """
    if belief is None:
        return Gate.NO_BELIEF
    if belief.days_published < bisect_right(releases, now):
        return Gate.RELEASE_DUE
    if any(
        w.opens <= now < w.closes_at and belief.days_published < w.days_published for w in windows
    ):
        return Gate.RELEASE_POSSIBLE
    return None


def final_gate(market: MarketState, now: Milliseconds) -> Gate | None:
    """Return why a market will not be quoted any more."""
    if market.result is not None:
        return Gate.SETTLED
    return Gate.CLOSED if now >= market.terms.closes - CLOSING_MARGIN_MS else None


def market_gate(market: MarketState, now: Milliseconds) -> Gate | None:
    """Return why a market that is not over may not be quoted."""
    if not market.terms.active:
        return Gate.MARKET_PAUSED
    if now < market.terms.opens:
        return Gate.NOT_OPEN
    if market.book is None:
        return Gate.NO_BOOK
    return None


def hold_gate(market: MarketState, now: Milliseconds) -> Gate | None:
    """Return why no new order may be sent to a market for the moment."""
    return market.held_by if now < market.held_until else None
