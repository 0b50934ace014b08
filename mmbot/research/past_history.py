"""The weeks of a directory of history, for a backtest: those with trades, and those with candles.

A week is backtested by its trades if there are any and every market has a result; a week that has
only daily candles, by these.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from functools import partial

import msgspec

from mmbot.bot.outputs import FitForecast
from mmbot.errors import BadInput
from mmbot.forecast.belief import Belief
from mmbot.forecast.fitting import Predictor
from mmbot.history.rows import Candle, Period
from mmbot.history.store import HistoryStore
from mmbot.history.weeks import PastWeek, load_week, stream
from mmbot.research.backtest import (
    MarketPrediction,
    Rule,
    Strategy,
    TradeOutcome,
    WeekResult,
    play_week,
)
from mmbot.research.cached_beliefs import FormedBeliefs
from mmbot.research.candles import DailyCandle, HistoricalMarket, HistoricalWeek
from mmbot.research.past_exchange import stated_fees
from mmbot.research.replayed_week import (
    FillRules,
    PredictorSource,
    ReplayedWeek,
    WeekToReplay,
)
from mmbot.research.week_path import PathKeeper
from mmbot.research.week_replay import replay_week
from mmbot.trading.commands import RecordFill
from mmbot.underlying.calendar import Week
from mmbot.underlying.counts import Counts
from mmbot.units import ONE_DOLLAR


class PastWeeks(msgspec.Struct, frozen=True):
    """Which weeks of a series can be backtested, and how.

    Attributes:
        by_trades: The weeks with trades, in order.
        by_candles: The others with daily candles, in order.
        left_out: The others, each with the reason.
    """

    by_trades: tuple[WeekToReplay, ...]
    by_candles: tuple[HistoricalWeek, ...]
    left_out: dict[str, str]


def past_weeks(store: HistoryStore, series: str, counts: Counts) -> PastWeeks:
    """Return the weeks of a series; their trades are not read yet."""
    by_trades: list[WeekToReplay] = []
    by_candles: list[HistoricalWeek] = []
    left_out: dict[str, str] = {}
    for manifest in store.manifests(series):
        name, entries = manifest.event_ticker, manifest.markets
        if manifest.has_no_event:
            continue
        try:
            past = load_week(store, name)
        except BadInput as error:
            left_out[name] = str(error)
            continue
        wanting = _wanting(past)
        if wanting:
            left_out[name] = wanting
        elif any(entry.trades is not None and entry.trades.rows for entry in entries.values()):
            minutes = {t for t, entry in entries.items() if entry.periods.get(1)}
            by_trades.append(_to_replay(store, past, counts, frozenset(minutes)))
        elif any(entry.periods.get(1440) for entry in entries.values()):
            by_candles.append(_by_days(store, past))
        else:
            left_out[name] = "neither trades nor daily candles"
    return PastWeeks(tuple(by_trades), tuple(by_candles), left_out)


def _wanting(past: PastWeek) -> str:
    """Return why a week cannot be backtested, or ""."""
    markets = [market for market in past.markets if market.strike is not None]
    if not markets:
        return "no market on a strike"
    if any(market.yes_value is None for market in markets):
        return "not all its markets have a result yet"
    for ticker, missing in past.missing.items():
        return f"something of {ticker} is missing: {missing[0]}"
    return ""


def _to_replay(
    store: HistoryStore, past: PastWeek, counts: Counts, minutes: frozenset[str]
) -> WeekToReplay:
    # Without minute candles, hourly ones show the book at their ends.
    period: Period = 1 if minutes else 60
    return WeekToReplay(past, partial(stream, store, past, counts, period), minutes, counts)


def _by_days(store: HistoryStore, past: PastWeek) -> HistoricalWeek:
    days: dict[str, dict[dt.date, DailyCandle]] = {}
    for row in store.candles(past.event.event_ticker, 1440):
        last = past.clock.at(row.end_ms) - dt.timedelta(seconds=1)
        days.setdefault(row.ticker, {})[last.date()] = _of_a_day(row)
    return HistoricalWeek(
        past.event.event_ticker,
        past.week,
        tuple(
            HistoricalMarket(m.ticker, m.strike, m.yes_value, days.get(m.ticker, {}))
            for m in past.markets
            if m.strike is not None and m.yes_value is not None
        ),
        stated_fees(past),
    )


def _of_a_day(row: Candle) -> DailyCandle:
    return DailyCandle(
        row.opened, row.closed, row.price_low, row.price_high, row.price_close, row.volume
    )


class WeeklyForecasters:
    """Fits each forecast once a week."""

    def __init__(self, fit: PredictorSource) -> None:
        """Begin with nothing fitted."""
        self._fit = fit
        self._fitted: dict[tuple[str, bool, Week | None], Predictor] = {}

    def __call__(self, wanted: FitForecast) -> Predictor:
        """Return the forecast, fitted at its first request."""
        key = wanted.method, wanted.error_correction, wanted.week
        if key not in self._fitted:
            self._fitted[key] = self._fit(wanted)
        return self._fitted[key]


class PastMarket:
    """Past weeks to try strategies on, in their order; it can be sent to another process."""

    def __init__(
        self, weeks: PastWeeks, counts: Counts, fit: PredictorSource, rules: FillRules
    ) -> None:
        """Begin with nothing played.

        Args:
            weeks: The weeks.
            counts: Every count with its vintages.
            fit: Fits a forecast.
            rules: How orders fill, where a week is traded by its trades.
        """
        by_trades = {week.past.week: week for week in weeks.by_trades}
        by_candles = {week.week: week for week in weeks.by_candles}
        self._weeks = [week for _, week in sorted((by_trades | by_candles).items())]
        self._fit = WeeklyForecasters(fit)
        self._believe = FormedBeliefs(counts, self._fit)
        self._rules = rules

    def __len__(self) -> int:
        return len(self._weeks)

    def play(self, strategy: Strategy, number: int, path: PathKeeper | None = None) -> WeekResult:
        """Return what a strategy would have traded in the week of this number.

        `path` keeps what it saw and quoted, if the week is replayed by trades.
        """
        week = self._weeks[number]
        if isinstance(week, HistoricalWeek):
            return play_week(strategy, week, self._believe)
        return replay_strategy(strategy, week, self._fit, self._rules, path)


class _MondaysView:
    """Keeps the first belief of each week, whatever is published later."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor
        self._first: dict[tuple[Week, tuple[int, ...]], Belief] = {}

    def belief(self, counts: Counts, week: Week, strikes: Sequence[int]) -> Belief:
        belief = self._predictor.belief(counts, week, strikes)
        first = self._first.setdefault((week, tuple(strikes)), belief)
        return msgspec.structs.replace(first, days_published=belief.days_published)

    def deviations(self, counts: Counts, day: dt.date, count: int) -> float:
        return self._predictor.deviations(counts, day, count)


