"""The log for people: one short line for each entry, repeats folded.

`Entry.of` reads a line, `Filter` chooses, `LogView` writes. Anything else among the lines is shown
unchanged.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from typing import Any

import msgspec
import orjson

from mmbot.underlying.calendar import EASTERN

_LEVELS = {"debug": 0, "info": 1, "warning": 2, "error": 3}
_WITHOUT = frozenset({"event", "level", "timestamp", "exception"})
# Terminal colours, by event or else by level.
_COLOURS = {
    "fill": "\x1b[1;32m",
    "order.place": "\x1b[36m",
    "order.cancel": "\x1b[36m",
    "order.resting": "\x1b[2m",
    "order.over": "\x1b[2m",
    "heartbeat": "\x1b[2m",
    "market.status": "\x1b[34m",
    "quotes.blocked": "\x1b[33m",
    "quotes.open": "\x1b[32m",
    "belief.updated": "\x1b[1;35m",
    "counts.published": "\x1b[1;35m",
    "market.settled": "\x1b[1;32m",
    "event.settled": "\x1b[1;32m",
    "halted": "\x1b[1;31m",
}
_LEVEL_COLOURS = {"warning": "\x1b[33m", "error": "\x1b[1;31m"}
_PLAIN = "\x1b[0m"
_OVER_THE_LAST = "\x1b[1A\r\x1b[2K"

# A line's control characters could move a terminal's cursor.
_CONTROLS = {number: f"\\x{number:02x}" for number in (*range(32), 127, *range(128, 160))}
_LONGEST_VALUE = 60


class Entry(msgspec.Struct, frozen=True):
    """One line of the log."""

    event: str
    level: str
    timestamp: str
    fields: dict[str, Any]

    @classmethod
    def of(cls, line: bytes) -> Entry | None:
        """Read a line; `None` if it is not an entry of the log."""
        if not line.startswith(b"{"):
            return None
        try:
            fields = orjson.loads(line)
        except orjson.JSONDecodeError:
            return None
        event = fields.get("event")
        if not isinstance(event, str):
            return None
        return cls(event, str(fields.get("level", "")), str(fields.get("timestamp", "")), fields)


class Filter(msgspec.Struct, frozen=True):
    """Which lines are shown.

    Attributes:
        events: Patterns of event names, such as `order.*`; empty for all.
        market: A part of a market's or an event's ticker, in capitals.
        level: The lowest level.
        since: Only lines from then on.
        until: Only lines before then.
    """

    events: tuple[str, ...] = ()
    market: str = ""
    level: str = "debug"
    since: dt.datetime | None = None
    until: dt.datetime | None = None

    @property
    def is_open(self) -> bool:
        """Whether lines that are not entries are shown: only if just the level is filtered."""
        return not (self.events or self.market or self.since or self.until)

    def accepts(self, entry: Entry) -> bool:
        """Return whether a line is shown."""
        if _LEVELS.get(entry.level, 3) < _LEVELS[self.level]:
            return False
        if self.events and not any(fnmatchcase(entry.event, each) for each in self.events):
            return False
        if self.market and not self._is_about(entry.fields):
            return False
        return not (self.since or self.until) or self._is_in_time(entry.timestamp)

    def _is_about(self, fields: dict[str, Any]) -> bool:
        named = [fields.get("market"), fields.get("ticker"), *(fields.get("tickers") or ())]
        named = [each for each in named if isinstance(each, str)]
        return any(self.market in each.upper() for each in named)

    def _is_in_time(self, timestamp: str) -> bool:
        try:
            at = dt.datetime.fromisoformat(timestamp)
        except ValueError:
            return False
        if at.tzinfo is None:
            at = at.replace(tzinfo=dt.UTC)
        return (self.since is None or at >= self.since) and (self.until is None or at < self.until)


class LogView:
    """Writes entries; a repeat replaces the line before it, with a count.

    `width` is the terminal's; with 0, for none, no line is cut or overwritten.
    """

    def __init__(self, *, width: int = 0, colour: bool = False) -> None:
        self._width = width
        self._colour = colour
        self._day = ""
        self._second = ("", "")
        self._key: tuple[object, ...] | None = None
        self._times = 0
        self._held = ""
        # Whether a line that the next one may overwrite is on the terminal.
        self._is_shown = False

    def raw(self, line: str) -> Iterator[str]:
        """Yield what to write for a line that is not an entry."""
        yield from self.flush()
        yield line

    def entry(self, entry: Entry) -> Iterator[str]:
        """Yield what to write before an entry; the entry itself is held, as it may repeat."""
        text = _text(entry)
        key = _repeat_key(entry, text)
        day, time = self._local(entry.timestamp)
        if day != self._day and day:
            yield from self.flush()
            self._day = day
            yield f"--- {day}"
        if key == self._key:
            self._times += 1
        else:
            yield from self.flush()
            self._key, self._times = key, 1
        self._held = self._line(time, entry, text)
        exception = entry.fields.get("exception")
        if exception:
            yield from self.flush()
            yield from str(exception).splitlines()

    def idle(self) -> Iterator[str]:
        """Yield the held line, as nothing follows for now.

        In a terminal a repeat will overwrite it.
        """
        if self._held and self._width:
            yield f"{_OVER_THE_LAST}{self._held}" if self._is_shown else self._held
            self._held, self._is_shown = "", True
        else:
            yield from self.flush()

    def flush(self) -> Iterator[str]:
        """Yield the held line, if any; no repeat will overwrite it."""
        held, over = self._held, self._is_shown
        self._held, self._key, self._is_shown = "", None, False
        if held:
            yield f"{_OVER_THE_LAST}{held}" if over else held

    def _line(self, time: str, entry: Entry, text: str) -> str:
        times = f" (x{self._times})" if self._times > 1 else ""
        line = f"{time} {text}"
        if self._width and len(line) + len(times) > self._width:
            line = line[: self._width - len(times) - 1] + "…"
        line += times
        if not self._colour:
            return line
        colour = _COLOURS.get(entry.event) or _LEVEL_COLOURS.get(entry.level, "")
        return f"{colour}{line}{_PLAIN}" if colour else line

    def _local(self, timestamp: str) -> tuple[str, str]:
        """Return the day and the time in New York of a line's time."""
        second = timestamp[:19]
        if second == self._second[0]:
            return self._day, self._second[1]
        try:
            at = dt.datetime.fromisoformat(second).replace(tzinfo=dt.UTC).astimezone(EASTERN)
        except ValueError:
            return self._day, " " * 8
        time = f"{at:%H:%M:%S}"
        self._second = (second, time)
        return f"{at:%a %Y-%m-%d %Z}", time


