"""`mmbot install-service` where no service can be installed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.daemon.processes import Mmbot

NOBODY = 65_534


def test_print_shows_both_files_and_needs_neither_root_nor_systemd(mmbot: Mmbot) -> None:
    printed = mmbot("install-service", "--print")
    assert printed.returncode == 0
    assert "# /etc/systemd/system/mmbot.service, mode 644" in printed.stdout
    assert "ExecStart=" in printed.stdout
    assert "# /usr/local/bin/mmbot, mode 755" in printed.stdout


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (("--config", "none.toml"), "none.toml"),
        (("--private-key", "none.pem"), "cannot read none.pem: No such file or directory"),
        (
            ("--live", "--config", "config/paper.toml"),
            "the config says 'paper' and --live is given",
        ),
    ],
)
def test_print_refuses_what_an_installation_would_refuse(
    mmbot: Mmbot, given: tuple[str, ...], sentence: str
) -> None:
    refused = mmbot("install-service", "--print", *given)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert sentence in refused.stderr


@pytest.mark.skipif(Path("/run/systemd/system").exists(), reason="there is a systemd here")
def test_where_it_cannot_be_done_it_is_refused_in_a_sentence(mmbot: Mmbot) -> None:
    refused = mmbot("install-service")
    assert refused.returncode == 3
    who = "no systemd runs" if os.geteuid() == 0 else "only root can install"
    assert who in refused.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_without_root_it_is_refused_in_a_sentence() -> None:
    # Whoever it becomes may not read this Python, so all is loaded before.
    script = (
        "import os\n"
        "from mmbot.cli.install_service import NotReady, _refuse_elsewhere\n"
        f"os.setuid({NOBODY})\n"
        "try:\n"
        "    _refuse_elsewhere()\n"
        "except NotReady as error:\n"
        "    print(int(error.exit_code), error)\n"
    )
    refused = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    assert refused.stdout.startswith("3 only root can install a service;")