def replay_strategy(
    strategy: Strategy,
    week: WeekToReplay,
    fit: PredictorSource,
    rules: FillRules,
    path: PathKeeper | None = None,
) -> WeekResult:
    """Return what a strategy would have traded in a week, by its trades.

    Raises:
        BadInput: Its orders rest through releases, which the bot does not do.
    """
    if not strategy.pulls_for_releases:
        raise BadInput(
            f"{strategy.name} rests through releases, which the whole bot never does; "
            "it is backtested by daily candles only (--markets and --candles)"
        )

    def fitted(wanted: FitForecast) -> Predictor:
        predictor = fit(wanted)
        return predictor if strategy.updates else _MondaysView(predictor)

    replayed = replay_week(week, strategy.settings, strategy.cash, fitted, rules, path=path)
    return result_of(replayed)


def _fair(filled: RecordFill) -> float:
    """Return the fair value when it filled, or else the price."""
    fair = filled.view.fair
    return filled.fill.price / ONE_DOLLAR if fair is None else fair


def result_of(replayed: ReplayedWeek, rule: Rule = "trades") -> WeekResult:
    """Return a week that the whole bot traded, in the form of the other backtest's results."""
    payouts = {market.ticker: market.payout for market in replayed.markets}
    trades = tuple(
        TradeOutcome(
            week=replayed.event,
            days_published=each.days_published,
            ticker=each.fill.ticker,
            day=replayed.clock.at(each.fill.at).date(),
            side=each.fill.side,
            price=each.fill.price,
            count=each.fill.count,
            fee=each.fill.fee,
            fair=_fair(each),
            later=replayed.later[each.fill.key],
            payout=payouts[each.fill.ticker],
        )
        for each in replayed.fills
    )
    predictions = tuple(
        MarketPrediction(
            replayed.event,
            sample.days_published,
            sample.ticker,
            sample.view.belief,
            sample.view.mid,
            sample.view.fair,
            payouts[sample.ticker] == ONE_DOLLAR,
        )
        for sample in replayed.samples
        if sample.moment == "first"
        and sample.view.belief is not None
        and sample.view.mid is not None
        and sample.view.fair is not None
    )
    return WeekResult(replayed.event, trades, predictions, rule, replayed)