def _repeat_key(entry: Entry, text: str) -> tuple[object, ...]:
    """Return what is equal in two entries that repeat each other."""
    if entry.event == "heartbeat":
        # Its ages and P&L always differ.
        fields = entry.fields
        return entry.event, fields.get("quoted"), str(fields.get("gates")), fields.get("halted")
    return entry.event, text


# What each event says


def _text(entry: Entry) -> str:
    say = _SENTENCES.get(entry.event)
    if say is not None:
        try:
            return say(entry.fields).translate(_CONTROLS)
        except (KeyError, TypeError, ValueError, AttributeError):
            pass  # a line of another version
    return _general(entry).translate(_CONTROLS)


def _general(entry: Entry) -> str:
    fields = entry.fields
    market = fields.get("market")
    parts = [f"{_short(market)} {entry.event}" if isinstance(market, str) else entry.event]
    for name, value in fields.items():
        if name not in _WITHOUT and name != "market" and value not in ("", None):
            shown = value if isinstance(value, str) else orjson.dumps(value, default=str).decode()
            parts.append(f"{name}={shown[:_LONGEST_VALUE]}")
    mark = {"error": "ERROR ", "warning": "! "}.get(entry.level, "")
    return mark + " ".join(parts)


def _short(ticker: str) -> str:
    return ticker.rpartition("-")[2]


