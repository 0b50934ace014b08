"""The ways to fail that a user meets as a sentence, and every exit code of the daemon.

One question sorts them: who mends it? A person: `BadInput` and `NotReady` end the process, which
systemd then leaves down. Time: `Unavailable` is waited for within the process. Which failures of
sockets, disks and databases are which is decided in `mmbot.daemon.patience`. Whatever is none of
these is a bug: it is logged, and the process ends with a code after which systemd starts it again.
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """How the daemon ends; there is no other code.

    4 takes precedence over 5: that an order may be left matters most.

    Attributes:
        CLEAN: Stopped, and no order is left.
        BAD_INPUT: Something given cannot be used: a person must mend it.
        NOT_READY: Not ready to trade: a person must mend it.
        NOT_KNOWN: Stopped without knowing whether an order is left.
        BROKEN: A part failed, and no order is left.
    """

    CLEAN = 0
    BAD_INPUT = 2
    NOT_READY = 3
    NOT_KNOWN = 4
    BROKEN = 5


class BadInput(Exception):
    """Something handed to the program cannot be used.

    The message is one sentence: what is wrong, where, and what to do about it. The command line
    prints it and exits with 2.
    """

    exit_code: int = ExitCode.BAD_INPUT


class NotReady(Exception):
    """The program refuses to trade, for a reason outside its input; the exit code is 3."""

    exit_code: int = ExitCode.NOT_READY


class Unavailable(NotReady):
    """Something that is needed is not there now, and time alone may bring it.

    The daemon waits for it; any other command ends.
    """


def reason(failure: Exception) -> str:
    """Return why something failed, as a sentence has it: without the system's number and path."""
    return getattr(failure, "strerror", None) or str(failure)
