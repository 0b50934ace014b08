"""`mmbot init`: asks for what a config needs, and writes one."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, TypeAlias, get_args

import msgspec
import typer

from mmbot import config
from mmbot.cli.daemon_options import AsJson, Changes
from mmbot.cli.output import print_json, write_new
from mmbot.daemon.credentials import read_private_file
from mmbot.daemon.installation import CONFIG
from mmbot.errors import BadInput
from mmbot.kalshi.auth import read_private_key
from mmbot.underlyings.registry import known

_REMARK = """\
Written by `mmbot init`. Keys that are commented out have their defaults; remove the # to set one.
`mmbot config show` prints every value in force and where it comes from."""
_MODES: dict[str, config.Mode] = {mode: mode for mode in get_args(config.Mode)}


class _Question(msgspec.Struct, frozen=True):
    """A question: its key, its text, and the value of its option, if that was given."""

    key: str
    text: str
    given: str | None


class _Answers:
    """The settings from the answers so far."""

    def __init__(self, mode: config.Mode, ask: Callable[[str, str], str] | None) -> None:
        loaded = config.load_with_lines(config.shipped(mode))
        self.settings = loaded.settings
        self.values = config.values_of(loaded)
        self._ask = ask

    def put(self, values: dict[str, object], given_by: str) -> None:
        """Take values; raise `BadInput`, saying what gave them, if they are invalid."""
        self.settings = config.changed(self.settings, values, given_by)
        every = config.every_key(self.settings)
        self.values |= {key: every[key] for key in values}

    def answer(self, question: _Question) -> None:
        """Take the value of the option, or ask until an answer is valid.

        Without a terminal the mode's value stays.
        """
        if question.given is not None:
            self._put_text(question.key, question.given, "the options")
            return
        while self._ask is not None:
            before = config.every_key(self.settings)[question.key]
            text = self._ask(question.text, str(before))
            if text == str(before):
                return
            try:
                self._put_text(question.key, text, "the answer")
            except BadInput as error:
                typer.echo(str(error), err=True)
            else:
                return

    def _put_text(self, key: str, text: str, given_by: str) -> None:
        if key == "credentials.private_key_path" and text:
            text = str(_usable_key(Path(text)))
        if key.startswith("credentials."):
            self.put({key: text}, given_by)
            return
        _, value = config.parse_change(f"{key}={text}")
        values = {key: value}
        if key == "limits.contracts_per_market" and isinstance(value, int):
            # A quote is never larger than the position that it may open.
            values["quoting.contracts"] = min(self.settings.quoting.contracts, max(1, value))
        self.put(values, given_by)


_File: TypeAlias = Annotated[
    Path | None,
    typer.Argument(
        metavar="[FILE]",
        help="The file to write; else the one that MMBOT_CONFIG names, else "
        "/etc/mmbot/config.toml as root and mmbot.toml here as anyone else.",
        show_default=False,
    ),
]
_KeyPath: TypeAlias = Annotated[
    str | None, typer.Option(help="The API key's PEM file, readable by its owner only.")
]
_Margin: TypeAlias = Annotated[
    str | None,
    typer.Option(help="quoting.margin: how far a bid stays below fair value, as a share of it."),
]
_ContractsPerMarket: TypeAlias = Annotated[
    str | None, typer.Option(help="The largest position in a market.")
]
_EventLossDollars: TypeAlias = Annotated[
    str | None, typer.Option(help="The most that one week may lose.")
]
_DailyLossDollars: TypeAlias = Annotated[
    str | None, typer.Option(help="The loss of a day after which no position may grow.")
]


def init(
    path: _File = None,
    mode: Annotated[str | None, typer.Option(help="paper, demo or live.")] = None,
    key_id: Annotated[str | None, typer.Option(help="The API key's id.")] = None,
    key_path: _KeyPath = None,
    margin: _Margin = None,
    contracts_per_market: _ContractsPerMarket = None,
    event_loss_dollars: _EventLossDollars = None,
    daily_loss_dollars: _DailyLossDollars = None,
    changes: Changes = None,
    as_json: AsJson = False,
) -> None:
    """Ask for what a config needs, and write one that works, readable by its owner only.

    An option that is given is not asked for. If standard input is not a terminal,
    nothing is asked: the mode is paper unless given, and every other value is the
    mode's (`mmbot config template --mode MODE`). An existing file is never
    overwritten.

    Example:
    mmbot init demo.toml --mode demo --key-id ID --key-path key.pem

    Exit codes: 0 written, 2 an answer is invalid, or the file exists.
    """
    target = _target(path)
    if os.path.lexists(target):
        raise BadInput(f"{target} exists and is not overwritten; name another file")
    ask = _prompt if sys.stdin.isatty() and not as_json else None
    answers = _Answers(_choose_mode(mode, ask), ask)
    questions = (
        _Question("credentials.key_id", "API key id (empty: from the environment)", key_id),
        _Question("credentials.private_key_path", "its PEM file (empty: likewise)", key_path),
        _Question("quoting.margin", "margin, a share of fair value", margin),
        _Question(
            "limits.contracts_per_market", "largest position in a market", contracts_per_market
        ),
        _Question("limits.event_loss_dollars", "most that a week may lose", event_loss_dollars),
        _Question("limits.daily_loss_dollars", "most that a day may cost", daily_loss_dollars),
    )
    for question in questions:
        answers.answer(question)
    answers.put(dict(map(config.parse_change, changes or ())), "--set")
    known(answers.settings)
    text = config.template(answers.values, _REMARK)
    config.parse(text, str(target))
    write_new(target, text.encode())
    _tell(target, answers, as_json=as_json)


def _target(path: Path | None) -> Path:
    if path is not None:
        return path
    if named := os.environ.get("MMBOT_CONFIG"):
        return Path(named)
    return CONFIG if os.geteuid() == 0 else Path("mmbot.toml")


def _choose_mode(given: str | None, ask: Callable[[str, str], str] | None) -> config.Mode:
    while True:
        mode = given
        if mode is None:
            mode = "paper" if ask is None else ask("mode: paper, demo or live", "paper")
        if mode in _MODES:
            return _MODES[mode]
        sentence = f"there is no mode {mode[:40]!r}; write one of {', '.join(_MODES)}"
        if given is not None or ask is None:
            raise BadInput(sentence)
        typer.echo(sentence, err=True)


def _prompt(text: str, default: str) -> str:
    answer: str = typer.prompt(text, default=default, show_default=bool(default), err=True)
    return answer.strip()


def _usable_key(path: Path) -> Path:
    """Return the absolute path of a key's file; raise `BadInput` if it is unusable."""
    whole = path.expanduser().absolute()
    read_private_key(read_private_file(whole))
    return whole


def _tell(target: Path, answers: _Answers, *, as_json: bool) -> None:
    mode = answers.settings.mode
    if as_json:
        print_json({"config": str(target), "mode": mode, "set": sorted(answers.values)})
        return
    named = "" if target == CONFIG else f" --config {target}"
    print(
        f"{target} is written, for mode {mode}; every other key is in it, commented out, with its "
        "default and the reason."
    )
    for line in _next(named, " --live" if mode == "live" else ""):
        print(line)


def _next(named: str, live: str) -> Iterable[str]:
    yield f"Check that all is ready:  mmbot check{named}"
    yield f"Then run it:              mmbot run{named}{live}"
