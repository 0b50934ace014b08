"""Sweeping the own orders off an account over a real socket, without the bot."""

from __future__ import annotations

import asyncio

from mmbot.daemon.readiness import Account
from mmbot.kalshi.http import HttpAnswer
from mmbot.kalshi.sweeping import Pause, Swept
from mmbot.kalshi.sweeping import sweep as steps_of_sweep

# How long that may take before it ends without knowing.
SWEEP_SECONDS = 20.0


async def sweep(account: Account) -> Swept:
    """Cancel every own order and have the exchange confirm that none is left.

    Raises:
        ReadingError: The exchange refuses to list the orders, and would again.
    """
    steps = steps_of_sweep(account.subaccount)
    try:
        async with asyncio.timeout(SWEEP_SECONDS):
            step = next(steps)
            while True:
                answer: HttpAnswer | None = None
                if isinstance(step, Pause):
                    await asyncio.sleep(step.seconds)
                else:
                    answer = await account.ask(step)
                step = steps.send(answer)
    except StopIteration as end:
        swept: Swept = end.value
        return swept
    except TimeoutError:
        return Swept(0, None, 0, f"it took longer than {SWEEP_SECONDS:.0f} seconds")
