"""What settled events came to: P&L, edges claimed and realised, markouts, and who was right.

The edge of a fill at price p is what YES was worth less p for a bid, and p less what it was worth
for an ask; each contract counts the same. It is claimed at the fair value when the fill happened,
marked out at the midpoint and at the fair value some time later, and realised at the outcome. Fills
of markets that are not decided are left out of every sum. Where settlements were amended the latest
counts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from statistics import fmean
from typing import Literal, TypeAlias, get_args

import msgspec

from mmbot.research import scoring, weights
from mmbot.research.backtest import MarketOpinion, WeekResult
from mmbot.research.scoring import KNOWN, Brier, Interval
from mmbot.research.weights import Proposal
from mmbot.trading.commands import (
    Horizon,
    MarketSample,
    MarketView,
    Markout,
    RecordFill,
    RecordSettlement,
)
from mmbot.units import MONEY_PER_DOLLAR, ONE_CONTRACT, ONE_DOLLAR, Count, Money, Price

Reference: TypeAlias = Literal["mid", "fair"]

HORIZONS: tuple[Horizon, ...] = get_args(Horizon)
REFERENCES: tuple[Reference, ...] = get_args(Reference)
_BINS = 10


class Edge(msgspec.Struct, frozen=True):
    """An edge in dollars a contract, and the number of fills that it could be had of."""

    fills: int
    each: float


class Figures(msgspec.Struct, frozen=True):
    """What some fills of settled markets came to.

    Attributes:
        name: What they have in common: an event, a market, or the number of known days.
        fills: How many.
        contracts: How many.
        fees: What the exchange took as a maker's fee.
        pnl: What they earned, fees paid.
        per_contract: P&L a contract in dollars; events are the units of its interval.
        claimed: The edge at the fair value when they happened.
        realised: The edge at the outcome, before fees.
        markouts: The edges at the midpoint and at the fair value some time later.
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
    """How often came true what was thought as likely as this."""

    low: float
    high: float
    samples: int
    events: int
    fair: float
    came_true: float


class SettlementAmendment(msgspec.Struct, frozen=True):
    """A settlement that was booked again: what a market paid before, and what it pays now."""

    ticker: str
    before: Money
    after: Money


class PerformanceReport(msgspec.Struct, frozen=True):
    """The whole report.

    Profit and loss is of the events that were asked for; calibration, scores and weights are of
    every settled event, since one alone says nothing of them.
    """

    events: tuple[str, ...]
    total: Figures
    by_event: tuple[Figures, ...]
    by_market: tuple[Figures, ...]
    by_known: tuple[Figures, ...]
    undecided_fills: int
    amendments: tuple[SettlementAmendment, ...]
    disagreements: tuple[str, ...]
    opinions: tuple[MarketOpinion, ...]
    calibration: tuple[CalibrationBin, ...]
    brier: dict[int, Brier | None]
    weights: tuple[Proposal, ...]


class _Judged(msgspec.Struct, frozen=True):
    """A fill, what was thought of it then and later, and what YES paid."""

    booked: RecordFill
    later: Mapping[Horizon, MarketView]
    outcome: Price

    @property
    def pnl(self) -> Money:
        fill = self.booked.fill
        return fill.cash + fill.signed_count * self.outcome


def event_of(ticker: str) -> str:
    """Return the event that a market belongs to."""
    return ticker.rpartition("-")[0]


def judge(
    fills: Sequence[RecordFill],
    markouts: Iterable[Markout],
    samples: Iterable[MarketSample],
    settlements: Sequence[RecordSettlement],
    present_weights: Sequence[float],
    events: frozenset[str],
) -> PerformanceReport:
    """Return what became of the fills of `events`, and what every sample says of the forecasts.

    Args:
        fills: Every fill of the ledger.
        markouts: What was thought of fills later.
        samples: What was thought of markets.
        settlements: In the order of booking.
        present_weights: The weights of the belief in force, by the number of known days.
        events: The events whose P&L is asked for.
    """
    settled = {each.ticker: each for each in settlements}
    later: dict[tuple[str, str], dict[Horizon, MarketView]] = defaultdict(dict)
    for markout in markouts:
        later[markout.trade_id, markout.order_id][markout.horizon] = markout.view
    asked = [each for each in fills if event_of(each.fill.ticker) in events]
    judged = [
        _Judged(each, later[each.fill.key], settled[each.fill.ticker].value)
        for each in asked
        if each.fill.ticker in settled
    ]
    opinions = tuple(_opinions(samples, settled))
    weeks = _by_event(opinions)
    return PerformanceReport(
        events=tuple(sorted(events)),
        total=_figures("all", judged),
        by_event=_grouped(judged, lambda each: event_of(each.booked.fill.ticker)),
        by_market=_grouped(judged, lambda each: each.booked.fill.ticker),
        by_known=_grouped(judged, lambda each: str(each.booked.days_published)),
        undecided_fills=len(asked) - len(judged),
        amendments=tuple(_amendments(settlements, events)),
        disagreements=tuple(_disagreements(judged, settled)),
        opinions=opinions,
        calibration=_calibration(opinions),
        brier={known: scoring.brier(weeks, known) for known in KNOWN},
        weights=tuple(weights.propose(opinions, present_weights)),
    )


