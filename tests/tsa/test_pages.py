from __future__ import annotations

import datetime as dt
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmbot.errors import BadInput
from mmbot.tsa.pages import page_path, parse_page
from mmbot.underlying.pages import MOST_BYTES, CountsPage

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
    assert parse_page(CURRENT).counts == (
        (dt.date(2026, 4, 9), 2705217),
        (dt.date(2026, 4, 19), 2796984),
    )


def test_an_archived_page_is_read_under_its_disclaimer() -> None:
    html = page(["Date", "Numbers"], ["1/1/2025", "2,317,817"], ["1/2/2025", "2,612,162"])
    html = html.replace("<table", '<div class="tsa-disclaimer">Archived Data</div><table')
    assert parse_page(html).counts == (
        (dt.date(2025, 1, 1), 2317817),
        (dt.date(2025, 1, 2), 2612162),
    )


def test_of_several_years_only_the_first_column_is_read() -> None:
    html = page(
        ["Date", "2023", "2022", "2021", "2020", "2019"],
        ["3/2/2023", "2,364,011", "1,991,093", "1,107,534", "2,089,641", "2,143,619"],
    )
    assert parse_page(html).counts == ((dt.date(2023, 3, 2), 2364011),)


@pytest.mark.parametrize(
    "header", [["Date", "2025", "2026"], ["Date", "Prior year", "Current year"], ["Date", "2025"]]
)
def test_counts_that_are_not_headed_as_those_of_the_dates_year_are_not_read(
    header: list[str],
) -> None:
    found = parse_page(page(header, ["11/24/2026", "2,500,100", "2,611,203"][: len(header)]))
    assert found.counts == ()
    assert found.doubts == (f"counts of 2026 are under {header[1]!r}",)


def test_what_stands_beside_a_count_and_is_none_does_not_matter() -> None:
    header = ["Date", "Numbers", "Change", "Notes"]
    found = parse_page(page(header, ["11/24/2026", "2,611,203", "-2.5%", "Thanksgiving week"]))
    assert found == CountsPage(((dt.date(2026, 11, 24), 2611203),))


@pytest.mark.parametrize("tag", ["del", "s", "strike"])
def test_what_is_struck_out_is_no_count(tag: str) -> None:
    struck = f"<{tag}>2,611,203</{tag}>"
    html = page(["Date", "Numbers"], ["11/24/2026", f"{struck} 2,615,000"], ["11/23/2026", struck])
    found = parse_page(html)
    assert found.counts == ((dt.date(2026, 11, 24), 2615000),)
    assert found.doubts == ("'', for 2026-11-23, is not a count of passengers",)


def test_a_drupal_view_is_read() -> None:
    html = """
    <div class="view-content"><table class="cols-3 views-table"><thead><tr>
      <th id="view-field-date" class="views-field" scope="col">Date
      </th><th scope="col">2024</th><th scope="col">2023</th></tr></thead>
    <tbody><tr><td headers="view-field-date" class="views-field">
       5/2/2024   </td><td class="views-field">  2,617,890
    </td><td>2,388,404</td></tr></tbody></table></div>"""
    assert parse_page(html).counts == ((dt.date(2024, 5, 2), 2617890),)


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
    ],
)
def test_a_page_that_cannot_be_read_says_what_is_wrong(html: str | bytes, said: str) -> None:
    with pytest.raises(BadInput) as refusal:
        parse_page(html)
    assert said in str(refusal.value)


HEADER = ["Date", "Numbers"]
GOOD = ["4/18/2026", "2,611,203"]
READ = ((dt.date(2026, 4, 18), 2_611_203),)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (["2/30/2026", "2,796,984"], "'2/30/2026'"),
        (["19 April", "2,796,984"], "'19 April'"),
        (["2026-04-19", "2,796,984"], "'2026-04-19'"),
        (["4/19/26", "2,796,984"], "'4/19/26'"),
        (["4/19/2026", ""], "'', for 2026-04-19"),
        (["4/19/2026"], "'', for 2026-04-19"),
        (["", ""], "a row is blank"),
        (["4/19/2026", "2.8 million"], "'2.8 million'"),
        (["4/19/2026", "27,96,984"], "'27,96,984'"),
        (["4/19/2026", "-2,796,984"], "'-2,796,984'"),
        (["4/19/2026", "1,234"], "'1,234'"),
        (["4/19/2026", "2,796,984,111"], "'2,796,984,111'"),
        (["4/19/2026", "2,796,984 (preliminary)"], "(preliminary)"),
        (["4/19/2026", "<sup>2</sup>796984"], "'[2]796984'"),
        (["4/19/2026", "796984<sup>1</sup>2"], "'796984[1]2'"),
    ],
)
def test_a_row_that_cannot_be_read_is_named_and_hides_no_other(row: list[str], said: str) -> None:
    read = parse_page(page(HEADER, row, GOOD))
    assert read.counts == READ
    (doubt,) = read.doubts
    assert said in doubt


