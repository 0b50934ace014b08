"""What a command does where its output goes nowhere: one code, at most one sentence."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = (sys.executable, "-m", "mmbot", "config", "template")


def test_a_reader_that_has_gone_is_no_verdict_and_no_complaint() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(COMMAND, stdout=writing, stderr=subprocess.PIPE, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")


def test_a_full_disk_under_the_output_is_said() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(COMMAND, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 4
    assert done.stderr == "mmbot: the output could not be written: No space left on device\n"


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_no_file_that_is_opened_later_takes_the_place_of_a_stream_that_was_closed(
    closed: str, tmp_path: Path
) -> None:
    opens = (
        "from mmbot import __main__ as m; import os, sys; m._open_what_is_closed(); "
        "print('kept', file=sys.stdout); print('kept', file=sys.stderr); "
        f"file = os.open({str(tmp_path / 'ledger')!r}, os.O_CREAT | os.O_WRONLY); "
        "sys.exit(file)"
    )
    shell = f'exec "$0" -c "$1" {closed}'
    done = subprocess.run(["/bin/sh", "-c", shell, sys.executable, opens], check=False)
    assert done.returncode > 2
    assert (tmp_path / "ledger").read_bytes() == b""
