"""A small ledger made by hand: two events of two markets each."""

from __future__ import annotations

from mmbot.trading.commands import (
    Horizon,
    MarketSample,
    MarketView,
    Markout,
    RecordFill,
    RecordSettlement,
    SampleMoment,
)
from mmbot.trading.values import Fill, Side
from mmbot.units import (
    ONE_CENT,
    ONE_CONTRACT,
    ONE_DOLLAR,
    Count,
    Milliseconds,
    Money,
    Price,
    value_of,
)

FIRST, SECOND = "KXTSAW-26NOV15", "KXTSAW-26NOV22"
LOW, HIGH = f"{FIRST}-A2.40", f"{FIRST}-A2.50"
NEXT_LOW, NEXT_HIGH = f"{SECOND}-A2.40", f"{SECOND}-A2.50"
AT: Milliseconds = 1_763_650_000_000


def booked(
    trade_id: str,
    ticker: str,
    side: Side,
    cents: int,
    contracts: int,
    days_published: int = 1,
    fair: float | None = None,
    fee: int = 0,
) -> RecordFill:
    """A fill at a price in cents, with its fair value in dollars if there was one."""
    price, count = Price(cents * ONE_CENT), Count(contracts * ONE_CONTRACT)
    at = AT + sum(map(ord, trade_id))
    fill = Fill(trade_id, f"o-{trade_id}", ticker, side, price, count, Money(fee), at)
    return RecordFill(fill, days_published, MarketView(fair, fair, fair))


def marked(trade_id: str, horizon: Horizon, mid: float | None, fair: float | None) -> Markout:
    """Mid and fair value some time after a fill."""
    return Markout(trade_id, f"o-{trade_id}", horizon, AT, MarketView(fair, mid, fair))


def settlement(
    ticker: str, won: bool, contracts: int = 0, at: Milliseconds = AT
) -> RecordSettlement:
    """The settlement of a position."""
    value, position = Price(won * ONE_DOLLAR), Count(contracts * ONE_CONTRACT)
    return RecordSettlement(ticker, value, position, value_of(position, value), at)


def sampled(
    ticker: str, belief: float, mid: float, days_published: int = 1, moment: SampleMoment = "first"
) -> MarketSample:
    """A market sample with the fair value half-way between belief and mid."""
    return MarketSample(
        ticker, days_published, moment, AT, MarketView(belief, mid, (belief + mid) / 2)
    )


FILLS = (
    # Ten YES at 40 cents, fair at 45: wins 60 cents each, less a fee of 30 cents.
    booked("a", LOW, "bid", 40, 10, days_published=1, fair=0.45, fee=300_000),
    # Five YES sold at 30 cents, fair at 25: they win 30 cents each.
    booked("b", HIGH, "ask", 30, 5, days_published=3, fair=0.25),
    # Twenty YES at 70 cents without belief, mid or fair value: they lose.
    booked("c", NEXT_LOW, "bid", 70, 20, days_published=3),
)
MARKOUTS = (
    marked("a", "1s", 0.41, 0.44),
    marked("a", "release", 0.60, 0.62),
    marked("b", "1s", None, 0.28),
)
SETTLEMENTS = (
    settlement(LOW, True, 10),
    settlement(HIGH, False, -5),
    settlement(NEXT_LOW, False, 20),
    settlement(NEXT_HIGH, False),
)
SAMPLES = (
    sampled(LOW, 0.9, 0.8),
    sampled(HIGH, 0.3, 0.1),
    sampled(NEXT_LOW, 0.4, 0.6, days_published=2),
)
