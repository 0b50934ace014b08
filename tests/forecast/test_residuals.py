from __future__ import annotations

import datetime as dt

import numpy as np
import pytest

from mmbot.errors import BadInput
from mmbot.forecast.history import Days, Floats, History
from mmbot.forecast.residuals import ResidualBank, extend, monday_of

MONDAY = dt.date(2024, 1, 1).toordinal()
HISTORY = History(MONDAY, np.random.default_rng(1).normal(14.7, 0.1, 7 * 20 + 3))


class LastValue:
    """Expects of every day what the last known one had, and counts its fits."""

    name = "last value"

    def __init__(self, shift: float = 0.0) -> None:
        self.shift = shift
        self.fits = 0

    def fit(self, history: History) -> LastValue:
        self.fits += 1
        return self

    def predict(self, history: History, days: Days) -> Floats:
        last = history.logs[-1] + self.shift if len(history.logs) else np.nan
        return np.full(len(days), last)


def same(one: ResidualBank, other: ResidualBank) -> bool:
    return one.digests == other.digests and np.array_equal(
        one.predicted, other.predicted, equal_nan=True
    )


def test_each_origin_sees_the_days_before_it_and_no_more() -> None:
    bank = extend(None, LastValue(), HISTORY)
    assert len(bank.predicted) == 20
    for k in range(7):
        assert (bank.predicted[3, k] == HISTORY.logs[21 + k - 1]).all()


def test_an_unfinished_week_is_not_in_the_bank() -> None:
    bank = extend(None, LastValue(), HISTORY)
    assert bank.mondays[-1] + 6 <= HISTORY.last < bank.mondays[-1] + 13


def test_a_week_without_a_forecast_is_not_usable() -> None:
    assert extend(None, LastValue(), HISTORY).usable == 19


def test_only_new_weeks_are_computed() -> None:
    bank = extend(None, LastValue(), HISTORY.up_to(MONDAY + 7 * 15 - 1))
    method = LastValue()
    found: list[tuple[int, int]] = []
    longer = extend(bank, method, HISTORY, lambda done, total: found.append((done, total)))
    # One more than the new ones: the last kept week is made again, as a check.
    assert method.fits == 6
    assert found == [(i, 5) for i in range(1, 6)]
    assert same(longer, extend(None, LastValue(), HISTORY))


def test_a_longer_bank_serves_a_shorter_history() -> None:
    bank = extend(None, LastValue(), HISTORY)
    view = HISTORY.up_to(MONDAY + 7 * 12 - 1)
    method = LastValue()
    assert same(extend(bank, method, view), extend(None, LastValue(), view))
    assert method.fits == 1


def test_weeks_after_a_changed_count_are_computed_again() -> None:
    bank = extend(None, LastValue(), HISTORY)
    changed = History(MONDAY, HISTORY.logs.copy())
    changed.logs[7 * 9] += 0.01
    assert same(extend(bank, LastValue(), changed), extend(None, LastValue(), changed))


def test_a_bank_of_a_changed_program_is_computed_again() -> None:
    bank = extend(None, LastValue(), HISTORY)
    shifted = LastValue(shift=0.001)
    assert same(extend(bank, shifted, HISTORY), extend(None, shifted, HISTORY))


def test_a_bank_of_another_method_is_computed_again() -> None:
    bank = extend(None, LastValue(), HISTORY)
    other = LastValue()
    other.name = "another"
    extend(bank, other, HISTORY)
    assert other.fits == 20


def test_a_bank_survives_storage() -> None:
    bank = extend(None, LastValue(), HISTORY)
    stored = ResidualBank.decode(bank.encode())
    assert same(stored, bank)
    assert (stored.method, stored.monday) == (bank.method, bank.monday)


@pytest.mark.parametrize("damage", [b"", b"\x00", b"{}", b"\x95\x02"])
def test_bytes_that_are_not_a_bank_are_refused(damage: bytes) -> None:
    with pytest.raises(BadInput, match="cannot be read"):
        ResidualBank.decode(damage)


def test_a_truncated_bank_is_refused() -> None:
    with pytest.raises(BadInput, match="cannot be read"):
        ResidualBank.decode(extend(None, LastValue(), HISTORY).encode()[:-20])


def test_the_monday_of_a_day_is_its_weeks_first() -> None:
    for day in range(MONDAY, MONDAY + 7):
        assert monday_of(day) == MONDAY
