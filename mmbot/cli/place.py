"""The place of a daemon: its venue, state directory and account address; and requests to it.

With few imports, as every command that talks to a daemon waits for them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypeVar

import msgspec

from mmbot import config
from mmbot.cli.whereabouts import Whereabouts, locate
from mmbot.daemon import control_client
from mmbot.daemon.account_lock import address_of
from mmbot.daemon.credentials import find_signer
from mmbot.daemon.endpoints import Venue, read_venue, real_venue
from mmbot.daemon_api import Answer, Request
from mmbot.errors import BadInput, NotReady
from mmbot.kalshi.auth import Signer

_AnswerT = TypeVar("_AnswerT")


class DaemonPlace(msgspec.Struct, frozen=True):
    """Where a daemon is looked for: at its account's address, if the key is known, then here."""

    found: Whereabouts
    directory: Path
    venue: Venue
    signer: Signer | None
    account: str | None

    @property
    def settings(self) -> config.Settings:
        """The settings of the config by which it was found."""
        return self.found.settings


def find(
    config_path: Path | None,
    venue_path: Path | None,
    changes: Iterable[str] | None = None,
    *,
    lenient: bool = False,
) -> DaemonPlace:
    """Return where the daemon with this config is looked for; see `whereabouts.locate`."""
    found = locate(config_path, changes, lenient=lenient)
    settings = found.settings
    venue = choose_venue(settings, venue_path, live=settings.mode == "live")
    try:
        signer = find_signer(settings.credentials, venue, found.environment)
    except (BadInput, NotReady):
        signer = None
    account = None if signer is None else address_of(settings, venue, signer.key_id)
    directory = state_directory(settings, found.environment, simulated=venue_path is not None)
    return DaemonPlace(found, directory, venue, signer, account)


def ask(place: DaemonPlace, request: Request) -> Answer:
    """Send a request to the daemon and return its answer; see `control_client.ask`."""
    try:
        return control_client.ask(place.directory, request, place.account)
    except control_client.NotRunning as error:
        raise control_client.NotRunning(f"{error} (the config is {place.found})") from None


def expect(kind: type[_AnswerT], answer: Answer) -> _AnswerT:
    """Return an answer of the expected kind.

    Raises:
        BadInput: It is of another kind.
    """
    if not isinstance(answer, kind):
        raise BadInput("the daemon's answer is not the expected one; is it of another version?")
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

    A simulated exchange has a ledger of its own, because its counts and fills are not real. So has
    a daemon that only records, because it may run beside one that trades, and every underlying but
    TSA's, because a ledger stores the counts.
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
    if settings.underlying != config.UnderlyingSettings():
        directory /= settings.underlying.name
    return directory / "simulated" if simulated else directory
