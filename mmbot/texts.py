"""Text from outside: arguments, environment, messages and what errors quote of them.

It may be of any size, nested to any depth, or contain what no encoding has (half a surrogate pair,
as which Python keeps an argument's byte that is not UTF-8). None of that may stop a halt, an answer
or a sentence.
"""

from __future__ import annotations

import reprlib
from typing import Any

import msgspec


class _Shown(reprlib.Repr):
    """Any value as text of a bounded length and depth."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 5
        self.maxdict = self.maxlist = self.maxtuple = self.maxset = self.maxfrozenset = 10
        self.maxstring = self.maxother = self.maxlong = 200

    def repr_int(self, x: int, level: int) -> str:  # noqa: ARG002 (reprlib's own signature)
        # Python refuses to write thousands of digits in decimal.
        return repr(x) if x.bit_length() <= self.maxlong else f"{f'{x:#x}'[: self.maxlong]}..."


def shown(value: object) -> str:
    """Return any value as Python would write it, with bounded size and depth."""
    return _Shown().repr(value)


def plain(value: object) -> str:
    """Return text as it is, and any other value as it is shown."""
    return value if isinstance(value, str) else shown(value)


def encodable(text: str) -> str:
    """Return text with a question mark for each character that no encoding has."""
    return text.encode(errors="replace").decode()


def to_json(value: object) -> bytes:
    """Encode a message or a report as JSON, whatever its texts contain."""
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        return msgspec.json.encode(_encodable_tree(msgspec.to_builtins(value)))


def _encodable_tree(part: Any) -> Any:
    if isinstance(part, dict):
        return {_encodable_tree(key): _encodable_tree(value) for key, value in part.items()}
    if isinstance(part, list | tuple):
        return [_encodable_tree(value) for value in part]
    return encodable(part) if isinstance(part, str) else part
