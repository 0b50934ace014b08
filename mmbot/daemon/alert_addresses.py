"""Finds the addresses of alerts, which contain passwords: in a file, the environment, a credential.

The first of these that has any is used: the file that `alerts.urls_file` names, the environment
variable `MMBOT_ALERT_URLS`, the systemd credential `alert_urls`. Each line is one
address, in Apprise's format; lines that begin with `#` are comments.
"""

from __future__ import annotations

import stat
from collections.abc import Mapping
from pathlib import Path

from mmbot.config import AlertSettings
from mmbot.errors import BadInput

CREDENTIAL = "alert_urls"
VARIABLE = "MMBOT_ALERT_URLS"
MOST_ADDRESSES = 10


def find_addresses(settings: AlertSettings, environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return the addresses; none if there are no alerts.

    Raises:
        BadInput: The file cannot be read, others may read it, or there are too many.
    """
    if settings.urls_file:
        where, text = settings.urls_file, _read_private(Path(settings.urls_file).expanduser())
    elif environment.get(VARIABLE, "").strip():
        where, text = VARIABLE, "\n".join(environment[VARIABLE].split())
    else:
        where, text = f"the credential {CREDENTIAL}", _credential(environment)
    lines = (line.strip() for line in text.splitlines())
    addresses = tuple(line for line in lines if line and not line.startswith("#"))
    if len(addresses) > MOST_ADDRESSES:
        raise BadInput(f"{where} has {len(addresses)} addresses; {MOST_ADDRESSES} is the most")
    return addresses


def _credential(environment: Mapping[str, str]) -> str:
    directory = environment.get("CREDENTIALS_DIRECTORY")
    path = Path(directory, CREDENTIAL) if directory else None
    # systemd itself controls who can read its credentials.
    return _read(path) if path is not None and path.is_file() else ""


def _read_private(path: Path) -> str:
    text = _read(path)
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise BadInput(f"others can read the alerts' addresses {path}; run: chmod 600 {path}")
    return text


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise BadInput(f"cannot read the alerts' addresses {path}: {reason}") from None
