"""Run the command line as `python -m mmbot`."""

from __future__ import annotations

import os
import sys

from mmbot.daemon import signals


def _open_what_is_closed() -> None:
    """Open standard input, output and error if closed, so that no later file takes their places.

    Otherwise the log, which goes to standard error, could be written into the ledger.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free one: this one
    if sys.stdout is None:
        sys.stdout = os.fdopen(1, "w", closefd=False)
    if sys.stderr is None:
        sys.stderr = os.fdopen(2, "w", closefd=False)


def main() -> None:
    """Run a command; for `run`, signals are held until the daemon can obey them."""
    _open_what_is_closed()
    if sys.argv[1:2] == ["run"]:
        signals.hold()
    # The import takes a second, in which a signal would end the process.
    from mmbot.cli import main as command_line  # noqa: PLC0415

    command_line()


if __name__ == "__main__":
    main()
