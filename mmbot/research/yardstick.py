"""The measure of a result: a week's P&L over the dollars at risk, and measures that settle sooner.

The dollars at risk are the most that the week's fills could have lost at any moment, over all
outcomes; resting orders do not count. Weeks are the independent units: their outcomes are
shared by all that was traded in them. The intervals are Student's at 95 %, of ratios clustered by
week. Markouts and log scores need several times fewer weeks than P&L to tell a good strategy from
a lucky one. P&L a contract is no yardstick: one large week decides it.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal, TypeAlias, get_args

import msgspec

from mmbot.research.backtest import MarketPrediction, WeekResult
from mmbot.research.scoring import DAYS_PUBLISHED, Interval, clustered_ratio
from mmbot.trading.commands import Horizon, MarketView, Markout, RecordFill
from mmbot.trading.portfolio import Portfolio
from mmbot.trading.values import Fill
from mmbot.underlying.calendar import CalendarClock
from mmbot.units import MONEY_PER_DOLLAR, ONE_CONTRACT, ONE_DOLLAR, Price

# The sessions of a week: by published days, the last one split into its days.
Session: TypeAlias = Literal["k=0", "k=1", "k=2", "k=3", "Friday", "Saturday", "Sunday"]
SESSIONS: tuple[Session, ...] = get_args(Session)
Reference: TypeAlias = Literal["1min", "1h", "release", "settlement"]
REFERENCES: tuple[Reference, ...] = get_args(Reference)
_LAST_SESSIONS: Mapping[int, Session] = {4: "Friday", 5: "Saturday", 6: "Sunday"}
_EARLIER: tuple[Session, ...] = SESSIONS[:4]
_LAST = 4

# The needed weeks give 80 % power at the 5 % level, two-sided.
_REACH = 1.96 + 0.84
_SCORED_WITHIN = 0.005


class FillMeasured(msgspec.Struct, frozen=True):
    """A fill and what YES was worth, in dollars, by each reference available.

    Attributes:
        fill: The fill.
        session: The session that it belongs to.
        claimed: The fair value when it happened.
        worth: The midpoint at each horizon, and what YES paid.
    """

    fill: Fill
    session: Session
    claimed: float | None
    worth: Mapping[Reference, float]

    def edge(self, value: float) -> float:
        """Return the dollars gained against `value`, before fees."""
        return (value - self.fill.price / ONE_DOLLAR) * self.fill.signed_count / ONE_CONTRACT

    @property
    def contracts(self) -> float:
        """The contracts."""
        return self.fill.count / ONE_CONTRACT

    @property
    def pnl(self) -> float:
        """The P&L in dollars, after fees."""
        return self.edge(self.worth["settlement"]) - self.fill.fee / MONEY_PER_DOLLAR


class WeekMeasured(msgspec.Struct, frozen=True):
    """One week: its markets in ascending order of strike, its fills in order, its opinions."""

    event: str
    tickers: tuple[str, ...]
    fills: tuple[FillMeasured, ...]
    predictions: tuple[MarketPrediction, ...] = ()

    def only(self, session: Session) -> WeekMeasured:
        """Return the week with the fills of one session."""
        fills = tuple(each for each in self.fills if each.session == session)
        return msgspec.structs.replace(self, fills=fills)

    @property
    def pnl(self) -> float:
        """The P&L in dollars."""
        return sum(each.pnl for each in self.fills)

    @property
    def at_risk(self) -> float:
        """The most that its fills could have lost at any moment, in dollars."""
        portfolio = Portfolio(self.tickers)
        least = 0
        for each in self.fills:
            portfolio.book(each.fill)
            least = min(least, *portfolio.wealth())
        return -least / MONEY_PER_DOLLAR


class MeanEdge(msgspec.Struct, frozen=True):
    """A mean edge in dollars a contract, and its number of fills."""

    fills: int
    edge: Interval


class SessionMeasure(msgspec.Struct, frozen=True):
    """What a session, or all of them, earned.

    Attributes:
        fills: The number of fills.
        pnl: The P&L of all weeks in dollars.
        at_risk: The dollars at risk, summed over the weeks.
        on_risk: P&L over dollars at risk; `None` if nothing was at risk.
    """

    fills: int
    pnl: float
    at_risk: float
    on_risk: Interval | None


class LogScore(msgspec.Struct, frozen=True):
    """Mean log scores (lower is better) of n markets, less that of the mid on the same."""

    n: int
    belief_less_mid: Interval
    pooled_less_mid: Interval


class Yardstick(msgspec.Struct, frozen=True):
    """A result, measured.

    Attributes:
        weeks: The weeks, traded or not.
        total: All sessions.
        sessions: Each session.
        claimed: The edge at the fair value of each fill.
        markouts: The edge at each reference.
        log_scores: By the number of published days; `None` without opinions.
        log_score: The log score over all of them.
        more_weeks: How many more weeks it takes to tell the result from zero; `None` if that cannot
            be said.
        verdict: The same in one sentence.
    """

    weeks: int
    total: SessionMeasure
    sessions: dict[Session, SessionMeasure]
    claimed: MeanEdge | None
    markouts: dict[Reference, MeanEdge | None]
    log_scores: dict[int, LogScore | None]
    log_score: LogScore | None
    more_weeks: int | None
    verdict: str


def measure(weeks: Sequence[WeekMeasured]) -> Yardstick:
    """Measure a strategy's weeks."""
    opinions = [each.predictions for each in weeks]
    more, verdict = _more_weeks(weeks)
    return Yardstick(
        weeks=len(weeks),
        total=earned(weeks),
        sessions={name: earned([each.only(name) for each in weeks]) for name in SESSIONS},
        claimed=_mean_edge(weeks, lambda each: each.claimed),
        markouts={name: _markout(weeks, name) for name in REFERENCES},
        log_scores={
            days: _log_score([[p for p in week if p.days_published == days] for week in opinions])
            for days in DAYS_PUBLISHED
        },
        log_score=_log_score(opinions),
        more_weeks=more,
        verdict=verdict,
    )


