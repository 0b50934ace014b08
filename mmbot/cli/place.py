"""Where a daemon is: its venue, its state directory, its account's address; and how it is asked.

Light on imports, as every command that asks a daemon waits for them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import msgspec

from mmbot import config
from mmbot.daemon import control_client
from mmbot.daemon.account_lock import address_of
from mmbot.daemon.credentials import find_signer
from mmbot.daemon.endpoints import Venue, read_venue, real_venue
from mmbot.daemon_api import Answer, Request
from mmbot.errors import BadInput
from mmbot.kalshi.auth import Signer

_AnswerT = TypeVar("_AnswerT")


class Place(msgspec.Struct, frozen=True):
    """Where a daemon is looked for: at the account's address, if the key is known, then here."""

    directory: Path
    venue: Venue
    signer: Signer | None
    account: str | None


def find(settings: config.Settings, venue_path: Path | None) -> Place:
    """Return where the daemon with these settings is looked for."""
    venue = choose_venue(settings, venue_path, live=settings.mode == "live")
    try:
        signer = find_signer(settings.credentials, venue, os.environ)
    except BadInput:
        signer = None
    account = None if signer is None else address_of(settings, venue, signer.key_id)
    directory = state_directory(settings, os.environ, simulated=venue_path is not None)
    return Place(directory, venue, signer, account)


def ask(place: Place, request: Request) -> Answer:
    """Send a request to the daemon and return its answer; see `control_client.ask`."""
    return control_client.ask(place.directory, request, place.account)


def expect(kind: type[_AnswerT], answer: Answer) -> _AnswerT:
    """Return an answer of the kind that was asked for.

    Raises:
        BadInput: It is of another.
    """
    if not isinstance(answer, kind):
        raise BadInput("the daemon answered something else; is it of another version?")
    return answer


def choose_venue(settings: config.Settings, path: Path | None, *, live: bool) -> Venue:
    """Return the venue to trade at; raise `BadInput` if it contradicts the mode."""
    if live != (settings.mode == "live"):
        raise BadInput(
            'real money needs both `mode = "live"` in the config and --live on the command '
            f"line; the config says {settings.mode!r} and --live is {'' if live else 'not '}given"
        )
    if path is None:
        return real_venue(settings)
    if settings.mode == "live":
        raise BadInput("--venue is refused in live mode: it could lead real orders anywhere")
    return read_venue(path)


def state_directory(
    settings: config.Settings,
    environment: Mapping[str, str],
    *,
    simulated: bool,
    only_records: bool = False,
) -> Path:
    """Return the ledger's directory: the config's, systemd's, or one in the user's home.

    A simulated exchange has a ledger of its own: its counts and fills are not real. So has a
    daemon that only records, which may run beside one that trades.
    """
    mode = "record" if only_records else settings.mode
    if settings.state.directory:
        directory = Path(settings.state.directory).expanduser()
        directory = directory / mode if only_records else directory
    elif "STATE_DIRECTORY" in environment:
        directory = Path(environment["STATE_DIRECTORY"]) / mode
    else:
        home = environment.get("XDG_STATE_HOME") or Path.home() / ".local/state"
        directory = Path(home) / "mmbot" / mode
    return directory / "simulated" if simulated else directory
