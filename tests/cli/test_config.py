"""`mmbot config` and `mmbot init`: what is in force, from where, and a file that works."""

from __future__ import annotations

import io
import json
import stat
import sys
from pathlib import Path

import pytest

from mmbot import config
from mmbot.cli import whereabouts
from tests.cli.conftest import Mmbot

WIDTH = 80


@pytest.fixture(autouse=True)
def nothing_around(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Have no config, no service and no key but a test's own, and a terminal of 80 columns."""
    for name in ("MMBOT_CONFIG", "MMBOT_KEY_ID", "MMBOT_PRIVATE_KEY_PATH", "CREDENTIALS_DIRECTORY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", str(WIDTH))
    monkeypatch.setattr(whereabouts, "CONFIG", tmp_path / "etc/mmbot/config.toml")
    monkeypatch.setattr(whereabouts, "STATE", tmp_path / "var/lib/mmbot")
    monkeypatch.setattr(sys, "stdin", io.StringIO())


def file_of(directory: Path, text: str, name: str = "c.toml") -> str:
    path = directory / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return str(path)


# show


def origins(invoke: Mmbot, *arguments: str) -> dict[str, tuple[object, str, str]]:
    shown = json.loads(invoke("config", "show", "--json", *arguments).stdout)
    return {row["key"]: (row["value"], row["origin"], row["place"]) for row in shown["settings"]}


def test_every_key_is_shown_with_where_its_value_comes_from(
    invoke: Mmbot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = file_of(tmp_path, '# a remark\nmode = "demo"\n[quoting]\nmargin = 0.2\ncontracts = 3\n')
    monkeypatch.setenv("MMBOT_KEY_ID", "an-id")
    found = origins(invoke, "--config", path, "--set", "quoting.contracts=4")
    assert set(found) == set(config.every_key(config.Settings()))
    assert found["mode"] == ("demo", "file", f"{path}:2")
    assert found["quoting.margin"] == (0.2, "file", f"{path}:4")
    assert found["quoting.contracts"] == (4, "command line", "--set")
    assert found["credentials.key_id"] == ("an-id", "environment", "MMBOT_KEY_ID")
    assert found["state.directory"][1:] == ("environment", "STATE_DIRECTORY")
    assert found["quoting.sides"] == ("likelier", "default", "")


def test_what_the_file_says_counts_more_than_the_environment(
    invoke: Mmbot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = file_of(tmp_path, '[credentials]\nkey_id = "from-file"\n')
    monkeypatch.setenv("MMBOT_KEY_ID", "from-environment")
    assert origins(invoke, "--config", path)["credentials.key_id"][:2] == ("from-file", "file")


def test_the_table_of_settings_fits_a_terminal(invoke: Mmbot, tmp_path: Path) -> None:
    path = file_of(tmp_path, "[quoting]\nmargin = 0.2\n")
    lines = invoke("config", "show", "--config", path).stdout.splitlines()
    (row,) = (line for line in lines if line.strip().startswith("quoting.margin"))
    assert row.split() == ["quoting.margin", "0.2", "line", "2"]
    assert max(map(len, lines[1:])) <= WIDTH
    assert path in lines[0]


def test_only_what_is_not_the_default_is_shown_if_asked(invoke: Mmbot, tmp_path: Path) -> None:
    path = file_of(tmp_path, "[quoting]\nmargin = 0.2\ncontracts = 10\n")
    found = origins(invoke, "--config", path, "--changed")
    assert set(found) == {"quoting.margin", "state.directory"}


def test_a_key_on_the_command_line_that_does_not_exist_is_refused(
    invoke: Mmbot, tmp_path: Path
) -> None:
    refused = invoke("config", "show", "--config", file_of(tmp_path, ""), "--set", "quoting.x=1")
    assert refused.returncode == 2
    assert "--set: there is no key `quoting.x`" in refused.stderr


# The one way to find it


def test_the_config_is_the_one_that_the_option_names_then_the_environment_s_then_the_service_s(
    invoke: Mmbot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def named() -> tuple[str, str]:
        found = json.loads(invoke("config", "show", "--json").stdout)
        return found["config"], found["named_by"]

    service = file_of(tmp_path / "etc/mmbot", "", "config.toml")
    assert named() == (service, "the service")
    other = file_of(tmp_path, "", "other.toml")
    monkeypatch.setenv("MMBOT_CONFIG", other)
    assert named() == (other, "MMBOT_CONFIG")
    third = file_of(tmp_path, "", "third.toml")
    found = json.loads(invoke("config", "show", "--json", "--config", third).stdout)
    assert (found["config"], found["named_by"]) == (third, "--config")


@pytest.mark.parametrize(
    "command",
    [
        ("check",),
        ("run",),
        ("record",),
        ("cancel-all",),
        ("halt",),
        ("resume",),
        ("explain", "T"),
        ("plan",),
        ("counts",),
        ("counts", "none", "2026-04-14"),
        ("report",),
        ("config", "show"),
        ("reload",),
        ("status",),
        ("positions",),
        ("pnl",),
        ("orders",),
        ("fills",),
        ("pause", "T"),
        ("unpause", "T"),
        ("alerts", "test"),
        ("backup", "there"),
        ("restore", "there"),
    ],
)
def test_where_no_config_is_found_every_command_says_where_it_was_looked_for(
    invoke: Mmbot, command: tuple[str, ...]
) -> None:
    refused = invoke(*command)
    assert refused.returncode == 2
    assert "--config is not given, MMBOT_CONFIG is not set, and there is no" in refused.stderr
    assert refused.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "command",
    [("check",), ("halt",), ("plan",), ("counts",), ("explain", "T"), ("report",), ("run",)],
)
def test_the_config_that_the_environment_names_is_read_by_every_command(
    invoke: Mmbot, command: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = file_of(tmp_path, "[state]\ndirectroy = 'x'\n")
    monkeypatch.setenv("MMBOT_CONFIG", path)
    refused = invoke(*command)
    assert (refused.returncode, path in refused.stderr) == (2, True)


def test_a_config_that_is_not_there_is_told_with_what_named_it(
    invoke: Mmbot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MMBOT_CONFIG", "/nowhere/c.toml")
    refused = invoke("halt")
    assert refused.returncode == 2
    assert "cannot read the config file /nowhere/c.toml: No such file" in refused.stderr
    assert "(MMBOT_CONFIG names it)" in refused.stderr


def test_where_the_service_s_config_cannot_be_looked_for_that_is_said(
    invoke: Mmbot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(whereabouts, "CONFIG", tmp_path / ("x" * 300) / "config.toml")
    refused = invoke("halt")
    assert refused.returncode == 2
    assert "cannot look for" in refused.stderr
    assert "give --config" in refused.stderr


def test_the_state_of_the_service_s_config_is_the_service_s(
    invoke: Mmbot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("STATE_DIRECTORY")
    file_of(tmp_path / "etc/mmbot", "", "config.toml")
    state = tmp_path / "var/lib/mmbot"
    state.mkdir(parents=True)
    found = origins(invoke)
    assert found["state.directory"] == (str(state), "environment", "STATE_DIRECTORY")
    refused = invoke("explain", "T")
    assert f"no mmbot is running in {state}/paper" in refused.stderr
    assert "config.toml, which the service names" in refused.stderr
    assert refused.returncode == 3


def test_the_state_of_any_other_config_is_not(
    invoke: Mmbot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("STATE_DIRECTORY")
    (tmp_path / "var/lib/mmbot").mkdir(parents=True)
    found = origins(invoke, "--config", file_of(tmp_path, ""))
    assert found["state.directory"][1] == "default"


# diff


def test_two_files_are_compared_key_by_key(invoke: Mmbot, tmp_path: Path) -> None:
    one = file_of(tmp_path, "[quoting]\nmargin = 0.2\ncontracts = 10\n", "one.toml")
    other = file_of(tmp_path, '[quoting]\nmargin = 0.3\n[log]\nlevel = "debug"\n', "other.toml")
    found = json.loads(invoke("config", "diff", one, other, "--json").stdout)
    assert [(d["key"], d["old"], d["new"], d["live"]) for d in found["differences"]] == [
        ("quoting.margin", 0.2, 0.3, True),
        ("log.level", "info", "debug", False),
    ]
    table = invoke("config", "diff", one, other).stdout
    assert "quoting.margin" in table
    assert "quoting.contracts" not in table


def test_one_file_is_compared_with_what_the_daemon_runs_by(
    invoke: Mmbot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MMBOT_CONFIG", file_of(tmp_path, "[quoting]\nmargin = 0.2\n"))
    edited = file_of(tmp_path, "[quoting]\nmargin = 0.25\n", "edited.toml")
    found = json.loads(invoke("config", "diff", edited, "--json").stdout)
    assert [(d["old"], d["new"]) for d in found["differences"]] == [(0.2, 0.25)]


def test_files_that_say_the_same_have_no_difference(invoke: Mmbot, tmp_path: Path) -> None:
    path = file_of(tmp_path, config.template())
    assert "have the same settings" in invoke("config", "diff", "defaults", path).stdout


# schema and template


def test_the_schema_has_every_key_with_its_bounds_its_default_its_unit_and_why(
    invoke: Mmbot,
) -> None:
    schema = json.loads(invoke("config", "schema").stdout)
    quoting = schema["$defs"]["QuotingSettings"]["properties"]
    assert set(quoting) == {
        key.partition(".")[2]
        for key in config.every_key(config.Settings())
        if key.startswith("quoting.")
    }
    lowest = quoting["lowest_bid_cents"]
    assert (lowest["minimum"], lowest["maximum"], lowest["default"]) == (0.0, 50.0, 10.0)
    assert lowest["x-unit"] == "cents"
    assert "longshots" in lowest["description"]
    assert schema["$defs"]["QuotingSettings"]["additionalProperties"] is False


@pytest.mark.parametrize("mode", ["paper", "demo", "live"])
def test_a_template_of_a_mode_is_that_mode_s_file(
    invoke: Mmbot, tmp_path: Path, mode: config.Mode
) -> None:
    path = tmp_path / "new.toml"
    assert invoke("config", "template", "--mode", mode, "--output", str(path)).returncode == 0
    assert config.load(path) == config.load(config.shipped(mode))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    refused = invoke("config", "template", "--output", str(path))
    assert refused.returncode == 2
    assert "exists and is not overwritten" in refused.stderr


def test_a_template_as_json_has_a_row_for_every_key(invoke: Mmbot) -> None:
    rows = json.loads(invoke("config", "template", "--json").stdout)
    assert {row["key"]: row["default"] for row in rows}["quoting.margin"] == 0.1
    assert all(row["why"] for row in rows)


def test_a_mode_that_does_not_exist_is_refused(invoke: Mmbot) -> None:
    assert "write one of paper, demo, live" in invoke("config", "template", "--mode", "x").stderr


# init


def test_init_writes_a_file_that_works_for_its_owner_alone(
    invoke: Mmbot, tmp_path: Path, key_file: Path
) -> None:
    path = tmp_path / "new/config.toml"
    done = invoke(
        *("init", str(path), "--mode", "live", "--key-id", "an-id", "--key-path", str(key_file)),
        *("--margin", "0.15", "--contracts-per-market", "3", "--event-loss-dollars", "9"),
        *("--daily-loss-dollars", "4.5", "--set", "log.heartbeat_seconds=30"),
    )
    assert done.returncode == 0, done.stderr
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    settings = config.load(path)
    live = config.load(config.shipped("live"))
    assert config.differences(live, settings) == (
        *("credentials.key_id", "credentials.private_key_path", "quoting.margin"),
        *("quoting.contracts", "limits.contracts_per_market", "limits.event_loss_dollars"),
        *("limits.daily_loss_dollars", "log.heartbeat_seconds"),
    )
    assert (settings.quoting.contracts, settings.quoting.margin) == (3, 0.15)
    assert settings.credentials.private_key_path == str(key_file)
    assert f"mmbot run --config {path} --live" in done.stdout


def test_where_nobody_can_be_asked_init_writes_the_paper_settings(
    invoke: Mmbot, tmp_path: Path
) -> None:
    path = tmp_path / "c.toml"
    done = invoke("init", str(path), "--json")
    assert json.loads(done.stdout)["mode"] == "paper"
    assert config.load(path) == config.load(config.shipped("paper"))


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_init_asks_in_a_terminal_and_again_where_an_answer_does_not_fit(
    invoke: Mmbot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "c.toml"
    answers = ["real", "demo", "id-1", "", "0,1", "0.1", "", "50", ""]
    monkeypatch.setattr(sys, "stdin", Terminal("\n".join(answers) + "\n"))
    done = invoke("init", str(path))
    assert done.returncode == 0, done.stderr
    settings = config.load(path)
    assert (settings.mode, settings.credentials.key_id) == ("demo", "id-1")
    assert (settings.quoting.margin, settings.limits.event_loss_dollars) == (0.1, 50.0)
    assert "write one of paper, demo, live" in done.stderr
    assert "margin" in done.stderr


def test_init_never_writes_over_a_file(invoke: Mmbot, tmp_path: Path) -> None:
    path = file_of(tmp_path, "mine")
    refused = invoke("init", path)
    assert refused.returncode == 2
    assert "exists and is not overwritten" in refused.stderr
    assert Path(path).read_text() == "mine"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--mode", "real"), "write one of paper, demo, live"),
        (("--margin", "7"), "mmbot: the options: quoting.margin: expected a number < 1.0"),
        (("--margin", "0,1"), "quoting.margin"),
        (("--key-path", "nowhere.pem"), "cannot read the private key"),
        (("--event-loss-dollars", "none"), "limits.event_loss_dollars"),
        (("--set", "quoting.contracts=1000"), "--set has 2 mistakes:"),
        (("--set", "underlying.name=jobs"), "choose from tsa, ferries"),
        (
            (
                *("--set", "underlying.name=ferries", "--set", "exchange.series=KXFERRYW"),
                *("--set", "forecast.method=boosted"),
            ),
            "forecast.method is 'boosted', which does not support ferries; choose from pool",
        ),
    ],
)
def test_an_answer_that_cannot_be_used_writes_nothing(
    invoke: Mmbot, tmp_path: Path, arguments: tuple[str, ...], reason: str
) -> None:
    path = tmp_path / "c.toml"
    refused = invoke("init", str(path), *arguments)
    assert refused.returncode == 2
    assert reason in refused.stderr
    assert not path.exists()


def test_a_key_that_others_may_read_is_refused(
    invoke: Mmbot, tmp_path: Path, key_file: Path
) -> None:
    key_file.chmod(0o644)
    refused = invoke("init", str(tmp_path / "c.toml"), "--key-path", str(key_file))
    assert "chmod 600" in refused.stderr
