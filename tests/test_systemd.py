"""The shipped systemd unit agrees with the daemon's exit codes, timeouts and credentials."""

from __future__ import annotations

import configparser
from pathlib import Path

from mmbot.daemon.account_client import CANCEL_SECONDS
from mmbot.daemon.service import EXIT_BROKEN, EXIT_NOT_KNOWN
from mmbot.errors import BadInput, NotReady


class UnitParser(configparser.ConfigParser):
    def optionxform(self, optionstr: str) -> str:
        return optionstr  # keys of systemd have capitals


def unit() -> configparser.SectionProxy:
    parser = UnitParser(strict=False, interpolation=None)
    parser.read_string(Path("systemd/mmbot.service").read_text(encoding="utf-8"))
    return parser["Service"]


def test_stopping_leaves_enough_time_to_cancel_the_orders() -> None:
    assert unit()["KillSignal"] == "SIGTERM"
    assert int(unit()["TimeoutStopSec"]) > 2 * CANCEL_SECONDS


def test_only_exits_that_a_person_must_mend_are_not_restarted() -> None:
    assert unit()["Restart"] == "on-failure"
    kept_down = {int(code) for code in unit()["RestartPreventExitStatus"].split()}
    assert kept_down == {BadInput.exit_code, NotReady.exit_code}
    assert not kept_down & {EXIT_NOT_KNOWN, EXIT_BROKEN}


def test_orders_are_cancelled_however_the_daemon_ended() -> None:
    config = unit()["ExecStart"].partition(" run ")[2]
    assert unit()["ExecStopPost"].endswith(f"mmbot cancel-all {config}")
    # Where the credentials are loaded from, under the names they are loaded by.
    directory = unit()["ExecStopPost"].partition("CREDENTIALS_DIRECTORY=")[2].split()[0]
    assert unit()["LoadCredential"] == f"private_key:{directory}/private_key"


def test_no_core_dump_can_hold_the_key() -> None:
    assert unit()["LimitCORE"] == "0"


def test_the_unit_holds_no_key() -> None:
    assert "Environment" not in unit()
    assert unit()["ExecStart"].endswith("mmbot run --config /etc/mmbot/config.toml")
