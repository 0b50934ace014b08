from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mmbot.cli import app
from mmbot.errors import BadInput

runner = CliRunner()


def test_a_clean_run_writes_its_figures(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    args = ["simulate", "--first", "7", "--seeds", "1", "--faults", "answer_lost,killed"]
    result = runner.invoke(app, [*args, "--json", str(path)])
    assert result.exit_code == 0, result.output
    report = json.loads(path.read_text())
    assert set(report) == {
        "seeds", "violations", "faults", "orders", "fills", "restarts", "seconds", "earned",
    }  # fmt: skip
    assert set(report["faults"]) == {"answer_lost", "killed"}
    assert report["orders"] > 0


def test_a_series_that_charges_makers_is_simulated_and_repeated_as_such() -> None:
    args = ["simulate", "--seeds", "1", "--faults", "none", "--without", "fees"]
    result = runner.invoke(app, [*args, "--fees", "quadratic_with_maker_fees:2"])
    assert result.exit_code == 1
    assert "breaks edge" in result.output
    assert "--fees quadratic_with_maker_fees:2" in result.output


def test_fees_that_cannot_be_read_are_refused() -> None:
    result = runner.invoke(app, ["simulate", "--fees", "round"])
    assert isinstance(result.exception, BadInput)
    assert "'round' is not a kind of fee" in str(result.exception)


def test_a_violation_fails_the_command_and_says_how_to_repeat_it(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    args = ["simulate", "--seeds", "1", "--faults", "none", "--without", "expiry"]
    result = runner.invoke(app, [*args, "--json", str(path)])
    assert result.exit_code == 1
    assert "mmbot simulate --first 1 --seeds 1" in result.output
    (violation,) = json.loads(path.read_text())["violations"]
    assert violation["seed"] == 1
    assert violation["invariant"] == "fence"
    assert violation["what"]


def test_shrinking_finds_that_no_fault_is_needed() -> None:
    args = ["simulate", "--seeds", "1", "--faults", "fill_dropped,killed", "--shrink"]
    result = runner.invoke(app, [*args, "--without", "expiry"])
    assert "--faults none" in result.output


def test_a_comparison_plays_each_seed_with_the_guard_and_without(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    args = ["simulate", "--first", "2", "--seeds", "1", "--faults", "none"]
    args += ["--compare", "release_gate", "--json", str(path)]
    result = runner.invoke(app, args)
    assert result.exit_code == 0, result.output
    report = json.loads(path.read_text())
    assert report["seeds"] == 1
    found = report["comparison"]
    total = found["rows"]["total"]
    ours, theirs = total["with_guard"], total["without_guard"]
    assert 0 < ours["fills"] + theirs["fills"] <= report["fills"]
    gain = ours["pnl"]["mean"] - theirs["pnl"]["mean"]
    assert total["gain"]["mean"] == pytest.approx(gain)
    assert set(found["rows"]) == {"awaited", "news", "apart", "total"}


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["--compare", "moat"], "--compare 'moat' is not a guard"),
        (["--compare", "expiry", "--without", "expiry"], "leave out --without"),
    ],
)
def test_a_comparison_that_makes_no_sense_is_refused(args: list[str], says: str) -> None:
    result = runner.invoke(app, ["simulate", *args])
    assert isinstance(result.exception, BadInput)
    assert says in str(result.exception)
