"""What is wrong with a file of settings: all of it at once, each with its line."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from mmbot.errors import BadInput

# More are not listed: after so many corrections the file is checked again anyway.
MOST_PROBLEMS = 20


class Problem(msgspec.Struct, frozen=True):
    """One thing that is wrong.

    Attributes:
        text: What it is, with its key, and what to write instead.
        keys: The keys that it is about, each as `table.key`.
        line: Its line, if known.
    """

    text: str
    keys: tuple[str, ...] = ()
    line: int | None = None


class BadConfig(BadInput):
    """Settings that cannot be used.

    Attributes:
        source: Where they come from.
        problems: What is wrong, in the order of its lines.
    """

    def __init__(self, source: str, problems: Iterable[Problem]) -> None:
        """List all problems; `source` names the file or other origin."""
        self.source = source
        self.problems = tuple(sorted(problems, key=lambda each: each.line or 0))
        super().__init__(self._text())

    def _text(self) -> str:
        if len(self.problems) == 1:
            (only,) = self.problems
            return f"{place(self.source, only.line)}: {only.text}"
        told = [
            f"  line {each.line}: {each.text}" if each.line else f"  {each.text}"
            for each in self.problems[:MOST_PROBLEMS]
        ]
        more = len(self.problems) - MOST_PROBLEMS
        if more > 0:
            told.append(f"  and {more} more")
        return "\n".join([f"{self.source} has {len(self.problems)} mistakes:", *told])


def place(source: str, line: int | None) -> str:
    """Return a position in the form that editors understand."""
    return source if line is None else f"{source}:{line}"
