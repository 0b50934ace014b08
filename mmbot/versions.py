"""The versions of everything that the bot's decisions depend on."""

from __future__ import annotations

import functools
import hashlib
import platform
from importlib import metadata
from importlib.resources import files
from importlib.resources.abc import Traversable

# Modules and packages of mmbot in which decisions are made, and the libraries that these use.
_DECIDING = ("bot", "config", "units.py", "tsa", "forecast", "trading", "kalshi")
_LIBRARIES = ("msgspec", "numpy", "orjson", "tzdata")


@functools.cache
def versions() -> dict[str, str]:
    """Return the versions in use; mmbot's own ends in a digest of the code that decides."""
    return {
        "mmbot": f"{_version('mmbot')}+{_digest()}",
        "python": platform.python_version(),
        "machine": platform.machine(),
        **{name: _version(name) for name in _LIBRARIES},
    }


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
