"""Every key with its value and where that comes from: default, file, environment, command line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal, TypeAlias

import msgspec

from mmbot.config.checking import table_of
from mmbot.config.loading import LoadedConfig
from mmbot.config.problems import place
from mmbot.config.schema import Settings
from mmbot.config.template import every_key, why_and_unit

Origin: TypeAlias = Literal["default", "file", "environment", "command line"]


class Setting(msgspec.Struct, frozen=True):
    """One key as it is in force.

    Attributes:
        key: The key, written as `table.key`.
        value: Its value.
        origin: Where the value comes from.
        place: The file and line, or the variable, or the option; empty for a default.
        default: Its default.
        unit: Its unit; empty where it has none.
        why: What it is for, in a line.
    """

    key: str
    value: object
    origin: Origin
    place: str
    default: object
    unit: str
    why: str


def settings_with_origins(
    loaded: LoadedConfig,
    source: str,
    environment: Mapping[str, tuple[str, str]],
    overridden: Mapping[str, str],
) -> tuple[Setting, ...]:
    """Return every key in the order of the template.

    Args:
        loaded: The settings of a file, with what the command line overrides.
        source: The file's name.
        environment: For each key set in the environment, the variable and the value; it counts if
            the file leaves the key empty.
        overridden: For each key set on the command line, the option.
    """
    remarks = dict(_remarks(Settings, ""))
    defaults = every_key(Settings())
    found = []
    for key, value in every_key(loaded.settings).items():
        why, unit = remarks[key]
        origin: Origin = "default"
        where = ""
        in_force = value
        if key in overridden:
            origin, where = "command line", overridden[key]
        elif not value and key in environment:
            origin = "environment"
            where, in_force = environment[key]
        elif key in loaded.lines:
            origin, where = "file", place(source, loaded.lines[key])
        found.append(Setting(key, in_force, origin, where, defaults[key], unit, why))
    return tuple(found)


def _remarks(kind: type[msgspec.Struct], prefix: str) -> Iterator[tuple[str, tuple[str, str]]]:
    for field in msgspec.structs.fields(kind):
        inner = table_of(field)
        if inner is None:
            yield f"{prefix}{field.name}", why_and_unit(field)
        else:
            yield from _remarks(inner, f"{prefix}{field.name}.")
