from __future__ import annotations

from typing import Any

import pytest

from mmbot.kalshi.fees import event_changes, fee_terms, series_changes, series_terms, with_changes
from mmbot.trading.fees import MOST_MULTIPLIER, ONE_TIME, FeeChange, FeeTerms
from mmbot.trading.values import ListedEvent
from mmbot.underlying.calendar import Week
from tests.kalshi.builders import EVENT

KIND = "quadratic_with_maker_fees"
CHARGED = FeeTerms(KIND, ONE_TIME)
AT, WHEN = 1_798_761_600_000, "2027-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("stated", "multiplier"),
    [
        (1, ONE_TIME),
        (0, 0),
        (0.5, ONE_TIME // 2),
        ("0.5", ONE_TIME // 2),
        (10, MOST_MULTIPLIER),
        # What is finer than a millionth is rounded against the maker.
        (0.0000001, 1),
        (None, None),
    ],
)
def test_a_multiplier_is_read_in_millionths(stated: Any, multiplier: int | None) -> None:
    assert fee_terms(KIND, stated) == FeeTerms(KIND, multiplier)


@pytest.mark.parametrize(
    "stated", [-1, 10.1, "many", "", "nan", "inf", 1e300, "1e999999999", True, [1], {}]
)
def test_a_multiplier_that_cannot_be_read_is_no_fee(stated: Any) -> None:
    terms = fee_terms("quadratic", stated)
    assert terms.multiplier == -1
    assert terms.fee is None


@pytest.mark.parametrize("kind", ["", 3, [], {"a": 1}])
def test_a_kind_that_is_no_word_is_not_stated(kind: Any) -> None:
    assert fee_terms(kind, 1).kind == series_terms(kind, 1).kind == "not_stated"


def test_a_kind_of_its_own_may_be_left_out_and_that_of_a_series_may_not() -> None:
    assert fee_terms(None, None) == FeeTerms()
    assert series_terms(None, 1) == FeeTerms("not_stated", ONE_TIME)
    assert len(fee_terms("x" * 1_000, 1).kind or "") == 60


def test_only_rows_of_the_series_change_it() -> None:
    row = {"series_ticker": "KXTSAW", "fee_type": KIND, "fee_multiplier": 1, "scheduled_ts": WHEN}
    rows = [row, row | {"series_ticker": "KXFED"}, row | {"series_ticker": None}, 3, None]
    assert series_changes(rows, "KXTSAW") == (FeeChange(AT, CHARGED),)


@pytest.mark.parametrize("when", [None, "soon", 3, "2027-01-01T00:00:00", "1900-01-01T00:00:00Z"])
def test_a_change_at_a_time_that_cannot_be_read_may_hold_already(when: Any) -> None:
    row = {"series_ticker": "KXTSAW", "fee_type": KIND, "fee_multiplier": 1, "scheduled_ts": when}
    assert series_changes([row], "KXTSAW") == (FeeChange(0, CHARGED),)


def test_only_rows_of_our_events_change_them() -> None:
    row = {"event_ticker": EVENT, "fee_type_override": KIND, "fee_multiplier_override": 1}
    row["scheduled_ts"] = WHEN
    cleared = row | {"fee_type_override": None, "fee_multiplier_override": None}
    others = [row | {"event_ticker": "KXTSAWX-1"}, {"event_ticker": 3}, 3]
    assert event_changes([row, cleared, *others], "KXTSAW") == {
        EVENT: (FeeChange(AT, CHARGED), FeeChange(AT, FeeTerms()))
    }


def test_a_row_of_the_series_whose_event_cannot_be_read_may_be_any_of_its_events() -> None:
    row = {"event_ticker": 3, "series_ticker": "KXTSAW", "scheduled_ts": WHEN}
    (changes,) = event_changes([row], "KXTSAW").values()
    assert [change.terms.fee for change in changes] == [None]


COMBO = FeeTerms("quadratic_with_combo_maker_fees", ONE_TIME)


def changed(stated: FeeTerms, *changes: FeeChange) -> tuple[FeeTerms, tuple[FeeChange, ...]]:
    event = with_changes(
        ListedEvent(EVENT, Week.from_event_ticker(EVENT), (), stated), changes, now=AT
    )
    return event.fee, event.fee_changes


def test_a_row_that_leaves_its_fee_out_has_what_the_latest_change_has_set() -> None:
    past = FeeChange(AT - 2, COMBO), FeeChange(AT - 1, CHARGED)
    to_come = FeeChange(AT + 1, COMBO)
    assert changed(FeeTerms(), to_come, *reversed(past)) == (CHARGED, (to_come,))


def test_a_row_and_a_latest_change_that_differ_may_both_hold() -> None:
    latest = FeeChange(AT, CHARGED)
    assert changed(COMBO, FeeChange(AT - 1, FeeTerms()), latest) == (COMBO, (latest,))
    assert changed(CHARGED, latest) == (CHARGED, ())


def test_a_change_without_a_time_that_can_be_read_stays_beside_what_holds() -> None:
    undated = FeeChange(0, COMBO)
    assert changed(FeeTerms(), undated) == (FeeTerms(), (undated,))
