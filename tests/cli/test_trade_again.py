"""A paper daemon and the simulated exchange as real processes, and their recording traded again."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner, Result

from mmbot.bot.inputs import EventOccurred
from mmbot.cli import app
from mmbot.config import QuotingSettings, Settings, load
from mmbot.daemon.ledger import Ledger
from mmbot.daemon.ledger_reader import read_records
from mmbot.errors import BadInput
from mmbot.recording.batches import MARK, Packer, unpack
from mmbot.recording.records import decisive, encode, encode_outputs, join, split
from mmbot.recording.replay import utc
from mmbot.research.recorded_requests import RecordedRequests
from mmbot.trading.operator_events import SettingsChanged
from mmbot.units import ONE_CONTRACT, format_count, format_price
from tests.conftest import exchanges, quick_settings
from tests.daemon.processes import Start, daemon, read_until, terminate
from tests.recording.builders import session

runner = CliRunner()
FILLS = 8


@pytest.fixture(scope="module")
def paper_config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped demo settings on paper, with a forecast that needs no fit."""
    path = tmp_path_factory.mktemp("config") / "paper.toml"
    path.write_text(quick_settings().replace('mode = "demo"', 'mode = "paper"'), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def recorded(paper_config: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state directory of a paper daemon that was restarted amid its fills."""
    state = tmp_path_factory.mktemp("state")
    with exchanges(state) as start:
        exchange = start("--seed", "3", "--speed", "4000")
        for _ in range(2):
            with daemon(str(paper_config), exchange.venue_file, state) as process:
                read_until(process, "fill", FILLS)
                assert terminate(process) == 0
    return state / "paper" / "simulated"


def again(recording: Path, *options: str) -> Result:
    return runner.invoke(app, ["backtest", "--recording", str(recording), *options])


def figures(recording: Path, directory: Path, *options: str) -> dict[str, Any]:
    path = directory / "again.json"
    result = again(recording, "--json", str(path), *options)
    assert result.exit_code == 0, result.output
    tree: dict[str, Any] = json.loads(path.read_text())
    return tree


def test_the_same_settings_give_the_very_fills_that_happened(
    recorded: Path, tmp_path: Path
) -> None:
    happened = [record.fill for record in read_records(recorded).fills]
    assert len(happened) >= 2 * FILLS
    assert figures(recorded, tmp_path)["recording"]["fills"] == [
        {
            "trade_id": fill.trade_id,
            "order_id": fill.order_id,
            "ticker": fill.ticker,
            "side": fill.side,
            "yes_price_dollars": format_price(fill.price),
            "count": format_count(fill.count),
            "fee_dollars": "0.000000",
            "at": utc(fill.at),
        }
        for fill in happened
    ]


def test_the_same_settings_give_the_same_positions_and_profit(
    recorded: Path, tmp_path: Path
) -> None:
    ledger = Ledger(recorded)
    try:
        (mark,) = ledger.latest_marks()
        fills = [fill for fill, _ in ledger.fills(mark.event)]
    finally:
        ledger.close()
    held = Counter[str]()
    for fill in fills:
        held[fill.ticker] += fill.signed_count
    found = figures(recorded, tmp_path)["recording"]
    assert found["positions"] == {t: count / ONE_CONTRACT for t, count in held.items() if count}
    (event,) = found["events"]
    assert event["pnl"] == pytest.approx(mark.latest / 1e6)


def test_a_wide_margin_trades_less_of_the_same_market(
    recorded: Path, paper_config: Path, tmp_path: Path
) -> None:
    edited = tmp_path / "edited.toml"
    edited.write_text(paper_config.read_text().replace("margin = 0.06", "margin = 0.3"))
    report = tmp_path / "report.html"
    options = ("--config", str(edited), "--report", str(report))
    wide = figures(recorded, tmp_path, *options)["recording"]
    # The week is drawn although it is not settled.
    assert report.read_text().count("<svg") == 2
    same = figures(recorded, tmp_path)["recording"]
    assert len(wide["fills"]) < len(same["fills"])
    assert all(session["orders"] > 0 for session in wide["sessions"])
    assert wide["sessions"][0]["frames"] == same["sessions"][0]["frames"]
    assert all(session["unserved"] == 0 for session in wide["sessions"])


def test_a_config_that_says_the_same_gives_the_same_fills(
    recorded: Path, paper_config: Path, tmp_path: Path
) -> None:
    same = figures(recorded, tmp_path)["recording"]["fills"]
    told = figures(recorded, tmp_path, "--config", str(paper_config))["recording"]["fills"]
    assert told == same


def test_settings_that_were_changed_on_record_hold_unless_others_are_given(
    recorded: Path, paper_config: Path, tmp_path: Path
) -> None:
    shutil.copytree(recorded, tmp_path / "state")
    first = min((tmp_path / "state" / "capture").glob("*.capture"))
    nothing = msgspec.structs.replace(
        load(paper_config), quoting=QuotingSettings(sides="both", margin=0.99)
    )
    first.write_bytes(with_settings_changed(first, nothing))
    whole = figures(recorded, tmp_path)["recording"]["fills"]
    followed = figures(tmp_path / "state", tmp_path)["recording"]["fills"]
    assert len(followed) < len(whole)
    options = ("--config", str(paper_config))
    assert figures(tmp_path / "state", tmp_path, *options)["recording"]["fills"] == whole


def with_settings_changed(capture: Path, settings: Settings) -> bytes:
    """Return a capture in which other settings were put in force near its beginning."""
    with capture.open("rb") as source:
        batches = [split(message) for message in unpack(source)]
    change = EventOccurred(SettingsChanged(decisive(settings)))
    second = [encode(change, batches[1][0].now, encode_outputs([]))]
    kept = [
        [encode(r.what, r.now, bytes(r.outputs), r.forecasts) for r in batch] for batch in batches
    ]
    packer = Packer()
    return MARK + b"".join(packer.pack(join(each)) for each in [kept[0], second, *kept[1:]])


def test_a_bot_that_does_nothing_as_the_one_on_record_is_served_all_the_same(
    recorded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("is_made", "is_sent"):
        monkeypatch.setattr(RecordedRequests, name, lambda *_: False)
    found = figures(recorded, tmp_path)["recording"]
    assert all(session["unserved"] == 0 for session in found["sessions"])
    assert found["fills"]


def test_real_orders_are_taken_out_of_the_books(
    paper_config: Path, start_exchange: Start, tmp_path: Path
) -> None:
    config = tmp_path / "demo.toml"
    config.write_text(paper_config.read_text().replace('mode = "paper"', 'mode = "demo"'))
    exchange = start_exchange("--seed", "3", "--speed", "4000")
    with daemon(str(config), exchange.venue_file, tmp_path) as process:
        read_until(process, "fill", FILLS)
        assert terminate(process) == 0
    result = again(tmp_path / "demo" / "simulated")
    assert result.exit_code == 0, result.output
    assert "In 1 session(s) the recorded bot traded real orders" in result.output
    found = figures(tmp_path / "demo" / "simulated", tmp_path)["recording"]
    assert found["sessions"][0]["orders"] > 0


def test_a_lone_capture_of_a_later_session_begins_with_what_was_held(
    recorded: Path, tmp_path: Path
) -> None:
    _, later = sorted((recorded / "capture").glob("*.capture"))
    shutil.copy(later, tmp_path)
    result = again(tmp_path / later.name)
    assert result.exit_code == 0
    assert "It starts with " in result.output


def test_a_capture_without_the_market_is_refused_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "old.capture").write_bytes(MARK + Packer().pack(join(session())))
    result = again(tmp_path)
    assert isinstance(result.exception, BadInput)
    reason = "it was made by a version whose captures do not have"
    assert f"old.capture cannot be traded again: {reason}" in str(result.exception)


def test_a_recording_is_no_companion_of_candles(tmp_path: Path) -> None:
    result = again(tmp_path, "--candles", "candles.csv")
    assert isinstance(result.exception, BadInput)
    assert "leave out --markets" in str(result.exception)


def test_a_sweep_over_a_recording_trades_it_again_with_each_setting(
    recorded: Path, tmp_path: Path
) -> None:
    path, margins = tmp_path / "sweep.json", ("--set", "quoting.margin=[0.06, 0.3]")
    given = ("sweep", "--recording", str(recorded), *margins, "--json", str(path))
    result = runner.invoke(app, given)
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(path.read_text())
    by_margin = {each["changes"]["quoting.margin"]: each for each in found["settings"]}
    assert set(found["filled_by"].values()) == {"recording"}
    same = figures(recorded, tmp_path)["recording"]
    assert by_margin[0.06]["fills"] == len(same["fills"])
    assert by_margin[0.3]["fills"] < by_margin[0.06]["fills"]
