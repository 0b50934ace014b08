"""Performance of settled events: P&L, claimed and realised edges, markouts, calibration.

The edge of a fill at price p is the value of YES minus p for a bid, and p minus that value for an
ask, averaged over contracts. The claimed edge uses the fair value at the time of the fill, markouts
use the mid and the fair value some time later, and the realised edge uses the outcome. Fills in
markets that are not settled are left out of every sum. If a settlement was amended, the latest
counts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from statistics import fmean
from types import MappingProxyType
from typing import Literal, TypeAlias, get_args

import msgspec

from mmbot.forecast.calibration import Calibration
from mmbot.research import scoring, weights, yardstick
from mmbot.research.backtest import MarketPrediction, WeekResult
from mmbot.research.scoring import DAYS_PUBLISHED, BrierScores, Interval
from mmbot.research.weights import PoolReview
from mmbot.research.yardstick import WeekMeasured, Yardstick
from mmbot.trading.commands import (
    Horizon,
    MarketSample,
    MarketView,
    Markout,
    RecordFill,
    RecordSettlement,
)
from mmbot.trading.values import event_of
from mmbot.underlying.calendar import CalendarClock
from mmbot.units import MONEY_PER_DOLLAR, ONE_CONTRACT, ONE_DOLLAR, Count, Money, Price, total

Reference: TypeAlias = Literal["mid", "fair"]

HORIZONS: tuple[Horizon, ...] = get_args(Horizon)
REFERENCES: tuple[Reference, ...] = get_args(Reference)
_BINS = 10
_REAL_TIME = CalendarClock()


class Edge(msgspec.Struct, frozen=True):
    """A mean edge in dollars a contract, and the number of fills that it is the mean of."""

    fills: int
    per_contract: float = msgspec.field(name="each")


class GroupPerformance(msgspec.Struct, frozen=True):
    """Performance of a group of fills of settled markets.

    Attributes:
        name: The group: an event, a market, or the number of published days.
        fills: The number of fills.
        contracts: Their contracts.
        fees: The maker fees paid.
        pnl: The P&L after fees.
        per_contract: P&L a contract in dollars; its interval is clustered by event.
        claimed: The edge at the fair value at the time of the fill.
        realised: The edge at the outcome, before fees.
        markouts: The edges at the mid and at the fair value at each horizon.
    """

    name: str
    fills: int
    contracts: Count
    fees: Money
    pnl: Money
    per_contract: Interval | None
    claimed: Edge | None
    realised: Edge | None
    markouts: dict[Horizon, dict[Reference, Edge | None]]


class CalibrationBin(msgspec.Struct, frozen=True):
    """Calibration bin: predicted against realised frequency.

    Attributes:
        low: The lower bound of the bin.
        high: The upper bound of the bin.
        samples: The number of market samples in it.
        events: The number of events that they come from.
        predicted: Their mean fair value.
        realised: The share of them that settled YES.
    """

    low: float
    high: float
    samples: int
    events: int
    predicted: float = msgspec.field(name="fair")
    realised: float = msgspec.field(name="came_true")


class SettlementAmendment(msgspec.Struct, frozen=True):
    """A settlement that was booked again: the payout before and after."""

    ticker: str
    before: Money
    after: Money


class PerformanceReport(msgspec.Struct, frozen=True):
    """The whole report.

    P&L is of the requested events; calibration, scores and the pool are of every settled event,
    since one event alone is too few to judge them by. The calibration of the forecast, by number of
    published days, is that of its last half year, traded on or not. The yardstick is of the settled
    events among the requested ones.
    """

    events: tuple[str, ...]
    total: GroupPerformance
    by_event: tuple[GroupPerformance, ...]
    by_market: tuple[GroupPerformance, ...]
    by_days_published: tuple[GroupPerformance, ...]
    unsettled_fills: int
    amendments: tuple[SettlementAmendment, ...]
    disagreements: tuple[str, ...]
    predictions: tuple[MarketPrediction, ...]
    calibration: tuple[CalibrationBin, ...]
    brier: dict[int, BrierScores | None]
    pool: PoolReview
    forecast: Mapping[int, Calibration] = MappingProxyType({})
    yardstick: Yardstick | None = None


class _SettledFill(msgspec.Struct, frozen=True):
    """A fill, its markouts by horizon, and what YES paid."""

    record: RecordFill
    markouts: Mapping[Horizon, MarketView]
    outcome: Price

    @property
    def pnl(self) -> Money:
        fill = self.record.fill
        return Money(fill.cash + fill.signed_count * self.outcome)

    @property
    def event(self) -> str:
        return event_of(self.record.fill.ticker)


def build_report(
    fills: Sequence[RecordFill],
    markouts: Iterable[Markout],
    samples: Iterable[MarketSample],
    settlements: Sequence[RecordSettlement],
    current_weights: Sequence[float],
    events: frozenset[str],
    current_sharpness: float = 1.0,
    clock: CalendarClock = _REAL_TIME,
) -> PerformanceReport:
    """Report on the fills of `events`, and on the forecasts of every settled event.

    Args:
        fills: Every fill of the ledger.
        markouts: Belief, mid and fair value at each horizon after the fills.
        samples: Belief, mid and fair value of markets, filled or not.
        settlements: In the order of booking.
        current_weights: The weights of the belief in force, by the number of published days.
        events: The events whose P&L is requested.
        current_sharpness: The sharpness of the market in force.
        clock: The calendar as a function of the ledger's times.
    """
    settlement_of = {each.ticker: each for each in settlements}
    asked = [each for each in fills if event_of(each.fill.ticker) in events]
    markouts = tuple(markouts)
    settled = _settled_fills(asked, markouts, settlement_of)
    predictions = tuple(predictions_of(samples, settlement_of))
    weeks = _by_event(predictions)
    return PerformanceReport(
        events=tuple(sorted(events)),
        total=_performance("all", settled),
        by_event=_grouped(settled, lambda each: each.event),
        by_market=_grouped(settled, lambda each: each.record.fill.ticker),
        by_days_published=_grouped(settled, lambda each: str(each.record.days_published)),
        unsettled_fills=len(asked) - len(settled),
        amendments=tuple(_amendments(settlements, events)),
        disagreements=tuple(_disagreements(settled, settlement_of)),
        predictions=predictions,
        calibration=_calibration(predictions),
        brier={days: scoring.brier(weeks, days) for days in DAYS_PUBLISHED},
        pool=weights.review(predictions, current_weights, current_sharpness),
        yardstick=yardstick.measure(
            [
                _measured(event, asked, markouts, settlement_of, predictions, clock)
                for event in sorted(events)
                if any(event_of(ticker) == event for ticker in settlement_of)
            ]
        ),
    )


def _measured(
    event: str,
    fills: Iterable[RecordFill],
    markouts: Iterable[Markout],
    settlement_of: Mapping[str, RecordSettlement],
    predictions: Iterable[MarketPrediction],
    clock: CalendarClock,
) -> WeekMeasured:
    """Return a settled event in the form that the yardstick takes."""
    own = [each for each in fills if event_of(each.fill.ticker) == event]
    payouts = {t: each.value for t, each in settlement_of.items() if event_of(t) == event}
    return WeekMeasured(
        event,
        yardstick.strikes_in_order(payouts),
        tuple(yardstick.of_records(own, markouts, payouts, clock)),
        tuple(each for each in predictions if each.week == event),
    )


def _settled_fills(
    fills: Iterable[RecordFill],
    markouts: Iterable[Markout],
    settlement_of: Mapping[str, RecordSettlement],
) -> list[_SettledFill]:
    views: dict[tuple[str, str], dict[Horizon, MarketView]] = defaultdict(dict)
    for markout in markouts:
        views[markout.trade_id, markout.order_id][markout.horizon] = markout.view
    return [
        _SettledFill(each, views[each.fill.key], settlement_of[each.fill.ticker].value)
        for each in fills
        if each.fill.ticker in settlement_of
    ]


def predictions_of(
    samples: Iterable[MarketSample], settlement_of: Mapping[str, RecordSettlement]
) -> Iterator[MarketPrediction]:
    """Iterate over the samples of settled markets with belief, mid and fair value."""
    for sample in samples:
        view, settlement = sample.view, settlement_of.get(sample.ticker)
        if settlement is None or view.belief is None or view.mid is None or view.fair is None:
            continue
        event = event_of(sample.ticker)
        outcome = settlement.value == ONE_DOLLAR
        yield MarketPrediction(
            event, sample.days_published, sample.ticker, view.belief, view.mid, view.fair, outcome
        )


def _by_event(predictions: Sequence[MarketPrediction]) -> list[WeekResult]:
    in_order = sorted(predictions, key=lambda each: each.week)
    return [
        WeekResult(event, (), tuple(group))
        for event, group in groupby(in_order, key=lambda each: each.week)
    ]


def _grouped(
    fills: Sequence[_SettledFill], name_of: Callable[[_SettledFill], str]
) -> tuple[GroupPerformance, ...]:
    groups: dict[str, list[_SettledFill]] = defaultdict(list)
    for each in fills:
        groups[name_of(each)].append(each)
    return tuple(_performance(name, groups[name]) for name in sorted(groups))


def _performance(name: str, settled: Sequence[_SettledFill]) -> GroupPerformance:
    fills = [each.record.fill for each in settled]
    contracts = Count(sum(fill.count for fill in fills))
    return GroupPerformance(
        name=name,
        fills=len(fills),
        contracts=contracts,
        fees=total(fill.fee for fill in fills),
        pnl=total(each.pnl for each in settled),
        per_contract=_pnl_per_contract(settled) if contracts else None,
        claimed=_edge(settled, lambda each: each.record.view.fair),
        realised=_edge(settled, lambda each: each.outcome / ONE_DOLLAR),
        markouts={
            horizon: {each: _markout(settled, horizon, each) for each in REFERENCES}
            for horizon in HORIZONS
        },
    )


def _pnl_per_contract(fills: Sequence[_SettledFill]) -> Interval:
    pnl: dict[str, float] = defaultdict(float)
    contracts: dict[str, float] = defaultdict(float)
    for each in fills:
        pnl[each.event] += each.pnl / MONEY_PER_DOLLAR
        contracts[each.event] += each.record.fill.count / ONE_CONTRACT
    return scoring.clustered_ratio(list(pnl.values()), list(contracts.values()))


def _markout(fills: Sequence[_SettledFill], horizon: Horizon, reference: Reference) -> Edge | None:
    def value(each: _SettledFill) -> float | None:
        view = each.markouts.get(horizon, MarketView())
        return view.mid if reference == "mid" else view.fair

    return _edge(fills, value)


def _edge(
    settled: Iterable[_SettledFill], value: Callable[[_SettledFill], float | None]
) -> Edge | None:
    """Return the mean edge against `value`, in dollars, of the fills that have one."""
    valued = [(each.record.fill, v) for each in settled if (v := value(each)) is not None]
    contracts = sum(fill.count for fill, _ in valued)
    if not contracts:
        return None
    gained = sum((v - fill.price / ONE_DOLLAR) * fill.signed_count for fill, v in valued)
    return Edge(len(valued), gained / contracts)


def _amendments(
    settlements: Iterable[RecordSettlement], events: frozenset[str]
) -> Iterable[SettlementAmendment]:
    before: dict[str, RecordSettlement] = {}
    for each in settlements:
        if each.ticker in before and event_of(each.ticker) in events:
            yield SettlementAmendment(each.ticker, before[each.ticker].payout, each.payout)
        before[each.ticker] = each


def _disagreements(
    settled: Iterable[_SettledFill], settlement_of: Mapping[str, RecordSettlement]
) -> Iterable[str]:
    """Yield the markets whose settled position is not the sum of their fills."""
    positions: dict[str, int] = defaultdict(int)
    for each in settled:
        positions[each.record.fill.ticker] += each.record.fill.signed_count
    return (
        ticker
        for ticker, position in positions.items()
        if settlement_of[ticker].position != position
    )


def _calibration(predictions: Sequence[MarketPrediction]) -> tuple[CalibrationBin, ...]:
    bins: dict[int, list[MarketPrediction]] = defaultdict(list)
    for each in predictions:
        bins[min(int(each.pooled * _BINS), _BINS - 1)].append(each)
    return tuple(
        CalibrationBin(
            low=number / _BINS,
            high=(number + 1) / _BINS,
            samples=len(held),
            events=len({each.week for each in held}),
            predicted=fmean(each.pooled for each in held),
            realised=fmean(each.outcome for each in held),
        )
        for number, held in sorted(bins.items())
    )
