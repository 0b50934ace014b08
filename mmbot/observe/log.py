"""Structured logs on standard error: JSON lines for programs, colours on a terminal.

The log never blocks or breaks the program: no caller waits for a reader (see `log_writer`), and any
value can be logged, as text if JSON cannot carry it. Tracebacks leave out the values of local
variables, which could be keys or signatures.
"""

from __future__ import annotations

import atexit
import logging
import os
import sys
from collections.abc import Callable, MutableMapping
from typing import Any

import orjson
import structlog

from mmbot.config import LogLevel
from mmbot.log_events import objection
from mmbot.observe.log_writer import LogStream, LogWriter
from mmbot.observe.recent_lines import RecentLines
from mmbot.texts import plain, shown

STANDARD_ERROR = 2
# A field's value is cut to about this many characters.
LONGEST_VALUE = 16_384

# The environment variable that names a file for what is logged and not in `mmbot.log_events`.
OBJECTIONS = "MMBOT_LOG_OBJECTIONS"

_OPTIONS = orjson.OPT_NON_STR_KEYS

# The last lines of this process, for the dashboard.
recent_lines = RecentLines()

_writer: LogWriter | None = None


def configure(level: LogLevel, descriptor: int = STANDARD_ERROR) -> LogWriter:
    """Send this process's log, and all else written to standard error, to a descriptor.

    Args:
        level: The least important lines that are written.
        descriptor: It gets JSON lines, or colours if it is a terminal.

    Returns:
        The writer; flush it before ending the process abruptly.
    """
    global _writer  # noqa: PLW0603 (a process has one log)
    renderer: Callable[..., str | bytes]
    if os.isatty(descriptor):
        renderer = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    else:
        renderer = structlog.processors.JSONRenderer(serializer=_dump)
    processors: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        *([_object_to_undocumented] if OBJECTIONS in os.environ else []),
        _make_loggable,
        recent_lines,
        renderer,
    ]
    _writer = writer = LogWriter(descriptor, lambda lines: _dropped_line(processors, lines))
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[level.upper()]
        ),
        logger_factory=lambda *_args: _QueuedLogger(writer),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(handlers=[_LibraryHandler()], level=logging.WARNING)
    if sys.stderr is sys.__stderr__:
        # Other writes to it, by a library or at exit, must not block either.
        sys.stderr = LogStream(writer, descriptor)
    atexit.register(writer.flush)
    return writer


def dropped() -> int:
    """Return how many lines were dropped."""
    return 0 if _writer is None else _writer.dropped


class _QueuedLogger:
    """Takes structlog's lines in place of its own loggers, which would wait for the reader."""

    def __init__(self, writer: LogWriter) -> None:
        self._writer = writer

    def __repr__(self) -> str:
        return f"<_QueuedLogger(writer={self._writer!r})>"

    def msg(self, line: str | bytes) -> None:
        """Queue a line."""
        self._writer.put(_encoded(line))

    debug = info = warning = error = exception = msg


class _LibraryHandler(logging.Handler):
    """Turns what libraries log through `logging` into lines of this log."""

    def emit(self, record: logging.LogRecord) -> None:
        log = structlog.get_logger()
        say = log.error if record.levelno >= logging.ERROR else log.warning
        try:
            detail = record.getMessage()
        except (TypeError, ValueError, LookupError):
            detail = str(record.msg)
        more = {"exc_info": record.exc_info} if record.exc_info else {}
        say("library.said", library=record.name, detail=detail, **more)


def _dropped_line(processors: list[structlog.typing.Processor], lines: int) -> bytes:
    event: Any = {"event": "log.dropped", "lines": lines}
    for process in processors:
        event = process(None, "warning", event)
    return _encoded(event)


def _encoded(line: str | bytes) -> bytes:
    data = line if isinstance(line, bytes) else line.encode("utf-8", "backslashreplace")
    return data + b"\n"


def _dump(event: object, **_options: object) -> bytes:
    return orjson.dumps(event, default=str, option=_OPTIONS)


def _object_to_undocumented(
    _logger: object, level: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Append what is undocumented in a line to a file, where the tests look for it."""
    found = objection(str(event["event"]), level, event)
    if found:
        with open(os.environ[OBJECTIONS], "a", encoding="utf-8") as file:  # noqa: PTH123 (a name)
            file.write(f"{found}\n")
    return event


# Values


def _make_loggable(
    _logger: object, _level: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    return {_as_text(key): _loggable(value) for key, value in event.items()}


def _loggable(value: object) -> object:
    """Return the value itself if JSON can carry it, otherwise its text."""
    if isinstance(value, str):
        return _as_text(value)
    if value is None or isinstance(value, bool | float):
        return value
    try:
        size = len(orjson.dumps(value, default=str, option=_OPTIONS))
    except (orjson.JSONEncodeError, RecursionError):
        size = LONGEST_VALUE + 1
    return value if size <= LONGEST_VALUE else _as_text(shown(value))


def _as_text(value: object) -> str:
    text = plain(value)
    text = text.encode("utf-8", "backslashreplace").decode()
    if len(text) <= LONGEST_VALUE:
        return text
    # The end of a traceback matters most.
    half = LONGEST_VALUE // 2
    return f"{text[:half]} ... {len(text):,} characters ... {text[-half:]}"
