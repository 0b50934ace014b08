"""Settings for a bot that only replays: it neither dies nor misses a message, and need not guard.

In trading, an order lives for a minute unless it is renewed, and what the stream should report is
also read now and then. In a replay both would only take time, in proportion to the length of the
week and not to what happens in it.
"""

from __future__ import annotations

from typing import Final

import msgspec

from mmbot.config import Settings
from mmbot.trading.values import Intervals
from mmbot.units import Milliseconds

# More than twice as long as any market is open, so that no order has to be renewed.
_LIFETIME_SECONDS = 60 * 86_400
_HOUR_MS: Milliseconds = 3_600_000
# Longer than any week, and an hour: no message is lost here.
UNGUARDED_INTERVALS: Final = Intervals(10**12, _HOUR_MS, _HOUR_MS, _HOUR_MS)


def unguarded(settings: Settings) -> Settings:
    """Return the settings with orders that live until their market closes."""
    orders = msgspec.structs.replace(settings.orders, lifetime_seconds=_LIFETIME_SECONDS)
    return msgspec.structs.replace(settings, orders=orders)
