"""A report on settled events: as tables, as plain values for JSON, and as a page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain

import msgspec

from mmbot.observe.sheets import Sheet, interval, page, signed
from mmbot.research import performance as settled
from mmbot.research.performance import (
    HORIZONS,
    REFERENCES,
    CalibrationBin,
    Edge,
    Figures,
    PerformanceReport,
)
from mmbot.research.scoring import Brier
from mmbot.research.weights import FEWEST_EVENTS, Proposal
from mmbot.units import MONEY_PER_DOLLAR, ONE_CONTRACT, Money

_HORIZON_NAMES = {"1s": "1 s", "1min": "1 min", "release": "next count"}
_FIGURES_COLUMNS = (
    "fills", "contracts", "fees", "P&L", "each", "95 %", "claimed", "realised",
)  # fmt: skip


def words(verdict: PerformanceReport) -> list[str]:
    """Return in sentences what the tables do not show, and what there is nothing to show of."""
    return list(_sentences(verdict))


def _sentences(verdict: PerformanceReport) -> Iterator[str]:
    if not verdict.events:
        yield "No event in this ledger is decided yet: there is nothing to settle up."
    elif not verdict.total.fills and not verdict.undecided_fills:
        yield "Nothing was filled in these events: there is no profit and no loss."
    elif not verdict.total.fills:
        yield "No market with a fill is decided yet."
    if verdict.undecided_fills:
        yield (
            "Left out of every sum are fills of markets that are not decided yet: "
            f"{verdict.undecided_fills}."
        )
    for each in verdict.amendments:
        yield (
            f"The settlement of {each.ticker} was amended: it paid {_dollars(each.before)} and "
            f"now pays {_dollars(each.after)}."
        )
    for ticker in verdict.disagreements:
        yield (
            f"The settlement of {ticker} was paid on another position than the sum of its fills; "
            "the fills are counted here."
        )
    if not verdict.opinions:
        yield (
            "No settled market was ever quoted on both sides while its belief was formed: neither "
            "calibration nor weights can be judged."
        )


def sheets(verdict: PerformanceReport) -> list[Sheet]:
    """Return every table that has something to show."""
    found: list[Sheet] = []
    if verdict.total.fills:
        found += [
            _figures("P&L by event", "event", verdict.by_event, verdict.total),
            _figures("P&L by market", "market", verdict.by_market, verdict.total),
            _figures(
                "P&L by known days",
                "k",
                verdict.by_known,
                verdict.total,
                "k is how many of the week's days were known at the fill. In dollars; the edges "
                "are of a contract: claimed at the fair value of the moment, realised at the "
                "outcome, before fees. The intervals take events as the units.",
            ),
            _markouts(verdict),
        ]
    if verdict.opinions:
        found += [_calibration(verdict.calibration), _brier(verdict.brier)]
    return [*found, _weights(verdict.weights)]


def report(verdict: PerformanceReport, title: str, pictures: Sequence[str]) -> str:
    """Return the HTML page of a report; `pictures` are SVG elements."""
    rules = " ".join((settled.__doc__ or "").split("\n\n", 1)[1].split())
    return page(title, " ".join((*words(verdict), rules)), sheets(verdict), pictures)


def plain(verdict: PerformanceReport) -> dict[str, object]:
    """Return the report for programs; money in dollars, counts in contracts."""
    return {
        "total": _plain_figures(verdict.total),
        "events": {each.name: _plain_figures(each) for each in verdict.by_event},
        "markets": {each.name: _plain_figures(each) for each in verdict.by_market},
        "known": {each.name: _plain_figures(each) for each in verdict.by_known},
        "undecided_fills": verdict.undecided_fills,
        "amendments": [
            {
                "market": each.ticker,
                "before": each.before / MONEY_PER_DOLLAR,
                "after": each.after / MONEY_PER_DOLLAR,
            }
            for each in verdict.amendments
        ],
        "calibration": [msgspec.to_builtins(each) for each in verdict.calibration],
        "brier": {str(known): _plain_brier(score) for known, score in verdict.brier.items()},
        "weights": [
            {**msgspec.to_builtins(each), "changes": each.changes} for each in verdict.weights
        ],
        "words": words(verdict),
    }


def _figures(
    title: str, kind: str, figures: Sequence[Figures], total: Figures, note: str = ""
) -> Sheet:
    shown = (*figures, total) if len(figures) > 1 else figures
    rows = tuple((each.name, *_figures_texts(each)) for each in shown)
    return Sheet(title, (kind, *_FIGURES_COLUMNS), rows, note)


def _figures_texts(figures: Figures) -> tuple[str, ...]:
    return (
        str(figures.fills),
        f"{figures.contracts / ONE_CONTRACT:g}",
        f"{figures.fees / MONEY_PER_DOLLAR:.2f}",
        f"{figures.pnl / MONEY_PER_DOLLAR:+.2f}",
        *interval(figures.per_contract),
        _each(figures.claimed),
        _each(figures.realised),
    )


def _each(edge: Edge | None) -> str:
    return signed(None if edge is None else edge.each)


def _markouts(verdict: PerformanceReport) -> Sheet:
    rows = tuple(
        (
            figures.name,
            _HORIZON_NAMES[horizon],
            *chain.from_iterable(
                (str(edge.fills) if (edge := figures.markouts[horizon][each]) else "0", _each(edge))
                for each in REFERENCES
            ),
        )
        for figures in (*verdict.by_known, verdict.total)
        for horizon in HORIZONS
    )
    return Sheet(
        "Markouts by known days",
        ("k", "after", "fills", "at the mid", "fills", "at fair value"),
        rows,
        "The edge of a contract some time after its fill, of the fills that could be looked at "
        "then. The next count is looked at a minute after it is known; once no other comes before "
        "the close, the outcome stands for it.",
    )


def _calibration(bins: Sequence[CalibrationBin]) -> Sheet:
    rows = tuple(
        (
            f"{each.low:.1f} to {each.high:.1f}",
            str(each.samples),
            str(each.events),
            f"{each.fair:.3f}",
            f"{each.came_true:.3f}",
        )
        for each in bins
    )
    return Sheet(
        "Fair value against outcome",
        ("fair value", "n", "events", "mean", "came true"),
        rows,
        "Of every market whose book had two sides, at the beginning and at the end of each number "
        "of known days. The markets of an event are not independent.",
    )


def _brier(scores: Mapping[int, Brier | None]) -> Sheet:
    rows = tuple(
        (
            str(known),
            str(score.n),
            *(f"{each:.3f}" for each in (score.belief, score.mid, score.pooled)),
            *interval(score.pooled_less_mid),
        )
        for known, score in scores.items()
        if score is not None
    )
    return Sheet(
        "Brier scores by known days",
        ("k", "n", "belief", "mid", "pooled", "pooled-mid", "95 %"),
        rows,
    )


def _weights(proposals: Sequence[Proposal]) -> Sheet:
    rows = tuple(
        (
            str(each.days_published),
            str(each.events),
            str(each.samples),
            f"{each.present:.2f}",
            "-" if each.estimate is None else f"{each.estimate:.2f}",
            "-" if each.error is None else f"{each.error:.2f}",
            f"{each.proposed:.2f}",
        )
        for each in proposals
    )
    return Sheet(
        "Weight of the belief (quoting.belief_weight)",
        ("k", "events", "n", "in force", "best here", "s.e.", "proposed"),
        rows,
        _advice(proposals),
    )


def _advice(proposals: Sequence[Proposal]) -> str:
    changed = [each for each in proposals if each.changes]
    if changed:
        listed = ", ".join(f"{each.proposed:g}" for each in proposals)
        return (
            f"Proposed: belief_weight = [{listed}]. Where the best weight differs from the one in "
            "force by more than chance would, the proposal goes a part of the way."
        )
    most = max(each.events for each in proposals)
    if most < FEWEST_EVENTS:
        return (
            f"Keep the weights: the data are too few to change anything. It takes {FEWEST_EVENTS} "
            f"settled events for a number of known days, and there are {most} at the most."
        )
    return (
        "Keep the weights: nowhere do the data differ from them by more than chance would have it."
    )


def _plain_figures(figures: Figures) -> dict[str, object]:
    found = figures.per_contract
    return {
        "fills": figures.fills,
        "contracts": figures.contracts / ONE_CONTRACT,
        "fees": figures.fees / MONEY_PER_DOLLAR,
        "pnl": figures.pnl / MONEY_PER_DOLLAR,
        "pnl_per_contract": found.estimate if found else None,
        "interval95": [found.low, found.high] if found and found.low is not None else None,
        "claimed": msgspec.to_builtins(figures.claimed),
        "realised": msgspec.to_builtins(figures.realised),
        "markouts": msgspec.to_builtins(figures.markouts),
    }


def _plain_brier(score: Brier | None) -> dict[str, object]:
    if score is None:
        return {"n": 0, "belief": None, "mid": None, "pooled": None}
    return {"n": score.n, "belief": score.belief, "mid": score.mid, "pooled": score.pooled}


def _dollars(money: Money) -> str:
    return f"${money / MONEY_PER_DOLLAR:,.2f}"
