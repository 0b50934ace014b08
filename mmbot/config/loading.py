"""Reads settings from a TOML file, and refuses it unless every key makes sense.

Unknown keys, values out of range and contradictory combinations raise `BadInput` with the file, the
key and what to write instead. No key is ignored and no value is guessed.
"""

from __future__ import annotations

import datetime as dt
import difflib
import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import msgspec

from mmbot.config.addresses import refuse_address
from mmbot.config.schema import Settings
from mmbot.config.values import Section
from mmbot.errors import BadInput


def load(path: Path) -> Settings:
    """Read the settings from a file.

    Raises:
        BadInput: It cannot be read, or its content is invalid.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"cannot read the config file {path}: {error}") from None
    return parse(text, str(path))


def parse(text: str, source: str) -> Settings:
    """Read the settings from TOML text; `source` names it in errors.

    Raises:
        BadInput: It is not TOML, or a key or value is invalid.
    """
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadInput(f"{source} is not valid TOML: {error}") from None
    return _checked(tree, source)


def changed(settings: Settings, changes: Mapping[str, object], source: str) -> Settings:
    """Return the settings with other values for some keys, each written as `section.key`.

    Raises:
        BadInput: There is no such key, or its value is invalid; `source` names the origin.
    """
    tree = msgspec.to_builtins(settings, builtin_types=(dt.time,))
    for key, value in changes.items():
        section, _, name = key.rpartition(".")
        holder = tree.setdefault(section, {}) if section else tree
        if not isinstance(holder, dict):
            raise BadInput(f"{source}: there is no table `{section}`")
        holder[name] = value
    return _checked(tree, source)


def _checked(tree: dict[str, Any], source: str) -> Settings:
    _refuse_unknown_keys(tree, Settings, source)
    try:
        settings = msgspec.convert(tree, Settings)
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at `$.")
        raise BadInput(f"{source}: {_explain(what, where.rstrip('`'))}") from None
    _refuse_contradictions(settings, source)
    return settings


def _refuse_unknown_keys(
    tree: dict[str, Any], section: type[msgspec.Struct], source: str, prefix: str = ""
) -> None:
    kinds = {field.name: field.type for field in msgspec.structs.fields(section)}
    for key, value in tree.items():
        if key not in kinds:
            near = difflib.get_close_matches(key, kinds, n=1)
            advice = f"did you mean `{near[0]}`?" if near else f"known are {', '.join(kinds)}"
            raise BadInput(f"{source}: there is no key `{prefix}{key}`; {advice}")
        kind = kinds[key]
        if isinstance(value, dict) and isinstance(kind, type) and issubclass(kind, Section):
            _refuse_unknown_keys(value, kind, source, f"{prefix}{key}.")


def _explain(what: str, key: str) -> str:
    """Return a sentence on what is wrong with the value of `key`, and what to write instead."""
    *sections, name = key.partition("[")[0].split(".")
    holder: type[msgspec.Struct] = Settings
    for section in sections:
        holder = type(getattr(holder(), section))
    field = next(field for field in msgspec.structs.fields(holder) if field.name == name)
    if isinstance(field.default, Section):
        return f"`{key}` is a table; write [{key}] and below it its keys"
    choices = get_args(field.type)
    if isinstance(field.default, str) and field.default in choices:
        return f"{key}: write one of {', '.join(map(_toml, choices))}"
    return f"{key}: {what[:1].lower()}{what[1:]}; write for example {name} = {_toml(field.default)}"


def _toml(value: object) -> str:
    return value.isoformat() if isinstance(value, dt.time) else json.dumps(value)


def _refuse_contradictions(settings: Settings, source: str) -> None:
    refuse_address(settings.counts.url, f"{source}: counts.url")
    if settings.counts.latest_release <= settings.counts.earliest_release:
        raise BadInput(
            f"{source}: counts.latest_release ({settings.counts.latest_release}) must be after "
            f"counts.earliest_release ({settings.counts.earliest_release})"
        )
    if settings.quoting.contracts > settings.limits.contracts_per_market:
        raise BadInput(
            f"{source}: quoting.contracts ({settings.quoting.contracts}) is above "
            f"limits.contracts_per_market ({settings.limits.contracts_per_market}); lower one or "
            "raise the other"
        )
    if settings.quoting.contracts >= settings.limits.contracts_per_15_seconds:
        raise BadInput(
            f"{source}: limits.contracts_per_15_seconds "
            f"({settings.limits.contracts_per_15_seconds}) must be above quoting.contracts "
            f"({settings.quoting.contracts}), or the first full fill would take every quote off"
        )
    if settings.orders.lifetime_seconds < 2 * settings.orders.answer_timeout_seconds:
        raise BadInput(
            f"{source}: orders.lifetime_seconds ({settings.orders.lifetime_seconds}) must be at "
            f"least twice orders.answer_timeout_seconds ({settings.orders.answer_timeout_seconds}),"
            " or an order could run out while its renewal is under way"
        )
