"""A line of the log is one that a person can read: short, coloured by event, repeats counted."""

from __future__ import annotations

import datetime as dt
from typing import Any

import orjson
import pytest

from mmbot.log_events import EVENTS
from mmbot.observe.log_view import _SENTENCES, Entry, Filter, LogView

AT = "2026-11-27T18:30:37.512552Z"
MARKET = "KXTSAW-26APR19-A2.50"
PLACED: dict[str, Any] = {
    "event_ticker": "KXTSAW-26APR19",
    "market": MARKET,
    "client_order_id": "mmbot-1-5",
    "side": "bid",
    "price": "0.2500",
    "count": "10.00",
    "fair": 0.5391,
}


def entry(event: str, level: str = "info", at: str = AT, **fields: Any) -> Entry:
    line = orjson.dumps({**fields, "event": event, "level": level, "timestamp": at})
    read = Entry.of(line)
    assert read is not None
    return read


def shown(*entries: Entry, width: int = 0, colour: bool = False) -> list[str]:
    view = LogView(width=width, colour=colour)
    lines = [line for each in entries for line in view.entry(each)]
    return [*lines, *view.idle()]


@pytest.mark.parametrize(
    ("event", "fields", "text"),
    [
        ("order.place", PLACED, "A2.50 place bid 10 at .25, fair .539"),
        (
            "order.cancel",
            {**PLACED, "reason": "reprice", "danger_cents": 1.0},
            "A2.50 cancel bid 10 at .25: reprice",
        ),
        (
            "fill",
            {**PLACED, "side": "ask", "fee": "0.010000", "position": "-8.00"},
            "A2.50 FILL sold 10 at .25, fee 0.01, fair .539, now -8",
        ),
        (
            "quotes.blocked",
            {"tickers": [MARKET, "T-26APR19-A2.60"], "markets": 2, "reason": "release_due"},
            "2 markets A2.50..A2.60 off: release_due",
        ),
        ("quotes.open", {"market": MARKET, "reason": ""}, "A2.50 on"),
        (
            "counts.published",
            {"day": "2026-04-15", "count": 2_300_000},
            "2026-04-15 published: 2,300,000",
        ),
        ("stopped", {"exit_code": 0}, "stopped exit_code=0"),
        (
            "order.unknown",
            {"market": MARKET, "write": "place", "detail": ""},
            "A2.50 order.unknown write=place",
        ),
    ],
)
def test_each_event_says_what_happened(event: str, fields: dict[str, Any], text: str) -> None:
    assert shown(entry(event, **fields)) == ["--- Fri 2026-11-27 EST", f"13:30:37 {text}"]


def test_there_is_a_sentence_only_for_what_is_logged() -> None:
    assert _SENTENCES.keys() <= EVENTS.keys()


def test_a_line_of_another_version_is_shown_all_the_same() -> None:
    assert shown(entry("fill", market=MARKET))[-1] == "13:30:37 A2.50 fill"


def test_repeats_are_counted() -> None:
    late = [entry("stream.failed", "warning", reason="refused") for _ in range(12)]
    assert shown(*late)[1:] == ["13:30:37 ! stream.failed reason=refused (x12)"]
    other = entry("stopped", exit_code=0)
    assert shown(late[0], other, late[0])[1:] == [
        "13:30:37 ! stream.failed reason=refused",
        "13:30:37 stopped exit_code=0",
        "13:30:37 ! stream.failed reason=refused",
    ]


def test_in_a_terminal_a_later_repeat_replaces_the_line() -> None:
    view = LogView(width=80)
    failed = entry("stream.failed", "warning", reason="refused")
    first = [*view.entry(failed), *view.idle()]
    again = [*view.entry(failed), *view.idle()]
    assert first[-1] == "13:30:37 ! stream.failed reason=refused"
    assert again == ["\x1b[1A\r\x1b[2K13:30:37 ! stream.failed reason=refused (x2)"]
    after = [*view.entry(entry("stopped", exit_code=0)), *view.idle()]
    assert after == ["13:30:37 stopped exit_code=0"]


def test_a_line_is_cut_to_the_terminal() -> None:
    (_, line) = shown(entry("stream.failed", "warning", reason="x" * 200), width=80)
    assert (len(line), line[-1]) == (80, "…")


def test_colours_are_only_for_those_who_see_them() -> None:
    (_, line) = shown(entry("order.place", **PLACED), width=80, colour=True)
    assert line.startswith("\x1b[36m")
    assert line.endswith("\x1b[0m")


def test_no_text_from_outside_moves_the_cursor() -> None:
    (_, line) = shown(entry("check", name="x", state="ok", detail="a\x1b[2Jb\nc"))
    assert line == r"13:30:37 check name=x state=ok detail=a\x1b[2Jb\x0ac"


def test_a_traceback_stands_below_its_line() -> None:
    lines = shown(entry("bot.failed", "error", exception="Traceback:\n  File x"))
    assert lines[-2:] == ["Traceback:", "  File x"]


def test_a_new_day_is_announced() -> None:
    lines = shown(
        entry("stopped", exit_code=0), entry("stopped", at="2026-11-28T18:30:37Z", exit_code=0)
    )
    assert lines[2] == "--- Sat 2026-11-28 EST"


@pytest.mark.parametrize("line", [b"", b"plain", b"{half", b"[1]", b'{"a": 1}', b'{"event": 3}'])
def test_what_is_no_line_of_the_log_is_none(line: bytes) -> None:
    assert Entry.of(line) is None


@pytest.mark.parametrize(
    ("chosen", "accepted"),
    [
        (Filter(), True),
        (Filter(events=("order.*",)), True),
        (Filter(events=("fill", "ord*")), True),
        (Filter(events=("fill",)), False),
        (Filter(market="A2.50"), True),
        (Filter(market="A2.60"), False),
        (Filter(level="info"), True),
        (Filter(level="warning"), False),
        (Filter(since=dt.datetime(2026, 11, 27, 18, 30, tzinfo=dt.UTC)), True),
        (Filter(since=dt.datetime(2026, 11, 27, 18, 31, tzinfo=dt.UTC)), False),
        (Filter(until=dt.datetime(2026, 11, 27, 18, 31, tzinfo=dt.UTC)), True),
        (Filter(until=dt.datetime(2026, 11, 27, 18, 30, tzinfo=dt.UTC)), False),
    ],
)
def test_lines_are_chosen_by_what_they_say(chosen: Filter, accepted: bool) -> None:
    assert chosen.accepts(entry("order.place", **PLACED)) is accepted


def test_a_market_is_found_among_several() -> None:
    several = entry("quotes.blocked", tickers=[MARKET, "T-A2.60"], reason="x")
    assert Filter(market="A2.60").accepts(several)
    assert not Filter(market="A2.70").accepts(several)
