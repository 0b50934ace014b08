"""The time it takes to quote: on a belief about an event of many strikes, and on a book change.

All hundred markets are quoted on both sides with every gate open: books a few cents wide around
fair value, more tokens and cash than the orders need. The floor of the first is to build the bare
commands, that of a book change to change the level.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from functools import partial
from itertools import cycle
from typing import TypeAlias

import msgspec

from mmbot.config import Settings
from mmbot.forecast.belief import Belief
from mmbot.research.forecast_bench import Timing, timed
from mmbot.trading.book import Book
from mmbot.trading.commands import Place
from mmbot.trading.engine import Engine
from mmbot.trading.events import (
    BeliefFormed,
    BookChanged,
    BookReplaced,
    GroupReady,
    InputEvent,
    LimitsRead,
    ListingRead,
    OrderPlaced,
    Reconciled,
    StreamUp,
)
from mmbot.trading.values import ListedEvent, Market
from mmbot.tsa.underlying import TSA
from mmbot.underlying.calendar import CalendarClock, Week, to_milliseconds
from mmbot.units import CENT_GRID, MONEY_PER_DOLLAR, ONE_CENT, ONE_CONTRACT, Count, Money, Price

Run: TypeAlias = Callable[[], object]

_STRIKES = tuple(range(1_800_000, 2_800_000, 10_000))
_WEEK = Week(dt.date(2026, 4, 19))
_TICKERS = tuple(f"T-26APR19-A{strike / 1e6:.2f}" for strike in _STRIKES)
# Fair values from 95 down to 5 cents, and books a few cents around them, five levels per side.
_FAIR = tuple(0.95 - 0.9 * j / (len(_STRIKES) - 1) for j in range(len(_STRIKES)))
_HALF_SPREAD, _LEVELS, _DEPTH = 3, 5, Count(100 * ONE_CONTRACT)
# Monday afternoon, when nothing is due.
_NOW = to_milliseconds(_WEEK.opens) + 4 * 3_600_000
_SETTINGS = msgspec.convert(
    {"limits": {"orders": 1_000, "event_loss_dollars": 100_000.0}}, Settings
)
_PLENTY = Money(200_000 * MONEY_PER_DOLLAR)


def time_quoting(repeat: int) -> list[Timing]:
    """Time the event `repeat` times and the changes of a book, each beside its floor."""
    engines = [_engine() for _ in range(repeat + 1)]
    engine = engines.pop()
    belief = BeliefFormed(Belief(_WEEK, 0, _STRIKES, _FAIR, 2_300_000.0, 250_000.0, "", ""))
    places = [each for each in engine.handle(belief, _NOW) if isinstance(each, Place)]
    for number, place in enumerate(places):
        engine.handle(OrderPlaced(place.client_id, str(number), Count(0)), _NOW)
    commands = timed(f"floor: {len(places)} commands", repeat, lambda: [*map(_copied, places)])
    shown = _book(len(_STRIKES) // 2)
    book = Book(shown.bids, shown.asks)
    (best, depth), (behind, _) = shown.bids[0], shown.bids[-1]
    change = timed(
        "floor: a level of a book", repeat, _alternating(partial(book.change, "bid", behind))
    )

    def change_level(price: Price, delta: Count) -> None:
        engine.handle(BookChanged(shown.ticker, "bid", price, delta), _NOW)

    waiting = iter(engines)
    return [
        commands,
        timed(
            f"quote a ladder of {len(_STRIKES)} strikes",
            repeat,
            lambda: next(waiting).handle(belief, _NOW),
            commands.quickest,
        ),
        change,
        timed(
            "a book change", repeat, _alternating(partial(change_level, behind)), change.quickest
        ),
        timed(
            "a book change that moves the best bid",
            repeat,
            _alternating(partial(change_level, best), Count(-depth)),
            change.quickest,
        ),
    ]


def _engine() -> Engine:
    """Return an engine whose only shut gate is the missing belief."""
    engine = Engine(_SETTINGS, TSA, CalendarClock(), "bench")
    opens, closes = to_milliseconds(_WEEK.opens), to_milliseconds(_WEEK.closes)
    markets = tuple(
        Market(ticker, strike, CENT_GRID, opens, closes)
        for ticker, strike in zip(_TICKERS, _STRIKES, strict=True)
    )
    events: tuple[InputEvent, ...] = (
        StreamUp(),
        LimitsRead(1e6, 1e6, 10.0, 2.0, 10.0),
        ListingRead("", (ListedEvent(_WEEK.event_ticker("T"), _WEEK, markets),)),
        GroupReady(0, "group", _SETTINGS.limits.fill_cap),
        Reconciled((), (), {0: _PLENTY}),
        *map(_book, range(len(_STRIKES))),
    )
    for event in events:
        engine.handle(event, _NOW)
    return engine


def _book(strike_index: int) -> BookReplaced:
    middle = round(_FAIR[strike_index] * 100)
    steps = range(_HALF_SPREAD, _HALF_SPREAD + _LEVELS)
    bids = [Price((middle - step) * ONE_CENT) for step in steps if middle > step]
    asks = [Price((middle + step) * ONE_CENT) for step in steps if middle + step < 100]
    return BookReplaced(
        _TICKERS[strike_index],
        tuple((price, _DEPTH) for price in bids),
        tuple((price, _DEPTH) for price in asks),
    )


def _alternating(change: Callable[[Count], object], first: Count = ONE_CONTRACT) -> Run:
    """Return a function that changes a level by `first`, and the next time back."""
    deltas = cycle((first, Count(-first)))
    return lambda: change(next(deltas))


def _copied(place: Place) -> Place:
    return msgspec.structs.replace(place)
