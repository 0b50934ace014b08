"""Alerts on their way: how many, how often, and what of those that are too many."""

from __future__ import annotations

from mmbot.config import AlertSettings
from mmbot.daemon.outbox import (
    MOST_ATTEMPTS,
    MOST_FILLS,
    MOST_OF_A_KIND,
    MOST_WAITING,
    RETRY_SECONDS,
    Alert,
    Outbox,
)

HOUR = 3600.0


def drain(outbox: Outbox, now: float) -> list[Alert]:
    taken = []
    while (alert := outbox.take(now)) is not None:
        taken.append(alert)
    return taken


def test_alerts_leave_in_the_order_in_which_they_came() -> None:
    outbox = Outbox(AlertSettings())
    outbox.put(Alert("start", "a"))
    outbox.put(Alert("halt", "b"))
    assert [alert.title for alert in drain(outbox, 0.0)] == ["a", "b"]


def test_a_kind_that_is_not_wanted_is_not_told() -> None:
    outbox = Outbox(AlertSettings(events=("stop",)))
    outbox.put(Alert("start", "a"))
    outbox.put(Alert("stop", "b"))
    assert [alert.title for alert in drain(outbox, 0.0)] == ["b"]


def test_fills_are_folded_into_one_message() -> None:
    outbox = Outbox(AlertSettings(fold_seconds=60.0))
    for number in range(MOST_FILLS + 5):
        outbox.put_fill(f"fill {number}", number * 1.0)
    assert outbox.take(59.9) is None
    (alert,) = drain(outbox, 60.0)
    assert alert.title == f"{MOST_FILLS + 5} fills"
    assert alert.body.splitlines()[0] == "fill 0"
    assert alert.body.splitlines()[-1] == "and 5 more"
    outbox.put_fill("alone", 100.0)
    assert drain(outbox, 159.9) == []
    assert drain(outbox, 160.0) == [Alert("fills", "alone")]


def test_one_kind_cannot_flood_and_leaves_room_for_others() -> None:
    outbox = Outbox(AlertSettings())
    for number in range(MOST_OF_A_KIND + 3):
        outbox.put(Alert("halt", f"halt {number}"))
    outbox.put(Alert("stop", "stop"))
    taken = drain(outbox, 0.0)
    assert len(taken) == MOST_OF_A_KIND + 1
    assert taken[-1].title == "stop"
    assert "(3 other alerts were not sent" in taken[-1].body
    outbox.put(Alert("halt", "later"))
    assert [alert.title for alert in drain(outbox, HOUR)] == ["later"]


def test_all_kinds_together_are_limited_by_the_hour() -> None:
    outbox = Outbox(AlertSettings(most_an_hour=2))
    for kind in ("start", "halt", "limit"):
        outbox.put(Alert(kind, kind))
    assert len(drain(outbox, 0.0)) == 2


def test_what_earlier_processes_sent_counts() -> None:
    outbox = Outbox(AlertSettings(most_an_hour=2), [(-10.0, "start"), (-5.0, "stop")])
    outbox.put(Alert("halt", "a"))
    assert drain(outbox, 0.0) == []
    outbox.put(Alert("halt", "b"))
    (alert,) = drain(outbox, HOUR - 10.0)
    assert alert.title == "b"


def test_the_queue_is_bounded_and_the_oldest_go() -> None:
    outbox = Outbox(AlertSettings(most_an_hour=1000))
    for number in range(MOST_WAITING + 7):
        outbox.put(Alert("halt", f"{number}"))
    alert = outbox.take(0.0)
    assert alert is not None
    assert alert.title == "7"
    assert "(7 other alerts" in alert.body


def test_what_could_not_be_sent_is_tried_again_a_few_times() -> None:
    outbox = Outbox(AlertSettings())
    outbox.put(Alert("halt", "a"))
    now = 0.0
    for _ in range(MOST_ATTEMPTS):
        alert = outbox.take(now)
        assert alert is not None
        outbox.put_back(alert, now)
        assert outbox.take(now + RETRY_SECONDS - 0.1) is None
        now += RETRY_SECONDS
    assert outbox.take(now) is None


def test_at_the_end_nothing_waits_any_more() -> None:
    outbox = Outbox(AlertSettings())
    outbox.put(Alert("halt", "a"))
    alert = outbox.take(0.0)
    assert alert is not None
    outbox.put_back(alert, 0.0)
    outbox.put_fill("fill", 0.0)
    outbox.hasten()
    assert [alert.title for alert in drain(outbox, 0.1)] == ["a", "fill"]
