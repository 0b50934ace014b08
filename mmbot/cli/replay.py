"""`mmbot replay`: gives recorded inputs to a new bot, and compares its outputs."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, BinaryIO

import msgspec
import typer

from mmbot.cli.output import progress
from mmbot.daemon.capture import SUFFIX
from mmbot.errors import BadInput
from mmbot.recording.batches import unpack
from mmbot.recording.records import Record, split
from mmbot.recording.replay import ReplayResult, utc
from mmbot.recording.replay import replay as replay_session
from mmbot.texts import to_json
from mmbot.versions import versions

EXIT_DIFFERENT = 1


class Replayed(msgspec.Struct, frozen=True):
    """The result of one file, or why there is none."""

    file: str
    verdict: ReplayResult | None = None
    unusable: str = ""


def replay(
    capture: Annotated[
        Path,
        typer.Argument(
            metavar="CAPTURE",
            help="A .capture file, a directory of such files, or a daemon's state directory.",
        ),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> None:
    """Feed what the daemon recorded to a new bot, and compare all of its outputs.

    The daemon writes each session into STATE/capture/SESSION.capture, where
    STATE is the directory of its ledger and SESSION the part of an order's
    client id after "mmbot-". Requests, frames, pages to fetch, ledger records,
    log lines and timers must be the same, in order; signatures are not compared.
    The forecaster's results are taken from the record.

    The same code with the same inputs gives the same outputs: a difference is a
    bug, or due to another version, which is then reported. A session that is
    still running, or was killed, is replayed as far as it was written. Nothing is
    sent anywhere.

    Exit codes: 0 identical, 1 different, 2 unusable input.
    """
    results = []
    for path in capture_files(capture):
        results.append(_replay_file(path))
        if not as_json:
            _tell(results[-1])
    if as_json:
        print(msgspec.json.format(to_json(results)).decode())
    if any(result.verdict and result.verdict.difference for result in results):
        raise typer.Exit(EXIT_DIFFERENT)
    if any(result.unusable for result in results):
        raise typer.Exit(BadInput.exit_code)


def capture_files(capture: Path) -> list[Path]:
    """Return a capture, or those in a directory, oldest first; raise `BadInput` without any."""
    if not capture.is_dir():
        return [capture]
    # A daemon's state directory, or a directory of captures.
    found = sorted(capture.glob(f"*{SUFFIX}")) or sorted((capture / "capture").glob(f"*{SUFFIX}"))
    if not found:
        raise BadInput(
            f"{capture} has no *{SUFFIX} in it, nor in {capture / 'capture'}; name a capture, or "
            "the state directory of a daemon (with its mode: STATE/demo)"
        )
    return found


def _replay_file(path: Path) -> Replayed:
    try:
        with path.open("rb") as file:
            return Replayed(str(path), replay_session(records_of(file), versions()))
    except OSError as error:
        return Replayed(str(path), unusable=error.strerror or str(error))
    except BadInput as error:
        return Replayed(str(path), unusable=str(error))


def records_of(file: BinaryIO) -> Iterator[Record]:
    """Yield a file's records, and show the progress."""
    size = os.fstat(file.fileno()).st_size
    with progress() as bar:
        task = bar.add_task(file.name, total=size)
        for message in unpack(file):
            yield from split(message)
            bar.update(task, completed=file.tell())


def _tell(result: Replayed) -> None:
    verdict = result.verdict
    if verdict is None:
        print(f"{result.file}: cannot be replayed: {result.unusable}")
        return
    print(f"{result.file}: {_summary(verdict)}")
    for name, (recorded, running) in verdict.versions.items():
        print(f"  recorded under {name} {recorded}, replayed under {running}")
    if verdict.difference is not None:
        print(textwrap.indent(str(verdict.difference), "  "))


def _summary(verdict: ReplayResult) -> str:
    outcome = "identical" if verdict.difference is None else "different"
    if verdict.first is None or verdict.last is None:
        return f"{outcome}, no inputs"
    return f"{outcome}, {verdict.inputs:,} inputs from {utc(verdict.first)} to {utc(verdict.last)}"
