"""What needs an extra says so where it is not installed; `.ci/extras.py` tries each alone."""

from __future__ import annotations

import ast
import importlib
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from mmbot.cli.output import load_plots
from mmbot.cli.work import work_through
from mmbot.daemon.aws_secrets import AwsSecrets
from mmbot.errors import BadInput
from mmbot.research.book_peers import peers

ROOT = Path(__file__).parents[1]


def extras() -> set[str]:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    return set(tomllib.loads(text)["project"]["optional-dependencies"])


def without(monkeypatch: pytest.MonkeyPatch, *modules: str) -> None:
    """Have these not be installed, and nothing remember that they were."""
    for module in modules:
        for loaded in [each for each in sys.modules if each.split(".")[0] == module]:
            monkeypatch.delitem(sys.modules, loaded)
        monkeypatch.setitem(sys.modules, module, None)


def use_aws() -> object:
    return AwsSecrets("us-east-2").read("credentials.key_id", "kalshi", "key_id")


def use_cluster() -> object:
    return list(work_through(max, 1, [1], "tcp://127.0.0.1:1"))


def use_plots() -> object:
    return load_plots("--plot")


@pytest.mark.parametrize(
    ("extra", "module", "use"),
    [
        ("aws", "boto3", use_aws),
        ("cluster", "distributed", use_cluster),
        ("plots", "matplotlib", use_plots),
    ],
)
def test_what_needs_an_extra_names_it_in_one_sentence(
    extra: str, module: str, use: Callable[[], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    without(monkeypatch, module)
    for drawing in [name for name in sys.modules if name.startswith("mmbot.cli.")]:
        if drawing.endswith("plots"):
            monkeypatch.delitem(sys.modules, drawing)
    importlib.invalidate_caches()
    with pytest.raises(BadInput) as refused:
        use()
    assert str(refused.value).endswith(f"needs {named(module)}; {install(extra)}")


def named(module: str) -> str:
    return {"distributed": "Dask"}.get(module, module)


def install(extra: str) -> str:
    return f"install mmbot with its extra '{extra}'"


def test_the_bench_leaves_out_the_peers_that_are_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "nautilus_trader", "pykalshi")
    found, missing = peers(())
    assert found == {}
    assert [sentence.split()[0] for sentence in missing] == ["nautilus_trader", "pykalshi"]
    assert all(sentence.endswith("pip install 'mmbot[peers]' adds it") for sentence in missing)


def test_each_is_tried_alone_every_night() -> None:
    tree = ast.parse((ROOT / ".ci/extras.py").read_text(encoding="utf-8"))
    (tried,) = (
        node.value
        for node in tree.body
        if isinstance(node, ast.AnnAssign) and node.value and ast.unparse(node.target) == "EXTRAS"
    )
    names = {node.id for node in ast.walk(tried) if isinstance(node, ast.Name)}
    assert extras() <= names
