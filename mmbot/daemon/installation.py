"""The files of the daemon as a service of this machine, and their content.

The unit is the one in this package, with the path of this installation filled in. The user's files
(settings, key, ledger) are written once and never changed again, not even when the service is
removed.
"""

from __future__ import annotations

import os
import stat
import sys
from importlib import resources
from pathlib import Path

import msgspec

from mmbot.errors import BadInput

# The path in the packaged unit.
_PROGRAM = "/opt/mmbot/.venv/bin/mmbot"
UNIT = Path("/etc/systemd/system/mmbot.service")
WRAPPER = Path("/usr/local/bin/mmbot")
DIRECTORY = Path("/etc/mmbot")
CONFIG = DIRECTORY / "config.toml"
STATE = Path("/var/lib/mmbot")
KEY_ID, PRIVATE_KEY, ALERT_URLS = "key_id", "private_key", "alert_urls"
CREDENTIALS = (KEY_ID, PRIVATE_KEY, ALERT_URLS)
# What the unit hides from the service: ProtectHome= and PrivateTmp=.
_HIDDEN = ("/home", "/root", "/run/user", "/tmp", "/var/tmp")  # noqa: S108 (nothing is written there)

_WRAPPER = """\
#!/bin/sh
# Written by `mmbot install-service`: mmbot with the settings, credentials and state of the service,
# which are root's alone.
if [ "$(id -u)" = 0 ]; then
  export MMBOT_CONFIG="${{MMBOT_CONFIG:-{config}}}"
  export STATE_DIRECTORY="${{STATE_DIRECTORY:-{state}}}"
  export CREDENTIALS_DIRECTORY="${{CREDENTIALS_DIRECTORY:-{directory}}}"
fi
exec {program} "$@"
"""


class InstalledFile(msgspec.Struct, frozen=True):
    """A file: its path, permissions and content."""

    path: Path
    mode: int
    content: bytes

    def is_there(self, root: Path) -> bool:
        """Return whether it exists with the wanted content."""
        path = under(root, self.path)
        try:
            return path.read_bytes() == self.content and (
                stat.S_IMODE(path.stat().st_mode) == self.mode
            )
        except OSError:
            return False

    def write(self, root: Path) -> None:
        """Write it atomically.

        Raises:
            BadInput: It cannot be written.
        """
        path = under(root, self.path)
        partial = path.with_name(f".{path.name}.new")
        try:
            path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            partial.unlink(missing_ok=True)
            descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, self.mode)
            with open(descriptor, "wb") as file:  # noqa: PTH123 (of its own mode from the start)
                file.write(self.content)
            partial.chmod(self.mode)
            partial.replace(path)
        except OSError as error:
            raise BadInput(f"{self.path} cannot be written: {error.strerror}") from None


def under(root: Path, path: Path) -> Path:
    """Return a path below another root directory."""
    return root / path.relative_to("/")


def unit_text(program: Path, credentials: frozenset[str], *, live: bool) -> str:
    """Return the unit of an installation.

    Args:
        program: Its `mmbot`.
        credentials: The names of the existing credentials; systemd loads only these.
        live: Whether it trades real money.
    """
    shipped = resources.files("mmbot.daemon").joinpath("mmbot.service").read_text(encoding="utf-8")
    filled = shipped.replace(str(Path(_PROGRAM).parent.parent), str(program.parent.parent))
    lines = [line for line in filled.splitlines() if _is_for(line, credentials)]
    if live:
        lines = [f"{line} --live" if line.startswith("ExecStart=") else line for line in lines]
    return "\n".join(lines) + "\n"


def _is_for(line: str, credentials: frozenset[str]) -> bool:
    key, _, value = line.partition("=")
    return key != "LoadCredential" or value.partition(":")[0] in credentials


def program_files(
    program: Path, credentials: frozenset[str], *, live: bool
) -> tuple[InstalledFile, ...]:
    """Return the program's own files: the unit, and `mmbot` on the PATH."""
    wrapper = _WRAPPER.format(config=CONFIG, state=STATE, directory=DIRECTORY, program=program)
    return (
        InstalledFile(UNIT, 0o644, unit_text(program, credentials, live=live).encode()),
        InstalledFile(WRAPPER, 0o755, wrapper.encode()),
    )


def is_own_wrapper(root: Path) -> bool:
    """Return whether `mmbot` on the PATH was written here, or does not exist."""
    path = under(root, WRAPPER)
    try:
        return "`mmbot install-service`" in path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return True
    except OSError:
        return False


def program_of_this_process() -> Path:
    """Return the path of `mmbot` in the running environment."""
    return Path(sys.prefix).resolve() / "bin" / "mmbot"


def refuse_hidden(path: Path) -> None:
    """Refuse an installation that the service's own user could not run.

    Raises:
        BadInput: It could not.
    """
    if any(path.is_relative_to(hidden) for hidden in _HIDDEN):
        raise BadInput(
            f"the service sees no homes and no /tmp, and {path} is there; install mmbot into "
            "/opt/mmbot, with a Python of the system's"
        )
    if not path.exists():
        raise BadInput(f"there is no {path}; install mmbot into an environment in /opt/mmbot")
    for part in (path, *path.parents):
        if not stat.S_IMODE(part.stat().st_mode) & stat.S_IXOTH:
            raise BadInput(f"only its owner may use {part}, the service may not; chmod go+rX it")
