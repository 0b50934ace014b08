"""What a status shows of one market: its gate, its book, its orders and fills."""

from __future__ import annotations

from typing import Literal

import msgspec

from mmbot.units import Milliseconds


class ShownGate(msgspec.Struct, frozen=True):
    """A gate that is shut.

    Attributes:
        gate: Its name, as everywhere in log and JSON, such as `release_due`.
        meaning: What that means and what ends it, in a sentence for a person.
        detail: What the gate alone does not say; may be empty.
    """

    gate: str
    meaning: str
    detail: str = ""


class BookLevel(msgspec.Struct, frozen=True):
    """A price of YES and the contracts that rest there."""

    price: str
    count: str


class OwnOrder(msgspec.Struct, frozen=True):
    """One of the bot's orders that may still matter.

    Attributes:
        market: The market's ticker.
        side: `bid` buys YES; `ask` sells YES, which is to buy NO at a dollar less the price.
        price: Its price of YES.
        count: The contracts that may still rest.
        filled: The contracts that were filled.
        state: placing, resting, renewing, decreasing, cancelling, unknown or awaiting_fills.
        placed: When it was sent, or found.
        expires: When the exchange cancels it by itself, unless it is renewed before.
        order_id: The exchange's id; empty until it is known.
        client_id: The bot's own id.
    """

    market: str
    side: Literal["bid", "ask"]
    price: str
    count: str
    filled: str
    state: str
    placed: Milliseconds
    expires: Milliseconds
    order_id: str
    client_id: str


class ShownMarkout(msgspec.Struct, frozen=True):
    """A fill's market some time after the fill, in dollars of YES; `null` where it had no value.

    Attributes:
        at: When it was sampled.
        belief: The forecast's probability.
        mid: The midpoint.
        fair: Fair value.
    """

    at: Milliseconds
    belief: float | None
    mid: float | None
    fair: float | None


class ShownFill(msgspec.Struct, frozen=True):
    """One fill of an own order, and what its market showed at the time.

    Attributes:
        trade_id: The exchange's id of the trade.
        order_id: The exchange's id of the order.
        market: The market's ticker.
        side: `bid` bought YES, `ask` sold it.
        price: The price of YES.
        count: The contracts.
        fee: The fee in dollars.
        at: When it happened.
        days_published: How many of the week's counts were published then.
        belief: The forecast's probability then; `null` where it was reported too late.
        mid: The midpoint then.
        fair: Fair value then.
        confirmed: Whether the account's list has it, and not only the stream.
        markouts: What the market showed after `1s`, `1min`, `1h` and the next `release`.
    """

    trade_id: str
    order_id: str
    market: str
    side: Literal["bid", "ask"]
    price: str
    count: str
    fee: str
    at: Milliseconds
    days_published: int
    belief: float | None
    mid: float | None
    fair: float | None
    confirmed: bool
    markouts: dict[str, ShownMarkout] = {}


class MarketStatus(msgspec.Struct, frozen=True):
    """One market.

    Attributes:
        market: Its ticker.
        strike: The passengers above which YES pays; `null` without a daemon.
        opens: When trading opens; `null` without a daemon.
        closes: When trading closes; the same.
        belief: The forecast's probability of YES.
        mid: The market's own midpoint, while its book is narrow and deep enough.
        fair: Fair value: belief and midpoints pooled.
        reservation: What one more YES is worth to the holder of the present positions.
        book_bid: The best bid of others in the book; `null` without one, or without a book.
        book_ask: The best ask of others.
        book_age_ms: The time since the book changed; `null` while it is not known or not trusted.
        quotes: Own orders, oldest first.
        position: Contracts held: + YES, - NO.
        position_left: How many more may be held on the side of the position.
        cash: What its fills have added to the cash, fees included; negative if it cost.
        pnl_fair: Its P&L at fair; `null` while a position there cannot be valued.
        pnl_worst: Its P&L if its position pays nothing or, once settled, with its payout.
        result: What YES pays, once known.
        settled: Whether its payout is booked.
        paused: Whether the operator has taken this market's quotes off.
        gate: Why it is not quoted; `null` if nothing keeps it from being quoted.
    """

    market: str
    strike: int | None = None
    opens: Milliseconds | None = None
    closes: Milliseconds | None = None
    belief: float | None = None
    mid: float | None = None
    fair: float | None = None
    reservation: float | None = None
    book_bid: BookLevel | None = None
    book_ask: BookLevel | None = None
    book_age_ms: Milliseconds | None = None
    quotes: tuple[OwnOrder, ...] = ()
    position: str = "0.00"
    position_left: str = "0.00"
    cash: str = "0.000000"
    pnl_fair: str | None = None
    pnl_worst: str = "0.000000"
    result: str | None = None
    settled: bool = False
    paused: bool = False
    gate: ShownGate | None = None
