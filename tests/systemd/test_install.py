"""From a bare Debian to a service that quotes, by the lines of the README and nothing else.

In place of the internet, `apt-get` finds all installed, and pip what these tests run with; in place
of Kalshi's demo environment stands a simulated exchange. Everything else is as on a new machine.
"""

from __future__ import annotations

import shutil
import stat
import sysconfig
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.daemon.processes import Start
from tests.systemd.conftest import DROP_IN, VENUE, Service, with_venue
from tests.systemd.container import INSTALLED, PROJECT, PYTHON, Container
from tests.systemd.wire import wire

SOURCE = "/srv/mmbot"
UNIT = "/etc/systemd/system/mmbot.service"
ENVIRONMENT = (
    *("env", "-i", "HOME=/root"),
    f"PATH=/usr/local/bin:/srv/stand-ins:{PYTHON}/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    *("PIP_NO_INDEX=1", "PIP_NO_DEPS=1", "PIP_NO_BUILD_ISOLATION=0", "PIP_IGNORE_INSTALLED=1"),
    "PIP_ROOT_USER_ACTION=ignore",
)


def lines_of_readme() -> list[str]:
    """Return the lines that install the service."""
    _, _, marked = Path("README.md").read_text(encoding="utf-8").partition("<!-- service -->")
    return marked.split("```")[1].removeprefix("sh").strip().splitlines()


class Bare(Service):
    """A machine without the service; what its operator types is run there."""

    async def typed(self, line: str) -> str:
        code, printed = await self.container.ask(
            *ENVIRONMENT, "bash", "-c", f"umask 022; cd {SOURCE} && {line}"
        )
        assert code == 0, f"{line}: {code}, {printed}"
        return printed

    def inside(self, path: str) -> Path:
        return self.container.root / path.removeprefix("/")


@pytest.fixture
async def bare(container: Container, start_exchange: Start, settings: str) -> AsyncIterator[Bare]:
    """Return a machine that has the project's files in a directory, and nothing of the service."""
    exchange = start_exchange("--seed", "3", "--speed", "1")
    kept = {path: (container.root / path.removeprefix("/")).read_text() for path in (UNIT, DROP_IN)}
    async with AsyncExitStack() as stack:
        to_exchange = await stack.enter_async_context(wire(exchange.venue["rest_url"]))
        site = await stack.enter_async_context(wire(exchange.venue["counts_url"]))
        machine = Bare(container, exchange, to_exchange, site)
        stack.push_async_callback(machine.close)
        await machine.install(settings)
        for path in (UNIT, DROP_IN):
            machine.inside(path).unlink()
        shutil.rmtree(machine.inside("/etc/mmbot"))
        source = machine.inside(SOURCE)
        source.mkdir(parents=True)
        for name in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(PROJECT / name, source)
        ignored = shutil.ignore_patterns("__pycache__")
        for name in (".ci", "mmbot"):
            shutil.copytree(PROJECT / name, source / name, ignore=ignored)
        container.write(f"{SOURCE}/config/demo.toml", settings)
        container.write(f"{SOURCE}/key.pem", machine.key, 0o600)
        container.write("/srv/stand-ins/apt-get", "#!/bin/sh\n", 0o755)
        try:
            yield machine
        finally:
            for path, content in kept.items():
                container.write(path, content)
            await container.systemctl("daemon-reload")
            await machine.remove()


async def test_the_lines_of_the_readme_lead_from_a_bare_debian_to_quotes(bare: Bare) -> None:
    lines = lines_of_readme()
    assert [line.split()[0] for line in lines][-1] == "systemctl"
    for line in lines:
        if line.startswith("systemctl"):
            stand_in_for_the_exchange(bare)
            await bare.container.systemctl("daemon-reload")
        printed = await bare.typed(with_key(line, bare))
        if " -m venv " in line:
            stand_in_for_pypi(bare)
        if line.endswith("pip install --quiet ."):
            await assert_refused_without_settings(bare)
        if "install-service" in line:
            assert "systemctl enable --now mmbot" in printed
    # `enable --now` has waited until it was ready.
    assert any(line["event"] == "account.reconciled" for line in await bare.log())
    await bare.until_quotes()
    assert await bare.shown("UnitFileState") == "enabled"
    written = bare.inside("/etc/mmbot").iterdir()
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in written}
    secrets = dict.fromkeys(("alert_urls", "key_id", "private_key"), 0o600)
    assert modes == secrets | {"config.toml": 0o644}
    await assert_mmbot_means_the_service(bare)
    await assert_a_second_time_changes_nothing(bare)
    await assert_uninstalled_leaves_what_is_the_users(bare)


def with_key(line: str, bare: Bare) -> str:
    return line.replace("--key-id ID", f"--key-id {bare.exchange.venue['key_id']}")


def stand_in_for_pypi(bare: Bare) -> None:
    packages = Path(sysconfig.get_path("platlib")).relative_to(sysconfig.get_path("data"))
    first = f"import sys; sys.path.insert(0, '{INSTALLED}/dependencies')\n"
    bare.container.write(f"/opt/mmbot/{packages}/pypi.pth", first)


def stand_in_for_the_exchange(bare: Bare) -> None:
    unit = bare.inside(UNIT).read_text()
    assert unit.count("/opt/mmbot/bin/mmbot ") == 2
    bare.container.write(DROP_IN, with_venue(unit, "/opt/mmbot/bin/mmbot"))


async def assert_refused_without_settings(bare: Bare) -> None:
    code, printed = await bare.container.ask(
        *ENVIRONMENT, "/opt/mmbot/bin/mmbot", "install-service"
    )
    assert code == 2
    assert "there is no /etc/mmbot/config.toml; give --config FILE" in printed
    assert not bare.inside(UNIT).exists()
    assert not bare.inside("/etc/mmbot").exists()


async def assert_mmbot_means_the_service(bare: Bare) -> None:
    await bare.typed(f"mmbot halt --venue {VENUE}")
    assert await bare.orders() == set()
    await bare.typed(f"mmbot resume --venue {VENUE}")
    await bare.until_quotes()


async def assert_a_second_time_changes_nothing(bare: Bare) -> None:
    (line,) = [line for line in lines_of_readme() if "install-service" in line]
    printed = await bare.typed(with_key(line, bare))
    assert "written" not in printed
    assert printed.count("as it was") == 2


async def assert_uninstalled_leaves_what_is_the_users(bare: Bare) -> None:
    kept = sorted(path.name for path in bare.inside("/etc/mmbot").iterdir())
    await bare.typed("mmbot install-service --uninstall")
    assert await bare.orders() == set()
    assert await bare.shown("ActiveState") == "inactive"
    assert not bare.inside(UNIT).exists()
    assert not bare.inside("/usr/local/bin/mmbot").exists()
    assert sorted(path.name for path in bare.inside("/etc/mmbot").iterdir()) == kept
    assert list(bare.inside("/var/lib/private/mmbot").rglob("ledger.sqlite"))
