"""The machine's clock is set under a daemon that trades, by seconds and by hours, and set right."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from tests.daemon.processes import daemon, is_off, log_until, read_until, terminate

SABOTAGE = """
import time, pathlib
_right = time.time_ns
_by = pathlib.Path({path!r})
time.time_ns = lambda: _right() + int(_by.read_text() or 0) * 10**9
time.time = lambda: time.time_ns() / 1e9
"""


def test_a_clock_that_is_set_takes_the_quotes_off_until_it_is_right(
    start_exchange: Any, quick_config: str, tmp_path: Path
) -> None:
    by = tmp_path / "by"
    by.write_text("0")
    exchange = start_exchange("--seed", "3", "--speed", "100")
    sabotage = SABOTAGE.format(path=str(by))
    with daemon(quick_config, exchange.venue_file, tmp_path / "state", sabotage) as process:
        read_until(process, "order.place")
        for seconds in (3600, -9, 120):
            began = time.monotonic()
            by.write_text(str(seconds))
            log_until(process, is_off("clock_off"))
            off = time.monotonic()
            by.write_text("0")
            read_until(process, "clock.right")
            read_until(process, "order.place")
            on = time.monotonic()
            print(f"{seconds} s: off after {off - began:.2f} s, on after {on - off:.2f} s")
        assert terminate(process) == 0
