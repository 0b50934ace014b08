"""Counting what the exchange says beyond its known vocabulary.

Unknown keys and values stop nothing; they are the first sign of a protocol that moves on. Each is
counted by name, and told in a note when it is met first. Of the changes of books, by far the most
messages, the first and then every hundredth are looked at; of everything else, all.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from mmbot.kalshi import messages as wire
from mmbot.kalshi.http import HttpAnswer
from mmbot.kalshi.vocabulary import Shape
from mmbot.trading.commands import Note

_DELTA, _DELTAS_PER_LOOK = "orderbook_delta", 100
# So many rows of a list are looked at.
_MOST_PARTS = 100
# So many names are kept apart; any more are counted together.
_MOST_NAMES = 100
_LONGEST_NAME = 80
_FURTHER = "further names"


class VocabularyMonitor:
    """What was said that a vocabulary does not have, and how often."""

    def __init__(self, vocabulary: Mapping[str, Shape]) -> None:
        self.counts: dict[str, int] = {}
        self._vocabulary = vocabulary
        self._notes: list[Note] = []
        self._deltas = 0

    def take_notes(self) -> list[Note]:
        """Return what was met for the first time since this was last asked."""
        taken, self._notes = self._notes, []
        return taken

    def look_at_frame(self, kind: str, data: bytes | str) -> None:
        """Look at a frame of the stream whose `type` is `kind`."""
        if kind == _DELTA:
            self._deltas += 1
            if self._deltas % _DELTAS_PER_LOOK != 1:
                return
        with suppress(wire.Malformed):
            frame = wire.tree(data)
            self._look_at("frame", frame)
            self._look_at(kind, frame.get("msg"))

    def look_at_answer(self, kind: str, answer: HttpAnswer | None) -> None:
        """Look at what a call was answered with, if anything; of an error, at its code."""
        if answer is None:
            return
        if answer.status >= 400:
            code = wire.error_body(answer.body).code.lower()
            self._look_at("refusal", {"code": code})
            return
        with suppress(wire.Malformed):
            self._look_at(kind, wire.tree(answer.body))

    def _look_at(self, kind: str, message: Any) -> None:
        shape = self._vocabulary.get(kind)
        if shape is None:
            self._count(kind)
        elif isinstance(message, dict):
            self._look_at_words(kind, shape, message)
            for key, inner in shape.within.items():
                found = message.get(key)
                for part in found[:_MOST_PARTS] if isinstance(found, list) else [found]:
                    self._look_at(inner, part)

    def _look_at_words(self, kind: str, shape: Shape, message: dict[str, Any]) -> None:
        for key in message:
            if key not in shape.keys:
                self._count(f"{kind}.{key}")
        for key, known in shape.values.items():
            value = message.get(key)
            if isinstance(value, str) and value not in known:
                self._count(f"{kind}.{key}={value}")

    def _count(self, name: str) -> None:
        name = name[:_LONGEST_NAME]
        if name not in self.counts and len(self.counts) >= _MOST_NAMES:
            name = _FURTHER
        if name not in self.counts:
            self._notes.append(Note("exchange.unknown_word", {"word": name}, "warning"))
        self.counts[name] = self.counts.get(name, 0) + 1
