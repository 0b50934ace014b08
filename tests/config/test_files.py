"""The shipped config files are complete, and quote and risk what they should."""

from __future__ import annotations

import tomllib
from pathlib import Path

import msgspec
import pytest

from mmbot import config
from mmbot.errors import BadInput

_FILES = Path(__file__).parents[2] / "config"


@pytest.mark.parametrize("mode", ["paper", "live"])
def test_a_shipped_file_sets_every_key(mode: str) -> None:
    path = _FILES / f"{mode}.toml"
    tree = tomllib.loads(path.read_text())
    assert {name: set(keys) for name, keys in tree.items() if name != "mode"} == {
        field.name: {inner.name for inner in msgspec.structs.fields(field.type)}
        for field in msgspec.structs.fields(config.Settings)
        if field.name != "mode"
    }
    assert config.load(path).mode == mode


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
