"""Which underlying the settings name, and settings that contradict themselves."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from mmbot.config import Settings
from mmbot.errors import BadInput
from mmbot.tsa.underlying import TSA
from mmbot.underlyings.ferries import FERRIES
from mmbot.underlyings.registry import DEFAULT, UNDERLYINGS, known, refuse_others

ROOM = Path(__file__).parents[2] / "mmbot"
CODE = {".py", ".js", ".html", ".css", ".service", ".json", ".toml", ".md"}


def naming(words: str, *rooms: str) -> Iterator[str]:
    """Yield the files of mmbot's, or of some of its rooms, in which one of the words stands."""
    found = re.compile(rf"\b({words})\b", re.IGNORECASE)
    for room in rooms or ("",):
        for path in sorted((ROOM / room).rglob("*")):
            if path.suffix in CODE and found.search(path.read_text(encoding="utf-8")):
                yield str(path.relative_to(ROOM))


def test_what_trades_names_no_underlying() -> None:
    held = [each.underlying for each in UNDERLYINGS.values()]
    words = "|".join((*(each.name for each in held), *(each.series for each in held)))
    assert not list(naming(words, "trading", "kalshi", "daemon"))


def test_adding_one_takes_a_module_and_a_line_of_the_registry() -> None:
    assert list(naming("ferries|KXFERRYW")) == ["underlyings/ferries.py", "underlyings/registry.py"]


def settings(**tables: dict[str, str]) -> Settings:
    return msgspec.convert(tables, Settings)


def test_a_config_that_names_none_is_about_the_usual_one() -> None:
    assert known(Settings()).underlying is TSA
    assert TSA.name == DEFAULT
    refuse_others(Settings())


def test_another_is_found_by_its_name() -> None:
    named = settings(underlying={"name": "ferries"}, exchange={"series": "KXFERRYW"})
    assert known(named).underlying is FERRIES


def test_names_and_series_are_each_of_one_underlying() -> None:
    held = [each.underlying for each in UNDERLYINGS.values()]
    assert len({each.series for each in held}) == len(held)
    assert all(name == each.underlying.name for name, each in UNDERLYINGS.items())


@pytest.mark.parametrize(
    ("tables", "sentence"),
    [
        ({"underlying": {"name": "jobs"}}, "underlying.name is 'jobs'; choose from tsa, ferries"),
        ({"underlying": {"name": "ferries"}}, "exchange.series is KXTSAW, which is about tsa"),
        ({"exchange": {"series": "KXFERRYW"}}, "is KXFERRYW, which is about ferries"),
        (
            {
                "underlying": {"name": "ferries"},
                "exchange": {"series": "KXFERRYW"},
                "forecast": {"method": "boosted"},
            },
            "forecast.method is 'boosted', which does not support ferries; choose from pool",
        ),
    ],
)
def test_what_would_forecast_something_else_is_refused(
    tables: dict[str, dict[str, str]], sentence: str
) -> None:
    with pytest.raises(BadInput, match=re.escape(sentence)):
        known(settings(**tables))


def test_a_series_that_no_underlying_has_is_taken_as_it_is() -> None:
    assert known(settings(exchange={"series": "KXTSAX"})).underlying is TSA


def test_the_past_of_another_is_not_kept() -> None:
    with pytest.raises(BadInput, match="about ferries"):
        refuse_others(settings(underlying={"name": "ferries"}))
