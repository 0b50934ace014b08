"""Writes the tables of `mmbot.log_events` into `docs/log.md`: `python -m tests.log_page`."""

from __future__ import annotations

from pathlib import Path

from mmbot.log_events import documentation

PAGE = Path("docs/log.md")
FIRST_LINE = "| event | level | what | fields |"


def write() -> None:
    """Replace the tables, which the page ends with."""
    text, _, _ = PAGE.read_text(encoding="utf-8").partition(FIRST_LINE)
    PAGE.write_text(text + documentation(), encoding="utf-8")


if __name__ == "__main__":
    write()
