from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from mmbot.daemon import tree_process
from mmbot.daemon.tree_process import TreeProcess
from mmbot.forecast.boosted import GROW, grown_here

RNG = np.random.default_rng(0)
ROWS = RNG.normal(size=(300, 3))
TARGETS = [RNG.normal(size=300) for _ in range(3)]
HERE = grown_here(ROWS, TARGETS[0])


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    return tmp_path / "boosted.trees"


@pytest.fixture
def without_helper(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")


def grown(path: Path, *numbers: int) -> list[str | None]:
    with TreeProcess(path):
        return [GROW.get()(ROWS, TARGETS[number]) for number in numbers]


def test_a_process_of_its_own_grows_the_trees_that_grow_here(
    kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tree_process, "grown_here", None)
    assert grown(kept, 0, 0) == [HERE, HERE]


@pytest.mark.usefixtures("without_helper")
def test_where_the_process_ends_early_trees_grow_here(kept: Path) -> None:
    assert grown(kept, 0, 1)[0] == HERE


@pytest.mark.parametrize("does", ["", "os.write(int(sys.argv[3]), bytes(2))"])
def test_a_helper_that_reads_nothing_or_answers_half_is_ended_and_trees_grow_here(
    does: str, tmp_path: Path, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    helper = tmp_path / "helper"
    helper.write_text(f"#!{sys.executable} -I\nimport os, sys, time\n{does}\ntime.sleep(60)\n")
    helper.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(helper))
    monkeypatch.setattr(tree_process, "_PATIENCE_SECONDS", 0.5)
    monkeypatch.setattr(tree_process, "grown_here", lambda *_: "grown here")
    much = np.zeros(1_000_000)
    with TreeProcess(kept):
        assert GROW.get()(much, much) == "grown here"


@pytest.mark.usefixtures("without_helper")
def test_the_last_two_are_kept_for_the_next_start(
    kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = grown(kept, 2, 0, 1)
    asked: list[int] = []
    monkeypatch.setattr(tree_process, "grown_here", lambda *_: asked.append(1))
    assert grown(kept, 2, 0, 1) == [None, *first[1:]]
    assert len(asked) == 1


@pytest.mark.usefixtures("without_helper")
@pytest.mark.parametrize("content", [b"", b"\xc1", b"\x01"])
def test_what_cannot_be_read_is_grown_again(kept: Path, content: bytes) -> None:
    kept.write_bytes(content)
    assert grown(kept, 0) == [HERE]
    assert kept.read_bytes() != content


@pytest.mark.usefixtures("without_helper")
def test_trees_that_cannot_be_kept_are_grown_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert grown(tmp_path / "file" / "boosted.trees", 0) == [HERE]


def test_outside_of_it_trees_grow_here(kept: Path) -> None:
    with TreeProcess(kept):
        assert GROW.get() is not grown_here
    assert GROW.get() is grown_here
