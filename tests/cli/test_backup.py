"""`mmbot backup` and `mmbot restore`."""

from __future__ import annotations

from pathlib import Path

from mmbot.daemon.ledger import Ledger
from mmbot.trading.commands import RecordFill
from tests.daemon.builders import fill
from tests.daemon.processes import Mmbot


def test_a_ledger_is_copied_beside_its_daemon_and_put_back_without(
    tmp_path: Path, mmbot: Mmbot
) -> None:
    state = tmp_path / "state" / "paper"
    config = ("--config", "config/paper.toml")
    ledger = Ledger(state)
    ledger.add_fill(RecordFill(fill(), 3))
    written = mmbot("backup", str(tmp_path), *config)
    assert written.returncode == 0, written.stderr
    copy = written.stdout.split()[-1]
    refused = mmbot("restore", copy, *config)
    assert refused.returncode == 3
    assert "a daemon is running" in refused.stderr
    ledger.close()
    restored = mmbot("restore", copy, *config)
    assert restored.returncode == 0, restored.stderr
    kept = Path(restored.stdout.split()[-1])
    assert kept.is_file()
    assert kept.parent == state
