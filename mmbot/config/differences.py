"""What differs between two trees of settings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from mmbot.config.schema import Settings


def differences(one: Settings, other: Settings) -> tuple[str, ...]:
    """Return the keys whose values differ, each written as `section.key`."""
    return tuple(_differences(msgspec.to_builtins(one), msgspec.to_builtins(other), ""))


def _differences(one: dict[str, Any], other: dict[str, Any], prefix: str) -> Iterator[str]:
    for name, value in one.items():
        if isinstance(value, dict):
            yield from _differences(value, other[name], f"{prefix}{name}.")
        elif value != other[name]:
            yield f"{prefix}{name}"
