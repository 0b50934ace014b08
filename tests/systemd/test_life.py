"""The shipped unit under a real systemd: it starts, stops, is looked into and told what to do."""

from __future__ import annotations

import stat
import time
from pathlib import Path

import orjson

from tests.daemon.mail import hook_server
from tests.systemd.conftest import Service
from tests.systemd.container import INSTALLED, Container

STATE = "var/lib/private/mmbot"


def test_systemd_finds_no_fault_in_the_unit(container: Container) -> None:
    verified = container.run("systemd-analyze", "verify", "mmbot.service")
    assert (verified.returncode, verified.stdout, verified.stderr) == (0, "", "")


async def test_it_runs_as_nobody_known_and_a_stop_takes_every_order_off(service: Service) -> None:
    async with hook_server() as hook:
        # The addresses are a credential, and Apprise works within the sandbox.
        service.container.write("/etc/mmbot/alert_urls", hook.address, 0o600)
        began = time.monotonic()
        await service.start(until_ready=True)
        assert any(line["event"] == "account.reconciled" for line in await service.log())
        await service.until_quotes()
        quoted = time.monotonic() - began
        await hook.until_posted("Started")
    await service.until_shown("StatusText", lambda line: line.startswith("quotes "))
    await assert_nothing_is_left_to_others(service)
    await assert_a_reload_leaves_it_as_it_is(service)
    stopped = await service.stop()
    assert await service.orders() == set()
    assert await service.shown("ExecMainStatus") == "0"
    assert await service.shown("Result") == "success"
    assert await service.shown("ActiveState") == "inactive"
    print(f"{quoted:.1f} s from the start to the first quote, {stopped:.1f} s to stop")


async def assert_a_reload_leaves_it_as_it_is(service: Service) -> None:
    process = await service.shown("MainPID")
    await service.container.systemctl("reload", "mmbot")
    assert await service.shown("ActiveState") in {"active", "reloading"}
    assert await service.shown("MainPID") == process


async def assert_nothing_is_left_to_others(service: Service) -> None:
    process = service.container.root / "proc" / await service.shown("MainPID")
    status = dict(line.split(":\t", 1) for line in (process / "status").read_text().splitlines())
    users = {int(user) for user in status["Uid"].split()}
    assert min(users) >= 61184, "a dynamic user"
    assert int(status["CapEff"], 16) == 0
    assert status["NoNewPrivs"] == "1"
    limits = (process / "limits").read_text().splitlines()
    (core,) = (line.split()[4:6] for line in limits if line.startswith("Max core file size"))
    assert core == ["0", "0"]
    kept = service.container.root / STATE
    files = {path: stat.S_IMODE(path.stat().st_mode) for path in kept.rglob("*") if path.is_file()}
    assert any(path.name == "ledger.sqlite" for path in files)
    assert set(files.values()) == {0o600}
    directories = (kept, *(path for path in kept.rglob("*") if path.is_dir()))
    assert {stat.S_IMODE(path.stat().st_mode) for path in directories} == {0o700}
    assert {path.stat().st_uid for path in files} == users


async def test_root_halts_and_resumes_it_with_what_the_unit_says_at_its_top(
    service: Service,
) -> None:
    await service.start()
    await service.until_quotes()
    code, printed = await service.mmbot("halt", "--json")
    assert code == 0, printed
    report = orjson.loads(printed)
    assert (report["running"], report["left"]) == (True, 0)
    assert await service.orders() == set()
    await service.until_shown("StatusText", lambda line: line.startswith("quotes nothing: the op"))
    code, printed = await service.mmbot("resume")
    assert code == 0, printed
    await service.until_quotes()


async def test_a_halt_that_root_stores_while_it_is_down_holds_for_the_next_start(
    service: Service,
) -> None:
    await service.start()
    await service.until_quotes()
    await service.stop()
    # It is written into the directory of a user that does not exist now.
    code, printed = await service.mmbot("halt", "--json")
    assert code == 0, printed
    assert orjson.loads(printed)["running"] is False
    await service.start()
    await service.until_logged("account.reconciled", times=2)
    assert await service.orders() == set()
    code, printed = await service.mmbot("resume")
    assert code == 0, printed
    await service.until_quotes()


async def test_what_a_person_must_mend_keeps_it_down(service: Service) -> None:
    config = service.container.root / "etc/mmbot/config.toml"
    config.write_text(config.read_text().replace("margin = 0.06", "margin = 6"))
    await service.container.ask("systemctl", "start", "mmbot")
    await service.until_failed()
    assert await service.shown("ExecMainStatus") == "2"
    assert await service.shown("NRestarts") == "0"
    assert any("margin" in line for line in await service.journal())


async def test_tail_reads_the_units_own_journal_from_its_end(service: Service) -> None:
    config = service.container.root / "etc/mmbot/config.toml"
    config.write_text(config.read_text().replace("margin = 0.06", "margin = 6"))
    await service.container.ask("systemctl", "start", "mmbot")
    await service.until_failed()
    refused = next(line for line in await service.journal() if "margin" in line)
    tail = (f"{INSTALLED}/.venv/bin/mmbot", "tail", "--unit", "mmbot", "--no-follow")
    code, printed = await service.container.ask(*tail, "--lines", "30")
    assert code == 0
    assert refused in printed
    # Beside the lines, each day has one.
    assert sum(not line.startswith("---") for line in printed.splitlines()) <= 30


def test_the_unit_names_what_its_page_names() -> None:
    told = Path("docs/service.md").read_text(encoding="utf-8")
    for name in ("CREDENTIALS_DIRECTORY=/etc/mmbot", "STATE_DIRECTORY=/var/lib/mmbot"):
        assert name in told
        assert name in Path("systemd/mmbot.service").read_text(encoding="utf-8")
