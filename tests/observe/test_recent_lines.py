"""The last lines of the log can be asked for."""

from __future__ import annotations

from mmbot.dashboard_view import MOST_LINES
from mmbot.observe.recent_lines import RecentLines


def test_lines_are_numbered_and_those_after_a_number_are_returned() -> None:
    lines = RecentLines()
    for name in ("first", "second"):
        passed = {"event": name}
        assert lines(None, "info", passed) is passed
    assert [(each.number, each.fields["event"]) for each in lines.after(0)] == [
        (1, "first"),
        (2, "second"),
    ]
    assert [each.number for each in lines.after(1)] == [2]


def test_only_the_last_are_kept_and_what_a_line_says_later_does_not_change_them() -> None:
    lines, event = RecentLines(), {"event": "same", "count": 0}
    for count in range(MOST_LINES + 5):
        event["count"] = count
        lines(None, "info", event)
    kept = lines.after(0)
    assert len(kept) == MOST_LINES
    assert (kept[0].fields["count"], kept[-1].fields["count"]) == (5, MOST_LINES + 4)


def test_a_long_text_is_cut_and_what_has_parts_is_shown_as_text() -> None:
    lines = RecentLines()
    lines(None, "info", {"event": "x" * 1000, "parts": {"a": [1]}, "list": ["b", 2], "n": None})
    (line,) = lines.after(0)
    assert line.fields == {
        "event": "x" * 500 + " ...",
        "parts": "{'a': [1]}",
        "list": "b, 2",
        "n": None,
    }
