"""What `mmbot run` refuses before it has touched anything."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
from msgspec import structs

from mmbot.cli import _PANELS
from mmbot.cli.place import state_directory
from mmbot.config import Settings, load
from mmbot.errors import ExitCode
from tests.cli.conftest import Mmbot


def write(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_a_misspelt_key_is_refused_with_a_suggestion(invoke: Mmbot, tmp_path: Path) -> None:
    config = write(tmp_path / "c.toml", "[quoting]\nmargn = 0.2\n")
    refused = invoke("run", "--config", config)
    assert refused.returncode == 2
    assert refused.stderr == (
        f"mmbot: {config}:2: there is no key `quoting.margn`; did you mean `margin`?\n"
    )


def test_a_value_out_of_range_is_refused(invoke: Mmbot, tmp_path: Path) -> None:
    refused = invoke("run", "--config", write(tmp_path / "c.toml", "[quoting]\nmargin = 1.5\n"))
    assert refused.returncode == 2
    assert "quoting.margin" in refused.stderr
    assert refused.stderr.count("\n") == 1


def test_an_underlying_of_which_the_series_is_not_is_refused(invoke: Mmbot, tmp_path: Path) -> None:
    config = write(tmp_path / "c.toml", '[underlying]\nname = "ferries"\n')
    for command in ("run", "check"):
        refused = invoke(command, "--config", config)
        assert refused.returncode == 2
        assert "exchange.series is KXTSAW, which is about tsa" in refused.stderr
        assert refused.stderr.count("\n") == 1


def test_another_underlying_has_a_ledger_of_its_own() -> None:
    ferries = load(Path("config/ferries.toml"))
    environment = {"STATE_DIRECTORY": "/state"}
    usual, other = (
        state_directory(each, environment, simulated=True)
        for each in (structs.replace(Settings(), mode="demo"), ferries)
    )
    assert (str(usual), str(other)) == ("/state/demo/simulated", "/state/demo/ferries/simulated")


def test_live_needs_the_flag_as_well(invoke: Mmbot, tmp_path: Path) -> None:
    refused = invoke("run", "--config", write(tmp_path / "c.toml", 'mode = "live"\n'))
    assert refused.returncode == 2
    assert "--live" in refused.stderr


def test_the_flag_needs_live_in_the_config_as_well(invoke: Mmbot) -> None:
    refused = invoke("run", "--config", "config/demo.toml", "--live")
    assert refused.returncode == 2
    assert "mode" in refused.stderr


def test_live_trades_nowhere_but_at_the_exchange(invoke: Mmbot, tmp_path: Path) -> None:
    config = write(tmp_path / "c.toml", 'mode = "live"\n')
    refused = invoke("run", "--config", config, "--live", "--venue", "anywhere.json")
    assert refused.returncode == 2
    assert "--venue is refused in live mode" in refused.stderr


def test_a_venue_file_that_is_none_is_refused(invoke: Mmbot, tmp_path: Path) -> None:
    venue = write(tmp_path / "venue.json", "{}")
    refused = invoke("run", "--config", "config/demo.toml", "--venue", venue)
    assert refused.returncode == 2
    assert "is not what `mmbot exchange` prints" in refused.stderr


def test_the_help_names_every_exit_code_and_no_other(invoke: Mmbot) -> None:
    text = " ".join(invoke("run", "--help").stdout.split())
    codes = text.partition("Exit codes: ")[2].partition("can be started again")[0]
    named = {int(word) for word in codes.replace(",", " ").split() if word.isdigit()}
    assert named == set(ExitCode)


@pytest.mark.parametrize("command", ["run", "cancel-all", "exchange", "demo"])
def test_the_help_flows_in_a_terminal_of_80_columns(
    command: str, invoke: Mmbot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    shown = invoke(command, "--help").stdout.partition("\N{BOX DRAWINGS LIGHT ARC DOWN AND RIGHT}")
    lines = [line.strip() for line in shown[0].splitlines()]
    for paragraph in "\n".join(lines).strip().split("\n\n"):
        flowing = textwrap.fill(" ".join(paragraph.split()), 78, break_on_hyphens=False)
        assert paragraph == flowing


def test_no_help_is_cut_in_a_terminal_of_80_columns(
    invoke: Mmbot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    of_all = [[name] for names in _PANELS.values() for name in names]
    of_all += [["history", each] for each in ("fetch", "status", "verify", "import")]
    of_all += [["config", each] for each in ("show", "diff", "schema", "template")]
    of_all += [["counts", "none"], ["alerts", "test"]]
    cut = [each for each in of_all if "\N{HORIZONTAL ELLIPSIS}" in invoke(*each, "--help").stdout]
    assert cut == []


def test_the_help_keeps_each_example_on_its_line(invoke: Mmbot) -> None:
    lines = [line.strip() for line in invoke("backtest", "--help").stdout.splitlines()]
    assert "mmbot backtest" in lines
    assert any(line.startswith("mmbot backtest --recording") for line in lines)


def test_so_does_the_readme() -> None:
    text = " ".join(Path("README.md").read_text(encoding="utf-8").split())
    codes = text.partition("Exit codes of `mmbot run`: ")[2].partition("There is no other")[0]
    named = {int(part.split()[0]) for part in codes.split(", ") if part[:1].isdigit()}
    assert named == set(ExitCode)
