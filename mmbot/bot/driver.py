"""The driver: queues inputs, takes one step at a time, and executes its outputs in order.

Daemon, fault laboratory and replay drive the bot through it. It is never re-entered: an input that
arrives while outputs are being executed waits until all of them are.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, Protocol, assert_never

from mmbot.bot.inputs import BotInput
from mmbot.bot.outputs import (
    CountsUnavailable,
    FetchPage,
    FitForecast,
    Output,
    Reconnect,
    RecordCounts,
    Transmit,
)
from mmbot.kalshi.gateway import Call
from mmbot.trading.commands import (
    ConfirmFills,
    Note,
    RecordFill,
    RecordPnlMark,
    RecordSettlement,
    RecordViews,
    StopConfirmed,
    VoidFill,
    WakeAt,
)
from mmbot.units import Milliseconds

# How long a record may wait for its commit before the quotes come off; see `LedgerBehind`.
COMMIT_OVERDUE_MS: Final[Milliseconds] = 1_500

Record = (
    RecordFill
    | ConfirmFills
    | VoidFill
    | RecordViews
    | RecordSettlement
    | RecordPnlMark
    | RecordCounts
)


class Executor(Protocol):
    """Executes outputs: sends bytes, sets the timer, writes the ledger and the log."""

    def send_call(self, call: Call, /) -> None:
        """Send a signed request; its answer becomes a `CallAnswered`."""

    def transmit(self, frame: bytes, /) -> None:
        """Send a frame on the stream."""

    def reconnect(self) -> None:
        """Close the stream and open another."""

    def set_timer(self, at: Milliseconds, /) -> None:
        """Set the timer to `at`, replacing the one before."""

    def fetch_page(self, page: FetchPage, /) -> None:
        """Request a page; its answer becomes a `PageFetched`."""

    def fit_forecast(self, fit: FitForecast, /) -> None:
        """Fit a forecaster, which becomes a `ForecastFitted`."""

    def record(self, record: Record, /) -> None:
        """Write a record to the ledger."""

    def log(self, note: Note, /) -> None:
        """Write a line to the log."""

    def counts_unavailable(self, reason: str, /) -> None:
        """End the session: there are no counts to forecast from."""

    def sweep_confirmed(self) -> None:
        """Complete the stop: the exchange no longer lists an order of the bot."""


def execute(output: Output, executor: Executor) -> None:
    """Execute one output."""
    match output:
        case WakeAt():
            executor.set_timer(output.at)
        case Note():
            executor.log(output)
        case Call():
            executor.send_call(output)
        case Transmit():
            executor.transmit(output.frame)
        case Reconnect():
            executor.reconnect()
        case (
            RecordFill()
            | ConfirmFills()
            | VoidFill()
            | RecordViews()
            | RecordSettlement()
            | RecordPnlMark()
            | RecordCounts()
        ):
            executor.record(output)
        case FetchPage():
            executor.fetch_page(output)
        case FitForecast():
            executor.fit_forecast(output)
        case CountsUnavailable():
            executor.counts_unavailable(output.reason)
        case StopConfirmed():
            executor.sweep_confirmed()
        case _:
            assert_never(output)


class Driver:
    """Runs one bot."""

    def __init__(
        self,
        handle: Callable[[BotInput, Milliseconds], list[Output]],
        clock: Callable[[], Milliseconds],
        execute: Callable[[Output], None],
        decided: Callable[[Sequence[Output], Milliseconds], None] | None = None,
    ) -> None:
        """Begin with an empty queue.

        Args:
            handle: The bot's `handle`.
            clock: The wall time in milliseconds; read once for each input.
            execute: Executes one output.
            decided: Called with the outputs of a step and its time before any is executed.
        """
        self._bot_handle = handle
        self._clock = clock
        self._execute = execute
        self._decided = decided
        self._inputs: deque[BotInput] = deque()
        self._stepping = False

    def handle(self, happened: BotInput) -> None:
        """Give an input to the bot once all earlier ones have been handled."""
        self._inputs.append(happened)
        if self._stepping:
            return
        self._stepping = True
        try:
            while self._inputs:
                now = self._clock()
                outputs = self._bot_handle(self._inputs.popleft(), now)
                if self._decided is not None:
                    self._decided(outputs, now)
                for output in outputs:
                    self._execute(output)
        finally:
            # After a failed step the bot's state may be half changed: no further input follows.
            self._inputs.clear()
            self._stepping = False
