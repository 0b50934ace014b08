"""The results of a backtest as tables, as JSON values, and as an HTML page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import chain
from types import MappingProxyType, ModuleType
from typing import TypeAlias

import msgspec

from mmbot.observe import yardstick_sheets
from mmbot.observe.sheets import Sheet, counted, interval, page, signed
from mmbot.research import backtest, retrade, scoring, week_replay, yardstick
from mmbot.research.backtest import Rule, WeekResult
from mmbot.research.scoring import DAYS_PUBLISHED, BrierScores
from mmbot.research.yardstick import Yardstick

ResultsByStrategy: TypeAlias = Mapping[str, Sequence[WeekResult]]

_BRIEFLY: Mapping[Rule, str] = {
    "trades": "trades",
    "daily candles": "days",
    "recording": "frames",
}
_STATISTICS_COLUMNS = (
    "fills",
    "contracts",
    "spent",
    "P&L",
    "each",
    "95 %",
    "claimed",
    "markout",
    "drawdown",
)


def sheets(results: ResultsByStrategy, compared: Sequence[WeekResult] = ()) -> list[Sheet]:
    """Return every table; `compared` are the seed's weeks."""
    measures = yardstick_sheets.sheets(_measures(results, compared))
    return [*measures, _strategies(results), _brier(results), *_details(results)]


def as_json(
    results: ResultsByStrategy,
    compared: Sequence[WeekResult] = (),
    left_out: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, object]:
    """Return strategies, Brier scores and yardsticks as JSON values; money in dollars."""
    return {
        "strategies": {name: _json_statistics(each) for name, each in results.items()},
        "brier": {str(k): _json_brier(_with_opinions(results), k) for k in DAYS_PUBLISHED},
        "yardstick": {
            name: msgspec.to_builtins(each, str_keys=True)
            for name, each in _measures(results, compared).items()
        },
        "filled_by": {each.week: each.rule for each in _with_opinions(results)},
        "without_fees": [each.week for each in _without_fees(results)],
        "left_out": dict(left_out),
    }


def html_page(
    results: ResultsByStrategy, pictures: Sequence[str], compared: Sequence[WeekResult] = ()
) -> str:
    """Return the HTML page; `pictures` are SVG elements."""
    by_rule: Mapping[Rule, ModuleType] = {
        "daily candles": backtest,
        "trades": week_replay,
        "recording": retrade,
    }
    rules = " ".join(
        " ".join((module.__doc__ or "").split("\n\n", 1)[1].split())
        for rule, module in by_rule.items()
        if rule in _rules(results)
    )
    title = "Backtest on real weeks"
    return page(title, f"{_filled_by(results)} {rules}", sheets(results, compared), pictures)


def _measures(results: ResultsByStrategy, compared: Sequence[WeekResult]) -> dict[str, Yardstick]:
    held = dict(results) if "seed" in results or not compared else {**results, "seed": compared}
    return {name: yardstick.measure(yardstick.of_results(each)) for name, each in held.items()}


def _rules(results: ResultsByStrategy) -> dict[str, int]:
    """Return how many weeks were filled by each rule."""
    return Counter(each.rule for each in _with_opinions(results))


def _filled_by(results: ResultsByStrategy) -> str:
    parts = (f"{weeks} by {rule}" for rule, weeks in sorted(_rules(results).items()))
    return f"Weeks: {', '.join(parts)}.{free_weeks(len(_without_fees(results)))}"


def _without_fees(results: ResultsByStrategy) -> list[WeekResult]:
    """Return the weeks with unknown fees: none was charged in them."""
    return [each for each in _with_opinions(results) if not each.fees_known]


def free_weeks(weeks: int) -> str:
    """Return a sentence on the weeks with unknown fees; empty if there are none."""
    if not weeks:
        return ""
    return f" The fees of {counted(weeks, 'week')} are not known: none was charged there."


def _strategies(results: ResultsByStrategy) -> Sheet:
    rows = tuple((name, *_statistics_texts(each)) for name, each in results.items())
    weeks = len(next(iter(results.values())))
    return Sheet(
        f"Strategies, {weeks} weeks",
        ("strategy", *_STATISTICS_COLUMNS),
        rows,
        f"{_filled_by(results)} In dollars; P&L each, the edge claimed at fair value and the "
        "markout a day later are of a contract. The intervals are clustered by week.",
    )


def _brier(results: ResultsByStrategy) -> Sheet:
    scores = {k: scoring.brier(_with_opinions(results), k) for k in DAYS_PUBLISHED}
    rows = tuple((str(k), *_brier_texts(score)) for k, score in scores.items())
    return Sheet(
        "Brier scores by published days",
        ("k", "n", "belief", "mid", "pooled", "belief-mid", "95 %", "pooled-mid", "95 %"),
        rows,
        "Markets with both sides quoted at most 10 cents apart, before each day's orders.",
    )


def _brier_texts(score: BrierScores | None) -> tuple[str, ...]:
    if score is None:
        return ("0", *("-",) * 7)
    means = (f"{each:.3f}" for each in (score.belief, score.mid, score.pooled))
    differences = (interval(each) for each in (score.belief_less_mid, score.pooled_less_mid))
    return (str(score.n), *means, *chain.from_iterable(differences))


def _details(results: ResultsByStrategy) -> list[Sheet]:
    found = []
    for name, weeks in results.items():
        by_days = tuple((str(k), *_statistics_texts(_trades_at(weeks, k))) for k in DAYS_PUBLISHED)
        found.append(Sheet(f"{name} by published days", ("k", *_STATISTICS_COLUMNS), by_days))
        by_week = tuple(
            (each.week, _BRIEFLY[each.rule], *_statistics_texts([each])) for each in weeks
        )
        columns = ("week", "by", *_STATISTICS_COLUMNS)
        found.append(Sheet(f"{name} by week", columns, by_week, _filled_by(results)))
    return found


def _trades_at(weeks: Sequence[WeekResult], days_published: int) -> list[WeekResult]:
    """Return the weeks with only the trades at one number of published days."""
    return [
        msgspec.structs.replace(
            week,
            trades=tuple(each for each in week.trades if each.days_published == days_published),
        )
        for week in weeks
    ]


def _statistics_texts(weeks: Sequence[WeekResult]) -> tuple[str, ...]:
    statistics = scoring.fill_statistics(weeks)
    return (
        str(statistics.fills),
        f"{statistics.contracts:g}",
        f"{statistics.spend:.2f}",
        f"{statistics.pnl:+.2f}",
        *interval(statistics.per_contract),
        signed(statistics.claimed),
        signed(statistics.markout),
        f"{statistics.drawdown:.2f}",
    )


def _with_opinions(results: ResultsByStrategy) -> Sequence[WeekResult]:
    """Return the results whose predictions are scored: those of the first strategy."""
    return next(iter(results.values()))


def _json_statistics(weeks: Sequence[WeekResult]) -> dict[str, object]:
    statistics = scoring.fill_statistics(weeks)
    found = statistics.per_contract
    return {
        "weeks": statistics.weeks,
        "fills": statistics.fills,
        "contracts": statistics.contracts,
        "pnl": statistics.pnl,
        "pnl_per_contract": found.estimate if found else None,
        "interval95": [found.low, found.high] if found and found.low is not None else None,
    }


def _json_brier(weeks: Sequence[WeekResult], days_published: int) -> dict[str, object]:
    score = scoring.brier(weeks, days_published)
    if score is None:
        return {"n": 0, "belief": None, "mid": None, "pooled": None}
    return {"n": score.n, "belief": score.belief, "mid": score.mid, "pooled": score.pooled}
