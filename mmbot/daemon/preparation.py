"""The start of a session: waits for an account in order and for the counts so far."""

from __future__ import annotations

import asyncio
from pathlib import Path

import structlog

from mmbot.config import Settings
from mmbot.daemon.account_client import AccountClient
from mmbot.daemon.ledger import Ledger
from mmbot.daemon.ledger_writer import LedgerWriter
from mmbot.daemon.neighbours import Neighbours
from mmbot.daemon.patience import Patience
from mmbot.errors import NotReady
from mmbot.kalshi.selfcheck import failures
from mmbot.trading.values import Fill
from mmbot.underlying.counts import Counts
from mmbot.underlying.counts_file import load_counts
from mmbot.underlyings.registry import known

_LEVELS = {"ok": "info", "warn": "warning", "wait": "warning", "fail": "error"}


class Preparation:
    """The start of one session."""

    def __init__(
        self,
        settings: Settings,
        ledger: LedgerWriter,
        account: AccountClient,
        neighbours: Neighbours,
        patience: Patience,
    ) -> None:
        """Begin with nothing read."""
        self._settings = settings
        self._ledger = ledger
        self._account = account
        self._neighbours = neighbours
        self._patience = patience
        self._log = structlog.get_logger()

    async def until_ready(self) -> tuple[tuple[str, ...], Counts]:
        """Wait until everything is ready; return the events with positions, and the history.

        Raises:
            BadInput: The key or a file cannot be used.
            NotReady: A check failed, or another daemon trades the account.
        """
        await self._patience.until_available(self._account.refuse_bad_key)
        alone = asyncio.create_task(self._neighbours.refuse_if_any())
        try:
            held = await self._refuse_unready()
            await alone
        finally:
            alone.cancel()
            await asyncio.gather(alone, return_exceptions=True)
        return held, await self._history()

    async def fills_of(self, events: tuple[str, ...]) -> tuple[tuple[Fill, ...], tuple[Fill, ...]]:
        """Return the ledger's fills of these events: the confirmed ones, and the others."""
        return await self._ledger.submit(lambda ledger: ledger.fills_of(events))

    async def _refuse_unready(self) -> tuple[str, ...]:
        """Check the account; return the events that hold positions."""
        held = await self._ledger.submit(Ledger.unsettled_events)
        recorded, _ = await self.fills_of(held)
        examination, findings = await self._account.examine(held, recorded)
        for finding in findings:
            say = getattr(self._log, _LEVELS[finding.state])
            say("check", name=finding.name, state=finding.state, detail=finding.detail)
        reasons = failures(findings)
        if reasons:
            raise NotReady("not ready to trade: " + "; ".join(reasons))
        return examination.held

    async def _history(self) -> Counts:
        """Return the counts of the history file and the ledger."""
        path = self._settings.counts.history_file
        counts = load_counts(Path(path), known(self._settings).underlying) if path else Counts()
        for day, count, seen, archived in await self._ledger.submit(Ledger.counts):
            counts, _ = counts.observe(day, count, seen, archived=archived)
        return counts
