"""The simulated exchange as a process that is forked off one which has imported everything.

It is what the tests trade against, and importing takes most of the time of one that serves a test;
how the command starts by itself is seen in `tests/cli/test_exchange.py`.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection

from mmbot.cli import main

_FORKED = multiprocessing.get_context("forkserver")
# What is imported once, where it can be had; typer loads the last for the first command.
_FORKED.set_forkserver_preload([__name__, "mmbot.cli.exchange", "typer._adapters"])


class ExchangeProcess:
    """A running `mmbot exchange`.

    Attributes:
        pid: Its process.
        first_line: The line that it printed: the venue as JSON.
    """

    def __init__(self, options: Sequence[str]) -> None:
        self._output, output = _FORKED.Pipe(duplex=False)
        arguments = (["mmbot", "exchange", *options], dict(os.environ), output)
        self._process = _FORKED.Process(target=_exchange, args=arguments)
        self._process.start()
        output.close()
        with os.fdopen(os.dup(self._output.fileno()), "rb") as lines:
            self.first_line = lines.readline()
        assert self._process.pid is not None
        if not self.first_line:
            self._process.join()
            raise AssertionError(f"the exchange ended with {self._process.exitcode}")
        self.pid = self._process.pid

    def end(self, seconds: float) -> None:
        """Have it end, and wait for that."""
        self._process.terminate()
        self._process.join(seconds)
        assert self._process.exitcode is not None, "the exchange does not end"
        self._output.close()


def _exchange(arguments: list[str], environment: Mapping[str, str], output: Connection) -> None:
    """Be the command."""
    os.environ.clear()
    os.environ.update(environment)
    # Those of the process that it was forked off may be of another kind than these.
    sys.stdout = os.fdopen(output.fileno(), "w", closefd=False)
    sys.stderr = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
    sys.argv = arguments
    main()
