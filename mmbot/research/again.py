"""What a session that is traded again needs beside its record, and what it leaves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Protocol, TypeAlias

import msgspec

from mmbot.bot import driver
from mmbot.bot.inputs import BotInput, EventOccurred, EventsHeld
from mmbot.bot.outputs import FitForecast
from mmbot.forecast.fitting import Predictor
from mmbot.recording.outside import ONLY_RECORDS
from mmbot.trading.events import SessionStarted
from mmbot.trading.losses import PnlMark
from mmbot.trading.operator_events import Halted, SettingsChanged
from mmbot.trading.state import TradingState
from mmbot.trading.values import Fill
from mmbot.underlying.calendar import CalendarClock
from mmbot.units import Milliseconds


class RetradeLedger(Protocol):
    """Keeps what the new bot records, from one session to the next."""

    def write(self, record: driver.Record, /) -> None:
        """Keep a record."""

    def unsettled_events(self) -> tuple[str, ...]:
        """Return the events with a fill or a sample in a market whose settlement is not final."""

    def fills_of(self, events: Iterable[str], /) -> tuple[tuple[Fill, ...], tuple[Fill, ...]]:
        """Return the fills of these events: the confirmed ones, and the others."""

    def unsettled_fills(self) -> list[Fill]:
        """Return the fills in every market without a settlement."""

    def latest_marks(self) -> tuple[PnlMark, ...]:
        """Return the latest mark of each of the most recently marked events."""


Fit: TypeAlias = Callable[[FitForecast], Predictor]


def process_event(
    what: EventsHeld | EventOccurred, ledger: RetradeLedger | None, *, follows: bool
) -> BotInput | None:
    """Return what an event of the process on record is for the new bot; `None` for nothing.

    Args:
        what: The event.
        ledger: What the new bot has kept in earlier sessions; `None` if it begins with what the one
            on record had.
        follows: Whether settings that were changed on record are changed for the new bot too.
    """
    match what:
        case EventsHeld() if ledger is not None:
            held = ledger.unsettled_events()
            return EventsHeld(held, *ledger.fills_of(held))
        case EventOccurred(SessionStarted() as started) if ledger is not None:
            return EventOccurred(msgspec.structs.replace(started, marks=ledger.latest_marks()))
        case EventOccurred(Halted(reason=reason)) if reason == ONLY_RECORDS:
            return None
        case EventOccurred(SettingsChanged(settings)):
            on_paper = msgspec.structs.replace(settings, mode="paper")
            return EventOccurred(SettingsChanged(on_paper)) if follows else None
        case _:
            return what


def mids_of(state: TradingState) -> dict[str, float]:
    """Return the last midpoint of each market that had one."""
    mids = {
        ticker: market.market_mid.mid
        for event in state.events.values()
        for ticker, market in event.markets.items()
    }
    return {ticker: mid for ticker, mid in mids.items() if mid is not None}


class SessionSummary(msgspec.Struct):
    """What one session of a recording held, and what the new bot made of it.

    Attributes:
        session: The session's name.
        clock: Its calendar.
        held: The fills of earlier sessions with which it began.
        real_orders: Whether the bot on record traded real orders.
        first: The time of the first record, in milliseconds.
        last: The time of the last record.
        frames: The frames of the exchange.
        interruptions: How often the stream was lost.
        unserved: Requests of the new bot to which the recording has no answer.
        mids: The last midpoint of each market, in dollars, of those that had one.
        notes: How often the new bot logged what.
    """

    session: str
    clock: CalendarClock
    held: int = 0
    real_orders: bool = False
    first: Milliseconds = 0
    last: Milliseconds = 0
    frames: int = 0
    interruptions: int = 0
    unserved: int = 0
    mids: dict[str, float] = msgspec.field(default_factory=dict)
    notes: Counter[str] = msgspec.field(default_factory=Counter)
