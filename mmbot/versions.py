"""The versions of everything that the bot's decisions depend on."""

from __future__ import annotations

import functools
import hashlib
import platform
import subprocess
from importlib import metadata
from importlib.resources import files
from importlib.resources.abc import Traversable

# Modules and packages of mmbot in which decisions are made, and the libraries that these use.
_DECIDING = (
    "bot",
    "config",
    "units.py",
    "underlying",
    "underlyings",
    "tsa",
    "forecast",
    "trading",
    "kalshi",
)
_LIBRARIES = ("lightgbm", "msgspec", "numpy", "orjson", "tzdata")


@functools.cache
def versions() -> dict[str, str]:
    """Return the versions in use; mmbot's own ends in a digest of the code that decides."""
    return {
        "mmbot": f"{_version('mmbot')}+{_digest()}",
        "python": platform.python_version(),
        "machine": platform.machine(),
        **{name: _version(name) for name in _LIBRARIES},
    }


def version_line() -> str:
    """Return mmbot's version with the commit that it was built from, and Python's."""
    return f"mmbot {_version('mmbot')} (commit {_commit()}, Python {platform.python_version()})"


def _commit() -> str:
    """Return the commit that the build wrote down, or the one that is checked out."""
    room = files("mmbot")
    try:
        return (room / "commit.txt").read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        pass
    command = ("git", "-C", str(room), "rev-parse", "--short=12", "HEAD")
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False)
    except OSError:
        return "unknown"
    return found.stdout.strip() or "unknown"


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "unpackaged"


def _digest() -> str:
    digest = hashlib.blake2b(digest_size=6)
    room = files("mmbot")
    for name in _DECIDING:
        for file in _sources(room / name):
            digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


def _sources(where: Traversable) -> list[Traversable]:
    if where.is_file():
        return [where]
    found = (file for file in where.iterdir() if file.name.endswith(".py"))
    return sorted(found, key=lambda file: file.name)
