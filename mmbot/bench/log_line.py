"""What a log line costs its caller, beside its rendering as bare JSON.

`python -m mmbot.bench.log_line` prints both, in microseconds: the log of a process is configured
once, so this is measured in a process of its own.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import orjson
import structlog

from mmbot.observe import log

_LINES = 2_000
_FIELDS = {
    "event_ticker": "KXTSAW-26APR19",
    "market": "KXTSAW-26APR19-A2.30",
    "client_order_id": "mmbot-19d6f1-17",
    "side": "bid",
    "price": "0.4200",
    "count": "10.00",
}


def _each(say: Callable[[], object]) -> float:
    began = time.thread_time_ns()
    for _ in range(_LINES):
        say()
    return (time.thread_time_ns() - began) / 1000 / _LINES


def main() -> None:
    """Measure, and print the two figures as a JSON list."""
    writer = log.configure("info", os.open(os.devnull, os.O_WRONLY))
    logger = structlog.get_logger()
    line = _each(lambda: logger.info("order.place", **_FIELDS))
    floor = _each(lambda: orjson.dumps({**_FIELDS, "event": "order.place"}))
    writer.flush()
    print(orjson.dumps([line, floor]).decode())


if __name__ == "__main__":
    main()
