"""Structured logs on standard error: JSON lines for programs, colours on a terminal.

Tracebacks leave out the values of local variables, which could be keys or signatures.
"""

from __future__ import annotations

import sys

import orjson
import structlog

from mmbot.config import LogLevel

_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


def configure(level: LogLevel) -> None:
    """Send every log line of this process to standard error."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    factory: structlog.PrintLoggerFactory | structlog.BytesLoggerFactory
    if sys.stderr.isatty():
        renderer = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        shared.append(renderer)
        factory = structlog.PrintLoggerFactory(sys.stderr)
    else:
        shared.append(structlog.processors.format_exc_info)
        shared.append(structlog.processors.JSONRenderer(serializer=_dump))
        factory = structlog.BytesLoggerFactory(sys.stderr.buffer)
    structlog.configure(
        processors=shared,
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=factory,
        cache_logger_on_first_use=True,
    )


def _dump(event: object, **_options: object) -> bytes:
    return orjson.dumps(event, default=str)