def session_of(days_published: int, weekday: int) -> Session:
    """Return the session of a fill, by its number of published days and its weekday."""
    if days_published < _LAST:
        return _EARLIER[days_published]
    return _LAST_SESSIONS.get(weekday, "Sunday")


def earned(weeks: Sequence[WeekMeasured]) -> SessionMeasure:
    """Return what the fills of some weeks earned, over what they had at risk."""
    pnl, at_risk = [each.pnl for each in weeks], [each.at_risk for each in weeks]
    return SessionMeasure(
        fills=sum(len(each.fills) for each in weeks),
        pnl=sum(pnl),
        at_risk=sum(at_risk),
        on_risk=clustered_ratio(pnl, at_risk) if sum(at_risk) else None,
    )


def _markout(weeks: Iterable[WeekMeasured], reference: Reference) -> MeanEdge | None:
    return _mean_edge(weeks, lambda each: each.worth.get(reference))


def _mean_edge(
    weeks: Iterable[WeekMeasured], value: Callable[[FillMeasured], float | None]
) -> MeanEdge | None:
    fills, gained, contracts = 0, [], []
    for week in weeks:
        valued = [(each, v) for each in week.fills if (v := value(each)) is not None]
        fills += len(valued)
        gained.append(sum(each.edge(v) for each, v in valued))
        contracts.append(sum(each.contracts for each, _ in valued))
    return MeanEdge(fills, clustered_ratio(gained, contracts)) if fills else None


def _log_score(weeks: Sequence[Sequence[MarketPrediction]]) -> LogScore | None:
    held = [week for week in weeks if week]
    if not held:
        return None

    def less_mid(probability: Callable[[MarketPrediction], float]) -> Interval:
        sums = [
            sum(_loss(probability(p), p.outcome) - _loss(p.mid, p.outcome) for p in week)
            for week in held
        ]
        return clustered_ratio(sums, [len(week) for week in held])

    return LogScore(
        n=sum(map(len, held)),
        belief_less_mid=less_mid(lambda each: each.belief),
        pooled_less_mid=less_mid(lambda each: each.pooled),
    )


def _loss(probability: float, outcome: bool) -> float:
    clipped = min(max(probability, _SCORED_WITHIN), 1 - _SCORED_WITHIN)
    return -math.log(clipped if outcome else 1 - clipped)


