"""Market names: the strike in a ticker, and markets named by a person by part of their ticker."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection

from mmbot.errors import BadInput

_MOST_NAMED = 6
# The last part of a ticker such as SERIES-26NOV29-A2.70: above 2.70 million.
_STRIKE = re.compile(r"[A-Z]+(\d+\.\d+)")


def contradicts_name(ticker: str, strike: int) -> bool:
    """Return whether a ticker has a decimal number whose digits differ from the strike's.

    Its unit, such as millions, does not matter.
    """
    named = _STRIKE.fullmatch(ticker.rpartition("-")[2])
    return named is not None and _digits(named[1]) != _digits(str(strike))


def _digits(number: str) -> str:
    return number.replace(".", "").strip("0")


def named_market(text: str, known: Collection[str]) -> str:
    """Return the market meant by `SERIES-26APR19-A2.40`, `A2.40`, `2.40` or `26APR19-A2.4`.

    A match of the whole last part, with or without its letter, takes precedence.

    Raises:
        BadInput: It matches none of the known markets, or several.
    """
    wanted = text.strip().upper()
    last_parts = {ticker: ticker.upper().rpartition("-")[2] for ticker in known}
    ranked = (
        [ticker for ticker in known if ticker.upper() == wanted],
        [t for t, last in last_parts.items() if wanted and wanted in {last, last[1:]}],
        [ticker for ticker in known if wanted and wanted in ticker.upper()],
    )
    meant = next((found for found in ranked if found), [])
    if len(meant) == 1:
        return meant[0]
    if meant:
        more = ", ..." if len(meant) > _MOST_NAMED else ""
        listed = ", ".join(sorted(meant)[:_MOST_NAMED])
        raise BadInput(f"{text!r:.60} is part of several markets: {listed}{more}; write more of it")
    near = difflib.get_close_matches(wanted, known, n=1, cutoff=0.5)
    advice = f"; did you mean {near[0]}?" if near else ""
    listed = f"{len(known)} markets are listed" if known else "no market is listed yet"
    raise BadInput(f"there is no market {text!r:.60}: {listed}{advice}")