@pytest.mark.parametrize(
    "row",
    [
        ["4/18/2026*", "2,611,203"],
        ["4/18/2026", "2,611,203*"],
        ["4/18/2026", "2,611,203 †‡"],
        ["4/18/2026", "2,611,203<sup>1</sup>"],
        ["4/18/2026", '2611203<sup><a href="#1">1</a></sup>'],
        ["4/18/2026", "2,611,203 [a]"],
        ["4/18/2026", "2,611,203 (1)"],
        ["4/18/2026", "2,611,203²"],
        ["&nbsp;4/18/2026", "&nbsp;2,611,203&nbsp;&#8203;"],
    ],
)
def test_footnote_marks_and_blanks_are_no_part_of_a_count(row: list[str]) -> None:
    read = parse_page(page(HEADER, row))
    assert (read.counts, read.doubts) == (READ, ())


def test_a_page_may_have_no_row_yet() -> None:
    assert parse_page(page(HEADER)) == CountsPage(())


def test_two_rows_of_one_day_that_agree_are_one() -> None:
    assert parse_page(page(HEADER, GOOD, GOOD)) == CountsPage(READ)


def test_two_rows_of_one_day_that_differ_are_a_doubt_about_that_day_alone() -> None:
    other = ["4/19/2026", "2,796,984"], ["4/19/2026", "2,796,948"]
    assert parse_page(page(HEADER, *other, GOOD)) == CountsPage(
        READ, ("2026-04-19 has 2,796,948 and 2,796,984",)
    )


def test_a_table_that_comes_twice_is_read_as_one_and_its_header_is_no_row() -> None:
    once = page(HEADER, GOOD)
    assert parse_page(once + once) == CountsPage(READ)
    assert parse_page(page(HEADER, GOOD, HEADER)) == CountsPage(READ)


def test_a_table_under_another_header_is_not_read() -> None:
    flights = page(["Date", "Flights"], ["4/18/2026", "45,000"])
    assert parse_page(page(HEADER, GOOD) + flights) == CountsPage(READ)


def test_a_page_that_is_cut_off_says_so() -> None:
    html = page(HEADER, GOOD, ["4/17/2026", "2,796,984"])
    cut = html[: html.index("796,984")]
    assert parse_page(cut).counts == READ
    assert parse_page(cut).doubts == (
        "'2,', for 2026-04-17, is not a count of passengers",
        "it ends within the table",
    )
    assert parse_page(html[: html.index("</table")]).doubts == ("it ends within the table",)


def test_of_many_doubts_the_first_are_told() -> None:
    doubts = parse_page(page(HEADER, *([f"{n}/0/2026", "1"] for n in range(100)))).doubts
    assert (len(doubts), doubts[-1]) == (21, "80 more rows cannot be read")


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-16", "utf-8-sig"])
def test_a_page_in_another_charset_is_read(encoding: str) -> None:
    html = page(HEADER, ["4/18/2026", "2,611,203\xa0"]).encode(encoding)
    assert parse_page(html).counts == READ


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
    with pytest.raises(BadInput, match="is not a TSA page"):
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
    assert len(days) + len(days.doubts) >= 1


def test_the_paths_are_those_of_the_site() -> None:
    assert page_path() == "/travel/passenger-volumes"
    assert page_path(2025) == "/travel/passenger-volumes/2025"


@pytest.mark.parametrize(("name", "rows"), [("current_2026-04-20", 109), ("year_2025", 365)])
def test_the_pages_as_served_are_read(name: str, rows: int) -> None:
    if "MMBOT_DATA" not in os.environ:
        pytest.skip("MMBOT_DATA does not name the directory of the saved pages")
    saved = Path(os.environ["MMBOT_DATA"]) / "tsa" / "pages" / f"{name}.html"
    assert len(parse_page(saved.read_bytes())) == rows
