"""What `mmbot plan` says in the end: how to apply what it showed."""

from __future__ import annotations

from pathlib import Path

from mmbot.cli.plan import how_to_apply
from mmbot.daemon_api import ChangedKey, PlanReport

MARGIN = ChangedKey("quoting.margin", "0.1", "0.2")
LIMIT = ChangedKey("limits.orders", "100", "200")
FILE = Path("/etc/mmbot/config.toml")


def said(*, live: tuple[ChangedKey, ...] = (), waits: tuple[ChangedKey, ...] = ()) -> str:
    return " ".join(how_to_apply(PlanReport((), live, waits), FILE))


def test_what_a_daemon_takes_while_it_trades_is_applied_by_the_file_or_a_reload() -> None:
    text = said(live=(MARGIN,))
    assert "quoting.margin 0.1 -> 0.2" in text
    assert str(FILE) in text
    assert "`mmbot reload`" in text
    assert "restart" not in text


def test_what_waits_is_applied_by_a_restart() -> None:
    text = said(waits=(LIMIT,))
    assert "limits.orders 100 -> 200" in text
    assert "restart" in text
    assert "`mmbot reload`" not in text


def test_each_key_is_told_how_it_is_applied() -> None:
    text = said(live=(MARGIN,), waits=(LIMIT,))
    assert "`mmbot reload`" in text
    assert "restart" in text


def test_where_nothing_differs_there_is_nothing_to_apply() -> None:
    assert said() == "These are the settings in force."
