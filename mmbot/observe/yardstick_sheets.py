"""The yardstick of results as tables, the strategies side by side."""

from __future__ import annotations

from collections.abc import Mapping

from mmbot.observe.sheets import Sheet, interval
from mmbot.research.scoring import DAYS_PUBLISHED
from mmbot.research.yardstick import (
    REFERENCES,
    SESSIONS,
    LogScore,
    MeanEdge,
    SessionMeasure,
    Yardstick,
)

_NAMES = {"1min": "1 min", "1h": "1 h", "release": "next count", "settlement": "settlement"}


def sheets(measures: Mapping[str, Yardstick]) -> list[Sheet]:
    """Return P&L on risk by session, edges, and log scores."""
    return [_on_risk(measures), _edges(measures), _log_scores(measures)]


def _on_risk(measures: Mapping[str, Yardstick]) -> Sheet:
    rows = [
        (name, session, *_session_texts(found))
        for name, each in measures.items()
        for session, found in (("all", each.total), *((s, each.sessions[s]) for s in SESSIONS))
    ]
    verdicts = " ".join(f"{name}: {each.verdict}" for name, each in measures.items())
    return Sheet(
        "Yardstick: P&L over the dollars at risk",
        ("strategy", "session", "fills", "P&L", "at risk", "P&L/risk", "95 %"),
        tuple(rows),
        "At risk is the most that a week's fills could have lost, summed over the weeks; the "
        f"intervals are clustered by week. {verdicts}",
    )


def _session_texts(found: SessionMeasure) -> tuple[str, ...]:
    return (
        str(found.fills),
        f"{found.pnl:+.2f}",
        f"{found.at_risk:.2f}",
        *interval(found.on_risk),
    )


def _edges(measures: Mapping[str, Yardstick]) -> Sheet:
    rows = [
        (name, label, *_edge_texts(edge))
        for name, each in measures.items()
        for label, edge in (
            ("claimed", each.claimed),
            *((_NAMES[reference], each.markouts[reference]) for reference in REFERENCES),
        )
    ]
    return Sheet(
        "Edges: claimed, and marked out",
        ("strategy", "against", "fills", "edge", "95 %"),
        tuple(rows),
        "In dollars a contract before fees: against the fair value when it filled, the midpoint a "
        "minute and an hour later and after the next count, and what it settled at.",
    )


def _edge_texts(found: MeanEdge | None) -> tuple[str, ...]:
    if found is None:
        return "0", "-", "-"
    return str(found.fills), *interval(found.edge)


def _log_scores(measures: Mapping[str, Yardstick]) -> Sheet:
    rows = [
        (name, label, *_score_texts(score))
        for name, each in measures.items()
        for label, score in (
            ("all", each.log_score),
            *((str(days), each.log_scores[days]) for days in DAYS_PUBLISHED),
        )
    ]
    return Sheet(
        "Log score less that of the mid",
        ("strategy", "k", "n", "belief-mid", "95 %", "pooled-mid", "95 %"),
        tuple(rows),
        "Below zero is better than the market.",
    )


def _score_texts(score: LogScore | None) -> tuple[str, ...]:
    if score is None:
        return ("0", *("-",) * 4)
    return (str(score.n), *interval(score.belief_less_mid), *interval(score.pooled_less_mid))
