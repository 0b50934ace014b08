"""Tables of texts, and one self-contained HTML page of them, with pictures as inline SVG."""

from __future__ import annotations

import html
from collections.abc import Sequence

import msgspec

from mmbot.research.scoring import Interval

_STYLE = """body{font:15px/1.5 system-ui,sans-serif;max-width:70em;margin:2em auto;padding:0 1em}
table{border-collapse:collapse;margin:1em 0}
td,th{padding:.2em .7em;text-align:right;border-bottom:1px solid #8884}
td:first-child,th:first-child{text-align:left}svg{max-width:100%;height:auto}
:root{color-scheme:light dark}svg{background:#fff}"""


class Sheet(msgspec.Struct, frozen=True):
    """A table of texts with an explanatory note."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


def page(title: str, introduction: str, tables: Sequence[Sheet], pictures: Sequence[str]) -> str:
    """Return an HTML page; `pictures` are SVG elements."""
    body = [f"<h1>{html.escape(title)}</h1>", f"<p>{html.escape(introduction)}</p>", *pictures]
    for sheet in tables:
        body.append(f"<h2>{html.escape(sheet.title)}</h2>")
        if sheet.note:
            body.append(f"<p>{html.escape(sheet.note)}</p>")
        rows = [_row("th", sheet.columns), *(_row("td", row) for row in sheet.rows)]
        body.append(f"<table>{''.join(rows)}</table>")
    head = f'<meta charset="utf-8"><title>{html.escape(title)}</title><style>{_STYLE}</style>'
    return f"<!doctype html><html lang=en><head>{head}</head><body>{''.join(body)}</body></html>\n"


def _row(cell: str, texts: Sequence[str]) -> str:
    return f"<tr>{''.join(f'<{cell}>{html.escape(text)}</{cell}>' for text in texts)}</tr>"


def counted(number: int, noun: str) -> str:
    """Return a number of things in words, such as `1 week` and `2 weeks`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def signed(value: float | None) -> str:
    """Format dollars a contract with their sign, `None` as a dash."""
    return "-" if value is None else f"{value:+.3f}"


def interval(found: Interval | None) -> tuple[str, str]:
    """Format an estimate and the bounds of its interval, as two texts."""
    if found is None:
        return "-", "-"
    bounds = "-" if found.low is None else f"{found.low:+.2f}..{found.high:+.2f}"
    return signed(found.estimate), bounds
