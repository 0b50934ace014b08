"""What knows the past of one underlying alone says so of a config about another."""

from __future__ import annotations

import pytest

from mmbot.errors import ExitCode
from tests.cli.conftest import Mmbot

FERRIES = ("--config", "config/ferries.toml")


@pytest.mark.parametrize(
    "command",
    [
        ("backtest", *FERRIES),
        ("sweep", *FERRIES, "--set", "quoting.margin=[0.1]"),
        ("demo", *FERRIES),
        ("backtest", "--recording", "nowhere", *FERRIES),
    ],
)
def test_the_past_is_kept_of_one_alone(invoke: Mmbot, command: tuple[str, ...]) -> None:
    refused = invoke(*command)
    assert refused.returncode == ExitCode.BAD_INPUT
    assert "stored for tsa only, and the config is about ferries" in refused.stderr
