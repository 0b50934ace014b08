"""The performance report as sentences, tables, JSON and HTML."""

from __future__ import annotations

import msgspec
import orjson
import pytest

from mmbot.forecast.calibration import calibration
from mmbot.observe.performance_report import as_json, html_page, remarks, sheets
from mmbot.observe.sheets import Sheet
from mmbot.research.performance import PerformanceReport, build_report
from mmbot.trading.commands import MarketSample, RecordSettlement
from tests.research.records import (
    FILLS,
    FIRST,
    LOW,
    MARKOUTS,
    SAMPLES,
    SECOND,
    SETTLEMENTS,
    sampled,
    settlement,
)

WEIGHTS = (0.2, 0.2, 0.3, 0.4, 0.6)
NOTHING = build_report((), (), (), (), WEIGHTS, frozenset())


@pytest.fixture
def report() -> PerformanceReport:
    return build_report(FILLS, MARKOUTS, SAMPLES, SETTLEMENTS, WEIGHTS, frozenset({FIRST, SECOND}))


def table(report: PerformanceReport, title: str) -> dict[str, tuple[str, ...]]:
    (sheet,) = (each for each in sheets(report) if each.title.startswith(title))
    assert all(len(row) == len(sheet.columns) for row in sheet.rows)
    return {row[0]: row[1:] for row in sheet.rows}


def test_pnl_is_shown_by_market_by_published_days_and_in_total(report: PerformanceReport) -> None:
    by_known = table(report, "P&L by known days")
    assert by_known["1"][:4] == ("1", "10", "0.30", "+5.70")
    assert by_known["3"][:4] == ("2", "25", "0.00", "-12.50")
    assert by_known["all"][:4] == ("3", "35", "0.30", "-6.80")
    assert table(report, "P&L by market")[LOW.partition("-")[2]][-2:] == ("+0.050", "+0.600")


def test_markouts_show_their_number_of_fills(report: PerformanceReport) -> None:
    (sheet,) = (each for each in sheets(report) if each.title.startswith("Markouts"))
    assert ("all", "1 s", "1", "+0.010", "2", "+0.033") in sheet.rows
    assert ("all", "1 min", "0", "-", "0", "-") in sheet.rows


def test_too_few_data_to_change_the_weights_are_reported_as_such(
    report: PerformanceReport,
) -> None:
    (sheet,) = (each for each in sheets(report) if each.title.startswith("Weight"))
    assert "too few to change anything" in sheet.note
    assert [row[3] == row[6] for row in sheet.rows] == [True] * 5


def log_scores(report: PerformanceReport) -> Sheet:
    (sheet,) = (each for each in sheets(report) if each.title.startswith("Log scores"))
    return sheet


def test_log_scores_are_shown_by_known_days_and_in_total(report: PerformanceReport) -> None:
    shown = log_scores(report)
    assert [row[:3] for row in shown.rows] == [
        (known, events, by)
        for known, events in (("1", "1"), ("2", "1"), ("all", "2"))
        for by in ("mid", "mid sharpened", "pool", "pool tuned")
    ]
    # -ln 0.8 and -ln 0.9 of the mids, whose markets came true and did not.
    assert shown.rows[0][3:] == ("0.164", "", "")
    # Of one event there is no interval, of two there is.
    assert shown.rows[2][5] == "-"
    assert ".." in shown.rows[-1][5]
    assert "In 2 events the pool in force cannot be told from the mid alone." in shown.note


def test_one_event_cannot_tell_the_pool_from_the_mid() -> None:
    found = build_report((), (), SAMPLES[:1], SETTLEMENTS, WEIGHTS, frozenset(), 1.2)
    assert "It takes two events at least" in log_scores(found).note
    assert table(found, "Sharpness")["b"] == ("1", "1", "1.20", "-", "-", "1.20", "-", "-")


@pytest.mark.parametrize(
    ("right", "verdict"),
    [(9, "better than the mid alone by more than"), (1, "worse than the mid alone by more than")],
)
def test_a_pool_that_differs_from_the_mid_by_more_than_chance_is_reported(
    right: int, verdict: str
) -> None:
    samples, settled = _events_in_which_the_belief_was_right(40, right)
    found = build_report((), (), samples, settled, (0.5,) * 5, frozenset(), 1.2)
    assert f"In 40 events the pool in force is {verdict}" in log_scores(found).note


def test_what_the_data_say_nothing_of_is_named() -> None:
    # Mid and belief are multiples of each other: which of the two is right cannot be told.
    samples, settled = _events_in_which_the_belief_was_right(30, 5)
    (sheet,) = sheets_of_weights(build_report((), (), samples, settled, (0.2,) * 5, frozenset()))
    assert "Keep the weights" in sheet.note
    assert "The data say nothing about the weight at k = 1, the sharpness." in sheet.note


