"""A short life of a bot on the record."""

from __future__ import annotations

from collections.abc import Callable

import orjson

from mmbot.config import Settings
from mmbot.kalshi.gateway import Call
from mmbot.kalshi.http import HttpAnswer
from mmbot.recording.recorder import RecordedBot
from mmbot.trading.events import Stopping
from mmbot.tsa.calendar import CalendarClock
from tests.kalshi.builders import SIGNER

NOW = 1_795_539_600_000
PRIVATE = ("fill", "user_orders", "order_group_updates", "market_lifecycle_v2")


def begin(keep: Callable[[bytes], None], settings: Settings | None = None) -> RecordedBot:
    return RecordedBot(settings or Settings(), CalendarClock(), SIGNER, "life", keep=keep)


def subscribed(number: int) -> str:
    """The exchange's word that a private channel is subscribed."""
    message = {"channel": PRIVATE[number - 1], "sid": number}
    return orjson.dumps({"type": "subscribed", "id": number, "msg": message}).decode()


def live(bot: RecordedBot) -> None:
    """Give the bot an input of each kind."""
    bot.hold(("KXTSAW-26NOV29",))
    bot.connected(NOW)
    calls = []
    for number in range(1, len(PRIVATE) + 1):
        calls += [o for o in bot.received(subscribed(number), NOW + number) if isinstance(o, Call)]
    bot.answered(calls[0].id, HttpAnswer(500, b"{}"), NOW + 40)
    bot.woken(NOW + 3_000)
    bot.told(Stopping(), NOW + 3_001)
    bot.disconnected(NOW + 3_002)


def life() -> list[bytes]:
    records: list[bytes] = []
    live(begin(records.append))
    return records
