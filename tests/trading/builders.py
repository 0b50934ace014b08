"""Small parts that the tests of trading are put together from; numbers are plain ints."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import TypeVar

import msgspec

from mmbot.config import Settings
from mmbot.forecast.belief import Belief
from mmbot.trading.book import Top
from mmbot.trading.commands import (
    Cancel,
    Command,
    Note,
    Place,
    ReadAccount,
    RecordSettlement,
    WakeAt,
)
from mmbot.trading.engine import Engine
from mmbot.trading.events import (
    BeliefFormed,
    BookChanged,
    BookReplaced,
    GroupReady,
    InputEvent,
    LimitsRead,
    ListingRead,
    MarketSettled,
    OrderCancelled,
    OrderDecreased,
    OrderPlaced,
    Reconciled,
    StreamUp,
)
from mmbot.trading.losses import PnlMark
from mmbot.trading.values import Fill, Level, ListedEvent, Market, OrderReport, OrderStatus, Side
from mmbot.tsa.underlying import TSA
from mmbot.underlying.calendar import EASTERN, CalendarClock, Week, to_milliseconds
from mmbot.units import CENT_GRID, Count, Money, Price

_T = TypeVar("_T")

WEEK = Week(dt.date(2026, 11, 29))
OPENS, CLOSES = to_milliseconds(WEEK.opens), to_milliseconds(WEEK.closes)
# Tuesday noon: one day is published.
NOW = to_milliseconds(dt.datetime(2026, 11, 24, 12, 0, tzinfo=EASTERN))
# So much cash that a position hardly moves what the others are worth, in millionths of a dollar.
PLENTY = Money(10**15)
# The fill cap of an order group unless a test sets another.
CAP = Count(10_000)
LOW, MIDDLE, HIGH = "T-26NOV29-A2.6", "T-26NOV29-A2.7", "T-26NOV29-A2.8"
STRIKES = {LOW: 2_600_000, MIDDLE: 2_700_000, HIGH: 2_800_000}


def settings(**sections: dict[str, object]) -> Settings:
    """Two-sided settings with a margin of a tenth that trust the belief alone, and more."""
    quoting = {
        "sides": "both",
        "margin": 0.1,
        "longshot_edge_cents": [0.0] * 5,
        "belief_weight": [1.0] * 5,
        "market_sharpness": 1.0,
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


def levels(*prices_and_counts: tuple[int, int]) -> tuple[Level, ...]:
    """Levels of a book."""
    return tuple((Price(price), Count(count)) for price, count in prices_and_counts)


def top(bid: int | None, ask: int | None) -> Top:
    """The best prices of others."""
    return Top(None if bid is None else Price(bid), None if ask is None else Price(ask))


def book(
    ticker: str = MIDDLE, bid: int | None = 4000, ask: int | None = 6000, count: int = 10_000
) -> BookReplaced:
    """A book of one level a side."""
    return BookReplaced(
        ticker,
        () if bid is None else levels((bid, count)),
        () if ask is None else levels((ask, count)),
    )


def book_changed(ticker: str, side: Side, price: int, delta: int) -> BookChanged:
    """A change of one level."""
    return BookChanged(ticker, side, Price(price), Count(delta))


def group_ready(shard: int = 0, group: str = "g-0", contracts: int = CAP) -> GroupReady:
    """An order group with a fill cap."""
    return GroupReady(shard, group, Count(contracts))


def order_placed(client_id: str, order_id: str, filled: int = 0) -> OrderPlaced:
    """A place was applied."""
    return OrderPlaced(client_id, order_id, Count(filled))


def order_cancelled(client_id: str, remaining: int) -> OrderCancelled:
    """A cancel was applied."""
    return OrderCancelled(client_id, Count(remaining))


def order_decreased(client_id: str, remaining: int) -> OrderDecreased:
    """A decrease was applied."""
    return OrderDecreased(client_id, Count(remaining))


def market_settled(
    ticker: str, value: int | None, *, final: bool = False, read: bool = False
) -> MarketSettled:
    """A market's result."""
    return MarketSettled(ticker, None if value is None else Price(value), final, read)


def settlement(
    ticker: str, value: int, position: int, payout: int, at: int, *, final: bool = False
) -> RecordSettlement:
    """The record of a settlement."""
    return RecordSettlement(ticker, Price(value), Count(position), Money(payout), at, final)


