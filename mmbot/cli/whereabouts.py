"""Finds the daemon's config, and with it the daemon, in the same way for every command.

The config is the file that `--config` names, else the one that `MMBOT_CONFIG` names, else the
service's, `/etc/mmbot/config.toml`. State directory and credentials come from the file, else from
the environment; the service's are in `/var/lib/mmbot` and beside its config. If something cannot
be found, the error says where it was looked for.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from mmbot import config
from mmbot.daemon.installation import CONFIG, PRIVATE_KEY, STATE
from mmbot.errors import BadInput


class Whereabouts(msgspec.Struct, frozen=True):
    """A config that was found.

    Attributes:
        path: The file.
        named_by: What named it: "--config", "MMBOT_CONFIG", or "the service".
        loaded: Its settings, overridden by the command line, and the lines of its keys.
        environment: The variables for state and credentials.
        overrides: The keys that the command line sets.
    """

    path: Path
    named_by: str
    loaded: config.LoadedConfig
    environment: Mapping[str, str]
    overrides: Mapping[str, object]

    @property
    def settings(self) -> config.Settings:
        """All settings."""
        return self.loaded.settings

    def __str__(self) -> str:
        by = "" if self.named_by == "--config" else f", which {self.named_by} names"
        return f"{self.path}{by}"


def locate(
    path: Path | None, changes: Iterable[str] | None = None, *, lenient: bool = False
) -> Whereabouts:
    """Find the config, and read it.

    Args:
        path: What `--config` names, if it is given.
        changes: What `--set` says, as in `quoting.margin=0.2`.
        lenient: Whether mistakes in keys that do not locate the daemon are only printed on standard
            error: commands that take quotes off must work while the file is being edited.

    Raises:
        BadInput: There is none, or it is invalid.
    """
    found, named_by = find_config(path, os.environ)
    try:
        loaded = _load_place(found) if lenient else config.load_with_lines(found)
    except config.BadConfig:
        raise
    except BadInput as error:
        if path is not None:
            raise
        raise BadInput(f"{error} ({named_by} names it)") from None
    overrides = dict(map(config.parse_change, changes or ()))
    if overrides:
        settings = config.changed(loaded.settings, overrides, "--set")
        loaded = msgspec.structs.replace(loaded, settings=settings)
    return Whereabouts(found, named_by, loaded, _environment(found), overrides)


def _load_place(path: Path) -> config.LoadedConfig:
    loaded, mistakes = config.load_place(path)
    if mistakes is not None:
        print(f"mmbot: {mistakes}; the rest of the file says where the daemon is", file=sys.stderr)
    return loaded


def find_config(path: Path | None, environment: Mapping[str, str]) -> tuple[Path, str]:
    """Return the config file, and what named it.

    Raises:
        BadInput: None is named, and the service has none.
    """
    if path is not None:
        return path, "--config"
    if named := environment.get("MMBOT_CONFIG"):
        return Path(named), "MMBOT_CONFIG"
    try:
        CONFIG.stat()
    except FileNotFoundError:
        pass
    except OSError as error:
        raise BadInput(
            f"cannot look for {CONFIG}: {error.strerror}; run this as root, or give --config"
        ) from None
    else:
        return CONFIG, "the service"
    raise BadInput(
        "no config was found: --config is not given, MMBOT_CONFIG is not set, and there is no "
        f"{CONFIG}; `mmbot init` writes one"
    )


def _environment(path: Path) -> dict[str, str]:
    """Return the environment, completed with the service's own values where it has none."""
    environment = dict(os.environ)
    if path.absolute() == CONFIG:
        if STATE.is_dir():
            environment.setdefault("STATE_DIRECTORY", str(STATE))
        if (CONFIG.parent / PRIVATE_KEY).is_file():
            environment.setdefault("CREDENTIALS_DIRECTORY", str(CONFIG.parent))
    return environment
