"""The log: whatever is heard can be written, and no reader can keep the process waiting."""

from __future__ import annotations

import decimal
import logging
import math
import os
import sys
import time
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
import structlog

from mmbot.observe import log
from mmbot.observe.log_writer import MOST_LINES, LogStream, LogWriter

PIPE_BYTES = 65_536
PATIENCE_SECONDS = 30.0


class Pipe:
    """A pipe whose other end is read on demand."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()
        self.open = True

    def read(self) -> bytes:
        """Return what is in the pipe at this moment."""
        os.set_blocking(self.reader, False)
        try:
            return os.read(self.reader, 1 << 20)
        except BlockingIOError:
            return b""

    def read_until(self, word: bytes) -> bytes:
        data, deadline = b"", time.monotonic() + PATIENCE_SECONDS
        while word not in data:
            assert time.monotonic() < deadline, f"{word!r} did not come"
            more = self.read()
            data += more
            if not more:
                time.sleep(0.005)
        return data

    def close_reader(self) -> None:
        os.close(self.reader)
        self.open = False


@pytest.fixture(autouse=True)
def _any_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let these tests log what they please."""
    monkeypatch.delenv(log.OBJECTIONS)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe()
    yield pipe
    structlog.reset_defaults()
    if pipe.open:
        # The other end stays open: a thread may still write to it, which lets go of it.
        pipe.close_reader()


def nested(depth: int, inner: Any, *, table: bool) -> Any:
    for _ in range(depth):
        inner = {"a": inner} if table else [inner]
    return inner


class Unshowable:
    def __str__(self) -> str:
        raise KeyError("no words")

    __repr__ = __str__


def endless() -> list[Any]:
    ring: list[Any] = []
    ring.append(ring)
    return ring


HEARD: dict[str, Any] = {
    "2**64": 2**64,
    "-2**63-1": -(2**63) - 1,
    "five thousand digits": 10**5000,
    "surrogate": "\ud800",
    "surrogate from a header": b"caf\xe9".decode("utf-8", "surrogateescape"),
    "surrogate key": {"\udcff": 1},
    "number as a key": {2**70: 1},
    "tuple as a key": {(1, 2): {2**70}},
    "deep list": nested(5_000, 2**70, table=False),
    "deep table": nested(5_000, "\ud800", table=True),
    "endless": endless(),
    "unshowable": Unshowable(),
    "unshowable within": {"a": [Unshowable()]},
    "not a number": math.nan,
    "infinite": -math.inf,
    "decimal": decimal.Decimal("1E+9999"),
    "bytes": b"\xff\x00",
    "long text": "x" * 5_000_000,
    "many": ["x" * 10_000] * 1_000,
    "error": ValueError("\ud800", 2**70),
}


@pytest.mark.parametrize("name", HEARD)
@pytest.mark.parametrize("within", ["itself", "list", "table"])
def test_whatever_is_heard_is_logged_as_one_line_of_json(
    pipe: Pipe, name: str, within: str
) -> None:
    value = HEARD[name]
    writer = log.configure("info", pipe.writer)
    shown = {"itself": value, "list": [1, value], "table": {"a": 1, "b": value}}[within]
    structlog.get_logger().info("stream.heard", heard=shown, beside=1)
    line = pipe.read_until(b"\n")
    assert line.count(b"\n") == 1
    assert len(line) < 2 * log.LONGEST_VALUE
    fields = orjson.loads(line)
    assert (fields["event"], fields["beside"]) == ("stream.heard", 1)
    assert writer.dropped == 0


@pytest.mark.parametrize("name", HEARD)
def test_whatever_is_heard_can_be_in_the_text_of_an_error(pipe: Pipe, name: str) -> None:
    log.configure("info", pipe.writer)
    structlog.get_logger().error("bot.failed", exc_info=LookupError(HEARD[name]))
    fields = orjson.loads(pipe.read_until(b"\n"))
    assert fields["event"] == "bot.failed"
    assert "LookupError" in fields["exception"]


def test_usual_values_are_logged_as_they_are(pipe: Pipe) -> None:
    log.configure("info", pipe.writer)
    usual = {"a": 1, "b": [1.5, None, True], "c": {"d": "é"}, "e": 2**63}
    structlog.get_logger().info("order.place", **usual)
    fields = orjson.loads(pipe.read_until(b"\n"))
    assert {name: fields[name] for name in usual} == usual


def test_what_a_library_says_is_a_line_of_the_log(
    pipe: Pipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.root, "handlers", [])
    log.configure("info", pipe.writer)
    logging.getLogger("asyncio").error("a task %s", "failed")
    logging.getLogger("asyncio").warning("%d", "no number")
    lines = [orjson.loads(line) for line in pipe.read_until(b"%d").splitlines()]
    assert [(line["event"], line["library"], line["detail"], line["level"]) for line in lines] == [
        ("library.said", "asyncio", "a task failed", "error"),
        ("library.said", "asyncio", "%d", "warning"),
    ]


def test_nobody_waits_for_a_reader_that_stalls_and_what_is_dropped_is_told(pipe: Pipe) -> None:
    writer = log.configure("info", pipe.writer)
    say = structlog.get_logger().info
    put = 3 * MOST_LINES
    # Would never return if whoever logs a line wrote it.
    for number in range(put):
        say("order.place", number=number, text="x" * 100)
    assert log.dropped() == writer.dropped
    received, deadline = b"", time.monotonic() + PATIENCE_SECONDS
    while not writer.flush(0.005):
        received += pipe.read()
        assert time.monotonic() < deadline
    received += pipe.read()
    lines = [orjson.loads(line) for line in received.splitlines()]
    told = sum(line["lines"] for line in lines if line["event"] == "log.dropped")
    numbers = [line["number"] for line in lines if line["event"] == "order.place"]
    assert numbers == sorted(numbers)
    assert told == writer.dropped == put - len(numbers) > 0


def test_a_reader_that_goes_away_costs_only_its_lines(pipe: Pipe) -> None:
    writer = log.configure("info", pipe.writer)
    pipe.close_reader()
    say = structlog.get_logger().info
    for number in range(100):
        say("order.place", number=number)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while writer.dropped < 100:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    assert log.dropped() == 100


def test_a_descriptor_that_does_not_wait_loses_nothing(pipe: Pipe) -> None:
    os.set_blocking(pipe.writer, False)
    writer = LogWriter(pipe.writer, lambda lines: b"%d\n" % lines)
    sent = b"".join(b"%06d\n" % number for number in range(9_000))
    for line in sent.splitlines(keepends=True):
        writer.put(line)
    received = b""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while len(received) < len(sent):
        assert time.monotonic() < deadline
        received += pipe.read()
    assert received == sent


def test_the_end_waits_for_a_stalled_reader_for_a_bounded_time(pipe: Pipe) -> None:
    writer = LogWriter(pipe.writer, lambda lines: b"%d\n" % lines)
    for _ in range(20):
        writer.put(b"x" * PIPE_BYTES)
    began = time.monotonic()
    assert not writer.flush(0.2)
    assert time.monotonic() - began >= 0.2


def test_standard_error_waits_for_nobody_either(
    pipe: Pipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = LogWriter(pipe.writer, lambda lines: b"%d dropped\n" % lines)
    monkeypatch.setattr(sys, "stderr", LogStream(writer, pipe.writer))
    for _ in range(3):
        print("x" * PIPE_BYTES, "\ud800", file=sys.stderr)
    print("an end", end="", file=sys.stderr, flush=True)
    text = pipe.read_until(b"an end")
    assert text.count(b"\\ud800\n") == 3
    assert text.endswith(b"\nan end")
