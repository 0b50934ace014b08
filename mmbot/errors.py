"""The ways to fail that a user meets as a sentence, and every exit code of the daemon.

One question sorts them: what fixes it? A person: `BadInput` and `NotReady` end the process, and
systemd leaves it down. Time: the process waits out `Unavailable`. `mmbot.daemon.patience` sorts the
failures of sockets, disks and databases. Any other failure is a bug: it is logged, and the process
ends with a code after which systemd restarts it.
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """How the daemon ends; there is no other code.

    4 takes precedence over 5, because an order that may be left matters most.

    Attributes:
        CLEAN: Stopped, and no order is left.
        BAD_INPUT: Some input cannot be used: a person must fix it.
        NOT_READY: Not ready to trade: a person must fix it.
        NOT_KNOWN: Stopped without knowing whether an order is left.
        BROKEN: A part failed, and no order is left.
    """

    CLEAN = 0
    BAD_INPUT = 2
    NOT_READY = 3
    NOT_KNOWN = 4
    BROKEN = 5


class BadInput(Exception):
    """Some input of the program cannot be used.

    The message is one sentence: what is wrong, where, and what to do about it. The command line
    prints it and exits with 2.
    """

    exit_code: int = ExitCode.BAD_INPUT


class NotReady(Exception):
    """The program refuses to trade, for a reason outside its input; the exit code is 3."""

    exit_code: int = ExitCode.NOT_READY


class Unavailable(NotReady):
    """Something needed is not available now, but may be later.

    The daemon waits for it; any other command ends.
    """


def reason(failure: Exception) -> str:
    """Return why something failed, for a sentence: without the system's number and path."""
    return getattr(failure, "strerror", None) or str(failure)
