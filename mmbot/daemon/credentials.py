"""Finding the API key, which is never in the config file, in an argument or in a log.

The key's id comes from the config, the environment variable `MMBOT_KEY_ID` or the systemd
credential `key_id`; the private key from a file named in the config or in
`MMBOT_PRIVATE_KEY_PATH`, or from the systemd credential `private_key`. Only its owner may read
such a file.
"""

from __future__ import annotations

import stat
from collections.abc import Mapping
from pathlib import Path

from mmbot.config import CredentialSettings
from mmbot.daemon.endpoints import Venue
from mmbot.daemon.private_files import forbid_core_dumps
from mmbot.errors import BadInput
from mmbot.kalshi.auth import Signer, read_private_key
from mmbot.texts import shown


def find_signer(
    settings: CredentialSettings, venue: Venue, environment: Mapping[str, str]
) -> Signer:
    """Return a signer for the account.

    From now on this process leaves no core dump.

    Raises:
        BadInput: The key id or the private key is missing, or others may read the key.
    """
    forbid_core_dumps()
    directory = environment.get("CREDENTIALS_DIRECTORY")
    key_id = (
        venue.key_id
        or settings.key_id
        or environment.get("MMBOT_KEY_ID", "")
        or _credential(directory, "key_id")
    )
    if not key_id:
        raise BadInput(
            "there is no API key id; set credentials.key_id in the config or MMBOT_KEY_ID in the "
            "environment"
        )
    if not (key_id.isascii() and key_id.isprintable()):
        raise BadInput(f"the API key id {shown(key_id)} is none: it has only plain characters")
    named = (
        venue.private_key_path
        or settings.private_key_path
        or environment.get("MMBOT_PRIVATE_KEY_PATH", "")
    )
    if named:
        return Signer(key_id, read_private_key(read_private_file(Path(named))))
    if directory and (Path(directory) / "private_key").is_file():
        # systemd itself controls who can read its credentials.
        return Signer(key_id, read_private_key(_read(Path(directory) / "private_key")))
    raise BadInput(
        "there is no private key; set credentials.private_key_path in the config or "
        "MMBOT_PRIVATE_KEY_PATH in the environment to the PEM file that the exchange gave you"
    )


def _credential(directory: str | None, name: str) -> str:
    if directory is None:
        return ""
    path = Path(directory) / name
    return _read(path).decode(errors="replace").strip() if path.is_file() else ""


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadInput(f"cannot read the credential {path}: {error.strerror}") from None


def read_private_file(path: Path) -> bytes:
    """Return what a key's file holds; raise `BadInput` if others may read it, or nobody can."""
    try:
        mode = path.stat().st_mode
        content = path.read_bytes()
    except OSError as error:
        raise BadInput(f"cannot read the private key {path}: {error.strerror}") from None
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise BadInput(f"others can read the private key {path}; run: chmod 600 {path}")
    return content
