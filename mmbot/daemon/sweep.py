"""Cancels every own order without the bot, and reports what the exchange confirmed."""

from __future__ import annotations

import asyncio

import msgspec
import structlog

from mmbot.daemon.account_client import CANCEL_SECONDS, AccountClient
from mmbot.daemon.stop import Stop
from mmbot.errors import ExitCode
from mmbot.kalshi.order_cancellation import CancellationResult
from mmbot.kalshi.readings import ReadingError


async def sweep(
    account: AccountClient,
    stop: Stop,
    within_seconds: float = CANCEL_SECONDS,
    *,
    session: str = "",
    most_unanswered: int | None = None,
) -> ExitCode:
    """Cancel every own order that is listed; return whether the exchange confirmed it.

    Args:
        account: The account.
        stop: A second signal ends the cancelling.
        within_seconds: How long it may take.
        session: Only the orders of this session, if given.
        most_unanswered: Give up after this many requests in a row without an answer, if given.
    """
    cancelling = account.cancel_own_orders(session, most_unanswered=most_unanswered)
    try:
        async with asyncio.timeout(within_seconds):
            result = await stop.unless_hurried(cancelling)
    except ReadingError as error:
        result = _unknown(str(error))
    except TimeoutError:
        result = _unknown("it was not done in time")
    if result is None:
        result = _unknown("a second signal ended it")
    structlog.get_logger().info("swept", **msgspec.structs.asdict(result))
    return ExitCode.CLEAN if result.clean else ExitCode.NOT_KNOWN


def _unknown(reason: str) -> CancellationResult:
    return CancellationResult(0, None, 0, reason)
