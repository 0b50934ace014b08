"""The shipped systemd unit agrees with the daemon's exit codes, timeouts and credentials."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from mmbot.config import OrderSettings
from mmbot.daemon.process import STOP_SECONDS
from mmbot.daemon.signals import GRACE_SECONDS
from mmbot.daemon.watchdog import START_EXTENSION_SECONDS
from mmbot.errors import ExitCode

# As `systemd-analyze security` counts: from 0, nothing is exposed, to 10.
MOST_EXPOSED = 1.5
ANALYZE = shutil.which("systemd-analyze")


class UnitParser(configparser.ConfigParser):
    def optionxform(self, optionstr: str) -> str:
        return optionstr  # keys of systemd have capitals


def unit() -> configparser.SectionProxy:
    return section("Service")


def section(name: str) -> configparser.SectionProxy:
    parser = UnitParser(strict=False, interpolation=None)
    parser.read_string(Path("systemd/mmbot.service").read_text(encoding="utf-8"))
    return parser[name]


def test_stopping_leaves_enough_time_to_cancel_the_orders() -> None:
    assert unit()["KillSignal"] == "SIGTERM"
    assert int(unit()["TimeoutStopSec"]) > STOP_SECONDS + GRACE_SECONDS


def test_only_exits_that_a_person_must_mend_are_not_restarted() -> None:
    assert unit()["Restart"] == "on-failure"
    kept_down = {int(code) for code in unit()["RestartPreventExitStatus"].split()}
    assert kept_down == {ExitCode.BAD_INPUT, ExitCode.NOT_READY}


def test_no_number_of_restarts_keeps_it_down() -> None:
    assert section("Unit")["StartLimitIntervalSec"] == "0"


def test_orders_are_cancelled_however_the_daemon_ended() -> None:
    config = unit()["ExecStart"].partition(" run ")[2]
    assert unit()["ExecStopPost"].endswith(f"mmbot cancel-all {config}")
    # Where the credentials are loaded from, under the names they are loaded by.
    directory = unit()["ExecStopPost"].partition("CREDENTIALS_DIRECTORY=")[2].split()[0]
    loaded = unit()["LoadCredential"]  # the last of them, as keys repeat
    assert loaded == f"alert_urls:{directory}/alert_urls"


def test_a_process_that_hangs_is_found_before_its_orders_expire() -> None:
    assert unit()["Type"] == "notify"
    assert int(unit()["WatchdogSec"]) <= OrderSettings().lifetime_seconds // 2
    assert int(unit()["TimeoutStartSec"]) <= START_EXTENSION_SECONDS


@pytest.mark.skipif(ANALYZE is None, reason="there is no systemd-analyze")
def test_little_of_the_machine_is_exposed_to_it() -> None:
    analyzed = subprocess.run(
        [str(ANALYZE), "security", "--offline=true", "systemd/mmbot.service"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    exposure = re.search(r"Overall exposure level for mmbot.service: (\d+\.\d)", analyzed.stdout)
    assert exposure is not None, analyzed.stdout
    print(f"exposure {exposure[1]}")
    assert float(exposure[1]) <= MOST_EXPOSED


def test_no_core_dump_can_hold_the_key() -> None:
    assert unit()["LimitCORE"] == "0"


def test_the_unit_holds_no_key() -> None:
    assert "Environment" not in unit()
    assert unit()["ExecStart"].endswith("mmbot run --config /etc/mmbot/config.toml")
