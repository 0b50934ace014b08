"""Run the command line as `python -m mmbot`."""

from __future__ import annotations

import sys

from mmbot.daemon import signals


def main() -> None:
    """Run a command; signals wait from here on for a daemon that can obey them."""
    if sys.argv[1:2] == ["run"]:
        signals.hold()
    # The import takes a second, in which a signal would end the process.
    from mmbot.cli import main as command_line  # noqa: PLC0415

    command_line()


if __name__ == "__main__":
    main()
