"""The shipped config files say what the schema says, and quote and risk what they should."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mmbot import config
from mmbot.config.template import why_and_unit
from mmbot.errors import BadInput

_FILES = Path(__file__).parents[2] / "config"


MODES: tuple[config.Mode, ...] = ("paper", "demo", "live")


def test_the_file_of_all_keys_is_made_from_the_schema() -> None:
    assert (_FILES / "mmbot.toml").read_text() == config.template(), (
        "write it anew: mmbot config template --output config/mmbot.toml --force"
    )


def test_as_it_stands_it_changes_nothing() -> None:
    assert tomllib.loads(config.template()) == {
        field.name: {}
        for field in msgspec.structs.fields(config.Settings)
        if isinstance(field.default, msgspec.Struct)
    }
    assert config.parse(config.template(), "x") == config.Settings()


def test_with_every_key_set_it_says_the_defaults() -> None:
    every = re.sub(r"^#(?=\w+ = )", "", config.template(), flags=re.MULTILINE)
    assert set(keys_of(tomllib.loads(every))) == set(config.every_key(config.Settings()))
    assert config.parse(every, "x") == config.Settings()


def test_every_key_has_its_why_in_the_schema_and_every_number_its_unit() -> None:
    for table in (config.Settings(), *settings_tables()):
        for field in msgspec.structs.fields(table):
            if isinstance(field.default, msgspec.Struct):
                continue
            why, unit = why_and_unit(field)
            assert why, field.name
            if isinstance(field.default, float | tuple):
                assert unit, field.name


@pytest.mark.parametrize("mode", MODES)
def test_a_mode_s_file_comes_with_the_package_and_has_only_what_differs(
    mode: config.Mode,
) -> None:
    path = config.shipped(mode)
    assert path.read_text() == (_FILES / f"{mode}.toml").read_text()
    settings, defaults = config.every_key(config.load(path)), config.every_key(config.Settings())
    named = set(keys_of(tomllib.loads(path.read_text()))) - {"mode"}
    assert named == {key for key, value in settings.items() if value != defaults[key]} - {"mode"}
    assert settings["mode"] == mode


@pytest.mark.parametrize("mode", MODES)
def test_a_template_with_values_has_these_in_force(mode: config.Mode) -> None:
    settings = config.load(config.shipped(mode))
    assert config.parse(config.template(config.every_key(settings)), "x") == settings


def settings_tables() -> Iterator[msgspec.Struct]:
    for field in msgspec.structs.fields(config.Settings):
        if isinstance(field.default, msgspec.Struct):
            yield field.default


def keys_of(tree: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from keys_of(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


@pytest.mark.parametrize("mode", ["paper", "live"])
def test_the_shipped_files_quote_by_the_default_rule(mode: str) -> None:
    quoting = config.load(_FILES / f"{mode}.toml").quoting
    default = config.QuotingSettings()
    assert (quoting.margin, quoting.sides) == (default.margin, default.sides)
    assert quoting.sides == "likelier"


@pytest.mark.parametrize("mode", ["paper", "demo", "live"])
def test_the_shipped_files_pool_and_price_longshots_by_the_defaults(mode: str) -> None:
    quoting, default = config.load(_FILES / f"{mode}.toml").quoting, config.QuotingSettings()
    assert quoting.belief_weight == default.belief_weight
    assert quoting.market_sharpness == default.market_sharpness
    assert quoting.longshot_edge_cents == default.longshot_edge_cents


def test_live_risks_less_than_paper() -> None:
    paper, live = (config.load(_FILES / f"{mode}.toml") for mode in ("paper", "live"))
    assert live.limits.position < paper.limits.position
    assert live.limits.event_loss < paper.limits.event_loss


def test_the_paper_balance_is_in_dollars() -> None:
    assert config.parse("[paper]\nbalance_dollars = 250.5", "x").paper.balance == 250_500_000


@pytest.mark.parametrize("balance", ["0", "-1.0", "1e9"])
def test_a_paper_balance_out_of_range_is_refused(balance: str) -> None:
    with pytest.raises(BadInput, match=r"paper\.balance_dollars"):
        config.parse(f"[paper]\nbalance_dollars = {balance}", "x")