def sheets_of_weights(report: PerformanceReport) -> list[Sheet]:
    return [each for each in sheets(report) if each.title.startswith("Weight")]


def test_other_weights_are_proposed_where_the_data_contradict_them() -> None:
    samples, settled = _events_in_which_the_belief_was_right(30)
    found = build_report((), (), samples, settled, (0.2,) * 5, frozenset())
    (sheet,) = (each for each in sheets(found) if each.title.startswith("Weight"))
    assert "Proposed: belief_weight = [0.2, " in sheet.note
    assert "market_sharpness = 1." in sheet.note
    proposed = float(sheet.rows[1][6])
    assert 0.2 < proposed < 1.0


def _events_in_which_the_belief_was_right(
    events: int, of_ten: int = 9
) -> tuple[list[MarketSample], list[RecordSettlement]]:
    """Belief and market disagree on two markets an event; so often the belief wins."""
    samples: list[MarketSample] = []
    settled: list[RecordSettlement] = []
    for event in range(events):
        yes, no = f"E-{event:03}-A1", f"E-{event:03}-A2"
        right = event % 10 < of_ten
        samples += [sampled(yes, 0.8, 0.4), sampled(no, 0.2, 0.6)]
        settled += [settlement(yes, right), settlement(no, not right)]
    return samples, settled


def test_a_ledger_without_settled_events_is_reported_as_such() -> None:
    assert "No event in this ledger is decided yet" in remarks(NOTHING)[0]
    assert [sheet.title for sheet in sheets(NOTHING)] == [
        "Weight of the belief (quoting.belief_weight)"
    ]


def test_an_event_without_fills_is_reported_as_such() -> None:
    found = build_report((), (), SAMPLES, SETTLEMENTS, WEIGHTS, frozenset({FIRST}))
    assert "Nothing was filled in these events" in remarks(found)[0]
    assert "P&L" not in " ".join(sheet.title for sheet in sheets(found))


def test_unsettled_amended_and_contradictory_settlements_are_reported() -> None:
    settled = (*SETTLEMENTS[1:2], settlement(LOW, True, 10), settlement(LOW, False, 9))
    found = build_report(FILLS, (), (), settled, WEIGHTS, frozenset({FIRST, SECOND}))
    said = " ".join(remarks(found))
    assert "fills of markets that are not decided yet: 1." in said
    assert f"The settlement of {LOW} was amended: it paid $10.00 and now pays $0.00." in said
    assert f"The settlement of {LOW} was paid on another position" in said
    assert "neither calibration nor weights can be judged" in said


def test_the_json_is_in_dollars_and_adds_up(report: PerformanceReport) -> None:
    found = orjson.loads(orjson.dumps(as_json(report)))
    assert found["total"]["pnl"] == -6.8
    for groups in ("events", "markets", "known"):
        assert sum(each["pnl"] for each in found[groups].values()) == pytest.approx(-6.8)
    assert found["known"]["1"]["claimed"] == {"fills": 1, "each": pytest.approx(0.05)}
    assert found["total"]["markouts"]["1min"] == {"mid": None, "fair": None}
    assert found["brier"]["0"]["n"] == 0
    assert [each["changes"] for each in found["weights"]] == [False] * 5
    assert set(found["weights"][0]) == {
        *("known", "events", "samples", "present", "estimate", "error", "proposed", "changes"),
        *("interval95", "events_needed"),
    }
    assert found["sharpness"]["present"] == 1.0
    assert found["log_scores"]["0"] == {"n": 0, "events": 0}
    assert found["log_scores"]["all"]["n"] == 3
    assert found["log_scores"]["all"]["pooled_less_mid"]["low"] is not None
    assert "too few to change anything" in found["advice"]
    assert orjson.loads(orjson.dumps(as_json(NOTHING)))["total"]["fills"] == 0


def test_the_page_shows_tables_pictures_and_rules_and_escapes_its_title(
    report: PerformanceReport,
) -> None:
    page = html_page(report, "Settled <up>", ["<svg id='x'></svg>"])
    assert "<svg id='x'>" in page
    assert "Settled &lt;up&gt;" in page
    assert "P&amp;L by market" in page
    assert "If a settlement was amended, the latest counts." in page


def test_a_forecast_outside_its_band_is_marked(report: PerformanceReport) -> None:
    wide, usual = calibration([0.5] * 26), calibration([i / 26 for i in range(26)])
    rows = table(msgspec.structs.replace(report, forecast={0: wide, 1: usual}), "Calibration of")
    assert (rows["0"][-1], rows["1"][-1]) == ("outside", "")
