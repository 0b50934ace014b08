"""Finds the API key, which is never in the config file, in an argument or in a log.

The table `[credentials]` says where each of its two parts is: `file:PATH`, `env:NAME` (a variable
of the environment), `systemd:NAME` (a credential that the unit loads) or `aws:SECRET` (a secret of
AWS Secrets Manager). If the table is empty, the key's id comes from the variable `MMBOT_KEY_ID` or
the systemd credential `key_id`, and the private key from the file that `MMBOT_PRIVATE_KEY_PATH`
names, from the variable `MMBOT_PRIVATE_KEY`, or from the systemd credential `private_key`. Such a
file must be readable by its owner only. No message contains any part of the key.
"""

from __future__ import annotations

import stat
from collections.abc import Callable, Mapping
from pathlib import Path

from mmbot.config import CredentialSettings
from mmbot.daemon.aws_secrets import AwsSecrets
from mmbot.daemon.endpoints import Venue
from mmbot.daemon.private_files import forbid_core_dumps
from mmbot.errors import BadInput
from mmbot.kalshi.auth import Signer, read_private_key
from mmbot.texts import shown


def find_signer(
    settings: CredentialSettings, venue: Venue, environment: Mapping[str, str]
) -> Signer:
    """Return a signer for the account.

    From then on this process leaves no core dump.

    Raises:
        BadInput: The key id or the private key is missing, or others may read the key.
        Unavailable: They are in AWS, which cannot be reached now.
    """
    forbid_core_dumps()
    places = _Places(environment, AwsSecrets(settings.aws_region))
    key_id = venue.key_id or _key_id(settings, environment, places)
    if not (key_id.isascii() and key_id.isprintable()):
        raise BadInput(
            f"the API key id {shown(key_id)} is invalid: it may only have plain characters"
        )
    if venue.private_key_path:
        pem = read_private_file(Path(venue.private_key_path))
    else:
        pem = _private_key(settings, environment, places)
    return Signer(key_id, read_private_key(pem))


def _key_id(settings: CredentialSettings, environment: Mapping[str, str], places: _Places) -> str:
    if ":" in settings.key_id:
        found = places.read("credentials.key_id", settings.key_id, "key_id")
        key_id = found.decode(errors="replace").strip()
    else:
        key_id = settings.key_id or environment.get("MMBOT_KEY_ID", "") or places.loaded("key_id")
    if not key_id:
        raise BadInput(
            "there is no API key id; set credentials.key_id in the config or MMBOT_KEY_ID in the "
            "environment"
        )
    return key_id


def _private_key(
    settings: CredentialSettings, environment: Mapping[str, str], places: _Places
) -> bytes:
    if settings.private_key:
        return places.read("credentials.private_key", settings.private_key, "private_key")
    named = settings.private_key_path or environment.get("MMBOT_PRIVATE_KEY_PATH", "")
    if named:
        return read_private_file(Path(named).expanduser())
    pem = environment.get("MMBOT_PRIVATE_KEY", "") or places.loaded("private_key")
    if pem:
        return pem.encode()
    raise BadInput(
        "there is no private key; set credentials.private_key_path in the config or "
        "MMBOT_PRIVATE_KEY_PATH in the environment to the PEM file that the exchange gave you"
    )


class _Places:
    """The places where a part of the key may be."""

    def __init__(self, environment: Mapping[str, str], aws: AwsSecrets) -> None:
        self._environment = environment
        self._directory = environment.get("CREDENTIALS_DIRECTORY")
        self._aws = aws

    def read(self, key: str, place: str, field: str) -> bytes:
        """Return the value at a place such as `env:NAME`.

        Args:
            key: The key of the config that names the place.
            place: The place.
            field: The field of a secret, if the place names none.
        """
        kind, _, name = place.partition(":")
        readers: dict[str, Callable[[], bytes]] = {
            "file": lambda: read_private_file(Path(name).expanduser()),
            "env": lambda: self._variable(key, name),
            "systemd": lambda: self._loaded(key, name),
            "aws": lambda: self._aws.read(key, name, field).encode(),
        }
        return readers[kind]()

    def loaded(self, name: str) -> str:
        """Return a credential that systemd has loaded; empty if there is none."""
        if self._directory is None or not (Path(self._directory) / name).is_file():
            return ""
        return _read(Path(self._directory) / name).decode(errors="replace").strip()

    def _variable(self, key: str, name: str) -> bytes:
        value = self._environment.get(name, "")
        if not value:
            raise BadInput(f"{key} is env:{name}, and the environment has no {name}")
        return value.encode(errors="replace")

    def _loaded(self, key: str, name: str) -> bytes:
        if self._directory is None:
            raise BadInput(
                f"{key} is systemd:{name}, and CREDENTIALS_DIRECTORY is not set, as systemd does "
                f"for a unit with LoadCredential={name}:PATH"
            )
        path = Path(self._directory) / name
        if not path.is_file():
            raise BadInput(
                f"{key} is systemd:{name}, and {self._directory} has no such credential; the unit "
                f"needs LoadCredential={name}:PATH"
            )
        # systemd itself controls who can read its credentials.
        return _read(path)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadInput(f"cannot read the credential {path}: {error.strerror}") from None


def read_private_file(path: Path) -> bytes:
    """Return the content of a key's file; `BadInput` if it is unreadable or others may read it."""
    try:
        mode = path.stat().st_mode
        content = path.read_bytes()
    except OSError as error:
        raise BadInput(f"cannot read the private key {path}: {error.strerror}") from None
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise BadInput(f"others can read the private key {path}; run: chmod 600 {path}")
    return content
