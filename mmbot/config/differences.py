"""What differs between two trees of settings."""

from __future__ import annotations

import msgspec

from mmbot.config.checking import as_toml
from mmbot.config.schema import Settings
from mmbot.config.template import every_key


class Difference(msgspec.Struct, frozen=True):
    """One key, written as `table.key`, with its two values."""

    key: str
    old: object
    new: object

    def __str__(self) -> str:
        """Return both values as they are written in a file."""
        return f"{as_toml(self.old)} -> {as_toml(self.new)}"


def compared(one: Settings, other: Settings) -> tuple[Difference, ...]:
    """Return the keys whose values differ, with both, in the order of the template."""
    new = every_key(other)
    return tuple(
        Difference(key, value, new[key])
        for key, value in every_key(one).items()
        if value != new[key]
    )


def differences(one: Settings, other: Settings) -> tuple[str, ...]:
    """Return the keys whose values differ, each written as `section.key`."""
    return tuple(each.key for each in compared(one, other))
