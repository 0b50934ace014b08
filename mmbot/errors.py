"""The two errors that a user meets as a sentence instead of a traceback."""

from __future__ import annotations


class BadInput(Exception):
    """Something handed to the program cannot be used.

    The message is one sentence: what is wrong, where, and what to do about it. The command line
    prints it and exits with 2.
    """

    exit_code = 2


class NotReady(Exception):
    """The program refuses to trade, for a reason outside its input; the exit code is 3."""

    exit_code = 3
