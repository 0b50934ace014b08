"""Explains common mistakes in TOML files.

No value but a number is repeated, because it may be a misplaced secret.
"""

from __future__ import annotations

import re

BYTE_ORDER_MARK = "\ufeff"
MARK_ADVICE = (
    "the file begins with a byte order mark (BOM), as some editors on Windows write it; save it as "
    "UTF-8 without BOM"
)
UTF_16_ADVICE = "the file is UTF-16, which Windows calls Unicode; save it as UTF-8"
ESCAPE_ADVICE = (
    "a backslash begins an escape between double quotes; write a path of Windows between single "
    r"quotes, {key} = 'C:\keys\key.pem', or with forward slashes"
)

_KEY = re.compile(r"(?P<key>[\w.\"'-]+)\s*(?P<sign>[=:])\s*(?P<value>.*)\Z", re.DOTALL)
_ONE_SIGN = "a single = separates a key from its value: {key} = ..."
# Invisible characters that TOML refuses: all but the space, the line feed and the tab.
_HIDDEN = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\xa0\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff]"
)
_COMMENT = r"\s*(#[^\n]*)?\Z"

# A value that TOML refuses, and what to write, with places for `{key}` and the groups.
_VALUES: tuple[tuple[str, str], ...] = (
    (
        r"(?P<whole>[+-]?\d{1,3}),(?P<part>\d{3})",
        "a comma; write {key} = {whole}{part} for thousands, or {key} = {whole}.{part}",
    ),
    (
        r"[+-]?\d{1,3}([,.' ]\d{3})+([.,]\d+)?",
        "a separator of thousands; write the digits alone: {key} = 1000.0",
    ),
    (
        r"(?P<whole>[+-]?\d+),(?P<part>\d+)",
        "a decimal comma; decimals have a point: {key} = {whole}.{part}",
    ),
    (
        r"(?P<value>[+-]?[\d.]+|true|false|\"[^\"\n]*\"|'[^'\n]*')\s*[,;]",
        "nothing may follow a value; remove the sign after it",
    ),
    (r"(?P<sign>[+-]?)\.(?P<part>\d+)", "a number begins with a digit: {key} = {sign}0.{part}"),
    (r"(?P<whole>[+-]?\d+)\.", "a number ends with a digit: {key} = {whole}.0"),
    (r"[+-]?[\d.,]+\s*%", "a percentage; write the share, so that 10 % is {key} = 0.1"),
    (r"[$€£]\s*[\d.,]+|[\d.,]+\s*[$€£]", "an amount of money is a number alone: {key} = 100.0"),
    (r"\d{1,2}:\d\d(:\d)?", "a time of day has two digits for each part: {key} = 06:55:00"),
    (r'"[^"\n]*\\[^\n]*', ESCAPE_ADVICE),
    (
        r"[\u2018-\u201e\u00ab\u00bb][^\n]*",
        'typographic quotes; write straight ones: {key} = "..."',
    ),
    (r"[\u2010-\u2015\u2212][^\n]*", "a dash that is not a minus sign; write -"),
    (r"(?i:true|yes|on)", "write {key} = true"),
    (r"(?i:false|no|off)", "write {key} = false"),
    (r"(?i:none|null|nil)?", "there is no value; remove the line to use the default"),
    (r"=[^\n]*", _ONE_SIGN),
    (r"[^\s\d\"'\[{#][^\n\"']*", 'text is written between quotes: {key} = "..."'),
    (r'"[^"\n]*|\'[^\'\n]*', "the closing quote is missing"),
    (r"\[[^\]]*", "the closing bracket is missing"),
)
_ADVICE = tuple((re.compile(pattern + _COMMENT), advice) for pattern, advice in _VALUES)


def explain(statement: str, error: str) -> str:
    """Return what is wrong with a statement that the parser refuses, and what to write instead.

    Args:
        statement: Its text.
        error: What the parser says.
    """
    hidden = _HIDDEN.search(statement)
    if hidden is not None:
        return (
            f"there is an invisible character (U+{ord(hidden[0]):04X}), as in copied text; type "
            "the line again"
        )
    text = statement.strip()
    found = _KEY.match(text)
    if found is not None:
        key, value = found["key"], found["value"].strip()
        value = f"={value}" if found["sign"] == ":" else value
        return f"{key}: {_of_value(key, value, error)}"
    if text.startswith(("//", ";", "--", "/*", "%")):
        return "a comment begins with #"
    if text.startswith("["):
        return "a table's name is written between brackets on a line of its own: [quoting]"
    return "that is neither a table, such as [quoting], nor a key with its value: margin = 0.1"


def not_text(data: bytes, error: UnicodeDecodeError) -> tuple[int, str]:
    """Return the line of the first byte that is not UTF-8, and what to do about it."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return 1, UTF_16_ADVICE
    line = data.count(b"\n", 0, error.start) + 1
    return line, (
        f"the byte 0x{data[error.start]:02x} is not UTF-8; save the file as UTF-8 (it may be in "
        "Windows-1252 or Latin-1)"
    )


def _of_value(key: str, value: str, error: str) -> str:
    for text in (value, value.partition("\n")[0]):
        for pattern, advice in _ADVICE:
            found = pattern.match(text)
            if found is not None:
                words = {name: part or "" for name, part in found.groupdict().items()}
                return filled(advice, key=key, **words)
    return error


def filled(advice: str, **words: str) -> str:
    """Return an advice with its places filled in."""
    return re.sub(r"\{(\w+)\}", lambda found: words[found[1]], advice)
