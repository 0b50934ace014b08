"""Records that are encoded when there is time: the step's outputs are sent first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from mmbot.bot.inputs import FrameReceived
from mmbot.bot.outputs import Output
from mmbot.recording import records
from mmbot.recording.outside import Outside
from mmbot.recording.records import Forecast, Input, SessionRecord
from mmbot.trading.commands import WakeAt
from mmbot.units import Milliseconds

Keep: TypeAlias = Callable[[bytes], None]
# Runs a function soon, in the order of the calls.
Later: TypeAlias = Callable[[Callable[[], None]], object]

# The most records that wait to be encoded.
_MOST_WAITING = 1_000


class LateRecords:
    """Calls `keep` with every record, in order: at once, or `later` if that is given."""

    def __init__(self, keep: Keep, later: Later | None = None) -> None:
        """Begin with nothing waiting."""
        self._keep = keep
        self._later = later
        self._waiting: list[
            tuple[
                SessionRecord | Input | FrameReceived | Outside,
                Milliseconds,
                Sequence[Output] | bytes,
                tuple[Forecast, ...],
            ]
        ] = []
        # Most steps have the same single output as the one before.
        self._wake: WakeAt | None = None
        self._encoded_wake = b""

    def add(
        self,
        what: SessionRecord | Input | FrameReceived | Outside,
        now: Milliseconds,
        outputs: Sequence[Output] | bytes = (),
        forecasts: tuple[Forecast, ...] = (),
    ) -> None:
        """Add an input and the outputs of its step, none of which may change afterwards.

        The outputs may be given as bytes that are already encoded.
        """
        waiting = self._waiting
        waiting.append((what, now, outputs, forecasts))
        if self._later is None or len(waiting) >= _MOST_WAITING:
            self.flush()
        elif len(waiting) == 1:
            self._later(self.flush)

    def flush(self) -> None:
        """Encode all waiting records."""
        waiting, self._waiting = self._waiting, []
        for what, now, outputs, forecasts in waiting:
            encoded = outputs if isinstance(outputs, bytes) else self._encode(outputs)
            self._keep(records.encode(what, now, encoded, forecasts))

    def _encode(self, outputs: Sequence[Output]) -> bytes:
        if len(outputs) != 1 or not isinstance(outputs[0], WakeAt):
            return records.encode_outputs(outputs)
        if outputs[0] is not self._wake:
            self._wake = outputs[0]
            self._encoded_wake = records.encode_outputs(outputs)
        return self._encoded_wake
