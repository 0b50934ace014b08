"""The performance report as tables, as JSON values, and as an HTML page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain

import msgspec

from mmbot.forecast.calibration import Calibration
from mmbot.observe import pool_sheets, yardstick_sheets
from mmbot.observe.sheets import Sheet, interval, page, signed
from mmbot.research import performance
from mmbot.research.performance import (
    HORIZONS,
    REFERENCES,
    CalibrationBin,
    Edge,
    GroupPerformance,
    PerformanceReport,
)
from mmbot.research.scoring import BrierScores
from mmbot.research.weights import (
    LogScores,
    Proposal,
)
from mmbot.units import MONEY_PER_DOLLAR, ONE_CONTRACT, Money

_HORIZON_NAMES = {"1s": "1 s", "1min": "1 min", "1h": "1 h", "release": "next count"}
_PERFORMANCE_COLUMNS = (
    "fills", "contracts", "fees", "P&L", "each", "95 %", "claimed", "realised",
)  # fmt: skip


def remarks(report: PerformanceReport) -> list[str]:
    """Return sentences on what the tables do not show, and on data that are missing."""
    return list(_sentences(report))


def _sentences(report: PerformanceReport) -> Iterator[str]:
    if not report.events:
        yield "No event in this ledger is decided yet: there is nothing to report."
    elif not report.total.fills and not report.unsettled_fills:
        yield "Nothing was filled in these events: there is no profit and no loss."
    elif not report.total.fills:
        yield "No market with a fill is decided yet."
    if report.unsettled_fills:
        yield (
            "Left out of every sum are fills of markets that are not decided yet: "
            f"{report.unsettled_fills}."
        )
    for each in report.amendments:
        yield (
            f"The settlement of {each.ticker} was amended: it paid {_dollars(each.before)} and "
            f"now pays {_dollars(each.after)}."
        )
    for ticker in report.disagreements:
        yield (
            f"The settlement of {ticker} was paid on another position than the sum of its fills; "
            "the fills are counted here."
        )
    if not report.predictions:
        yield (
            "No settled market was ever quoted on both sides while its belief was formed: neither "
            "calibration nor weights can be judged."
        )


def sheets(report: PerformanceReport) -> list[Sheet]:
    """Return every table that has something to show."""
    found: list[Sheet] = []
    if report.total.fills:
        found += [
            _performance("P&L by event", "event", report.by_event, report.total),
            _performance("P&L by market", "market", _of_series(report.by_market), report.total),
            _performance(
                "P&L by known days",
                "k",
                report.by_days_published,
                report.total,
                "k is the number of the week's days published at the fill. In dollars; the edges "
                "are of a contract: claimed at the fair value when it filled, realised at the "
                "outcome, before fees. The intervals are clustered by event.",
            ),
            _markouts(report),
        ]
        if report.yardstick is not None:
            found = [*yardstick_sheets.sheets({"this ledger": report.yardstick}), *found]
    found += calibration_sheets(report)
    if report.predictions:
        found.append(pool_sheets.sharpness(report.pool.sharpness))
    return [*found, pool_sheets.weights(report.pool)]


def calibration_sheets(report: PerformanceReport) -> list[Sheet]:
    """Return the tables that compare predictions with outcomes."""
    found: list[Sheet] = []
    if report.predictions:
        found += [
            _calibration(report.calibration),
            _brier(report.brier),
            pool_sheets.log_scores(report.pool),
        ]
    if report.forecast:
        found.append(_forecast(report.forecast))
    return found


def html_page(report: PerformanceReport, title: str, pictures: Sequence[str]) -> str:
    """Return the HTML page; `pictures` are SVG elements."""
    rules = " ".join((performance.__doc__ or "").split("\n\n", 1)[1].split())
    return page(title, " ".join((*remarks(report), rules)), sheets(report), pictures)


def as_json(report: PerformanceReport) -> dict[str, object]:
    """Return the report as JSON values; money in dollars, counts in contracts."""
    return {
        "total": _json_performance(report.total),
        "yardstick": msgspec.to_builtins(report.yardstick, str_keys=True),
        "events": {each.name: _json_performance(each) for each in report.by_event},
        "markets": {each.name: _json_performance(each) for each in report.by_market},
        "known": {each.name: _json_performance(each) for each in report.by_days_published},
        "undecided_fills": report.unsettled_fills,
        "amendments": [
            {
                "market": each.ticker,
                "before": each.before / MONEY_PER_DOLLAR,
                "after": each.after / MONEY_PER_DOLLAR,
            }
            for each in report.amendments
        ],
        "calibration": [msgspec.to_builtins(each) for each in report.calibration],
        "brier": {str(days): _json_brier(score) for days, score in report.brier.items()},
        "log_scores": {
            **{str(days): _json_scores(each) for days, each in report.pool.scores.items()},
            "all": _json_scores(report.pool.total),
        },
        "weights": [_json_proposal(each) for each in report.pool.weights],
        "sharpness": _json_proposal(report.pool.sharpness),
        "advice": pool_sheets.advice(report.pool),
        "forecast_calibration": {
            str(days): msgspec.to_builtins(each) for days, each in report.forecast.items()
        },
        "words": remarks(report),
    }


def _forecast(calibration: Mapping[int, Calibration]) -> Sheet:
    columns = ("k", "weeks", "80 % interval", "band", "PIT", "")
    rows = tuple(
        (
            str(days),
            str(each.weeks),
            f"{each.coverage80:.2f}",
            f"{each.band[0]:.2f} to {each.band[1]:.2f}",
            f"{each.pit:.2f}",
            "" if each.within else "outside",
        )
        for days, each in calibration.items()
    )
    note = (
        "The share of the last weeks whose average lay in the forecast's central 80 % interval, "
        "the band that nine in ten calibrated forecasts stay in, and the p-value of calibration."
    )
    return Sheet("Calibration of the forecast lately", columns, rows, note)


def _performance(
    title: str,
    kind: str,
    groups: Sequence[GroupPerformance],
    total: GroupPerformance,
    note: str = "",
) -> Sheet:
    shown = (*groups, total) if len(groups) > 1 else groups
    rows = tuple((each.name, *_performance_texts(each)) for each in shown)
    return Sheet(title, (kind, *_PERFORMANCE_COLUMNS), rows, note)


def _of_series(markets: Sequence[GroupPerformance]) -> list[GroupPerformance]:
    """Return the markets, named without their series."""
    named = ((each, each.name.partition("-")[2]) for each in markets)
    return [msgspec.structs.replace(each, name=name) for each, name in named]


def _performance_texts(group: GroupPerformance) -> tuple[str, ...]:
    return (
        str(group.fills),
        f"{group.contracts / ONE_CONTRACT:g}",
        f"{group.fees / MONEY_PER_DOLLAR:.2f}",
        f"{group.pnl / MONEY_PER_DOLLAR:+.2f}",
        *interval(group.per_contract),
        _per_contract(group.claimed),
        _per_contract(group.realised),
    )


def _per_contract(edge: Edge | None) -> str:
    return signed(None if edge is None else edge.per_contract)


def _markouts(report: PerformanceReport) -> Sheet:
    rows = tuple(
        (
            group.name,
            _HORIZON_NAMES[horizon],
            *chain.from_iterable(
                (
                    str(edge.fills) if (edge := group.markouts[horizon][each]) else "0",
                    _per_contract(edge),
                )
                for each in REFERENCES
            ),
        )
        for group in (*report.by_days_published, report.total)
        for horizon in HORIZONS
    )
    return Sheet(
        "Markouts by known days",
        ("k", "after", "fills", "at the mid", "fills", "at fair value"),
        rows,
        "The edge of a contract some time after its fill, over the fills whose market had a price "
        "then. The one after the next count is taken a minute after that count is known; if no "
        "count comes before the close, the outcome is used.",
    )


def _calibration(bins: Sequence[CalibrationBin]) -> Sheet:
    rows = tuple(
        (
            f"{each.low:.1f} to {each.high:.1f}",
            str(each.samples),
            str(each.events),
            f"{each.predicted:.3f}",
            f"{each.realised:.3f}",
        )
        for each in bins
    )
    return Sheet(
        "Fair value against outcome",
        ("fair value", "n", "events", "mean", "came true"),
        rows,
        "Samples of every market with a two-sided book, at the beginning and at the end of each "
        "number of published days. The markets of an event are not independent.",
    )


def _brier(scores: Mapping[int, BrierScores | None]) -> Sheet:
    rows = tuple(
        (
            str(days),
            str(score.n),
            *(f"{each:.3f}" for each in (score.belief, score.mid, score.pooled)),
            *interval(score.pooled_less_mid),
        )
        for days, score in scores.items()
        if score is not None
    )
    return Sheet(
        "Brier scores by known days",
        ("k", "n", "belief", "mid", "pooled", "pooled-mid", "95 %"),
        rows,
    )


def _json_proposal(proposal: Proposal) -> dict[str, object]:
    return {**msgspec.to_builtins(proposal), "changes": proposal.changes}


def _json_scores(scores: LogScores | None) -> dict[str, object]:
    return {"n": 0, "events": 0} if scores is None else dict(msgspec.to_builtins(scores))


def _json_performance(group: GroupPerformance) -> dict[str, object]:
    found = group.per_contract
    return {
        "fills": group.fills,
        "contracts": group.contracts / ONE_CONTRACT,
        "fees": group.fees / MONEY_PER_DOLLAR,
        "pnl": group.pnl / MONEY_PER_DOLLAR,
        "pnl_per_contract": found.estimate if found else None,
        "interval95": [found.low, found.high] if found and found.low is not None else None,
        "claimed": msgspec.to_builtins(group.claimed),
        "realised": msgspec.to_builtins(group.realised),
        "markouts": msgspec.to_builtins(group.markouts),
    }


def _json_brier(score: BrierScores | None) -> dict[str, object]:
    if score is None:
        return {"n": 0, "belief": None, "mid": None, "pooled": None}
    return {"n": score.n, "belief": score.belief, "mid": score.mid, "pooled": score.pooled}


def _dollars(money: Money) -> str:
    return f"${money / MONEY_PER_DOLLAR:,.2f}"
