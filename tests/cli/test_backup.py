"""`mmbot backup` and `mmbot restore`."""

from __future__ import annotations

from pathlib import Path

import orjson

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
    there, aside = restored.stdout.splitlines()
    assert there == f"restored: {state / 'ledger.sqlite'}"
    assert aside.startswith("the replaced ledger is kept: ")
    kept = Path(aside.split()[-1])
    assert kept.is_file()
    assert kept.parent == state


def test_the_paths_are_json_for_a_program(tmp_path: Path, mmbot: Mmbot) -> None:
    state, copy = tmp_path / "state" / "paper", tmp_path / "copy.sqlite"
    config = ("--config", "config/paper.toml", "--json")
    Ledger(state).close()
    written = mmbot("backup", str(copy), *config)
    assert orjson.loads(written.stdout) == {"written": str(copy)}
    restored = mmbot("restore", str(copy), *config)
    (kept,) = state.glob("ledger.replaced-*.sqlite")
    ledger = str(state / "ledger.sqlite")
    assert orjson.loads(restored.stdout) == {"ledger": ledger, "replaced": str(kept)}
    kept.unlink()
    (state / "ledger.sqlite").unlink()
    first = mmbot("restore", str(copy), *config)
    assert orjson.loads(first.stdout) == {"ledger": ledger, "replaced": None}
