"""The operator's commands where no daemon runs, and with input that cannot be used."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import orjson
import pytest

from mmbot.cli import halt, plan
from mmbot.daemon.ledger import Ledger, read_halt
from mmbot.daemon_api import Offer, PlannedMarket, PlanReport, QuotedMarket
from tests.cli.conftest import Mmbot

CONFIG = ("--config", "config/demo.toml")


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """The state directory of the demo mode, in which a daemon has run."""
    directory = tmp_path / "state" / "demo"
    Ledger(directory).close()
    return directory


def test_a_halt_without_a_daemon_is_stored_for_the_next_one(state: Path, invoke: Mmbot) -> None:
    done = invoke("halt", *CONFIG, "--reason", "holiday")
    # Without the key it is unknown whether a daemon elsewhere has orders.
    assert done.returncode == 4, done.stderr
    assert "The account could not be checked" in done.stdout
    assert f"No mmbot is running in {state}: the next one starts halted." in done.stdout
    halt = read_halt(state)
    assert halt is not None
    assert halt.reason == "holiday"
    ended = invoke("resume", *CONFIG)
    assert ended.returncode == 0, ended.stderr
    assert "(holiday)" in ended.stdout
    assert read_halt(state) is None
    assert invoke("resume", *CONFIG).stdout == "It was not halted.\n"


@pytest.mark.parametrize("command", [("halt",), ("pause", "KXTSAW-26NOV29-A2.70")])
def test_a_config_with_a_mistake_keeps_no_quote_on(
    state: Path, tmp_path: Path, invoke: Mmbot, command: tuple[str, ...]
) -> None:
    config = tmp_path / "edited.toml"
    config.write_text('mode = "demo"\n[quoting]\nmargin = 0,1\n')
    done = invoke(*command, "--config", str(config))
    assert "a decimal comma" in done.stderr
    with closing(Ledger(state)) as ledger:
        assert ledger.halt() or ledger.paused_markets()
    assert invoke("plan", "--config", str(config)).returncode == 2


@pytest.mark.parametrize(
    ("given", "kept"),
    [("caf\udce9 \ud800", "caf? ?"), ("x" * 500, "x" * 200), ("\udcff" * 500, "?" * 200)],
)
@pytest.mark.parametrize("more", [(), ("--json",)])
def test_a_halt_goes_through_whatever_its_reason_is(
    state: Path, invoke: Mmbot, given: str, kept: str, more: tuple[str, ...]
) -> None:
    done = invoke("halt", *CONFIG, "--reason", given, *more)
    assert done.returncode == 4, done.stderr
    assert kept in done.stdout.replace("\n", "")
    halt = read_halt(state)
    assert halt is not None
    assert halt.reason == kept


def test_where_no_daemon_has_ever_run_nothing_is_halted(tmp_path: Path, invoke: Mmbot) -> None:
    done = invoke("halt", *CONFIG)
    assert done.returncode == 3
    assert done.stderr.startswith(f"mmbot: no mmbot is running in {tmp_path / 'state' / 'demo'}; ")
    assert not (tmp_path / "state").exists()


def test_a_process_that_holds_the_ledger_without_listening_is_named(
    state: Path, invoke: Mmbot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(halt, "_PAUSE_SECONDS", 0.0)
    ledger = Ledger(state)
    done = invoke("halt", *CONFIG)
    ledger.close()
    assert done.returncode == 3
    assert "has the ledger" in done.stderr


@pytest.mark.parametrize(
    "command",
    [
        ("explain", "KXTSAW-26NOV29-A2.70"),
        ("plan",),
        ("counts",),
        ("counts", "none", "2026-11-25"),
    ],
)
def test_a_question_needs_a_daemon(state: Path, invoke: Mmbot, command: tuple[str, ...]) -> None:
    done = invoke(*command, *CONFIG)
    assert done.returncode == 3
    assert done.stderr.count("\n") == 1
    assert "no mmbot is running" in done.stderr


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (("halt", "--config", "none.toml"), "cannot read the config file"),
        (("counts", "none", "soon", *CONFIG), "'soon' is not a date such as 2026-04-16"),
        (("counts", *CONFIG, "none", "2026-11-25", *CONFIG), "write the options after `none`"),
        (("explain", "x" * 101, *CONFIG), "there is no market"),
    ],
)
def test_bad_input_is_refused_in_one_sentence(
    invoke: Mmbot, command: tuple[str, ...], sentence: str
) -> None:
    done = invoke(*command)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_halt_in_a_broken_ledger_is_refused(state: Path, invoke: Mmbot) -> None:
    (state / "ledger.sqlite").write_bytes(b"not a database" * 100)
    done = invoke("halt", *CONFIG, "--json")
    assert done.returncode == 2
    assert "cannot be used" in done.stderr


def test_a_halt_reports_in_json_whether_a_daemon_runs(state: Path, invoke: Mmbot) -> None:
    printed = orjson.loads(invoke("halt", *CONFIG, "--json").stdout)
    assert (printed["running"], printed["live"], printed["left"]) == (False, 0, 0)


def test_a_plan_is_readable_in_eighty_columns(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    now, then = Offer("0.2550", "120.00"), Offer("0.2350", "120.00")
    markets = [
        PlannedMarket(
            f"KXTSAW-26APR19-A2.{number}",
            QuotedMarket(0.512, now, now, "", 12.1, 13.4),
            QuotedMarket(0.512, then, None, "no_price_or_room", 12.1, 13.4),
            differs=True,
        )
        for number in range(40, 60)
    ]
    plan._show_plan(PlanReport(tuple(markets)))
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= 80
    assert "\u2026" not in shown
    assert "* 120 at .235" in shown
    assert "A2.47 ...: nothing -> no_price_or_room" in " ".join(shown.split())
