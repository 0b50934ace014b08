"""Small parts that the tests of trading are put together from."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import TypeVar

import msgspec

from mmbot.config import Settings
from mmbot.forecast.belief import Belief
from mmbot.trading.commands import Cancel, Command, Note, Place, WakeAt
from mmbot.trading.engine import Engine
from mmbot.trading.events import (
    BeliefFormed,
    BookReplaced,
    GroupReady,
    InputEvent,
    LimitsRead,
    ListingRead,
    OrderPlaced,
    Reconciled,
    StreamUp,
)
from mmbot.trading.values import Fill, ListedEvent, Market, OrderReport, OrderStatus, Side
from mmbot.tsa.calendar import EASTERN, CalendarClock, Week, to_milliseconds
from mmbot.units import CENT_GRID

_T = TypeVar("_T")

WEEK = Week(dt.date(2026, 11, 29))
OPENS, CLOSES = to_milliseconds(WEEK.opens), to_milliseconds(WEEK.closes)
# Tuesday noon: one day is published.
NOW = to_milliseconds(dt.datetime(2026, 11, 24, 12, 0, tzinfo=EASTERN))
# So much cash that a position hardly moves what the others are worth, in millionths of a dollar.
PLENTY = 10**15
# The fill cap of an order group unless a test sets another.
CAP = 10_000
LOW, MIDDLE, HIGH = "T-26NOV29-A2.6", "T-26NOV29-A2.7", "T-26NOV29-A2.8"
STRIKES = {LOW: 2_600_000, MIDDLE: 2_700_000, HIGH: 2_800_000}


def settings(**sections: dict[str, object]) -> Settings:
    """Two-sided settings with a margin of a tenth that trust the belief alone, and more."""
    quoting = {
        "sides": "both",
        "margin": 0.1,
        "belief_weight": [1.0] * 5,
        "size_by_known": [1.0] * 5,
        "minimum_edge_cents": 1.0,
        "uncertainty_edge": 0.0,
        "lowest_bid_cents": 1.0,
        "minimum_rest_seconds": 1.0,
    }
    tree = sections | {"quoting": quoting | sections.get("quoting", {})}
    return msgspec.convert(tree, Settings)


def market(ticker: str = MIDDLE, **changes: object) -> Market:
    """A market that is open at `NOW`."""
    known = Market(ticker, STRIKES[ticker], CENT_GRID, OPENS, CLOSES)
    return msgspec.structs.replace(known, **changes)


def event(*markets: Market) -> ListedEvent:
    """The week's event; without markets, with all three."""
    return ListedEvent(
        WEEK.event_ticker("T"), WEEK, markets or tuple(market(ticker) for ticker in STRIKES)
    )


def belief(
    above: tuple[float, ...] = (0.8, 0.5, 0.2),
    known: int = 1,
    strikes: tuple[int, ...] = tuple(STRIKES.values()),
) -> Belief:
    """A belief of the week at the three strikes."""
    return Belief(WEEK, known, strikes, above, 2_700_000.0, 80_000.0, "test", "digest")


def book(
    ticker: str = MIDDLE, bid: int | None = 4000, ask: int | None = 6000, count: int = 10_000
) -> BookReplaced:
    """A book of one level a side."""
    return BookReplaced(
        ticker,
        () if bid is None else ((bid, count),),
        () if ask is None else ((ask, count),),
    )


def report(
    place: Place,
    order_id: str,
    filled: int = 0,
    status: OrderStatus = "resting",
    expires: int | None = None,
) -> OrderReport:
    """What the exchange says of an order that was placed."""
    return OrderReport(
        place.client_id,
        order_id,
        place.ticker,
        place.side,
        place.price,
        filled,
        place.count - filled if status == "resting" else 0,
        status,
        place.expires if expires is None else expires,
    )


def fill(
    trade_id: str,
    order_id: str,
    count: int,
    price: int = 4100,
    side: Side = "bid",
    ticker: str = MIDDLE,
    client_id: str = "",
) -> Fill:
    """A trade of ours."""
    return Fill(trade_id, order_id, ticker, side, price, count, 0, NOW, client_id)


def only(kind: type[_T], commands: Iterable[Command]) -> list[_T]:
    """The commands of one kind."""
    return [command for command in commands if isinstance(command, kind)]


class Bench:
    """An engine on a bench: events are told to it one by one, time passes only on purpose."""

    def __init__(self, **sections: dict[str, object]) -> None:
        self.engine = Engine(settings(**sections), CalendarClock(), "life")
        self.now = NOW
        self.listed = event()
        self.wake: int | None = None
        self.said: list[Command] = []

    def tell(self, *events: InputEvent, after: int = 0) -> list[Command]:
        """Let `after` milliseconds pass, then tell the events; return all that was asked for."""
        self.now += after
        commands: list[Command] = []
        for told in events:
            commands += self.engine.handle(told, self.now)
        self.said += commands
        for wish in only(WakeAt, commands):
            self.wake = wish.at
        return commands

    def start(self) -> list[Command]:
        """Everything up to the belief; no book is known yet."""
        return self.tell(
            StreamUp(),
            LimitsRead(100.0, 1000.0, 10.0, 2.0, 10.0),
            ListingRead("", (self.listed,)),
            GroupReady(0, "g-0", CAP),
            Reconciled((), (), {0: PLENTY}),
            BeliefFormed(belief()),
        )

    def quote(self, ticker: str = MIDDLE) -> dict[Side, Place]:
        """Start, and show one market a book; return what was placed there."""
        self.start()
        places = only(Place, self.tell(book(ticker)))
        return {place.side: place for place in places}

    def rest(self, ticker: str = MIDDLE) -> dict[Side, Place]:
        """Start, and have quotes resting in one market, as orders `o-bid` and `o-ask`."""
        places = self.quote(ticker)
        for side, place in places.items():
            self.tell(OrderPlaced(place.client_id, f"o-{side}", 0))
        return places

    def reason(self, ticker: str = MIDDLE) -> str:
        """Why a market is not quoted."""
        listing = self.engine.state.market(ticker)
        assert listing is not None
        return listing.reason

    def cancelled_sides(self, commands: Iterable[Command]) -> set[str]:
        """The sides whose resting orders were cancelled."""
        return {command.order_id.removeprefix("o-") for command in only(Cancel, commands)}


def notes(commands: Iterable[Command]) -> set[str]:
    """The names of the notes among the commands."""
    return {note.name for note in only(Note, commands)}
