"""Makes a config file of every key, with default, unit and one line of why, from the schema."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, get_args, get_origin

import msgspec

from mmbot.config.checking import as_toml, table_of
from mmbot.config.loading import LoadedConfig
from mmbot.config.schema import Settings

_TOP = """\
Every key of mmbot with its default, its unit and its purpose. As it is, this file changes nothing;
remove the # before a key to set it. An unknown key is refused, so that a misspelling is noticed.
`mmbot config show --config FILE` prints every value in force and where it comes from."""
_WIDTH = 100


def template(values: Mapping[str, object] | None = None, remark: str = _TOP) -> str:
    """Return a TOML file of all keys, those in `values` set and all others commented out.

    Args:
        values: Values by `table.key`.
        remark: The comment at the top of the file.
    """
    lines = [*_wrapped(remark), "", *_table(Settings, "", values or {})]
    return "\n".join(lines).rstrip("\n") + "\n"


def every_key(settings: Settings) -> dict[str, object]:
    """Return the value of each key, written as `table.key`, in the order of the template."""
    return dict(_values(settings, ""))


def values_of(loaded: LoadedConfig) -> dict[str, object]:
    """Return the values of the keys that a file names."""
    return {key: each for key, each in every_key(loaded.settings).items() if key in loaded.lines}


def _values(holder: msgspec.Struct, prefix: str) -> Iterator[tuple[str, object]]:
    for field in msgspec.structs.fields(holder):
        value = getattr(holder, field.name)
        if table_of(field) is None:
            yield f"{prefix}{field.name}", value
        else:
            yield from _values(value, f"{prefix}{field.name}.")


def _table(kind: type[msgspec.Struct], name: str, values: Mapping[str, object]) -> Iterator[str]:
    prefix = f"{name}." if name else ""
    fields = msgspec.structs.fields(kind)
    if name:
        about = (kind.__doc__ or "").split("\n")[0].partition(": ")[2]
        yield from (*_wrapped(about[:1].upper() + about[1:]), f"[{name}]")
    for field in fields:
        if table_of(field) is None:
            key = f"{prefix}{field.name}"
            yield from _wrapped(remark_of(field))
            if key in values:
                yield f"{field.name} = {as_toml(values[key])}"
            else:
                yield f"#{field.name} = {as_toml(field.default)}"
    yield ""
    for field in fields:
        inner = table_of(field)
        if inner is not None:
            yield from _table(inner, f"{prefix}{field.name}", values)


def remark_of(field: msgspec.structs.FieldInfo) -> str:
    """Return a key's line of why, and its unit."""
    why, unit = why_and_unit(field)
    return f"{why} [{unit}]" if unit else why


def why_and_unit(field: msgspec.structs.FieldInfo) -> tuple[str, str]:
    """Return a key's line of why and its unit, each empty where there is none."""
    metas = _metas(field.type)
    why = next((meta.description for meta in metas if meta.description), "")
    units = (meta.extra_json_schema or {} for meta in metas)
    return why, next((str(unit["x-unit"]) for unit in units if "x-unit" in unit), "")


def _metas(kind: Any) -> list[msgspec.Meta]:
    if get_origin(kind) is not Annotated:
        return []
    return [each for each in get_args(kind)[1:] if isinstance(each, msgspec.Meta)]


def _wrapped(text: str) -> list[str]:
    wrapped = textwrap.wrap(text, _WIDTH - 2, break_on_hyphens=False, break_long_words=False)
    return [f"# {line}" for line in wrapped]
