"""What the wheel and the sdist hold, and that they are the same bytes each time."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import orjson
import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]


def build(directory: Path) -> tuple[Path, Path]:
    """Build both; return the wheel's path and the sdist's."""
    command = (sys.executable, "-m", "build", "--no-isolation", "--outdir", directory, ROOT)
    built = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    (wheel,), (sdist,) = directory.glob("*.whl"), directory.glob("*.tar.gz")
    return wheel, sdist


def project() -> dict[str, Any]:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    found: dict[str, Any] = tomllib.loads(text)["project"]
    return found


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return build(tmp_path_factory.mktemp("dist"))


def test_the_wheel_has_every_file_of_the_package(built: tuple[Path, Path]) -> None:
    with zipfile.ZipFile(built[0]) as wheel:
        names = set(wheel.namelist())
    package = ROOT / "mmbot"
    sources = (path for path in package.rglob("*") if path.is_file())
    shipped = {str(path.relative_to(ROOT)) for path in sources if "__pycache__" not in path.parts}
    assert shipped <= names


def test_both_know_the_commit_that_they_were_built_from(built: tuple[Path, Path]) -> None:
    head = subprocess.run(
        ("git", "rev-parse", "--short=12", "HEAD"),  # noqa: S607
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if head.returncode:
        pytest.skip("this is no checkout")
    with zipfile.ZipFile(built[0]) as wheel:
        in_wheel = wheel.read("mmbot/commit.txt").decode()
    with tarfile.open(built[1]) as sdist:
        (name,) = (each for each in sdist.getnames() if each.endswith("/mmbot/commit.txt"))
        member = sdist.extractfile(name)
        assert member is not None
        in_sdist = member.read().decode()
    assert (in_wheel, in_sdist) == (head.stdout, head.stdout)
    assert not (ROOT / "mmbot" / "commit.txt").exists()


def test_built_again_they_are_the_same(built: tuple[Path, Path], tmp_path: Path) -> None:
    def digests(files: tuple[Path, Path]) -> list[str]:
        return [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]

    assert digests(build(tmp_path)) == digests(built)


def test_the_lock_pins_every_dependency_within_its_bounds_with_hashes() -> None:
    lock = (ROOT / "systemd" / "requirements.lock").read_text(encoding="utf-8")
    entries = [each for each in lock.replace("\\\n", " ").splitlines() if "==" in each]
    assert all("--hash=sha256:" in each for each in entries)
    pins = [Requirement(each.partition("--hash")[0].strip()) for each in entries]
    for needed in map(Requirement, project()["dependencies"]):
        found = [pin for pin in pins if pin.name == needed.name]
        assert found, f"{needed.name} is not in systemd/requirements.lock: run .ci/lock"
        for pin in found:
            (version,) = (each.version for each in pin.specifier)
            assert needed.specifier.contains(version), f"{pin} does not satisfy {needed}"


def test_the_version_is_the_newest_of_the_changelog() -> None:
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    headings = [line for line in changes.splitlines() if line.startswith("## ")]
    assert headings[0].split()[1].rstrip(",") == project()["version"]


def test_the_bill_of_materials_has_what_the_package_carries_of_others(tmp_path: Path) -> None:
    bill = tmp_path / "bill.json"
    bill.write_text('{"components": [{"name": "numpy"}]}')
    subprocess.run([sys.executable, ".ci/vendored.py", bill], check=True)
    numpy, uplot = orjson.loads(bill.read_bytes())["components"]
    assert numpy == {"name": "numpy"}
    assert (uplot["name"], uplot["version"]) == ("uplot", "1.6.32")
    assert uplot["licenses"] == [{"license": {"id": "MIT"}}]
    script = Path("mmbot/observe/page/vendor/uplot/uPlot.iife.min.js").read_bytes()
    assert uplot["hashes"][0]["content"] == hashlib.sha256(script).hexdigest()
