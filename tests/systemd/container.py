"""Debian's systemd in a container without an image: this machine's own files under an overlay.

What the container writes is kept in memory. Its mounts are in a mount namespace that it alone has,
so that the kernel takes them away with its last process, however the tests end. It has the network
of this machine: what listens on loopback here is reached from inside, and the other way round.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import mmbot

TOOLS = ("ldconfig", "nsenter", "setpriv", "systemd-nspawn", "unshare")
BOOT_SECONDS = 60.0
COMMAND_SECONDS = 120.0
CGROUPS = Path("/sys/fs/cgroup")
# Containers have the cgroups of this machine in common, so there is one at a time.
LOCK = Path("/run/lock/mmbot-systemd-tests")
LOCK_SECONDS = 600.0

PROJECT = Path(mmbot.__file__).parent.parent
INSTALLED = "/opt/mmbot"
PYTHON = "/opt/python"

# An empty machine-id is one of its own, and what is set up to start on this machine does not there.
# Units without a service of theirs take their time and do nothing in a container.
MASKED = (
    *("systemd-logind.service", "systemd-update-utmp.service", "systemd-binfmt.service"),
    *("dev-hugepages.mount", "sys-kernel-config.mount", "sys-kernel-debug.mount"),
    *("sys-kernel-tracing.mount", "sys-fs-fuse-connections.mount"),
    "proc-sys-fs-binfmt_misc.automount",
)
BOOT = f"""
set -eu
base=$1; shift
mount -t tmpfs -o mode=0755 tmpfs "$base"
mkdir "$base/upper" "$base/work" "$base/root"
options="lowerdir=/,upperdir=$base/upper,workdir=$base/work"
mount -t overlay -o "$options" overlay "$base/root"
cd "$base/root"
rm -rf etc/systemd/system opt/mmbot etc/mmbot var/lib/mmbot var/lib/private/mmbot
mkdir -p etc/systemd/system
for unit in {" ".join(MASKED)}; do ln -s /dev/null "etc/systemd/system/$unit"; done
: > etc/machine-id
: > etc/fstab
exec systemd-nspawn --quiet --directory "$base/root" --boot --register=no --keep-unit \
  --private-users=no --bind=/sys/fs/cgroup --console=pipe "$@" systemd.unit=basic.target