def _price(dollars: str | None) -> str:
    return "-" if dollars is None else dollars.rstrip("0").ljust(4, "0").removeprefix("0")


def _number(text: str) -> str:
    return f"{float(text):g}"


def _money(text: str | None) -> str:
    return "?" if text is None else f"{float(text):+,.2f}"


def _fair(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}".removeprefix("0")


def _place(f: dict[str, Any]) -> str:
    return (
        f"{_short(f['market'])} place {f['side']} {_number(f['count'])} at {_price(f['price'])}, "
        f"fair {_fair(f['fair'])}"
    )


def _cancel(f: dict[str, Any]) -> str:
    return (
        f"{_short(f['market'])} cancel {f['side']} {_number(f['count'])} at {_price(f['price'])}: "
        f"{f['reason']}"
    )


def _over(f: dict[str, Any]) -> str:
    filled = float(f["filled"])
    what = f"filled {filled:g}" if filled else "nothing filled"
    return f"{_short(f['market'])} over, {what} ({f['client_order_id']})"


def _fill(f: dict[str, Any]) -> str:
    verb = "bought" if f["side"] == "bid" else "sold"
    return (
        f"{_short(f['market'])} FILL {verb} {_number(f['count'])} at {_price(f['price'])}, "
        f"fee {float(f['fee']):.2f}, fair {_fair(f['fair'])}, now {float(f['position']):+g}"
    )


def _heartbeat(f: dict[str, Any]) -> str:
    state = "HALTED" if f["halted"] else f"{f['quoted']} of {f['markets']} quoted"
    age = f["feed_age_ms"]
    stream = "no stream" if age is None or not f["streaming"] else f"stream {age / 1000:.1f} s"
    text = (
        f"heartbeat: {state}, today {_money(f['pnl_today_fair'])} "
        f"(worst {_money(f['pnl_today_worst'])}), {stream}"
    )
    problems = f.get("problems") or ()
    return "; ".join([text, *problems])


def _status(f: dict[str, Any]) -> str:
    quotes = f"{_price(f['bid'])}/{_price(f['ask'])}"
    position = float(f["position"])
    held = f", holds {position:+g}" if position else ""
    reason = f", {f['reason']}" if f["reason"] else ""
    return f"{_short(f['market'])} fair {_fair(f['fair'])}, quotes {quotes}{held}{reason}"


def _markets(f: dict[str, Any]) -> str:
    tickers = f.get("tickers")
    if not tickers:
        return _short(f["market"])
    first, last = _short(tickers[0]), _short(tickers[-1])
    return f"{len(tickers)} markets {first}..{last}"


def _belief(f: dict[str, Any]) -> str:
    moved = "" if f["moved"] is None else f", moved {f['moved']:+,}"
    week = f["event_ticker"].partition("-")[2]
    return f"{week} forecast {f['mean']:,} +- {f['sd']:,}, {f['known']} of 7 published{moved}"


_SENTENCES: dict[str, Callable[[dict[str, Any]], str]] = {
    "order.place": _place,
    "order.cancel": _cancel,
    "order.resting": lambda f: f"{_short(f['market'])} rests ({f['client_order_id']})",
    "order.over": _over,
    "fill": _fill,
    "heartbeat": _heartbeat,
    "market.status": _status,
    "quotes.blocked": lambda f: f"{_markets(f)} off: {f['reason']}",
    "quotes.open": lambda f: f"{_markets(f)} on",
    "belief.updated": _belief,
    "counts.published": lambda f: f"{f['day']} published: {f['count']:,}",
    "market.settled": lambda f: (
        f"{_short(f['market'])} SETTLED at {_price(f['value'])}, held {float(f['position']):+g}, "
        f"paid {_money(f['payout'])}"
    ),
    "event.settled": lambda f: f"{f['event_ticker']} SETTLED, P&L {_money(f['pnl'])}",
    "halted": lambda f: f"HALTED since {f['since']}{': ' if f['reason'] else ''}{f['reason']}",
    "resumed": lambda _: "resumed",
}
