"""Past weeks made by hand, and what happened in them, without files."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from types import MappingProxyType
from typing import Any

import msgspec

from mmbot.bot.outputs import FitForecast
from mmbot.config import Settings
from mmbot.forecast.belief import Belief
from mmbot.history.rows import Candle, EventRecord, MarketRecord, Outcome, Trade
from mmbot.history.weeks import PastEvent, PastWeek, Release, releases
from mmbot.research.week_replay import (
    FillRules,
    PredictorSource,
    ReplayedWeek,
    WeekToReplay,
    replay_week,
)
from mmbot.tsa.releases import assumed_release
from mmbot.tsa.synthetic import daily_counts
from mmbot.underlying.calendar import CalendarClock, Week, to_milliseconds
from mmbot.underlying.counts import Counts, Vintage
from mmbot.units import ONE_DOLLAR, Count, Milliseconds, Money, Price
from tests.research.builders import PLAIN_QUOTING

SERIES = "KXTSAW"
WEEK = Week(dt.date(2026, 4, 19))
CLOCK = CalendarClock()
MINUTE, HOUR = 60_000, 3_600_000
CASH = Money(10**12)


def opens(week: Week = WEEK) -> Milliseconds:
    return to_milliseconds(week.opens)


def counts_around(week: Week = WEEK) -> Counts:
    """Synthetic counts at their assumed releases."""
    days = daily_counts(week.sunday, 1)
    return Counts(
        MappingProxyType({day: (Vintage(n, assumed_release(day)),) for day, n in days.items()})
    )


COUNTS = counts_around()


def ticker(strike: int, week: Week = WEEK) -> str:
    return f"{week.event_ticker(SERIES)}-A{strike / 1e6:.2f}"


def past_week(
    strikes: Sequence[int],
    payouts: Sequence[int],
    week: Week = WEEK,
    closes: Milliseconds | None = None,
) -> PastWeek:
    """A week with these markets."""
    event = week.event_ticker(SERIES)
    closes = to_milliseconds(week.closes) if closes is None else closes
    markets = tuple(
        MarketRecord(
            ticker=ticker(strike, week),
            event_ticker=event,
            series=SERIES,
            strike=strike,
            opens_ms=opens(week),
            closes_ms=closes,
            settled_ms=to_milliseconds(week.settles),
            status="finalized",
            result="yes" if payout else "no",
            yes_value=Price(payout),
            expiration_value="",
            volume=None,
            price_bands="0:10000:100",
            fee_waiver_ms=None,
            shard=0,
        )
        for strike, payout in zip(strikes, payouts, strict=True)
    )
    return PastWeek(EventRecord(event, SERIES, week.sunday, "", None, None), markets, {}, (), CLOCK)


def trade(at: Milliseconds, market: str, price: int, count: int, taker: Outcome) -> Trade:
    return Trade(
        at_ms=at,
        ticker=market,
        trade_id=f"{at}-{market}-{price}-{taker}",
        price=Price(price),
        count=Count(count),
        taker_side=taker,
        is_block=False,
    )


def candle(
    end: Milliseconds, market: str, bid: int | None, ask: int | None, minutes: int = 1
) -> Candle:
    """A candle of which only the last top matters."""
    tops: dict[str, Any] = {}
    for name in ("open", "low", "high", "close"):
        tops |= {f"bid_{name}": bid or 0, f"ask_{name}": ask or ONE_DOLLAR}
        tops[f"price_{name}"] = None
    return Candle(
        end_ms=end,
        ticker=market,
        period_minutes=minutes,
        price_mean=None,
        price_before=None,
        volume=Count(0),
        open_interest=None,
        **tops,
    )


class SameBelief:
    """Expects the same all week, whatever is published, and judges no count."""

    def __init__(self, above: Sequence[float]) -> None:
        self.above = tuple(above)

    def __call__(self, fit: FitForecast) -> SameBelief:
        return self

    def belief(self, counts: Counts, week: Week, strikes: Sequence[int]) -> Belief:
        published = len(counts.published_days(week))
        return Belief(week, published, tuple(strikes), self.above, 2.5e6, 8e4, "same", "same")

    def deviations(self, counts: Counts, day: dt.date, count: int) -> float:
        return 0.0


def settings(**quoting: Any) -> Settings:
    """Settings that trust the belief alone, with a margin of a tenth on both sides."""
    return msgspec.convert({"quoting": {**PLAIN_QUOTING, **quoting}}, Settings)


def happened(
    rows: Iterable[Trade | Candle], counts: Counts = COUNTS, week: Week = WEEK
) -> list[PastEvent]:
    """Rows and the week's releases in the order in which they were known."""
    events: list[PastEvent] = [*rows, *releases(counts, week, CLOCK)]
    order = (Trade, Candle, Release)
    return sorted(events, key=lambda each: (known_at(each), order.index(type(each))))


def known_at(event: PastEvent) -> Milliseconds:
    return event.end_ms if isinstance(event, Candle) else event.at_ms


def replayed(
    past: PastWeek,
    rows: Iterable[Trade | Candle],
    predictor: PredictorSource,
    using: Settings | None = None,
    rules: FillRules | None = None,
    counts: Counts = COUNTS,
    **other: Any,
) -> ReplayedWeek:
    """Replay a week in which this happened."""
    held = list(rows)
    minutes = {row.ticker for row in held if isinstance(row, Candle) and row.period_minutes == 1}
    events = happened(held, counts, past.week)
    week = WeekToReplay(past, lambda: events, frozenset(minutes), counts)
    return replay_week(week, using or settings(), CASH, predictor, rules, **other)
