"""All mistakes of a file are told at once, each with its line, its key and what to write."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmbot import config
from mmbot.config.statements import lines_of, statements
from mmbot.errors import BadInput

SHIPPED = sorted((Path(__file__).parents[2] / "config").glob("*.toml"))


def refused(text: str) -> config.BadConfig:
    with pytest.raises(config.BadConfig) as caught:
        config.parse(text, "some.toml")
    return caught.value


def told(text: str) -> dict[int | None, str]:
    return {problem.line: problem.text for problem in refused(text).problems}


def test_all_mistakes_are_told_at_once_in_the_order_of_their_lines() -> None:
    text = (
        "mode = live\n"
        "[quoting]\n"
        "margni = 0.1\n"
        "margin = 0,1\n"
        "belief_weight = [\n  0.1, # none published\n  0.2,\n]\n"
        "[limits]\n"
        "orders = 0\n"
        "[quoting]\n"
        "contracts = 5\n"
        "[log\n"
        "level = 3\n"
    )
    assert list(told(text)) == [1, 3, 4, 5, 10, 11, 13]
    assert str(refused(text)).splitlines()[:2] == [
        "some.toml has 7 mistakes:",
        '  line 1: mode: text is written between quotes: mode = "..."',
    ]


def test_a_contradiction_is_told_with_other_mistakes_but_not_of_keys_that_are_wrong() -> None:
    text = "[quoting]\ncontracts = 500\nmargni = 1\n[limits]\ncontracts_per_15_seconds = 0\n"
    assert [problem.line for problem in refused(text).problems] == [2, 3, 5]


@pytest.mark.parametrize(
    ("line", "advice"),
    [
        ("margin = 0,1", "margin: a decimal comma; decimals have a point: margin = 0.1"),
        ("margin = -12,50 # remark", "margin = -12.50"),
        ("margin = 0.1,", "nothing may follow a value"),
        ('sides = "both"; # remark', "nothing may follow a value"),
        ('margin = "0,1"', "write margin = 0.1"),
        ("margin = 1,000", "write margin = 1000 for thousands, or margin = 1.000"),
        ("margin = 1,000.50", "a separator of thousands"),
        ("margin = 1'000", "a separator of thousands"),
        ("margin = \u22120.1", "a dash that is not a minus sign"),
        ("margin\u00a0= 0.1", "an invisible character (U+00A0)"),
        ("margin = 0.1\u200b", "an invisible character (U+200B)"),
        ("margin = \x00", "an invisible character (U+0000)"),
        ("// margin", "a comment begins with #"),
        ("; margin", "a comment begins with #"),
        ('margin = "0.1"', "write margin = 0.1"),
        ("margin = [0,1, 0,1, 0,1, 0,1, 0,1]", "a comma begins the next value"),
        ("margin = .1", "margin = 0.1"),
        ("margin = 10%", "the share"),
        ("margin = 10 €", "a number alone"),
        ("margin: 0.1", "a single = separates"),
        ("margin == 0.1", "a single = separates"),
        ("margin =", "remove the line"),
        ("margin = None", "remove the line"),
        ("margin = [0.1, 0.1", "the closing bracket is missing"),
        ('sides = "both', "the closing quote is missing"),
        ("sides = both", 'sides = "..."'),
        ("sides = \u201cboth\u201d", "typographic quotes"),
        ("margin 0.1", "neither a table"),
    ],
)
def test_a_mistake_of_writing_is_named_as_what_it_is(line: str, advice: str) -> None:
    (problem,) = refused(f"[quoting]\n\n{line}\ncontracts = 5\n").problems
    assert problem.line == 3
    assert advice in problem.text


@pytest.mark.parametrize(
    ("line", "advice"),
    [
        ("error_correction = True", "write error_correction = true"),
        ("error_correction = off", "write error_correction = false"),
    ],
)
def test_a_word_for_yes_or_no_is_named(line: str, advice: str) -> None:
    assert advice in told(f"[forecast]\n{line}")[2]


def test_a_time_without_its_seconds_is_named() -> None:
    assert "earliest_release = 06:55:00" in told("[counts]\nearliest_release = 7:10")[2]


# In the last two, TOML reads a tab and a line feed without a word.
@pytest.mark.parametrize("path", [r"C:\Users\me\key.pem", r"C:\keys\x.pem", r"C:\temp", r"D:\new"])
def test_a_path_of_windows_between_double_quotes_is_named(path: str) -> None:
    (problem,) = refused(f'[credentials]\nprivate_key_path = "{path}"').problems
    assert problem.line == 2
    assert "a backslash begins an escape" in problem.text
    assert r"private_key_path = 'C:\keys\key.pem'" in problem.text


def test_a_path_of_windows_between_single_quotes_is_read() -> None:
    text = "[credentials]\nprivate_key_path = 'C:\\temp\\key.pem'"
    assert config.parse(text, "x").credentials.private_key_path == r"C:\temp\key.pem"


def test_a_byte_order_mark_is_named_and_the_rest_is_read() -> None:
    problems = told('\ufeffmode = "paper"\n[quoting]\nmargni = 1\n')
    assert "byte order mark" in problems[1]
    assert "margni" in problems[3]


def test_bytes_that_are_not_utf_8_are_named_with_their_line_and_the_rest_is_read(
    tmp_path: Path,
) -> None:
    path = tmp_path / "latin.toml"
    path.write_bytes("# fine\n# caf\u00e9\n[quoting]\nmargni = 1\n".encode("latin-1"))
    with pytest.raises(config.BadConfig) as caught:
        config.load(path)
    assert [(p.line, p.text[:28]) for p in caught.value.problems] == [
        (2, "the byte 0xe9 is not UTF-8; "),
        (4, "there is no key `quoting.mar"),
    ]


def test_lines_that_windows_ends_are_read(tmp_path: Path) -> None:
    path = tmp_path / "crlf.toml"
    path.write_bytes(b"[quoting]\r\nmargin = 0.2\r\n")
    assert config.load(path).quoting.margin == 0.2


def test_a_file_that_is_too_large_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "large.toml"
    path.write_bytes(b"#" * 1_000_001)
    with pytest.raises(BadInput, match="more than 1,000,000 bytes"):
        config.load(path)


@pytest.mark.parametrize(
    ("text", "line", "advice"),
    [
        ("margin = 0.1", 1, "it belongs below [quoting]"),
        ('[log]\nmode = "live"', 2, "it belongs above the first table"),
        ("[limits]\ncontracts = 5", 2, "it belongs below [quoting]"),
    ],
)
def test_a_key_of_another_table_is_sent_there(text: str, line: int, advice: str) -> None:
    assert advice in told(text)[line]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[log]\n[quoting]\nmargin = 0.1\nmargin = 0.2", 4),
        ("[log]\n[quoting]\nmargin = 0.1\n[log]", 4),
        ("quoting.margin = 0.1\nquoting = {}", 2),
        ("quoting = {margin = 0.1}\nquoting.contracts = 3", 2),
    ],
)
def test_what_stands_twice_is_told_where_it_stands_again(text: str, line: int) -> None:
    assert line in {problem.line for problem in refused(text).problems}


@pytest.mark.parametrize(
    "text",
    [
        'password = "hunter2',
        "password = hunter2",
        "password: hunter2",
        "hunter2",
        "[hunter2",
        'password = "hunter2"',
        '[credentials]\nkey_id = "hunter2\t"',
        "[credentials]\nprivate_key_path = hunter2\\n",
    ],
)
def test_no_text_of_a_value_is_repeated(text: str) -> None:
    assert "hunter2" not in str(refused(text))


def test_every_key_of_a_file_has_its_line() -> None:
    text = (
        'mode = "paper"\n\n[quoting] # prices\nmargin = [ # five\n 0.1,\n 0.1,\n 0.1, 0.1, 0.1]\n'
        "limits.x = '''\n[no]\na = 1\n'''\n\n[log]\nlevel = \"info\"\n"
    )
    assert lines_of(statements(text)) == {
        "mode": 1,
        "quoting": 3,
        "quoting.margin": 4,
        "quoting.limits": 8,
        "quoting.limits.x": 8,
        "log": 13,
        "log.level": 14,
    }


@given(st.sampled_from(SHIPPED), st.integers(0), st.text(max_size=3), st.integers(0, 3))
def test_a_file_that_is_damaged_anywhere_is_read_or_refused_with_a_reason(
    path: Path, place: int, put: str, taken: int
) -> None:
    text = path.read_text()
    at = place % len(text)
    problems: tuple[config.Problem, ...] = (config.Problem("none"),)
    try:
        config.parse(text[:at] + put + text[at + taken :], "x")
    except config.BadConfig as error:
        problems = error.problems
    assert problems
    assert all(problem.text for problem in problems)
