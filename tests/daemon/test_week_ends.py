"""The report of a week that is written by itself."""

from __future__ import annotations

import stat
from pathlib import Path

import msgspec
import orjson
import pytest
from structlog.testing import capture_logs

from mmbot.cli.week_report import renderer
from mmbot.config import Settings
from mmbot.daemon import week_ends
from mmbot.daemon.ledger import Ledger
from mmbot.daemon.outbox import Alert
from mmbot.daemon.week_ends import WeekEnds
from mmbot.trading.commands import RecordViews
from mmbot.units import Money, Price
from tests.research.records import FILLS, FIRST, MARKOUTS, SAMPLES, SECOND, SETTLEMENTS

SETTLED = {"event_ticker": FIRST, "pnl": "1.250000"}


@pytest.fixture
def told() -> list[Alert]:
    return []


@pytest.fixture
def ends(tmp_path: Path, told: list[Alert]) -> WeekEnds:
    return WeekEnds(tmp_path, renderer(Settings(), tmp_path), told.append)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state directory with two settled weeks."""
    ledger = Ledger(tmp_path)
    for fill in FILLS:
        ledger.add_fill(fill)
    ledger.add_views(RecordViews(SAMPLES, MARKOUTS))
    for settlement in SETTLEMENTS:
        ledger.add_settlement(settlement)
    ledger.close()
    return tmp_path


async def test_a_settled_week_is_reported_in_words_and_figures_and_told(
    state: Path, ends: WeekEnds, told: list[Alert]
) -> None:
    waited = []

    async def drain() -> None:
        waited.append(len(told))

    ends.watch(drain)
    ends.heard("event.settled", SETTLED)
    await ends.write_pending()
    assert waited == [0], "the ledger has written what the report is made of"
    text = (state / "reports/2026-11-15.txt").read_text()
    figures = orjson.loads((state / "reports/2026-11-15.json").read_bytes())
    assert text.startswith(f"Settled up: {FIRST}\n")
    assert figures["total"]["fills"] > 0
    assert told == [Alert("settlement", f"{FIRST} is settled: P&L 1.250000 dollars", text)]
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (state / "reports").iterdir()}
    assert modes == {0o600}
    await ends.write_pending()
    assert len(told) == 1


async def test_a_settlement_that_is_booked_again_is_not_told_again_and_an_amended_one_is(
    state: Path, ends: WeekEnds, told: list[Alert]
) -> None:
    for _ in range(2):
        ends.heard("event.settled", SETTLED)
        await ends.write_pending()
    assert len(told) == 1
    ledger = Ledger(state)
    first = SETTLEMENTS[0]
    ledger.add_settlement(
        msgspec.structs.replace(first, payout=Money(first.payout + 1), value=Price(1))
    )
    ledger.close()
    ends.heard("event.settled", SETTLED)
    await ends.write_pending()
    assert len(told) == 2


@pytest.mark.usefixtures("state")
async def test_other_lines_are_no_end_of_a_week(ends: WeekEnds, told: list[Alert]) -> None:
    ends.heard("market.settled", SETTLED)
    await ends.write_pending()
    assert told == []


async def test_a_settlement_is_told_though_its_report_cannot_be_written(
    ends: WeekEnds, told: list[Alert]
) -> None:
    ends.heard("event.settled", SETTLED)
    with capture_logs() as log:
        await ends.write_pending()
    assert [line["event"] for line in log] == ["report.not_written"]
    assert [alert.body for alert in told] == [""]


async def test_the_oldest_reports_give_way(
    state: Path, ends: WeekEnds, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(week_ends, "MOST_REPORTS", 1)
    for event in (FIRST, SECOND):
        ends.heard("event.settled", SETTLED | {"event_ticker": event})
        await ends.write_pending()
    names = sorted(path.name for path in (state / "reports").iterdir())
    assert names == ["2026-11-22.json", "2026-11-22.txt"]


async def test_what_is_left_at_the_end_is_written(state: Path, ends: WeekEnds) -> None:
    ends.heard("event.settled", SETTLED)
    await ends.close()
    assert (state / "reports/2026-11-15.txt").exists()
