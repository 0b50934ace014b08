"""A page to publish: predictions as they were made, outcomes, calibration and P&L of settled weeks.

It shows nothing of the account: no order, no fill, no position, no size, no balance, no id.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from mmbot.observe import performance_report
from mmbot.observe.sheets import Sheet, page
from mmbot.research.performance import PerformanceReport
from mmbot.trading.commands import MarketSample, RecordSettlement
from mmbot.trading.values import event_of
from mmbot.underlying.calendar import from_milliseconds
from mmbot.units import MONEY_PER_DOLLAR, ONE_DOLLAR

TITLE = "Predictions of the week's average, and what became of them"
_INTRODUCTION = (
    "Each prediction is shown as it was recorded at the time, and every settled market that was "
    "priced is here, whether or not it was traded. Prices of YES, in dollars."
)
# Probabilities closer to 0 or 1 are left out: they say little and would hide the rest.
_LEAST_DOUBT = 0.01


def public_page(
    report: PerformanceReport,
    samples: Iterable[MarketSample],
    settlements: Iterable[RecordSettlement],
    pictures: Sequence[str] = (),
) -> str:
    """Return the HTML page.

    Args:
        report: The report on every event of the ledger.
        samples: Every market's views in the order in which they were recorded.
        settlements: In the order of booking; the latest of a market counts.
        pictures: SVG elements.
    """
    outcomes = {each.ticker: each for each in settlements}
    sheets = [_profit(report), *performance_report.calibration_sheets(report)]
    sheets += _predictions(samples, outcomes)
    return page(TITLE, _INTRODUCTION if outcomes else _nothing(), sheets, pictures)


def _nothing() -> str:
    return "No week is settled yet: there is nothing to show."


def _profit(report: PerformanceReport) -> Sheet:
    rows = tuple(
        (each.name, f"{each.pnl / MONEY_PER_DOLLAR:+.2f}")
        for each in (*report.by_event, report.total)
        if each.fills
    )
    note = "In dollars after fees. A few weeks say little: see the intervals of the scores below."
    return Sheet("P&L by week", ("week", "P&L"), rows, note)


def _predictions(
    samples: Iterable[MarketSample], outcomes: Mapping[str, RecordSettlement]
) -> list[Sheet]:
    """Return a table for each settled event, the latest first: the first view at each k."""
    first: dict[tuple[str, int], MarketSample] = {}
    for sample in samples:
        if sample.ticker in outcomes and sample.view.belief is not None:
            first.setdefault((sample.ticker, sample.days_published), sample)
    events: dict[str, list[tuple[str, ...]]] = {}
    for (ticker, days), sample in sorted(first.items(), key=lambda item: item[0]):
        belief = sample.view.belief
        if belief is not None and _LEAST_DOUBT <= belief <= 1 - _LEAST_DOUBT:
            row = (
                ticker.rpartition("-")[2],
                str(days),
                f"{from_milliseconds(sample.at):%a %d %b %H:%M}",
                *(_price(each) for each in (belief, sample.view.mid, sample.view.fair)),
                f"{outcomes[ticker].value / ONE_DOLLAR:g}",
            )
            events.setdefault(event_of(ticker), []).append(row)
    columns = ("market", "k", "recorded", "forecast", "market's mid", "fair value", "paid")
    note = "k is the number of the week's days that were published; times are New York's."
    return [
        Sheet(f"Predictions of {event}", columns, tuple(rows), note)
        for event, rows in sorted(events.items(), reverse=True)
    ]


def _price(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