def _opinions(
    samples: Iterable[MarketSample], settled: Mapping[str, RecordSettlement]
) -> Iterable[MarketOpinion]:
    for sample in samples:
        view, outcome = sample.view, settled.get(sample.ticker)
        if outcome is None or view.belief is None or view.mid is None or view.fair is None:
            continue
        event = event_of(sample.ticker)
        came = outcome.value == ONE_DOLLAR
        yield MarketOpinion(
            event, sample.days_published, sample.ticker, view.belief, view.mid, view.fair, came
        )


def _by_event(opinions: Sequence[MarketOpinion]) -> list[WeekResult]:
    in_order = sorted(opinions, key=lambda each: each.week)
    return [
        WeekResult(event, (), tuple(mine))
        for event, mine in groupby(in_order, key=lambda each: each.week)
    ]


def _grouped(judged: Sequence[_Judged], name_of: Callable[[_Judged], str]) -> tuple[Figures, ...]:
    groups: dict[str, list[_Judged]] = defaultdict(list)
    for each in judged:
        groups[name_of(each)].append(each)
    return tuple(_figures(name, groups[name]) for name in sorted(groups))


def _figures(name: str, judged: Sequence[_Judged]) -> Figures:
    fills = [each.booked.fill for each in judged]
    contracts = sum(fill.count for fill in fills)
    return Figures(
        name=name,
        fills=len(fills),
        contracts=contracts,
        fees=sum(fill.fee for fill in fills),
        pnl=sum(each.pnl for each in judged),
        per_contract=_per_contract(judged) if contracts else None,
        claimed=_edge(judged, lambda each: each.booked.view.fair),
        realised=_edge(judged, lambda each: each.outcome / ONE_DOLLAR),
        markouts={
            horizon: {each: _markout(judged, horizon, each) for each in REFERENCES}
            for horizon in HORIZONS
        },
    )


def _per_contract(judged: Sequence[_Judged]) -> Interval:
    pnl: dict[str, float] = defaultdict(float)
    contracts: dict[str, float] = defaultdict(float)
    for each in judged:
        event = event_of(each.booked.fill.ticker)
        pnl[event] += each.pnl / MONEY_PER_DOLLAR
        contracts[event] += each.booked.fill.count / ONE_CONTRACT
    return scoring.clustered_ratio(list(pnl.values()), list(contracts.values()))


def _markout(judged: Sequence[_Judged], horizon: Horizon, reference: Reference) -> Edge | None:
    def worth(each: _Judged) -> float | None:
        view = each.later.get(horizon, MarketView())
        return view.mid if reference == "mid" else view.fair

    return _edge(judged, worth)


def _edge(judged: Iterable[_Judged], worth: Callable[[_Judged], float | None]) -> Edge | None:
    """Return the mean edge of the fills of which it is known what YES was `worth`."""
    known = [(each.booked.fill, w) for each in judged if (w := worth(each)) is not None]
    contracts = sum(fill.count for fill, _ in known)
    if not contracts:
        return None
    total = sum((w - fill.price / ONE_DOLLAR) * fill.signed_count for fill, w in known)
    return Edge(len(known), total / contracts)


def _amendments(
    settlements: Iterable[RecordSettlement], events: frozenset[str]
) -> Iterable[SettlementAmendment]:
    before: dict[str, RecordSettlement] = {}
    for each in settlements:
        if each.ticker in before and event_of(each.ticker) in events:
            yield SettlementAmendment(each.ticker, before[each.ticker].payout, each.payout)
        before[each.ticker] = each


def _disagreements(
    judged: Iterable[_Judged], settled: Mapping[str, RecordSettlement]
) -> Iterable[str]:
    """Yield the markets that paid for another position than the sum of their fills."""
    held: dict[str, Count] = defaultdict(int)
    for each in judged:
        held[each.booked.fill.ticker] += each.booked.fill.signed_count
    return (ticker for ticker, count in held.items() if settled[ticker].position != count)


def _calibration(opinions: Sequence[MarketOpinion]) -> tuple[CalibrationBin, ...]:
    bins: dict[int, list[MarketOpinion]] = defaultdict(list)
    for each in opinions:
        bins[min(int(each.pooled * _BINS), _BINS - 1)].append(each)
    return tuple(
        CalibrationBin(
            low=number / _BINS,
            high=(number + 1) / _BINS,
            samples=len(mine),
            events=len({each.week for each in mine}),
            fair=fmean(each.pooled for each in mine),
            came_true=fmean(each.outcome for each in mine),
        )
        for number, mine in sorted(bins.items())
    )
