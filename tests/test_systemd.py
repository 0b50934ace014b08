"""The shipped unit keeps what the daemon promises."""

from __future__ import annotations

import configparser
from pathlib import Path

from mmbot.daemon.sweep import SWEEP_SECONDS
from mmbot.errors import BadInput


def unit() -> configparser.SectionProxy:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read_string(Path("systemd/mmbot.service").read_text(encoding="utf-8"))
    return parser["Service"]


def test_stopping_leaves_the_sweep_time_enough() -> None:
    assert unit()["KillSignal"] == "SIGTERM"
    assert int(unit()["TimeoutStopSec"]) > 2 * SWEEP_SECONDS


def test_bad_input_is_not_tried_again() -> None:
    assert unit()["Restart"] == "on-failure"
    assert unit()["RestartPreventExitStatus"] == str(BadInput.exit_code)


def test_no_key_stands_in_the_unit() -> None:
    assert "Environment" not in unit()
    assert unit()["ExecStart"].endswith("mmbot run --config /etc/mmbot/config.toml")
