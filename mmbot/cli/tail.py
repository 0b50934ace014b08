"""`mmbot tail`: the log for people, from a file, standard input or the journal."""

from __future__ import annotations

import difflib
import fnmatch
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from mmbot.cli.log_sources import file_lines, pipe_lines
from mmbot.cli.times import parse_time
from mmbot.errors import BadInput, NotReady
from mmbot.log_events import EVENTS
from mmbot.observe.log_view import Entry, Filter, LogView

_LEVELS = ("debug", "info", "warning", "error")
# Lines are written in batches of this many, after this long, or when no more are available.
_BATCH, _LATE_SECONDS = 2_000, 0.2
# Events that are named when one is unknown; what a ticker consists of.
_MOST_NAMED, _TICKER = 3, re.compile(r"[A-Z0-9.\-]+", re.ASCII | re.IGNORECASE)
_TIME = "now, 2026-04-16, or 2026-04-16T09:00 (New York, or with an offset)."


_File: TypeAlias = Annotated[
    Path | None,
    typer.Argument(metavar="[FILE]", help="A log file; - for standard input."),
]
_Unit: TypeAlias = Annotated[
    str, typer.Option(help="Read the journal of this systemd unit instead, such as mmbot.")
]
_Follow: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--follow/--no-follow", help="Wait for more lines, or stop at the end of the log."
    ),
]
_Lines: TypeAlias = Annotated[
    int | None,
    typer.Option(
        "--lines",
        "-n",
        min=0,
        help="Start so many lines before the end; 100 unless given, "
        "all with --no-follow or --since.",
    ),
]
_Event: TypeAlias = Annotated[
    list[str] | None, typer.Option(help="Only these events, such as fill or 'order.*'; repeatable.")
]
_AsJson: TypeAlias = Annotated[
    bool, typer.Option("--json", help="Pass the lines through unchanged.")
]


def tail(
    path: _File = None,
    unit: _Unit = "",
    follow: _Follow = True,
    lines: _Lines = None,
    event: _Event = None,
    market: Annotated[
        str, typer.Option(help="Only lines about markets whose ticker contains this.")
    ] = "",
    level: Annotated[
        str, typer.Option(help=f"The lowest level to show: {', '.join(_LEVELS)}.")
    ] = "debug",
    since: Annotated[str, typer.Option(help=f"From this time on: {_TIME}")] = "",
    until: Annotated[str, typer.Option(help=f"Before this time: {_TIME}")] = "",
    as_json: _AsJson = False,
) -> None:
    """Show the log: one short line for each event, in New York time, repeats counted.

    Follows a file through its rotation. Lines that are not JSON are shown
    unchanged, unless events, markets or times are selected. Colours are used
    only on a terminal and without NO_COLOR. docs/log.md has every event.

    Example:
    journalctl -u mmbot -o cat | mmbot tail --no-follow --event 'fill*'
    """
    chosen = Filter(
        tuple(map(_known_event, event or ())),
        _part_of_ticker(market.strip()),
        _known_level(level),
        parse_time(since, "--since") if since else None,
        parse_time(until, "--until") if until else None,
    )
    if chosen.since and chosen.until and chosen.until <= chosen.since:
        raise BadInput(f"--until {until} is not after --since {since}: no line is in between")
    whole = not follow or bool(since)
    begin = lines if lines is not None else (None if whole else 100)
    source = _source(path, unit, begin, follow=follow)
    try:
        _show(source, chosen, as_json=as_json)
    except BrokenPipeError:
        # The reader has gone; Python's own last flush must not complain about that either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        sys.stdout.flush()


def _known_event(pattern: str) -> str:
    if fnmatch.filter(EVENTS, pattern):
        return pattern
    word = pattern.strip("*").lower()
    near = sorted((name for name in EVENTS if word and word in name), key=len)
    near += difflib.get_close_matches(word, EVENTS, n=_MOST_NAMED)
    named = ", ".join([*dict.fromkeys(near)][:_MOST_NAMED])
    advice = f"did you mean {named}?" if named else "docs/log.md lists all"
    raise BadInput(f"--event: there is no event {pattern!r:.60}; {advice}")


