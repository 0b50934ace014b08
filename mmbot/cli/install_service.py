"""`mmbot install-service`: installs the daemon as a systemd service."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from mmbot import config
from mmbot.daemon.credentials import find_signer
from mmbot.daemon.endpoints import real_venue
from mmbot.daemon.installation import (
    ALERT_URLS,
    CONFIG,
    CREDENTIALS,
    DIRECTORY,
    KEY_ID,
    PRIVATE_KEY,
    STATE,
    UNIT,
    WRAPPER,
    InstalledFile,
    is_own_wrapper,
    program_files,
    program_of_this_process,
    refuse_hidden,
)
from mmbot.errors import BadInput, NotReady

_ROOT = Path("/")
_BOOTED = Path("/run/systemd/system")
_NEXT = """\
Next:
  mmbot check                    is everything ready? (places no order)
  systemctl enable --now mmbot   start it, now and at every boot
  mmbot tail --unit mmbot        follow its log; `mmbot status` shows its state"""


_ConfigPath: TypeAlias = Annotated[
    Path | None,
    typer.Option("--config", help=f"Settings to copy to {CONFIG}, if there are none yet."),
]
_KeyId: TypeAlias = Annotated[
    str,
    typer.Option(envvar="MMBOT_KEY_ID", help="The API key's id, if there is none yet."),
]
_PrivateKey: TypeAlias = Annotated[
    Path | None,
    typer.Option(envvar="MMBOT_PRIVATE_KEY_PATH", help="The API key's file, if there is none yet."),
]
_Live: TypeAlias = Annotated[
    bool, typer.Option("--live", help="Trade real money; the config must say mode = live too.")
]
_OnlyPrint: TypeAlias = Annotated[
    bool, typer.Option("--print", help="Only print the unit and the wrapper; needs no root.")
]
_Uninstall: TypeAlias = Annotated[
    bool,
    typer.Option("--uninstall", help="Stop and remove the service; config, key and ledger stay."),
]


def install_service(
    config_path: _ConfigPath = None,
    key_id: _KeyId = "",
    private_key: _PrivateKey = None,
    live: _Live = False,
    only_print: _OnlyPrint = False,
    uninstall: _Uninstall = False,
) -> None:
    """Install the daemon as a systemd service, as root.

    Writes the unit, the directory of settings and key, and an `mmbot` on
    the PATH that, for root, finds the service's settings, key and state.
    Existing settings and keys are kept, so it can be run again after an
    upgrade; a running daemon is replaced only by
    `systemctl restart mmbot`.

    Exit codes: 0 done, 2 something is missing or in the way, 3 not
    possible here: not root, or no systemd.

    Example:
    mmbot install-service --config config/demo.toml --key-id ID --private-key key.pem
    """
    if only_print:
        if config_path is not None:
            _refuse_unusable(config.load(config_path), live=live)
        if private_key is not None:
            _read(private_key)
        _print(program_files(program_of_this_process(), frozenset(CREDENTIALS), live=live))
        return
    _refuse_elsewhere()
    if uninstall:
        _uninstall()
        return
    if not is_own_wrapper(_ROOT):
        raise BadInput(f"{WRAPPER} is another program; move it away, or install by hand (--print)")
    _install(config_path, key_id, private_key, live=live)


def _install(
    config_path: Path | None, key_id: str, private_key: Path | None, *, live: bool
) -> None:
    """Check everything first, then write every file."""
    program = program_of_this_process()
    for path in (program, Path(sys.base_prefix).resolve()):
        refuse_hidden(path)
    own = _own_files(config_path, key_id, private_key)
    settings = config.load(config_path or CONFIG)
    _refuse_unusable(settings, live=live)
    given = {"MMBOT_KEY_ID": key_id, "MMBOT_PRIVATE_KEY_PATH": str(private_key or "")}
    # The service would refuse a key that is refused here.
    find_signer(
        settings.credentials,
        real_venue(settings),
        given | {"CREDENTIALS_DIRECTORY": str(DIRECTORY)},
    )
    for file in own:
        _write(file)
    there = frozenset(name for name in CREDENTIALS if (DIRECTORY / name).is_file())
    for file in program_files(program, there, live=live):
        _write(file)
    _systemctl("daemon-reload")
    print(_NEXT)


def _refuse_unusable(settings: config.Settings, *, live: bool) -> None:
    if live != (settings.mode == "live"):
        raise BadInput(
            'real money needs both `mode = "live"` in the config and --live here; the config says '
            f"{settings.mode!r} and --live is {'' if live else 'not '}given"
        )
    if settings.credentials.private_key_path:
        raise BadInput(
            "credentials.private_key_path names a file that the service's own user cannot read; "
            f"take it out of the config and give --private-key, to be copied to {DIRECTORY}"
        )


def _refuse_elsewhere() -> None:
    if os.geteuid():
        raise NotReady(
            "only root can install a service; use sudo, or --print to see what it writes"
        )
    if not _BOOTED.is_dir():
        raise NotReady(
            "no systemd runs on this machine; have what starts its services start `mmbot run`"
        )


def _own_files(
    config_path: Path | None, key_id: str, private_key: Path | None
) -> tuple[InstalledFile, ...]:
    """Return the user's files that are not installed yet.

    Raises:
        BadInput: One is missing, or is installed with other content.
    """
    files = [InstalledFile(DIRECTORY / ALERT_URLS, 0o600, b"")]
    if config_path is not None:
        files.append(InstalledFile(CONFIG, 0o644, _read(config_path)))
    elif not CONFIG.exists():
        raise BadInput(f"there is no {CONFIG}; give --config FILE, to be copied there")
    if key_id:
        files.append(InstalledFile(DIRECTORY / KEY_ID, 0o600, f"{key_id}\n".encode()))
    if private_key is not None:
        files.append(InstalledFile(DIRECTORY / PRIVATE_KEY, 0o600, _read(private_key)))
    missing = [file for file in files if not file.path.exists()]
    for file in files:
        if file.content and file not in missing and not file.is_there(_ROOT):
            raise BadInput(
                f"{file.path} is there already and is another one; edit it, or move it away first"
            )
    return tuple(missing)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadInput(f"cannot read {path}: {error.strerror}") from None


def _write(file: InstalledFile) -> None:
    if file.is_there(_ROOT):
        print(f"as it was   {file.path}")
        return
    file.write(_ROOT)
    print(f"written     {file.path}")


def _print(files: tuple[InstalledFile, ...]) -> None:
    for file in files:
        print(f"# {file.path}, mode {file.mode:o}")
        print(file.content.decode())


def _uninstall() -> None:
    if UNIT.exists():
        _systemctl("disable", "--now", "mmbot.service")
    for path in (UNIT, *([WRAPPER] if is_own_wrapper(_ROOT) else [])):
        if path.exists():
            path.unlink()
            print(f"removed     {path}")
    _systemctl("daemon-reload")
    print(f"Left as they are: {DIRECTORY} with settings and key, {STATE} with the ledger.")


def _systemctl(*arguments: str) -> None:
    done = subprocess.run(  # noqa: S603 (its words are all ours)
        ["systemctl", *arguments],  # noqa: S607 (where the distribution has it)
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise BadInput(f"systemctl {' '.join(arguments)} failed: {done.stderr.strip()}")
