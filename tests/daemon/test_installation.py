"""What `mmbot install-service` writes, and where it refuses, as values and in a directory."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from mmbot.daemon.installation import (
    CREDENTIALS,
    WRAPPER,
    InstalledFile,
    is_own_wrapper,
    program_files,
    refuse_hidden,
    under,
    unit_text,
)
from mmbot.errors import BadInput

ALL = frozenset(CREDENTIALS)
PROGRAM = Path("/srv/bot/bin/mmbot")


def test_the_unit_in_the_repository_is_the_one_that_is_installed() -> None:
    shipped = Path("systemd/mmbot.service").read_text(encoding="utf-8")
    assert unit_text(Path("/opt/mmbot/.venv/bin/mmbot"), ALL, live=False) == shipped


def test_the_unit_runs_the_installation_that_wrote_it() -> None:
    unit = unit_text(PROGRAM, ALL, live=False)
    assert "ExecStart=/srv/bot/bin/mmbot run --config /etc/mmbot/config.toml\n" in unit
    assert "/srv/bot/bin/mmbot cancel-all " in unit
    assert "/opt/mmbot/.venv" not in unit


def test_only_credentials_that_are_there_are_loaded() -> None:
    unit = unit_text(PROGRAM, frozenset({"key_id"}), live=False)
    loaded = [line for line in unit.splitlines() if line.startswith("LoadCredential")]
    assert loaded == ["LoadCredential=key_id:/etc/mmbot/key_id"]


def test_real_money_is_in_the_unit_only_where_it_was_asked_for() -> None:
    live = unit_text(PROGRAM, ALL, live=True)
    assert live.count("--live") == 1
    assert "config.toml --live\n" in live
    assert "--live" not in unit_text(PROGRAM, ALL, live=False)


def test_mmbot_on_the_path_means_the_service_for_root_alone(tmp_path: Path) -> None:
    program = tmp_path / "mmbot"
    program.write_text('#!/bin/sh\necho "$MMBOT_CONFIG $STATE_DIRECTORY $CREDENTIALS_DIRECTORY $@"')
    program.chmod(0o755)
    (_, wrapper) = program_files(program, ALL, live=False)
    script = tmp_path / "wrapper"
    script.write_bytes(wrapper.content)
    stand_in = tmp_path / "id"
    for user, told in (
        ("0", "/etc/mmbot/config.toml /var/lib/mmbot /etc/mmbot"),
        ("1000", "  "),
    ):
        stand_in.write_text(f"#!/bin/sh\necho {user}")
        stand_in.chmod(0o755)
        ran = subprocess.run(
            ["/bin/sh", str(script), "status", "a b"],
            env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=True,
        )
        assert ran.stdout == f"{told} status a b\n"


def test_a_file_is_written_with_its_mode_and_known_again(tmp_path: Path) -> None:
    file = InstalledFile(Path("/etc/mmbot/private_key"), 0o600, b"secret")
    assert not file.is_there(tmp_path)
    file.write(tmp_path)
    assert file.is_there(tmp_path)
    under(tmp_path, file.path).chmod(0o644)
    assert not file.is_there(tmp_path)
    file.write(tmp_path)
    assert file.is_there(tmp_path)
    assert [path.name for path in (tmp_path / "etc/mmbot").iterdir()] == ["private_key"]


def test_a_file_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "etc").write_text("")
    with pytest.raises(BadInput, match=r"/etc/mmbot/key_id cannot be written: "):
        InstalledFile(Path("/etc/mmbot/key_id"), 0o600, b"").write(tmp_path)


def test_another_program_of_that_name_is_not_replaced(tmp_path: Path) -> None:
    assert is_own_wrapper(tmp_path)
    path = under(tmp_path, WRAPPER)
    path.parent.mkdir(parents=True)
    path.write_text("#!/bin/sh\nexec something-else")
    assert not is_own_wrapper(tmp_path)
    (_, wrapper) = program_files(PROGRAM, ALL, live=False)
    path.write_bytes(wrapper.content)
    assert is_own_wrapper(tmp_path)


@pytest.mark.parametrize("hidden", ["/root/mmbot/bin/mmbot", "/home/me/bin/mmbot"])
def test_what_the_service_cannot_see_is_refused(hidden: str) -> None:
    with pytest.raises(BadInput, match="sees no homes"):
        refuse_hidden(Path(hidden))


def test_what_is_not_there_is_refused() -> None:
    with pytest.raises(BadInput, match="there is no /opt/nothing/bin/mmbot"):
        refuse_hidden(Path("/opt/nothing/bin/mmbot"))


def test_what_others_may_not_use_is_refused() -> None:
    with pytest.raises(BadInput, match="chmod"):
        refuse_hidden(Path("/etc/shadow"))
