"""Turns a tree of keys and values into settings, or lists everything that is wrong with it."""

from __future__ import annotations

import datetime as dt
import difflib
import ipaddress
import json
import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec

from mmbot.config.addresses import refuse_address
from mmbot.config.mistakes import ESCAPE_ADVICE, filled
from mmbot.config.problems import Problem
from mmbot.config.schema import CredentialSettings, Settings
from mmbot.config.values import Section
from mmbot.errors import BadInput

_Field = msgspec.structs.FieldInfo
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def check(tree: dict[str, Any]) -> tuple[Settings, list[Problem]]:
    """Return the settings of a tree, and its problems.

    The settings have defaults in place of invalid values, so use them only if there is no problem.
    """
    problems: list[Problem] = []
    settings = _section(tree, Settings, "", problems)
    wrong = {key for problem in problems for key in problem.keys}
    problems += (each for each in _contradictions(settings) if not wrong & set(each.keys))
    return settings, problems


def table_of(field: _Field) -> type[Section] | None:
    """Return the class of a field that is a table; `None` for a key."""
    kind = field.type
    return kind if isinstance(kind, type) and issubclass(kind, Section) else None


def _section(
    tree: dict[str, Any], kind: type[msgspec.Struct], prefix: str, problems: list[Problem]
) -> Any:
    fields = {field.name: field for field in msgspec.structs.fields(kind)}
    problems += (
        _unknown(name, value, fields, prefix) for name, value in tree.items() if name not in fields
    )
    values = {}
    for name, value in tree.items():
        field = fields.get(name)
        inner = None if field is None else table_of(field)
        key = f"{prefix}{name}"
        if field is None:
            continue
        if inner is not None and isinstance(value, dict):
            values[name] = _section(value, inner, f"{key}.", problems)
        elif inner is not None:
            text = f"`{key}` is a table; write [{key}] and below it its keys"
            problems.append(Problem(text, (key,)))
        else:
            _convert(value, field, key, values, problems)
    return kind(**values)


def _convert(
    value: object, field: _Field, key: str, values: dict[str, Any], problems: list[Problem]
) -> None:
    if isinstance(value, str) and _CONTROL.search(value):
        advice = filled(ESCAPE_ADVICE, key=field.name)
        problems.append(Problem(f"{key}: its text has a control character: {advice}", (key,)))
        return
    try:
        values[field.name] = msgspec.convert(value, field.type)
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at `$")
        text = _explain(what, key + where.rstrip("`"), field, value)
        problems.append(Problem(text, (key,)))


def _unknown(name: str, value: object, fields: dict[str, _Field], prefix: str) -> Problem:
    near = difflib.get_close_matches(name, fields, n=1)
    elsewhere = _elsewhere(name)
    if name in elsewhere or not near:
        advice = f"known are {', '.join(fields)}"
        if elsewhere and not isinstance(value, dict):
            advice = _belongs(elsewhere[name] if name in elsewhere else min(elsewhere.values()))
    else:
        advice = f"did you mean `{near[0]}`?"
    key = f"{prefix}{name}"
    return Problem(f"there is no key `{key}`; {advice}", (key,))


def _elsewhere(name: str) -> dict[str, str]:
    """Return the keys like `name` in all tables, each with its table; "" is the top."""
    tables: dict[str, type[msgspec.Struct]] = {"": Settings}
    tables |= {field.name: inner for field, inner in _tables()}
    known = {f.name: table for table, kind in tables.items() for f in _keys(kind)}
    return {near: known[near] for near in difflib.get_close_matches(name, known, n=1, cutoff=0.8)}


def _belongs(table: str) -> str:
    return f"it belongs below [{table}]" if table else "it belongs above the first table"


def _tables() -> Iterator[tuple[_Field, type[Section]]]:
    for field in msgspec.structs.fields(Settings):
        inner = table_of(field)
        if inner is not None:
            yield field, inner


def _keys(kind: type[msgspec.Struct]) -> Iterator[_Field]:
    return (field for field in msgspec.structs.fields(kind) if table_of(field) is None)


# msgspec's names of types, in words.
_KINDS = {
    "float": "a number",
    "int": "a whole number",
    "str": "a text",
    "bool": "true or false",
    "array": "a list",
    "object": "a table",
    "time": "a time",
    "date": "a date",
    "datetime": "a date with a time",
}


