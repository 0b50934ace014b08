"""The commands, thin: each reads its input, calls the package that does the work, prints.

A command's module is imported only when that command is named, or listed by `--help`, so that a
status or a halt does not wait for the imports of other commands.
"""

from __future__ import annotations

import errno
import importlib
import os
import signal
import sys
from collections.abc import Iterator, MutableMapping
from typing import Annotated, Any, NoReturn, cast

import typer
from typer.core import TyperGroup

from mmbot.cli.output import never_refuse_a_character
from mmbot.errors import BadInput, ExitCode, NotReady

# The module of each command; its function, or its group of commands, has the command's name.
_PANELS: dict[str, dict[str, str]] = {
    "Try out": {"demo": "demo", "exchange": "exchange", "simulate": "simulate"},
    "Set up": {"init": "init", "config": "config"},
    "Trade": {
        "check": "check",
        "run": "run",
        "cancel-all": "cancel_all",
        "install-service": "install_service",
        "backup": "backup",
        "restore": "backup",
    },
    "Watch and control the running daemon": {
        "status": "status",
        "dashboard": "dashboard",
        "positions": "glance",
        "pnl": "glance",
        "orders": "glance",
        "fills": "glance",
        "tail": "tail",
        "halt": "halt",
        "resume": "halt",
        "pause": "pause",
        "unpause": "pause",
        "explain": "explain",
        "plan": "plan",
        "reload": "plan",
        "counts": "counts",
        "alerts": "alerts",
        "metrics": "metrics",
    },
    "Research": {
        "markets": "markets",
        "record": "record",
        "report": "report",
        "replay": "replay",
        "forecast": "forecast",
        "evaluate": "evaluate",
        "backtest": "backtest",
        "sweep": "sweep",
        "bench": "bench",
        "history": "history",
    },
}

# Below every command's help; a command that uses its codes more specifically says so itself.
_EXIT_CODES = (
    "Exit codes of every command: 0 done; 1 what was compared or checked is wrong; 2 unusable "
    "input (option, file, config or key); 3 not ready: no daemon or exchange answers, or a check "
    "failed; 4 not known whether an order is left or what a daemon did, or the output could not be "
    "written; 5 a part of the daemon failed; 141 the reader of the output was gone."
)


class _Commands(MutableMapping[str, Any]):
    """Every command by its name, each created when it is looked up."""

    def __init__(self) -> None:
        self._places = {
            name: (panel, module)
            for panel, modules in _PANELS.items()
            for name, module in modules.items()
        }
        self._made: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._made:
            panel, module = self._places[name]
            self._made[name] = _command(name, panel, module)
        return self._made[name]

    def __setitem__(self, name: str, command: Any) -> None:
        self._made[name] = command

    def __delitem__(self, name: str) -> None:
        del self._places[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


def _command(name: str, panel: str, module: str) -> Any:
    made = getattr(importlib.import_module(f"mmbot.cli.{module}"), name.replace("-", "_"))
    holder = typer.Typer(add_completion=False)
    holder.callback()(lambda: None)
    if isinstance(made, typer.Typer):
        holder.add_typer(made, name=name, rich_help_panel=panel)
    else:
        holder.command(name, rich_help_panel=panel)(made)
    command = cast("TyperGroup", typer.main.get_command(holder)).commands[name]
    for each in (command, *getattr(command, "commands", {}).values()):
        each.epilog = _EXIT_CODES
        each.help = _flowing(each.help or "")
    return command


def _flowing(text: str) -> str:
    """Return a help text as wide as the terminal, except examples and what a backspace marks."""
    return "\n\n".join(
        paragraph
        if "\b" in paragraph or paragraph.startswith("Example")
        else " ".join(paragraph.split())
        for paragraph in text.split("\n\n")
    )


class _Group(TyperGroup):
    """All commands."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = _Commands()


app = typer.Typer(
    name="mmbot",
    cls=_Group,
    help="Make markets in Kalshi's weekly TSA passenger events.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(asked: bool) -> None:
    if asked:
        # Imported only here, because it reads the commit from disk.
        from mmbot.versions import version_line  # noqa: PLC0415

        typer.echo(version_line())
        raise typer.Exit


@app.callback()
def common(
    _version: Annotated[
        bool,
        typer.Option(
            "--version",
            help="Show the version and the commit.",
            is_eager=True,
            callback=_show_version,
        ),
    ] = False,
) -> None:
    """Make markets in Kalshi's weekly TSA passenger events."""


# The exit code that a shell gives to a program that SIGPIPE ended.
_UNREAD = 128 + signal.SIGPIPE
_UNWRITTEN = {errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EIO}


def main() -> None:
    """Run the command line; errors that the user can fix are one sentence and an exit code."""
    never_refuse_a_character()
    try:
        try:
            app(_with_path(sys.argv[1:]))
        finally:
            sys.stdout.flush()
    except (BadInput, NotReady) as error:
        print(f"mmbot: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except (OSError, SystemExit) as end:
        # If the reader is gone, Typer exits with 1, which would read as the result of a check.
        failure = end.__context__ if isinstance(end, SystemExit) else end
        if isinstance(failure, OSError) and failure.errno in _UNWRITTEN and not failure.filename:
            _end_unwritten(failure)
        raise


def _end_unwritten(failure: OSError) -> NoReturn:
    """Exit after standard output failed: the work is done, but not reported."""
    # Python flushes once more when it exits.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if isinstance(failure, BrokenPipeError):
        sys.exit(_UNREAD)
    print(f"mmbot: the output could not be written: {failure.strerror}", file=sys.stderr)
    sys.exit(ExitCode.NOT_KNOWN)


def _with_path(arguments: list[str]) -> list[str]:
    """Return the arguments, with `-` added to a `mmbot bench --json` that names no file."""
    if arguments[:1] != ["bench"]:
        return arguments
    named = []
    for argument, following in zip(arguments, [*arguments[1:], "--"], strict=True):
        named.append(argument)
        if argument == "--json" and following.startswith("--"):
            named.append("-")
    return named