"""


def why_not() -> str:
    """Return why no container can be had here; nothing if one can."""
    if not sys.platform.startswith("linux"):
        return "no Linux"
    if os.geteuid():
        return "no root"
    if missing := [tool for tool in TOOLS if shutil.which(tool) is None]:
        return f"no {', no '.join(missing)}"
    if Path("/run/systemd/system").exists():
        return "a systemd of this machine's own, which the container's would disturb"
    return ""


class CannotBoot(Exception):
    """This kernel, or the container that the tests are in, lets no systemd boot in one."""


class Container:
    """A systemd that has booted; `root` is its file system, seen from here."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.root = Path(f"/proc/{pid}/root")

    def _entered(self, command: tuple[str, ...]) -> tuple[str, ...]:
        return ("nsenter", "--target", str(self.pid), "--all", *command)

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command inside, as root, to its end."""
        return subprocess.run(
            self._entered(command),
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )

    async def ask(self, *command: str) -> tuple[int, str]:
        """Run a command inside while others go on; return its exit code and what it printed."""
        process = await asyncio.create_subprocess_exec(
            *self._entered(command),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            async with asyncio.timeout(COMMAND_SECONDS):
                printed, _ = await process.communicate()
        except BaseException:
            process.kill()
            raise
        assert process.returncode is not None
        return process.returncode, printed.decode()

    async def systemctl(self, *arguments: str) -> str:
        code, printed = await self.ask("systemctl", *arguments)
        assert code == 0, f"systemctl {' '.join(arguments)}: {code}, {printed}"
        return printed

    def write(self, path: str, content: str | bytes, mode: int = 0o644) -> None:
        file = self.root / path.removeprefix("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)
        file.touch(mode)
        file.chmod(mode)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())


def _binds() -> Iterator[str]:
    """Yield the options that make the project and its Python seen where no home is looked into."""
    yield f"--bind-ro={PROJECT / 'mmbot'}:{INSTALLED}/mmbot"
    yield f"--bind-ro={sysconfig.get_path('platlib')}:{INSTALLED}/dependencies"
    yield f"--bind-ro={sys.base_prefix}:{PYTHON}"


def _install(container: Container) -> None:
    """Make `/opt/mmbot/.venv` of the Python and the packages that run the tests."""
    python = Path(sys.executable).resolve().relative_to(Path(sys.base_prefix).resolve())
    environment = f"{INSTALLED}/.venv"
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    container.write(f"{environment}/pyvenv.cfg", f"home = {PYTHON}/{python.parent}\n")
    container.write(
        f"{environment}/lib/{version}/site-packages/mmbot.pth",
        f"{INSTALLED}\n{INSTALLED}/dependencies\n",
    )
    interpreter = container.root / f"{environment}/bin/python".removeprefix("/")
    interpreter.parent.mkdir(parents=True)
    interpreter.symlink_to(f"{PYTHON}/{python}")
    container.write(
        f"{environment}/bin/mmbot",
        f"#!{environment}/bin/python\nfrom mmbot.__main__ import main\n\nmain()\n",
        0o755,
    )
    container.write("/etc/ld.so.conf.d/mmbot.conf", f"{PYTHON}/lib\n")
    linked = container.run("ldconfig")
    assert linked.returncode == 0, linked.stderr


@contextmanager
def booted(base: Path) -> Iterator[Container]:
    """Boot a systemd with the project at `/opt/mmbot`; kill it and all that it runs in the end.

    Raises:
        CannotBoot: There can be none here.
    """
    console = base / "console"
    mounted = base / "container"
    mounted.mkdir()
    with _alone(), console.open("wb") as output:
        known = _cgroups()
        # It dies with these tests even if they are killed.
        process = subprocess.Popen(
            (
                *("setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--propagation=private"),
                *("--pid", "--fork", "--kill-child=KILL", "--mount-proc"),
                *("bash", "-c", BOOT, "boot", str(mounted), *_binds()),
            ),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        first: int | None = None
        try:
            deadline = time.monotonic() + BOOT_SECONDS
            while first is None or not _is_up(first):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise CannotBoot(console.read_text(errors="replace").strip()[-300:])
                first = first or _first_of(process.pid)
                time.sleep(0.05)
            container = Container(first)
            _install(container)
            yield container
        finally:
            if first is not None:
                # The first process of a process namespace takes all others with it.
                with suppress(ProcessLookupError):
                    os.kill(first, signal.SIGKILL)
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=10)
            process.kill()
            process.wait(timeout=10)
            _remove(known)


@contextmanager
def _alone() -> Iterator[None]:
    with LOCK.open("w") as lock:
        deadline = time.monotonic() + LOCK_SECONDS
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                assert time.monotonic() < deadline, f"{LOCK} is held by other tests"
                time.sleep(0.2)
        yield


def _first_of(unshare: int) -> int | None:
    """Return the container's first process, seen from here, once it is systemd."""
    with suppress(OSError):
        for nspawn in _children(unshare):
            for child in _children(nspawn):
                if Path(f"/proc/{child}/comm").read_text().strip() == "systemd":
                    return child
    return None


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _is_up(first: int) -> bool:
    asked = Container(first).run("systemctl", "is-system-running")
    return asked.stdout.strip() in {"running", "degraded"}


def _remove(known: set[Path]) -> None:
    """Remove the cgroups that came with the container, once their processes are gone."""
    for _ in range(50):
        left = sorted(_cgroups() - known, reverse=True)
        if not left:
            return
        for path in left:
            with suppress(OSError):
                path.rmdir()
        time.sleep(0.1)


def _cgroups() -> set[Path]:
    return {path for path in CGROUPS.rglob("*") if path.is_dir() and not path.is_symlink()}
