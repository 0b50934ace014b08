"""What of an edited config is taken while the daemon trades, and what waits."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmbot import config
from mmbot.config.checking import check

START = config.Settings()


def edited(**changes: object) -> config.Settings:
    return config.changed(START, {k.replace("__", "."): v for k, v in changes.items()}, "a test")


def outcome(in_force: config.Settings, wanted: config.Settings) -> tuple[list[str], list[str]]:
    found = config.merged(in_force, wanted)
    return [each.key for each in found.changed], [each.key for each in found.waits]


def test_the_same_settings_change_nothing() -> None:
    assert config.merged(START, config.parse("", "x")) == config.ReloadOutcome(START, (), ())


@pytest.mark.parametrize(
    "changes",
    [
        {"quoting__margin": 0.2},
        {"quoting__margin": 0.01},
        {"quoting__margin": [0.1, 0.2, 0.1, 0.1, 0.1]},
        {"quoting__sides": "both"},
        {"quoting__contracts": 50},
        {"limits__event_loss_dollars": 50.0},
        {"limits__daily_loss_dollars": 1.0},
        {"limits__event_cash_share": 0.1},
        {"limits__orders": 10},
        {"limits__contracts_per_market": 10},
        {"limits__contracts_per_15_seconds": 11},
        {"orders__lifetime_seconds": 30},
        {"alerts__events": ["halt"]},
        {"alerts__morning_report": dt.time(6)},
        {"alerts__urls_file": "elsewhere"},
        {"dashboard__enabled": False},
        {"dashboard__port": 9000},
        {"metrics__port": 9000},
        {"log__heartbeat_seconds": 10.0},
        {"counts__poll_seconds": 30.0},
    ],
)
def test_what_risks_no_more_is_taken_at_once(changes: dict[str, Any]) -> None:
    wanted = edited(**changes)
    found = config.merged(START, wanted)
    assert found.settings == wanted
    assert [each.key for each in found.changed] == [key.replace("__", ".") for key in changes]
    assert not found.waits


@pytest.mark.parametrize(
    "changes",
    [
        {"mode": "demo"},
        {"exchange__subaccount": 3},
        {"credentials__key_id": "other"},
        {"counts__earliest_release": dt.time(6)},
        {"forecast__method": "seed"},
        {"limits__event_loss_dollars": 100.01},
        {"limits__daily_loss_dollars": 1000.0},
        {"limits__event_cash_share": 0.6},
        {"limits__orders": 101},
        {"limits__contracts_per_market": 101},
        {"limits__contracts_per_15_seconds": 101},
        {"orders__lifetime_seconds": 61},
        {"orders__answer_timeout_seconds": 4.0},
        {"paper__balance_dollars": 10.0},
        {"state__directory": "elsewhere"},
        {"log__level": "debug"},
    ],
)
def test_looser_limits_and_all_else_wait(changes: dict[str, Any]) -> None:
    found = config.merged(START, edited(**changes))
    assert found.settings == START
    assert not found.changed
    assert [each.key for each in found.waits] == [key.replace("__", ".") for key in changes]


def test_each_key_goes_its_own_way() -> None:
    wanted = edited(
        quoting__margin=0.2, limits__event_loss_dollars=50.0, limits__daily_loss_dollars=500.0
    )
    assert outcome(START, wanted) == (
        ["quoting.margin", "limits.event_loss_dollars"],
        ["limits.daily_loss_dollars"],
    )


def test_a_larger_quote_that_needs_a_looser_limit_waits_with_it_and_nothing_else_does() -> None:
    wanted = edited(
        quoting__contracts=150,
        quoting__margin=0.2,
        limits__contracts_per_market=200,
        limits__contracts_per_15_seconds=200,
        limits__event_loss_dollars=50.0,
    )
    changed, waits = outcome(START, wanted)
    assert changed == ["quoting.margin", "limits.event_loss_dollars"]
    assert "quoting.contracts" in waits


def test_a_limit_that_was_tightened_is_loosened_by_a_restart_only() -> None:
    tighter = config.merged(START, edited(limits__event_loss_dollars=50.0)).settings
    assert outcome(tighter, START) == ([], ["limits.event_loss_dollars"])


def test_a_difference_reads_as_in_a_file() -> None:
    found = config.merged(START, edited(quoting__margin=[0.1, 0.2, 0.3, 0.4, 0.5]))
    assert [str(each) for each in found.changed] == ["0.1 -> [0.1, 0.2, 0.3, 0.4, 0.5]"]


_CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "quoting.margin": st.sampled_from([0.05, 0.3]),
        "quoting.contracts": st.integers(1, 200),
        "limits.contracts_per_market": st.integers(1, 200),
        "limits.contracts_per_15_seconds": st.integers(1, 200),
        "orders.lifetime_seconds": st.integers(5, 120),
        "orders.answer_timeout_seconds": st.sampled_from([1.0, 5.0, 20.0]),
    },
)


def legal(changes: dict[str, object]) -> config.Settings:
    try:
        return config.changed(START, changes, "a test")
    except config.BadConfig:
        return START


@given(_CHANGES, _CHANGES)
def test_whatever_is_taken_fits_together_and_raises_no_limit(
    one: dict[str, object], other: dict[str, object]
) -> None:
    in_force, wanted = legal(one), legal(other)
    found = config.merged(in_force, wanted)
    settings, problems = check(_tree(found.settings))
    assert (settings, problems) == (found.settings, [])
    before, after = config.every_key(in_force), config.every_key(found.settings)
    for key, value in after.items():
        if key.startswith("limits.") or key == "orders.lifetime_seconds":
            kept = before[key]
            assert isinstance(value, int | float)
            assert isinstance(kept, int | float)
            assert value <= kept
    named = {each.key for each in (*found.changed, *found.waits)}
    assert named == set(config.differences(in_force, wanted))


def _tree(settings: config.Settings) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for key, value in config.every_key(settings).items():
        table, _, name = key.rpartition(".")
        (tree.setdefault(table, {}) if table else tree)[name] = value
    return tree
