"""`mmbot config`: the values in force and their origin, differences, and every key."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated, Any, get_args

import msgspec
import typer
from rich import box
from rich.table import Table
from rich.text import Text

from mmbot import config as room
from mmbot.cli import output
from mmbot.cli.daemon_options import AsJson, Changes, DaemonConfig
from mmbot.cli.output import print_json, write_new
from mmbot.cli.whereabouts import Whereabouts, locate
from mmbot.config.checking import as_toml
from mmbot.errors import BadInput

config = typer.Typer(
    help="The settings: values in force and where they come from, differences, every key.",
    no_args_is_help=True,
)
_DEFAULTS = "defaults"
_MODES: dict[str, room.Mode] = {mode: mode for mode in get_args(room.Mode)}


@config.command()
def show(
    config_path: DaemonConfig = None,
    changes: Changes = None,
    changed: Annotated[
        bool, typer.Option("--changed", help="Show only values that are not the default.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show every key with its value and where the value comes from.

    A value comes from the command line (--set), else from the file, else from
    the environment (MMBOT_KEY_ID, MMBOT_PRIVATE_KEY_PATH, STATE_DIRECTORY and
    what systemd loads), else it is the default. The key itself is never shown.

    Exit codes: 0 shown, 2 there is no config, or it is invalid.
    """
    place = locate(config_path, changes)
    rows = room.settings_with_origins(
        place.loaded,
        str(place.path),
        _from_environment(place),
        dict.fromkeys(place.overrides, "--set"),
    )
    if changed:
        rows = tuple(row for row in rows if row.origin != "default" and row.value != row.default)
    if as_json:
        named = {"config": str(place.path), "named_by": place.named_by}
        print_json({**named, "settings": msgspec.to_builtins(rows)})
        return
    console = output.console()
    console.print(f"The config is {place}.", markup=False, highlight=False, soft_wrap=True)
    if not rows:
        console.print("Every key has its default.")
        return
    table = _table("key", "value", "from")
    for row in rows:
        style = "" if row.origin == "default" else "bold"
        table.add_row(row.key, Text(as_toml(row.value), style), _origin(row, str(place.path)))
    console.print(table)


def _origin(row: room.Setting, path: str) -> str:
    if row.origin == "file":
        return f"line {row.place.removeprefix(path).lstrip(':')}"
    return row.place or row.origin


def _from_environment(place: Whereabouts) -> dict[str, tuple[str, str]]:
    """Return the keys that the environment sets, each with its variable and its value."""
    found = {
        "credentials.key_id": "MMBOT_KEY_ID",
        "credentials.private_key_path": "MMBOT_PRIVATE_KEY_PATH",
        "state.directory": "STATE_DIRECTORY",
    }
    values = {key: (name, place.environment.get(name, "")) for key, name in found.items()}
    loaded = place.environment.get("CREDENTIALS_DIRECTORY")
    if loaded:
        for key, name in {"key_id": "key_id", "private_key_path": "private_key"}.items():
            file = Path(loaded) / name
            if file.is_file() and not values[f"credentials.{key}"][1]:
                values[f"credentials.{key}"] = ("CREDENTIALS_DIRECTORY", str(file))
    if (
        place.environment.get("MMBOT_PRIVATE_KEY")
        and not place.settings.credentials.private_key_path
    ):
        # The variable contains the private key itself.
        values["credentials.private_key"] = ("MMBOT_PRIVATE_KEY", "env:MMBOT_PRIVATE_KEY")
    return {key: each for key, each in values.items() if each[1]}


@config.command()
def diff(
    one: Annotated[str, typer.Argument(metavar="A", help="A config file, or the word defaults.")],
    other: Annotated[
        str | None,
        typer.Argument(
            metavar="[B]", help="Another; unless given, A is compared with the daemon's config."
        ),
    ] = None,
    config_path: DaemonConfig = None,
    as_json: AsJson = False,
) -> None:
    """Show the keys in which two configs differ: what A has, then what B has.

    With A alone: what the daemon's config has (--config, else MMBOT_CONFIG, else
    the service's), then what A has, that is, what A would change. The last column
    says whether a daemon applies the change while it trades, or at a restart.

    Exit codes: 0 compared, 2 a file is invalid.
    """
    if other is None:
        place = locate(config_path)
        before, after, names = place.settings, _named(one), (str(place.path), one)
    else:
        before, after, names = _named(one), _named(other), (one, other)
    found = room.compared(before, after)
    if as_json:
        rows = [msgspec.to_builtins(each) | {"live": room.is_live(each)} for each in found]
        print_json({"from": names[0], "to": names[1], "differences": rows})
        return
    if not found:
        print(f"{names[0]} and {names[1]} have the same settings.")
        return
    table = _table("key", Path(names[0]).name, Path(names[1]).name, "taken")
    for each in found:
        taken = "at once" if room.is_live(each) else "at a restart"
        table.add_row(each.key, as_toml(each.old), Text(as_toml(each.new), "bold"), taken)
    output.console().print(table)


def _named(name: str) -> room.Settings:
    return room.Settings() if name == _DEFAULTS else room.load(Path(name))


@config.command()
def schema(as_json: AsJson = False) -> None:  # noqa: ARG001 (it is JSON either way)
    """Print the JSON schema of the config file, for editors and programs.

    Every key has its type, bounds, default, `description` and, as `x-unit`, its unit.
    """
    tree = msgspec.json.schema(room.Settings)
    tree = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "mmbot", **tree}
    print(msgspec.json.format(msgspec.json.encode(tree), indent=2).decode())


@config.command()
def template(
    mode: Annotated[
        str, typer.Option(help="Include the values of this mode: paper, demo or live.")
    ] = "",
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Write it to this file, readable by its owner only."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Print a config file of every key: default, unit and reason, all commented out.

    `mmbot init` asks for what a config needs, and writes one.

    Exit codes: 0 printed or written, 2 the file exists or cannot be written.
    """
    values = _of_mode(mode) if mode else {}
    if as_json:
        loaded = room.LoadedConfig(room.Settings(), {})
        rows = room.settings_with_origins(loaded, "", {}, {})
        print_json(
            [
                {"key": r.key, "default": _plain(r.default), "unit": r.unit, "why": r.why}
                for r in rows
            ]
        )
        return
    text = room.template(values)
    if output is None:
        print(text, end="")
        return
    write_new(output, text.encode())
    print(f"{output} is written.")


def _of_mode(mode: str) -> dict[str, object]:
    if mode not in _MODES:
        raise BadInput(f"there is no mode {mode[:40]!r}; write one of {', '.join(_MODES)}")
    return room.values_of(room.load_with_lines(room.shipped(_MODES[mode])))


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, dt.time) else value


def _table(*columns: str) -> Table:
    table = Table(*columns, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.columns[0].no_wrap = True
    for column in table.columns[1:]:
        column.overflow = "fold"
    return table
