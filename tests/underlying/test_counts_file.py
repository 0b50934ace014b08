"""Counts in a CSV file: what is read, and what is refused, each with its line."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path

import pytest

from mmbot.errors import BadInput
from mmbot.tsa.underlying import TSA
from mmbot.underlying.counts import Counts
from mmbot.underlying.counts_file import load_counts, read_counts_csv
from mmbot.underlyings.ferries import FERRIES

HEADER = "date,as_published,archived"
MONDAY = dt.date(2026, 4, 13)


def read(*lines: str) -> Counts:
    return read_counts_csv((HEADER, *lines), "counts.csv", TSA)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("2026-4-13,2500000,", "line 3: '2026-4-13' is not a date"),
        ("20260413,2500000,", "is not a date"),
        ("2026-02-30,2500000,", "is not a date"),
        ("1026-02-20,2500000,", "is not a date"),
        ('2026-04-13,"2,500,000",', "line 3: '2,500,000' is not a count"),
        ("2026-04-13,-2500000,", "is not a count"),
        ("2026-04-13,2500000.0,", "is not a count"),
        ("2026-04-13,25,", "is not a count"),
        ("2026-04-13,99999999,", "is not a count"),
        ("2026-04-13,2_500_000,", "is not a count"),
        ("2026-04-13, 2500000,", "is not a count"),
        ("2026-04-13,,", "line 3: 2026-04-13 has no count"),
        ("2026-04-12,2500000,", "line 3: 2026-04-12 comes a second time"),
        ("2026-04-13,2500000", "line 3: 2 columns"),
        ('2026-04-13,"2500000,', "line 3: "),
    ],
)
def test_a_bad_line_is_refused_with_its_number(line: str, said: str) -> None:
    with pytest.raises(BadInput) as refusal:
        read("2026-04-12,2400000,", line)
    assert str(refusal.value).startswith("counts.csv, line 3: ")
    assert said in str(refusal.value)


@pytest.mark.parametrize(
    "lines",
    [
        ("date,as_published", "2026-04-13,2500000"),
        ("as_published,date", "2500000,2026-04-13"),
        ("weekday, Date ,as_published,note", "Mon,2026-04-13,2500000,x"),
        ("archived,as_published,date", ",2500000,2026-04-13"),
    ],
)
def test_columns_may_be_in_any_order_and_beside_others(lines: tuple[str, ...]) -> None:
    assert read_counts_csv(lines, "counts.csv", TSA) == read("2026-04-13,2500000,")


@pytest.mark.parametrize(
    "lines",
    [
        (),
        ("day,count",),
        ("date",),
        ("as_published,archived",),
        ("date,date,as_published",),
        ("2026-04-13,2500000,",),
    ],
)
def test_a_wrong_header_is_refused(lines: tuple[str, ...]) -> None:
    with pytest.raises(BadInput, match="must start with the columns 'date,as_published,archived'"):
        read_counts_csv(lines, "counts.csv", TSA)


def test_a_header_alone_is_refused() -> None:
    with pytest.raises(BadInput, match="has no counts"):
        read()


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"none\.csv cannot be read"):
        load_counts(tmp_path / "none.csv", TSA)


def test_a_file_in_another_encoding_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "counts.csv"
    path.write_bytes(b"\xff\xfe" + HEADER.encode("utf-16-le"))
    with pytest.raises(BadInput, match="UTF-8"):
        load_counts(path, TSA)


def test_a_file_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    path = tmp_path / "counts.csv"
    path.write_text(f"{HEADER}\r\n2026-04-13,2500000,\r\n", encoding="utf-8-sig")
    assert load_counts(path, TSA).latest(MONDAY) == 2500000


def test_the_real_file_is_read_whole() -> None:
    if "MMBOT_DATA" not in os.environ:
        pytest.skip("MMBOT_DATA does not name the directory of the real counts")
    counts = load_counts(Path(os.environ["MMBOT_DATA"]) / "tsa" / "daily_counts.csv", TSA)
    first, values = counts.series()
    assert first == dt.date(2019, 1, 1)
    assert len(counts) == len(values)
    assert counts.is_archived(dt.date(2023, 10, 25))


def test_bounds_times_and_words_are_those_of_the_underlying() -> None:
    counts = read_counts_csv((HEADER, "2026-04-17,5000,"), "counts.csv", FERRIES)
    (vintage,) = counts.vintages[dt.date(2026, 4, 17)]
    assert (vintage.seen.date(), vintage.seen.hour) == (dt.date(2026, 4, 18), 15)
    with pytest.raises(BadInput, match="not a count of vehicles from 100 to 99,999"):
        read_counts_csv((HEADER, "2026-04-17,2500000,"), "counts.csv", FERRIES)
