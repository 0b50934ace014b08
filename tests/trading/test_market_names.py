"""A market is found by any part of its ticker that no other has."""

from __future__ import annotations

import pytest

from mmbot.errors import BadInput
from mmbot.trading.market_names import contradicts_name, named_market

THIS = ("KXTSAW-26APR19-A2.40", "KXTSAW-26APR19-A2.45", "KXTSAW-26APR19-A2.4")
NEXT = ("KXTSAW-26APR26-A2.50", "KXTSAW-26APR26-A2.45")


@pytest.mark.parametrize(
    ("text", "ticker"),
    [
        ("KXTSAW-26APR19-A2.40", THIS[0]),
        ("kxtsaw-26apr19-a2.40", THIS[0]),
        ("A2.40", THIS[0]),
        (" a2.40 ", THIS[0]),
        ("2.40", THIS[0]),
        ("2.4", THIS[2]),
        ("2.50", NEXT[0]),
        ("26APR26-A2.45", NEXT[1]),
        ("APR26-A2.5", NEXT[0]),
    ],
)
def test_a_part_that_only_one_market_has_names_it(text: str, ticker: str) -> None:
    assert named_market(text, (*THIS, *NEXT)) == ticker


def test_where_several_are_meant_they_are_listed() -> None:
    with pytest.raises(BadInput, match=r"KXTSAW-26APR19-A2\.45, KXTSAW-26APR26-A2\.45; write more"):
        named_market("2.45", (*THIS, *NEXT))


def test_where_many_are_meant_some_are_listed() -> None:
    with pytest.raises(BadInput, match=r"A1.05, \.\.\.; write more"):
        named_market("KX", [f"KX-A1.{number:02}" for number in range(20)])


@pytest.mark.parametrize(
    ("text", "known", "sentence"),
    [
        ("KXTSAW-26APR19-A2.41", THIS, "3 markets are listed; did you mean KXTSAW-26APR19-A2.4"),
        ("xyz", THIS, "3 markets are listed"),
        ("", THIS, "there is no market ''"),
        ("A2.40", (), "no market is listed yet"),
    ],
)
def test_what_names_none_is_refused(text: str, known: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence):
        named_market(text, known)


@pytest.mark.parametrize(
    ("name", "strike", "contradicts"),
    [
        ("A2.70", 2_700_000, False),
        ("A2.70", 9_000_000, True),
        ("A2.70", 2_750_000, True),
        ("A2.705", 2_705_000, False),
        ("A0.95", 950_000, False),
        ("A10.00", 10_000_000, False),
        ("T27", 2_800_000, False),
        ("HIGH", 2_800_000, False),
    ],
)
def test_a_name_with_a_decimal_number_has_the_digits_of_its_strike(
    name: str, strike: int, contradicts: bool
) -> None:
    assert contradicts_name(f"KXTSAW-26APR19-{name}", strike) is contradicts
