"""The tables that decide what is quoted: prices and sizes, limits, the life of orders."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Annotated, Literal, TypeAlias

import msgspec

from mmbot.config.values import AtTensOfCents, Dollars, Parts, Section, Share, Shares, key
from mmbot.units import (
    MONEY_PER_DOLLAR,
    ONE_CENT,
    ONE_CONTRACT,
    ONE_DOLLAR,
    Count,
    Milliseconds,
    Money,
    Price,
)

Sides: TypeAlias = Literal["likelier", "both"]


def _by_days_published(values: tuple[float, ...], days_published: int) -> float:
    return values[min(days_published, len(values) - 1)]


class QuotingSettings(Section, frozen=True, kw_only=True):
    """`[quoting]`: prices and sizes of quotes.

    `margin` is the main setting: a side is bid for at most (1 - margin) x its fair value. Lists
    have a value for each number of published days: none, one, two, three, and four or more.

    `belief_weight` (a) and `market_sharpness` (b, a factor of log-odds) make fair value:
    logit p = a logit p_belief + (1 - a) b logit p_mid. They are the best on ten quoted weeks and on
    128 Fridays, too few to tune them; `mmbot report` says when a user's own weeks are enough.

    `longshot_edge_cents` is the additional edge of a bid at 10, 20, 30, 40 and 50 cents, linear in
    between, constant below 10 and none from 60 on. In all 35,764 trades of October 2024 to November
    2025 makers earned, in cents a contract after a fee of one cent: below .05 -1.7; .05 to .2 +1.0,
    but on Fridays such longshots cost 18 and won 10.5 times in 100; .2 to .4 -5.0; .4 to .6 +5.7;
    .6 to .8 +6.9; .8 to .95 +3.5; above +1.6.
    """

    margin: Annotated[
        Share | Shares,
        key(
            "The main knob: the bid for a side is at most (1 - margin) x its fair value. One "
            "number, or five: for 0, 1, 2, 3 and 4 or more published days of the week.",
            "share of fair value",
        ),
    ] = 0.1
    sides: Annotated[
        Sides,
        key('"likelier" bids only for the side worth half a dollar or more, "both" bids for both.'),
    ] = "likelier"
    longshot_edge_cents: Annotated[
        AtTensOfCents,
        key(
            "Longshots are overpriced: the extra edge of a bid at 10, 20, 30, 40 and 50 cents, "
            "interpolated in between; none from 60 cents on.",
            "cents",
        ),
    ] = (5.0, 5.0, 5.0, 2.5, 0.0)
    belief_weight: Annotated[
        Parts,
        key(
            "The forecast's weight in fair value, by days published as for margin; the market's "
            "midpoint has the rest. `mmbot report` says when your own weeks suffice to change it.",
            "share, in log-odds",
        ),
    ] = (0.2, 0.1, 0.25, 0.4, 0.55)
    market_sharpness: Annotated[
        float,
        msgspec.Meta(ge=0.5, le=2.0),
        key(
            "Prices near 0 and 1 are not extreme enough: the midpoint's log-odds are multiplied by "
            "this. 1 leaves them as they are.",
            "factor",
        ),
    ] = 1.2
    mid_depth_contracts: Annotated[
        int,
        msgspec.Meta(ge=1, le=100_000),
        key(
            "The midpoint uses only price levels of at least this size, without own orders: a "
            "single contract says nothing.",
            "contracts",
        ),
    ] = 5
    contracts: Annotated[
        int, msgspec.Meta(ge=1, le=100_000), key("The size of a full quote.", "contracts")
    ] = 10
    size_by_known: Annotated[
        Parts,
        key(
            "The share of a full quote that may open a position, by days published as for margin: "
            "little while little is known.",
            "share of contracts",
        ),
    ] = (0.2, 0.2, 0.4, 0.4, 1.0)
    kelly_fraction: Annotated[
        float,
        msgspec.Meta(ge=0.01, le=1.0),
        key(
            "The share of the Kelly size that is quoted, as if every bid on one side of the ladder "
            "were filled.",
            "share",
        ),
    ] = 0.25
    # The finest grid's tick: with less, a bid and an ask around one fair value could meet.
    minimum_edge_cents: Annotated[
        float,
        msgspec.Meta(ge=0.01, le=50.0),
        key(
            "A quote is at least this far from what the contract is worth given the position, "
            "whatever the margin.",
            "cents",
        ),
    ] = 2.0
    uncertainty_edge: Annotated[
        float,
        msgspec.Meta(ge=0.0, lt=1.0),
        key(
            "And at least this x p (1 - p), which is a quarter of it at even odds, where fair "
            "value is least certain.",
            "dollars",
        ),
    ] = 0.1
    lowest_bid_cents: Annotated[
        float,
        msgspec.Meta(ge=0.0, le=50.0),
        key("The lowest bid for YES, because longshots are overpriced.", "cents"),
    ] = 10.0
    minimum_fair: Annotated[
        float,
        msgspec.Meta(gt=0.0, lt=0.5),
        key(
            "Nothing is quoted if fair value is below this: the forecast's tail is a guess.",
            "dollars",
        ),
    ] = 0.03
    maximum_fair: Annotated[
        float,
        msgspec.Meta(gt=0.5, lt=1.0),
        key("Nothing is quoted if fair value is above this.", "dollars"),
    ] = 0.97
    reprice_tolerance_cents: Annotated[
        float,
        msgspec.Meta(ge=0.0, le=20.0),
        key(
            "How far a quote on the safe side may be from its best price before it is moved; a "
            "move costs the place in the queue.",
            "cents",
        ),
    ] = 1.0
    minimum_rest_seconds: Annotated[
        float,
        msgspec.Meta(ge=0.0, le=600.0),
        key("How long a quote on the safe side stays at its price before it is moved.", "seconds"),
    ] = 2.0

    def margin_at(self, days_published: int) -> float:
        """Return the margin at a number of published days."""
        if isinstance(self.margin, float):
            return self.margin
        return _by_days_published(self.margin, days_published)

    def belief_weight_at(self, days_published: int) -> float:
        """Return the belief's weight in fair value, in log-odds; the rest is the market mid's."""
        return _by_days_published(self.belief_weight, days_published)

    def size_at(self, days_published: int) -> float:
        """Return the largest size of a quote that may open a position, in units of count."""
        return self.size * _by_days_published(self.size_by_known, days_published)

    def edge(self, value: float) -> float:
        """Return the least edge of a quote where YES is worth `value`, both in dollars."""
        least = self.minimum_edge_cents * ONE_CENT / ONE_DOLLAR
        return max(least, self.uncertainty_edge * value * (1 - value))

    @cached_property
    def yes_from(self) -> float:
        """The fair value, in dollars, from which on YES is bid for."""
        return 0.0 if self.sides == "both" else 0.5

    @cached_property
    def no_below(self) -> float:
        """The fair value of YES, in dollars, below which NO is bid for."""
        return math.inf if self.sides == "both" else 0.5

    @cached_property
    def size(self) -> Count:
        """The size of a full quote."""
        return Count(self.contracts * ONE_CONTRACT)

    @cached_property
    def mid_depth(self) -> Count:
        """The size that must rest at a price before it counts for the market mid."""
        return Count(self.mid_depth_contracts * ONE_CONTRACT)

    @cached_property
    def lowest_bid(self) -> float:
        """The lowest bid for YES, in dollars."""
        return self.lowest_bid_cents * ONE_CENT / ONE_DOLLAR

    @cached_property
    def reprice_tolerance(self) -> Price:
        """The distance of a quote from its best price beyond which it is moved."""
        return Price(round(self.reprice_tolerance_cents * ONE_CENT))

    @cached_property
    def minimum_rest(self) -> Milliseconds:
        """The least time between moves of a quote that is not at risk, in milliseconds."""
        return round(self.minimum_rest_seconds * 1000)


class LimitSettings(Section, frozen=True, kw_only=True):
    """`[limits]`: risk limits that override every quote."""

    contracts_per_market: Annotated[
        int,
        msgspec.Meta(ge=1, le=1_000_000),
        key("The largest position in one market, on either side.", "contracts"),
    ] = 100
    event_loss_dollars: Annotated[
        Dollars,
        key(
            "The most that one week may lose in its worst outcome, if every resting order fills.",
            "dollars",
        ),
    ] = 100.0
    contracts_per_15_seconds: Annotated[
        int,
        msgspec.Meta(ge=1, le=1_000_000),
        key(
            "If more contracts fill within 15 seconds, the exchange itself cancels all quotes; "
            "they stay off for a minute.",
            "contracts",
        ),
    ] = 100
    daily_loss_dollars: Annotated[
        Dollars,
        key(
            "Once a day (New York) has lost this, positions at fair value, no position may grow "
            "until the next day.",
            "dollars",
        ),
    ] = 100.0
    event_cash_share: Annotated[
        float,
        msgspec.Meta(gt=0.0, le=1.0),
        key("The share of the account's cash that one week may use.", "share of cash"),
    ] = 0.5
    orders: Annotated[
        int,
        msgspec.Meta(ge=1, le=10_000),
        key("The most orders that may be live at once.", "orders"),
    ] = 100

    @cached_property
    def position(self) -> Count:
        """The largest position in one market, on either side."""
        return Count(self.contracts_per_market * ONE_CONTRACT)

    @cached_property
    def event_loss(self) -> Money:
        """The most that one event may lose in its worst case, with every order filled."""
        return Money(round(self.event_loss_dollars * MONEY_PER_DOLLAR))

    @cached_property
    def fill_cap(self) -> Count:
        """The contracts that may fill in 15 seconds before the exchange cancels every order."""
        return Count(self.contracts_per_15_seconds * ONE_CONTRACT)

    @cached_property
    def daily_loss(self) -> Money:
        """The loss of a day after which no position may grow until the next day."""
        return Money(round(self.daily_loss_dollars * MONEY_PER_DOLLAR))

    def cash_for_event(self, cash: Money) -> Money:
        """Return the share of the account's cash that one event may use."""
        return Money(int(cash * self.event_cash_share))


class OrderSettings(Section, frozen=True, kw_only=True):
    """`[orders]`: lifetimes and timeouts of orders."""

    lifetime_seconds: Annotated[
        int,
        msgspec.Meta(ge=5, le=3600),
        key(
            "Orders expire by themselves after this time unless they are renewed: the longest that "
            "a quote can outlive a dead bot.",
            "seconds",
        ),
    ] = 60
    answer_timeout_seconds: Annotated[
        float,
        msgspec.Meta(ge=0.5, le=60.0),
        key(
            "The outcome of a write that is not answered within this time is unknown, and the "
            "order is looked up.",
            "seconds",
        ),
    ] = 5.0

    @cached_property
    def lifetime(self) -> Milliseconds:
        """The time from an order's placement or renewal to its expiry, in milliseconds."""
        return self.lifetime_seconds * 1000
