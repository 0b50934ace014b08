"""The shipped unit keeps what the daemon promises."""

from __future__ import annotations

import configparser
from pathlib import Path

from mmbot.daemon.account_client import CANCEL_SECONDS
from mmbot.daemon.service import EXIT_BROKEN, EXIT_NOT_KNOWN
from mmbot.errors import BadInput, NotReady


def unit() -> configparser.SectionProxy:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read_string(Path("systemd/mmbot.service").read_text(encoding="utf-8"))
    return parser["Service"]


def test_stopping_leaves_the_sweep_time_enough() -> None:
    assert unit()["KillSignal"] == "SIGTERM"
    assert int(unit()["TimeoutStopSec"]) > 2 * CANCEL_SECONDS


def test_what_waiting_does_not_heal_is_not_tried_again_and_the_rest_is() -> None:
    assert unit()["Restart"] == "on-failure"
    kept_down = {int(code) for code in unit()["RestartPreventExitStatus"].split()}
    assert kept_down == {BadInput.exit_code, NotReady.exit_code}
    assert not kept_down & {EXIT_NOT_KNOWN, EXIT_BROKEN}


def test_the_orders_are_swept_however_the_daemon_ended() -> None:
    config = unit()["ExecStart"].partition(" run ")[2]
    assert unit()["ExecStopPost"].endswith(f"mmbot cancel-all {config}")
    # Where the credentials are loaded from, under the names they are loaded by.
    directory = unit()["ExecStopPost"].partition("CREDENTIALS_DIRECTORY=")[2].split()[0]
    assert unit()["LoadCredential"] == f"private_key:{directory}/private_key"


def test_no_key_stands_in_the_unit() -> None:
    assert "Environment" not in unit()
    assert unit()["ExecStart"].endswith("mmbot run --config /etc/mmbot/config.toml")