def _part_of_ticker(text: str) -> str:
    if text and not _TICKER.fullmatch(text):
        raise BadInput(
            f"--market {text!r:.60} is no part of a ticker; write letters, digits, points and "
            "hyphens, such as A2.70"
        )
    return text.upper()


def _known_level(level: str) -> str:
    if level not in _LEVELS:
        raise BadInput(f"--level {level!r}: write one of {', '.join(_LEVELS)}")
    return level


def _source(
    path: Path | None, unit: str, begin: int | None, *, follow: bool
) -> Iterator[bytes | None]:
    if unit and path is not None:
        raise BadInput("name a file or a --unit, not both")
    if unit:
        return _journal(unit, begin, follow=follow)
    if path is None and sys.stdin.isatty():
        raise BadInput("name a file of the log, or a --unit of systemd; or pipe the log into it")
    if path is None or str(path) == "-":
        return pipe_lines(sys.stdin.fileno())
    return file_lines(path, begin, follow=follow)


def _journal(unit: str, begin: int | None, *, follow: bool) -> Iterator[bytes | None]:
    program = shutil.which("journalctl")
    if program is None:
        raise BadInput("--unit needs journalctl, which is not here; pipe the log into `mmbot tail`")
    command = [program, "--unit", unit, "--output", "cat", "--quiet"]
    command += ["--lines", "all" if begin is None else str(begin)]
    command += ["--follow"] if follow else ["--no-pager"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:  # noqa: S603
        try:
            if process.stdout is not None:
                yield from pipe_lines(process.stdout.fileno())
            if process.wait() != 0:
                raise NotReady(
                    f"journalctl ended with {process.returncode}, and says above why: the journal "
                    "of a service is read by root and by the group systemd-journal"
                )
        finally:
            process.terminate()


def _show(source: Iterator[bytes | None], chosen: Filter, *, as_json: bool) -> None:
    """Write the selected lines; `None` from the source means that no more are available now."""
    writer = _Passing(chosen) if as_json else _Reading(chosen)
    out, batch, written = sys.stdout.buffer, [], time.monotonic()
    for line in source:
        if line is None:
            batch += writer.idle()
        else:
            batch += writer.line(line)
        late = time.monotonic() - written > _LATE_SECONDS
        if batch and (line is None or late or len(batch) >= _BATCH):
            out.write(b"".join(batch))
            out.flush()
            batch, written = [], time.monotonic()
    batch += writer.idle()
    out.write(b"".join(batch))
    out.flush()


class _Passing:
    """Passes selected lines through unchanged."""

    def __init__(self, chosen: Filter) -> None:
        self._chosen = chosen

    def line(self, line: bytes) -> list[bytes]:
        entry = Entry.of(line)
        return [line + b"\n"] if entry is not None and self._chosen.accepts(entry) else []

    def idle(self) -> list[bytes]:
        return []


class _Reading:
    """Formats selected lines for people."""

    def __init__(self, chosen: Filter) -> None:
        self._chosen = chosen
        terminal = sys.stdout.isatty()
        width = shutil.get_terminal_size().columns if terminal else 0
        colour = terminal and "NO_COLOR" not in os.environ
        self._view = LogView(width=width, colour=colour)

    def line(self, line: bytes) -> list[bytes]:
        entry = Entry.of(line)
        if entry is None:
            shown = self._view.raw(line.decode(errors="replace")) if self._chosen.is_open else ()
        else:
            shown = self._view.entry(entry) if self._chosen.accepts(entry) else ()
        return [each.encode(errors="replace") + b"\n" for each in shown]

    def idle(self) -> list[bytes]:
        return [each.encode(errors="replace") + b"\n" for each in self._view.idle()]
