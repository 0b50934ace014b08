"""A backtest's outcome as tables, as plain values for JSON, and as a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain

import msgspec

from mmbot.observe.sheets import Sheet, interval, page, signed
from mmbot.research import backtest, scoring
from mmbot.research.backtest import WeekResult
from mmbot.research.scoring import KNOWN, Brier, Tally

Outcome = Mapping[str, Sequence[WeekResult]]

_TALLY_COLUMNS = (
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


def sheets(outcome: Outcome) -> list[Sheet]:
    """Return every table of an outcome."""
    return [_strategies(outcome), _brier(outcome), *_details(outcome)]


def plain(outcome: Outcome) -> dict[str, object]:
    """Return strategies and Brier scores for programs; money in dollars."""
    return {
        "strategies": {name: _plain_tally(results) for name, results in outcome.items()},
        "brier": {str(k): _plain_brier(_opinionated(outcome), k) for k in KNOWN},
    }


def report(outcome: Outcome, pictures: Sequence[str]) -> str:
    """Return the HTML page of an outcome; `pictures` are SVG elements."""
    rules = " ".join((backtest.__doc__ or "").split("\n\n", 1)[1].split())
    return page("Backtest on real weeks", rules, sheets(outcome), pictures)


def _strategies(outcome: Outcome) -> Sheet:
    rows = tuple((name, *_tally_texts(scoring.tally(each))) for name, each in outcome.items())
    weeks = len(next(iter(outcome.values())))
    return Sheet(
        f"Strategies, {weeks} weeks",
        ("strategy", *_TALLY_COLUMNS),
        rows,
        "In dollars. A contract earned so much each, had claimed so much over fair value, and was "
        "worth so much more than its price a day later. The intervals take weeks as the units.",
    )


def _brier(outcome: Outcome) -> Sheet:
    scores = {k: scoring.brier(_opinionated(outcome), k) for k in KNOWN}
    rows = tuple((str(k), *_brier_texts(score)) for k, score in scores.items())
    return Sheet(
        "Brier scores by published days",
        ("k", "n", "belief", "mid", "pooled", "belief-mid", "95 %", "pooled-mid", "95 %"),
        rows,
        "Markets with both sides quoted at most 10 cents apart, before each day's orders.",
    )


def _brier_texts(score: Brier | None) -> tuple[str, ...]:
    if score is None:
        return ("0", *("-",) * 7)
    means = (f"{each:.3f}" for each in (score.belief, score.mid, score.pooled))
    differences = (interval(each) for each in (score.belief_less_mid, score.pooled_less_mid))
    return (str(score.n), *means, *chain.from_iterable(differences))


def _details(outcome: Outcome) -> list[Sheet]:
    found = []
    for name, results in outcome.items():
        by_known = tuple((str(k), *_tally_texts(scoring.tally(_at(results, k)))) for k in KNOWN)
        found.append(Sheet(f"{name} by published days", ("k", *_TALLY_COLUMNS), by_known))
        by_week = tuple((result.week, *_tally_texts(scoring.tally([result]))) for result in results)
        found.append(Sheet(f"{name} by week", ("week", *_TALLY_COLUMNS), by_week))
    return found


def _at(results: Sequence[WeekResult], known: int) -> list[WeekResult]:
    """Return the results with only the trades at so many published days."""
    return [
        msgspec.structs.replace(
            result, trades=tuple(trade for trade in result.trades if trade.days_published == known)
        )
        for result in results
    ]


def _tally_texts(tally: Tally) -> tuple[str, ...]:
    return (
        str(tally.fills),
        f"{tally.contracts:g}",
        f"{tally.spend:.2f}",
        f"{tally.pnl:+.2f}",
        *interval(tally.per_contract),
        signed(tally.claimed),
        signed(tally.markout),
        f"{tally.drawdown:.2f}",
    )


def _opinionated(outcome: Outcome) -> Sequence[WeekResult]:
    """Return the results whose opinions are scored: those of the first strategy."""
    return next(iter(outcome.values()))


def _plain_tally(results: Sequence[WeekResult]) -> dict[str, object]:
    tally = scoring.tally(results)
    found = tally.per_contract
    return {
        "weeks": tally.weeks,
        "fills": tally.fills,
        "contracts": tally.contracts,
        "pnl": tally.pnl,
        "pnl_per_contract": found.estimate if found else None,
        "interval95": [found.low, found.high] if found and found.low is not None else None,
    }


def _plain_brier(results: Sequence[WeekResult], known: int) -> dict[str, object]:
    score = scoring.brier(results, known)
    if score is None:
        return {"n": 0, "belief": None, "mid": None, "pooled": None}
    return {"n": score.n, "belief": score.belief, "mid": score.mid, "pooled": score.pooled}
