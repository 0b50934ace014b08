"""The daemon warns of a settlement that was amended."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from structlog.testing import capture_logs

from mmbot.config import Settings
from mmbot.daemon.bystanders import Bystanders
from mmbot.daemon.endpoints import Venue
from mmbot.daemon.interceptor import PassThrough
from mmbot.daemon.ledger import Ledger
from mmbot.daemon.ledger_writer import LedgerWriter
from mmbot.daemon.service import Service
from mmbot.daemon.setup import Setup
from mmbot.kalshi.auth import Signer
from tests.daemon.builders import OBSERVER, TICKER, settlement

WON = settlement(10_000, 1_000, at=1)
LOST = settlement(0, 1_000, at=2)


async def test_an_amended_settlement_is_logged_as_a_warning_and_only_once(tmp_path: Path) -> None:
    venue = Venue("http://localhost/trade-api/v2", "ws://localhost/trade-api/ws/v2", "http://c")
    ledger = LedgerWriter(Ledger(tmp_path))
    signer = Signer("key", Ed25519PrivateKey.generate())
    setup = Setup(
        Settings(), venue, signer, tmp_path, lambda *_: PassThrough(), OBSERVER, Bystanders()
    )
    with capture_logs() as log:
        service = Service(setup, ledger, PassThrough())
        for settled in (WON, WON, LOST, LOST):
            service._runner.record(settled)
        assert await ledger.drain()
    ledger.close()
    assert log == [
        {
            "event": "settlement.amended",
            "log_level": "warning",
            "market": TICKER,
            "value": "0.0000",
            "payout": "0.000000",
            "before": "10.000000",
        }
    ]
