"""The performance report as tables, as JSON values, and as an HTML page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain

import msgspec

from mmbot.forecast.calibration import Calibration
from mmbot.observe import yardstick_sheets
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
    FEWEST_EVENTS,
    KNOWN_WITHIN,
    LogScores,
    PoolReview,
    Proposal,
)
from mmbot.units import MONEY_PER_DOLLAR, ONE_CONTRACT, Money

_HORIZON_NAMES = {"1s": "1 s", "1min": "1 min", "1h": "1 h", "release": "next count"}
_PERFORMANCE_COLUMNS = (
    "fills", "contracts", "fees", "P&L", "each", "95 %", "claimed", "realised",
)  # fmt: skip
_PROPOSAL_COLUMNS = (
    "events", "n", "in force", "best here", "s.e.", "proposed", "95 %",
    f"events for ±{KNOWN_WITHIN:g}",
)  # fmt: skip


def remarks(report: PerformanceReport) -> list[str]:
    """Return sentences on what the tables do not show, and on data that are missing."""
    return list(_sentences(report))


def _sentences(report: PerformanceReport) -> Iterator[str]:
    if not report.events:
        yield "No event in this ledger is decided yet: there is nothing to settle up."
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
            _performance("P&L by market", "market", report.by_market, report.total),
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
        found.append(_sharpness(report.pool.sharpness))
    return [*found, _weights(report.pool)]


def calibration_sheets(report: PerformanceReport) -> list[Sheet]:
    """Return the tables that judge predictions by what came true."""
    found: list[Sheet] = []
    if report.predictions:
        found += [_calibration(report.calibration), _brier(report.brier), _log_scores(report.pool)]
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
        "advice": _advice(report.pool),
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
        "then. The next count's is taken a minute after it is known; once no other comes before "
        "the close, the outcome stands for it.",
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


def _log_scores(pool: PoolReview) -> Sheet:
    named = {**{str(days): scores for days, scores in pool.scores.items()}, "all": pool.total}
    rows = tuple(
        (name, str(scores.events), *texts)
        for name, scores in named.items()
        if scores is not None
        for texts in _log_score_rows(scores)
    )
    return Sheet(
        "Log scores by known days",
        ("k", "events", "by", "score", "less the mid's", "95 %"),
        rows,
        "The mean of -ln of the probability that the outcome had: less is better. Mid sharpened "
        "and pool are by the sharpness and the weights in force, tuned is by those that are "
        f"best on all other events. The intervals are clustered by event. {_verdict(pool.total)}",
    )


def _log_score_rows(scores: LogScores) -> Iterator[tuple[str, ...]]:
    yield "mid", f"{scores.mid:.3f}", "", ""
    for name, score, less_mid in (
        ("mid sharpened", scores.sharpened, scores.sharpened_less_mid),
        ("pool", scores.pooled, scores.pooled_less_mid),
        ("pool tuned", scores.tuned, scores.tuned_less_mid),
    ):
        bounds = "-" if less_mid.low is None else f"{less_mid.low:+.3f}..{less_mid.high:+.3f}"
        yield name, f"{score:.3f}", signed(less_mid.estimate), bounds


def _verdict(total: LogScores | None) -> str:
    """Return in a sentence how the pool in force compares with the mid alone."""
    found = None if total is None else total.pooled_less_mid
    if total is None or found is None or found.low is None or found.high is None:
        return "It takes two events at least to tell the pool in force from the mid alone."
    if found.high < 0:
        compared = "the pool in force is better than the mid alone by more than chance would have"
    elif found.low > 0:
        compared = "the pool in force is worse than the mid alone by more than chance would have"
    else:
        compared = "the pool in force cannot be told from the mid alone"
    return f"In {total.events} events {compared}."


def _weights(pool: PoolReview) -> Sheet:
    return Sheet(
        "Weight of the belief (quoting.belief_weight)",
        ("k", *_PROPOSAL_COLUMNS),
        tuple((str(each.days_published), *_proposal_texts(each)) for each in pool.weights),
        _advice(pool),
    )


def _sharpness(proposal: Proposal) -> Sheet:
    return Sheet(
        "Sharpness of the market (quoting.market_sharpness)",
        ("", *_PROPOSAL_COLUMNS),
        (("b", *_proposal_texts(proposal)),),
        "Estimated together with the weights below.",
    )


def _proposal_texts(proposal: Proposal) -> tuple[str, ...]:
    bounds, needed = proposal.interval, proposal.events_needed
    return (
        str(proposal.events),
        str(proposal.samples),
        f"{proposal.present:.2f}",
        "-" if proposal.estimate is None else f"{proposal.estimate:.2f}",
        "-" if proposal.standard_error is None else f"{proposal.standard_error:.2f}",
        f"{proposal.proposed:.2f}",
        "-" if bounds is None else f"{bounds[0]:.2f}..{bounds[1]:.2f}",
        "-" if needed is None else f"{needed:,}",
    )


def _advice(pool: PoolReview) -> str:
    return " ".join(_advices(pool))


def _advices(pool: PoolReview) -> Iterator[str]:
    most = max(each.events for each in pool.weights)
    if pool.changes:
        listed = ", ".join(f"{each.proposed:g}" for each in pool.weights)
        yield (
            f"Proposed: belief_weight = [{listed}], market_sharpness = "
            f"{pool.sharpness.proposed:g}. Where the best value differs from the one in force by "
            "more than chance would, the proposal goes a part of the way."
        )
    elif most < FEWEST_EVENTS:
        yield (
            "Keep the weights and the sharpness: the data are too few to change anything. It takes "
            f"{FEWEST_EVENTS} settled events for a number of published days, and there are at most "
            f"{most}."
        )
    elif not pool.tuning_pays:
        yield (
            "Keep the weights and the sharpness: tuned on all other events, they would have scored "
            "no better on the one left out than those in force."
        )
    else:
        yield (
            "Keep the weights and the sharpness: nowhere do the data differ from them by more than "
            "chance would have it."
        )
    unknown = [f"the weight at k = {each.days_published}" for each in pool.weights if _silent(each)]
    unknown += ["the sharpness"] if _silent(pool.sharpness) else []
    if unknown:
        yield f"The data say nothing of {', '.join(unknown)}."


def _silent(proposal: Proposal) -> bool:
    """Return whether there are events that do not tell a parameter from the others."""
    return proposal.events > 0 and proposal.estimate is None


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
