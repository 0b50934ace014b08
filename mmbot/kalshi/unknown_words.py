"""Count the keys and values in the exchange's messages that the known vocabulary lacks.

They stop nothing; they are the first sign of a change of the protocol. Each is counted by name,
and noted for the log when it is first met. Of book deltas, by far the most frequent messages, the
first is examined and each whose sequence number is a multiple of 100; of all others, every one.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from mmbot.kalshi import messages as wire
from mmbot.kalshi.http import HttpAnswer
from mmbot.kalshi.vocabulary import Shape
from mmbot.trading.commands import Note

_DELTA = "orderbook_delta"
# A delta is examined if its sequence number is a multiple of this.
EXAMINED_DELTA: Final = 100
# Of a list, at most this many rows are examined.
_MOST_ROWS = 100
# At most this many names are counted separately; any more are counted together.
_MOST_NAMES = 100
_LONGEST_NAME = 80
_FURTHER = "further names"


class VocabularyMonitor:
    """Counts the unknown words of one vocabulary's messages in `counts`, by name.

    The `notes` are of words met for the first time since they were taken.
    """

    def __init__(self, vocabulary: Mapping[str, Shape]) -> None:
        self.counts: dict[str, int] = {}
        self._vocabulary = vocabulary
        self.notes: list[Note] = []
        self._delta_examined = False

    def take_notes(self) -> list[Note]:
        """Return, and clear, the notes of words met for the first time."""
        taken, self.notes = self.notes, []
        return taken

    def examine_frame(self, kind: str, data: bytes | str, seq: int = 0) -> None:
        """Examine a frame of the stream whose `type` is `kind`, and its number `seq`."""
        if kind == _DELTA:
            if self._delta_examined and seq % EXAMINED_DELTA:
                return
            self._delta_examined = True
        with suppress(wire.Malformed):
            frame = wire.tree(data)
            self._check("frame", frame)
            self._check(kind, frame.get("msg"))

    def examine_answer(self, kind: str, answer: HttpAnswer | None) -> None:
        """Examine the body of an answer to a call of this `kind`; of an error, its code."""
        if answer is None:
            return
        if answer.status >= 400:
            code = wire.error_body(answer.body).code.lower()
            self._check("refusal", {"code": code})
            return
        with suppress(wire.Malformed):
            self._check(kind, wire.tree(answer.body))

    def _check(self, kind: str, message: Any) -> None:
        shape = self._vocabulary.get(kind)
        if shape is None:
            self._count(kind)
        elif isinstance(message, dict):
            self._check_words(kind, shape, message)
            for key, inner in shape.within.items():
                found = message.get(key)
                for part in found[:_MOST_ROWS] if isinstance(found, list) else [found]:
                    self._check(inner, part)

    def _check_words(self, kind: str, shape: Shape, message: dict[str, Any]) -> None:
        if not message.keys() <= shape.keys:
            for key in message:
                if key not in shape.keys:
                    self._count(f"{kind}.{key}")
        for key, known in shape.values.items():
            value = message.get(key)
            if isinstance(value, str) and value and value not in known.words:
                self._count(f"{kind}.{key}={value}")

    def _count(self, name: str) -> None:
        name = name[:_LONGEST_NAME]
        if name not in self.counts and len(self.counts) >= _MOST_NAMES:
            name = _FURTHER
        if name not in self.counts:
            self.notes.append(Note("exchange.unknown_word", {"word": name}, "warning"))
        self.counts[name] = self.counts.get(name, 0) + 1
