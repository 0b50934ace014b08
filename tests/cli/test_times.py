"""A time is written in one way everywhere, and a wrong one is told with what to write."""

from __future__ import annotations

import datetime as dt
import re

import pytest

from mmbot.cli.times import parse_date, parse_time, parse_week
from mmbot.errors import BadInput
from mmbot.underlying.calendar import EASTERN, Week

NOW = dt.datetime(2026, 4, 16, 10, tzinfo=EASTERN)


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2026-04-16", "2026-04-16T04:00"),
        ("2026-04-16T09:00", "2026-04-16T13:00"),
        ("2026-04-16 09:00", "2026-04-16T13:00"),
        (" 2026-04-16T09:00:30 ", "2026-04-16T13:00:30"),
        ("2026-01-16T09:00", "2026-01-16T14:00"),
        ("2026-04-16T09:00-04:00", "2026-04-16T13:00"),
        ("2026-04-16T13:00Z", "2026-04-16T13:00"),
        ("2026-04-16T09:00+02:00", "2026-04-16T07:00"),
        ("now", "2026-04-16T14:00"),
        ("NOW", "2026-04-16T14:00"),
    ],
)
def test_without_an_offset_new_york_is_meant(text: str, utc: str) -> None:
    expected = dt.datetime.fromisoformat(f"{utc}+00:00")
    assert parse_time(text, "--as-of", NOW) == expected


def test_now_is_now() -> None:
    before = dt.datetime.now(EASTERN)
    assert before <= parse_time("now", "--as-of") <= dt.datetime.now(EASTERN)


@pytest.mark.parametrize("text", ["", "soon", "2026-04-31", "16.4.2026", "1776000000", "9" * 999])
def test_what_is_no_time_is_told_with_examples_that_work(text: str) -> None:
    with pytest.raises(BadInput, match="is not a time; write now") as caught:
        parse_time(text, "--as-of")
    examples = re.findall(r"\d{4}-\d\d-\d\d[T:\d-]*", str(caught.value).partition("write")[2])
    assert len(examples) >= 3
    for example in examples:
        parse_time(example.rstrip(":"), "--as-of")


@pytest.mark.parametrize("text", ["2026-03-08T02:30", "2026-11-01T01:30"])
def test_an_hour_that_clocks_skip_or_repeat_needs_its_offset(text: str) -> None:
    with pytest.raises(BadInput, match="clocks change in New York then") as caught:
        parse_time(text, "--at")
    for example in re.findall(r"\d{4}-\d\d-\d\dT[\d:]+-\d\d:\d\d", str(caught.value)):
        parse_time(example, "--at")


def test_a_week_is_named_by_its_sunday_or_its_event() -> None:
    week = Week(dt.date(2026, 4, 19))
    assert parse_week("2026-04-19") == parse_week("kxtsaw-26apr19") == week
    with pytest.raises(BadInput, match=r"a Thursday, but a week .* write 2026-04-19"):
        parse_week("2026-04-16")
    with pytest.raises(BadInput, match="--week"):
        parse_week("KXTSAW-26APR18")


def test_a_date_is_an_iso_date() -> None:
    assert parse_date("2026-04-16", "--from") == dt.date(2026, 4, 16)
    with pytest.raises(BadInput, match="--from 'soon' is not a date such as 2026-04-16"):
        parse_date("soon", "--from")