def _more_weeks(weeks: Sequence[WeekMeasured]) -> tuple[int | None, str]:
    """Return how many more weeks it takes to tell the P&L on risk from zero, and a sentence."""
    traded = [each for each in weeks if each.fills]
    found = earned(weeks).on_risk
    if found is None or found.low is None or found.high is None or len(traded) < 2:
        return None, "Too few weeks were traded to say how many it takes to tell it from zero."
    percent = f"{100 * found.estimate:+.1f} % of the dollars at risk"
    if found.low > 0 or found.high < 0:
        return 0, f"The result, {percent}, can be told from zero by its {len(weeks)} weeks."
    error = (found.high - found.low) / 2 / 1.96
    if not found.estimate:
        return None, "The result is zero, which no number of weeks would tell from zero."
    needed = math.ceil(len(weeks) * (_REACH * error / found.estimate) ** 2)
    more = max(1, needed - len(weeks))
    return more, (
        f"The result, {percent}, cannot be told from zero: if it is the true one, that takes about "
        f"{more:,} more weeks like these {len(weeks)} (80 % of the time, at the 5 % level)."
    )


# What is measured


def of_results(results: Iterable[WeekResult]) -> list[WeekMeasured]:
    """Return the weeks of a backtest."""
    return [_of_result(each) for each in results]


def _of_result(result: WeekResult) -> WeekMeasured:
    replayed = result.replayed
    if replayed is None:
        return _of_days(result)
    payouts = {market.ticker: market.payout for market in replayed.markets}
    fills = of_records(replayed.fills, replayed.markouts, payouts, replayed.clock)
    tickers = tuple(market.ticker for market in replayed.markets)
    return WeekMeasured(result.week, tickers, tuple(fills), result.predictions)


def of_records(
    fills: Iterable[RecordFill],
    markouts: Iterable[Markout],
    payouts: Mapping[str, Price],
    clock: CalendarClock,
) -> list[FillMeasured]:
    """Return the fills of a ledger whose markets are settled."""
    views: dict[tuple[tuple[str, str], Horizon], MarketView] = {
        ((each.trade_id, each.order_id), each.horizon): each.view for each in markouts
    }
    found = []
    for record in sorted(fills, key=lambda each: each.fill.at):
        fill = record.fill
        if fill.ticker not in payouts:
            continue
        worth: dict[Reference, float] = {"settlement": payouts[fill.ticker] / ONE_DOLLAR}
        horizons: tuple[Literal["1min", "1h", "release"], ...] = ("1min", "1h", "release")
        for horizon in horizons:
            view = views.get((fill.key, horizon))
            if view is not None and view.mid is not None:
                worth[horizon] = view.mid
        session = session_of(record.days_published, clock.at(fill.at).weekday())
        found.append(FillMeasured(fill, session, record.view.fair, worth))
    return found


def _of_days(result: WeekResult) -> WeekMeasured:
    """Return a week that was filled by daily candles; its only markout is the outcome."""
    fills = []
    for number, trade in enumerate(result.trades):
        at = dt.datetime.combine(trade.day, dt.time(), dt.UTC)
        fill = Fill(
            trade_id=str(number),
            order_id=str(number),
            ticker=trade.ticker,
            side=trade.side,
            price=trade.price,
            count=trade.count,
            fee=trade.fee,
            at=round(at.timestamp() * 1000),
        )
        session = session_of(trade.days_published, trade.day.weekday())
        worth: dict[Reference, float] = {"settlement": trade.payout / ONE_DOLLAR}
        fills.append(FillMeasured(fill, session, trade.fair, worth))
    tickers = strikes_in_order(each.ticker for each in result.trades)
    return WeekMeasured(result.week, tickers, tuple(fills), result.predictions)


def _strike(ticker: str) -> tuple[float, str]:
    try:
        return float(ticker.rpartition("-")[2].lstrip("A")), ticker
    except ValueError:
        return math.inf, ticker


def strikes_in_order(tickers: Iterable[str]) -> tuple[str, ...]:
    """Return one event's markets in ascending order of strike, which their tickers end in."""
    return tuple(sorted(set(tickers), key=_strike))
