"""What a command does if no daemon answers: it writes into the ledger and reads the account."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from mmbot.cli.place import DaemonPlace
from mmbot.cli.run import interceptor_for
from mmbot.daemon import transport
from mmbot.daemon.account_client import AccountClient
from mmbot.daemon.account_lock import is_claimed
from mmbot.daemon.control_client import NotRunning
from mmbot.daemon.ledger import Ledger, LedgerTaken, has_ledger

# The exchange's lists lag by about a second.
_LOOKS, _LOOK_SECONDS = 2, 1.5

_AnswerT = TypeVar("_AnswerT")


def write(
    directory: Path, into: Callable[[Ledger], _AnswerT], nobody: NotRunning
) -> _AnswerT | None:
    """Write into the ledger and return the result; `None` while a process holds it.

    A ledger is never created: without one, no daemon has ever run with these settings.

    Raises:
        NotRunning: There is none.
    """
    if not has_ledger(directory):
        raise nobody
    try:
        ledger = Ledger(directory)
    except LedgerTaken:
        return None
    try:
        return into(ledger)
    finally:
        ledger.close()


def own_orders(place: DaemonPlace) -> int | None:
    """Return how many own orders rest on the account; `None` if that cannot be known."""
    settings, signer = place.settings, place.signer
    if settings.mode == "paper":
        return 0  # paper orders are inside a daemon, and end with it
    if signer is None or (place.account is not None and is_claimed(place.account)):
        return None

    async def count() -> int | None:
        timeout_seconds = settings.orders.answer_timeout_seconds
        async with transport.RestClient(place.venue.origin, timeout_seconds) as rest:
            inside = interceptor_for(settings, ())
            account = AccountClient(settings, place.venue, signer, rest, inside)
            looks = []
            for number in range(_LOOKS):
                await asyncio.sleep(_LOOK_SECONDS if number else 0.0)
                looks.append(await account.own_orders())
        known = [len(look) for look in looks if look is not None]
        return max(known) if len(known) == _LOOKS else None

    return asyncio.run(count())