def pnl_mark(day: dt.date, event_ticker: str, start: int, latest: int) -> PnlMark:
    """An event's P&L at the start of a day, and the latest one."""
    return PnlMark(day, event_ticker, Money(start), Money(latest))


def report(
    place: Place,
    order_id: str,
    filled: int = 0,
    status: OrderStatus = "resting",
    expires: int | None = None,
) -> OrderReport:
    """What the exchange reports of an order that was placed."""
    return OrderReport(
        place.client_id,
        order_id,
        place.ticker,
        place.side,
        place.price,
        Count(filled),
        Count(place.count - filled if status == "resting" else 0),
        status,
        place.expires if expires is None else expires,
    )


def reported(
    client_id: str,
    order_id: str = "o-9",
    price: int = 4100,
    *,
    ticker: str = MIDDLE,
    filled: int = 0,
    remaining: int = 1000,
    status: OrderStatus = "resting",
    expires: int = NOW + 60_000,
    shard: int = 0,
    group: str = "",
) -> OrderReport:
    """What the exchange reports of any bid."""
    return OrderReport(
        client_id,
        order_id,
        ticker,
        "bid",
        Price(price),
        Count(filled),
        Count(remaining),
        status,
        expires,
        shard,
        group,
    )


def fill(
    trade_id: str,
    order_id: str,
    count: int,
    price: int = 4100,
    side: Side = "bid",
    ticker: str = MIDDLE,
    client_id: str = "",
    *,
    fee: int = 0,
    at: int = NOW,
) -> Fill:
    """A fill of ours."""
    return Fill(
        trade_id, order_id, ticker, side, Price(price), Count(count), Money(fee), at, client_id
    )


def fills_listed(*fills: Fill) -> Reconciled:
    """A reading of the account that has these fills, and no order."""
    return Reconciled((), fills, None)


def only(kind: type[_T], commands: Iterable[Command]) -> list[_T]:
    """The commands of one kind."""
    return [command for command in commands if isinstance(command, kind)]


def accounts_read(commands: Iterable[Command]) -> list[ReadAccount]:
    """The readings of the account that were requested, whenever that was."""
    return [msgspec.structs.replace(command, at=0) for command in only(ReadAccount, commands)]


class Bench:
    """An engine that is given events one by one; time passes only on purpose."""

    def __init__(self, **sections: dict[str, object]) -> None:
        self.engine = Engine(settings(**sections), TSA, CalendarClock(), "session")
        self.now = NOW
        self.echoing = True
        self.listed = event()
        self.wake: int | None = None
        self.all_commands: list[Command] = []

    def handle(self, *events: InputEvent, after: int = 0) -> list[Command]:
        """Let `after` milliseconds pass, then handle the events; return all their commands."""
        self.now += after
        commands: list[Command] = []
        for each in events:
            commands += self.engine.handle(each, self.now)
            if self.echoing and isinstance(each, OrderPlaced):
                # As if the stream had shown at once what was placed.
                self.engine._echoes.connection_changed(self.now)
        self.all_commands += commands
        for request in only(WakeAt, commands):
            self.wake = request.at
        return commands

    def start(self) -> list[Command]:
        """Everything up to the belief; no book is known yet."""
        return self.handle(
            StreamUp(),
            LimitsRead(100.0, 1000.0, 10.0, 2.0, 10.0),
            ListingRead("", (self.listed,)),
            group_ready(),
            Reconciled((), (), {0: PLENTY}),
            BeliefFormed(belief()),
        )

    def quote(self, ticker: str = MIDDLE) -> dict[Side, Place]:
        """Start, and show one market a book; return what was placed there."""
        self.start()
        places = only(Place, self.handle(book(ticker)))
        return {place.side: place for place in places}

    def rest(self, ticker: str = MIDDLE) -> dict[Side, Place]:
        """Start, and have quotes resting in one market, as orders `o-bid` and `o-ask`."""
        places = self.quote(ticker)
        for side, place in places.items():
            self.handle(order_placed(place.client_id, f"o-{side}"))
        return places

    def reason(self, ticker: str = MIDDLE) -> str:
        """Why a market is not quoted."""
        return self.engine.state.market(ticker).reason

    def cancelled_sides(self, commands: Iterable[Command]) -> set[str]:
        """The sides whose resting orders were cancelled."""
        return {command.order_id.removeprefix("o-") for command in only(Cancel, commands)}


def notes(commands: Iterable[Command]) -> set[str]:
    """The names of the notes among the commands."""
    return {note.name for note in only(Note, commands)}
