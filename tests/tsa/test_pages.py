from __future__ import annotations

import datetime as dt
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmbot.errors import BadInput
from mmbot.tsa.pages import MOST_BYTES, page_path, parse_page

CENTRED = 'style="text-align:center;"'


def page(header: list[str], *rows: list[str]) -> str:
    """A page as the site serves it now: one table within Drupal's wrappers."""
    head = "".join(f"<th {CENTRED}>{cell}</th>" for cell in header)
    body = "".join(
        "<tr>" + "".join(f'<td class="text-align-center">{c}</td>' for c in row) + "</tr>"
        for row in rows
    )
    return (
        '<!DOCTYPE html><html lang="en"><body class="path-node"><nav><ul><li>Travel</li></ul></nav>'
        '<article about="/travel/passenger-volumes"><div class="text-long"><p>Passenger travel '
        f'numbers are updated Monday through Friday by 9 a.m.</p><table class="table"><thead><tr>'
        f"{head}</tr></thead><tbody>{body}</tbody></table></div></article></body></html>"
    )


CURRENT = page(["Date", "Numbers"], ["4/19/2026", "2,796,984"], ["4/9/2026", "2,705,217"])


def test_the_current_page_is_read_oldest_day_first() -> None:
    assert parse_page(CURRENT) == (
        (dt.date(2026, 4, 9), 2705217),
        (dt.date(2026, 4, 19), 2796984),
    )


def test_an_archived_page_is_read_under_its_disclaimer() -> None:
    html = page(["Date", "Numbers"], ["1/1/2025", "2,317,817"], ["1/2/2025", "2,612,162"])
    html = html.replace("<table", '<div class="tsa-disclaimer">Archived Data</div><table')
    assert parse_page(html) == (
        (dt.date(2025, 1, 1), 2317817),
        (dt.date(2025, 1, 2), 2612162),
    )


def test_of_several_years_only_the_first_column_is_read() -> None:
    html = page(
        ["Date", "2023", "2022", "2021", "2020", "2019"],
        ["3/2/2023", "2,364,011", "1,991,093", "1,107,534", "2,089,641", "2,143,619"],
    )
    assert parse_page(html) == ((dt.date(2023, 3, 2), 2364011),)


def test_a_drupal_view_is_read() -> None:
    html = """
    <div class="view-content"><table class="cols-3 views-table"><thead><tr>
      <th id="view-field-date" class="views-field" scope="col">Date
      </th><th scope="col">2024</th><th scope="col">2023</th></tr></thead>
    <tbody><tr><td headers="view-field-date" class="views-field">
       5/2/2024   </td><td class="views-field">  2,617,890
    </td><td>2,388,404</td></tr></tbody></table></div>"""
    assert parse_page(html) == ((dt.date(2024, 5, 2), 2617890),)


def test_bytes_are_read_like_text() -> None:
    assert parse_page(CURRENT.encode()) == parse_page(CURRENT)


def test_another_table_before_it_is_ignored() -> None:
    html = CURRENT.replace("<nav>", "<nav><table><tr><td>Menu</td></tr></table>")
    assert parse_page(html) == parse_page(CURRENT)


@pytest.mark.parametrize(
    ("html", "said"),
    [
        ("", "no table"),
        ("<html><body>Access Denied</body></html>", "no table"),
        ("<table><tr><th>Airport</th></tr></table>", "no table"),
        (page(["Date", "Numbers"]), "no rows"),
        (page(["Date", "Numbers"], ["2/30/2026", "2,796,984"]), "'2/30/2026'"),
        (page(["Date", "Numbers"], ["19 April", "2,796,984"]), "'19 April'"),
        (page(["Date", "Numbers"], ["4/19/2026", ""]), "''"),
        (page(["Date", "Numbers"], ["4/19/2026"]), "''"),
        (page(["Date", "Numbers"], ["4/19/2026", "2.8 million"]), "'2.8 million'"),
        (page(["Date", "Numbers"], ["4/19/2026", "27,96,984"]), "'27,96,984'"),
        (page(["Date", "Numbers"], ["4/19/2026", "-2,796,984"]), "'-2,796,984'"),
        (page(["Date", "Numbers"], ["4/19/2026", "1,234"]), "'1,234'"),
        (page(["Date", "Numbers"], ["4/19/2026", "2,796,984,111"]), "'2,796,984,111'"),
        (
            page(["Date", "Numbers"], ["4/19/2026", "2,796,984"], ["4/19/2026", "2,796,984"]),
            "lists 2026-04-19 twice",
        ),
    ],
)
def test_a_page_that_cannot_be_read_says_what_is_wrong(html: str | bytes, said: str) -> None:
    with pytest.raises(BadInput) as refusal:
        parse_page(html)
    assert said in str(refusal.value)


@pytest.mark.parametrize(
    "html",
    [
        "x" * (MOST_BYTES + 1),
        "<div>" * 100_000,
        "<table><tr><td>Date" * 5_000,
        b"<" * 100_000,
    ],
)
def test_a_monstrous_page_is_refused_unparsed(html: str | bytes) -> None:
    with pytest.raises(BadInput, match="is not one of theirs"):
        parse_page(html)


@given(st.binary(max_size=300))
def test_any_other_bytes_are_refused_in_a_sentence(html: str | bytes) -> None:
    with pytest.raises(BadInput):
        parse_page(html)


@given(st.binary(max_size=200), st.integers(0, len(CURRENT)))
def test_a_damaged_page_is_read_or_refused(noise: bytes, at: int) -> None:
    try:
        days = parse_page(CURRENT[:at].encode() + noise + CURRENT[at:].encode())
    except BadInput:
        return
    assert len(days) >= 1


def test_the_paths_are_those_of_the_site() -> None:
    assert page_path() == "/travel/passenger-volumes"
    assert page_path(2025) == "/travel/passenger-volumes/2025"


@pytest.mark.parametrize(("name", "rows"), [("current_2026-04-20", 109), ("year_2025", 365)])
def test_the_pages_as_served_are_read(name: str, rows: int) -> None:
    if "MMBOT_DATA" not in os.environ:
        pytest.skip("MMBOT_DATA does not name the directory of the saved pages")
    saved = Path(os.environ["MMBOT_DATA"]) / "tsa" / "pages" / f"{name}.html"
    assert len(parse_page(saved.read_bytes())) == rows