def _explain(what: str, key: str, field: _Field, value: object) -> str:
    """Return a sentence on what is wrong with a value, and what to write instead."""
    name, choices = field.name, _choices(field.type)
    if choices:
        return f"{key}: write one of {', '.join(map(as_toml, choices))}"
    if " matching regex " in what:
        what = "it is not written as such a value is"
    what = re.sub(r"`([a-z| ]+)`", lambda kinds: _in_words(kinds[1]), what)
    advice = f"write for example {name} = {as_toml(field.default)}"
    if isinstance(value, str) and (number := re.fullmatch(r"([+-]?\d+)[.,](\d+)", value)):
        advice = f"write {name} = {number[1]}.{number[2]}"
    elif isinstance(value, list) and value and all(isinstance(part, int) for part in value):
        advice += "; decimals have a point, a comma begins the next value"
    return f"{key}: {what[:1].lower()}{what[1:]}; {advice}"


def _in_words(kinds: str) -> str:
    return " or ".join(_KINDS.get(kind, kind) for kind in kinds.split(" | "))


def _choices(kind: Any) -> tuple[str, ...]:
    """Return the words that a key accepts, if it accepts only words from a list."""
    if get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    return get_args(kind) if get_origin(kind) is Literal else ()


def as_toml(value: object) -> str:
    """Return a key's value as it is written in a file."""
    return value.isoformat() if isinstance(value, dt.time) else json.dumps(value)


_PLACE = re.compile(r"(file|env|systemd|aws):[^\s]+( [^\s]+)*")
_PLACES = '"file:PATH", "env:NAME", "systemd:NAME" or "aws:SECRET"'


def _misplaced(credentials: CredentialSettings) -> Iterator[Problem]:
    """Yield problems with the place given for the API key; none repeats what is written there."""
    private, key_id = credentials.private_key, credentials.key_id
    if private and not _PLACE.fullmatch(private):
        text = f"say where the key is, never the key itself: {_PLACES}"
        yield Problem(f"credentials.private_key: {text}", ("credentials.private_key",))
    if ":" in key_id and not _PLACE.fullmatch(key_id):
        text = f"write the id itself, or where it is: {_PLACES}"
        yield Problem(f"credentials.key_id: {text}", ("credentials.key_id",))
    if private and credentials.private_key_path:
        yield Problem(
            "credentials.private_key and credentials.private_key_path both say where the key is; "
            "keep one",
            ("credentials.private_key", "credentials.private_key_path"),
        )


def _is_ip(address: str) -> bool:
    try:
        ipaddress.ip_address(address)
    except ValueError:
        return False
    return True


def _contradictions(settings: Settings) -> Iterator[Problem]:
    yield from _misplaced(settings.credentials)
    counts, quoting, limits, orders = (
        settings.counts,
        settings.quoting,
        settings.limits,
        settings.orders,
    )
    try:
        refuse_address(counts.url, "counts.url")
    except BadInput as error:
        yield Problem(str(error), ("counts.url",))
    if not _is_ip(settings.dashboard.address):
        yield Problem(
            'dashboard.address: this is not an IP address; write for example address = "127.0.0.1"',
            ("dashboard.address",),
        )
    if counts.latest_release <= counts.earliest_release:
        yield Problem(
            f"counts.latest_release ({counts.latest_release}) must be after "
            f"counts.earliest_release ({counts.earliest_release})",
            ("counts.latest_release", "counts.earliest_release"),
        )
    if quoting.contracts > limits.contracts_per_market:
        yield Problem(
            f"quoting.contracts ({quoting.contracts}) is above limits.contracts_per_market "
            f"({limits.contracts_per_market}); lower one or raise the other",
            ("quoting.contracts", "limits.contracts_per_market"),
        )
    if quoting.contracts >= limits.contracts_per_15_seconds:
        yield Problem(
            f"limits.contracts_per_15_seconds ({limits.contracts_per_15_seconds}) must be above "
            f"quoting.contracts ({quoting.contracts}), or the first full fill would take every "
            "quote off",
            ("limits.contracts_per_15_seconds", "quoting.contracts"),
        )
    if orders.lifetime_seconds < 2 * orders.answer_timeout_seconds:
        yield Problem(
            f"orders.lifetime_seconds ({orders.lifetime_seconds}) must be at least twice "
            f"orders.answer_timeout_seconds ({orders.answer_timeout_seconds}), or an order could "
            "run out while its renewal is under way",
            ("orders.lifetime_seconds", "orders.answer_timeout_seconds"),
        )
