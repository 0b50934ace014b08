"""The history of every book's top and open interest, and candles of any period from it.

A change of the top is kept as four integers, so that months of many markets fit into memory.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from mmbot.exchange.facts import BookLevelChanged, Fact, Traded
from mmbot.exchange.market import ExchangeMarket
from mmbot.units import ONE_DOLLAR, Count, Milliseconds, Price

# The most changes that are kept of one market.
_MOST_CHANGES: Final = 2_000_000


class Ohlc(NamedTuple):
    """Open, low, high and close of some prices."""

    open: Price
    low: Price
    high: Price
    close: Price

    @classmethod
    def of(cls, prices: Sequence[Price]) -> Ohlc:
        """Summarise prices in the order of time."""
        return cls(prices[0], min(prices), max(prices), prices[-1])


class ExchangeCandle(msgspec.Struct, frozen=True):
    """One period of one market; without trades it has no prices.

    Attributes:
        end_ms: The end of the period, exclusive.
        bid: The best bid, 0 if there was none.
        ask: The best ask, a dollar if there was none.
        price: The prices of the trades.
        value: The sum of count times price over the trades.
        previous: The price of the last trade before.
    """

    end_ms: Milliseconds
    bid: Ohlc
    ask: Ohlc
    price: Ohlc | None
    value: int
    previous: Price | None
    volume: Count
    open_interest: Count


class _Tops:
    """One market's changes: the times, with best bid, best ask and open interest from then on."""

    def __init__(self) -> None:
        self.at = array("q")
        self.bid = array("h")
        self.ask = array("h")
        self.open_interest = array("q")

    def add(self, at: Milliseconds, bid: Price, ask: Price, open_interest: Count) -> None:
        """Add a change, unless nothing has changed."""
        last = len(self.at) - 1
        if last >= _MOST_CHANGES or (
            last >= 0
            and (self.bid[last], self.ask[last], self.open_interest[last])
            == (bid, ask, open_interest)
        ):
            return
        self.at.append(at)
        self.bid.append(bid)
        self.ask.append(ask)
        self.open_interest.append(open_interest)


class QuoteHistory:
    """The tops of all books over time."""

    def __init__(self) -> None:
        self._tops: defaultdict[str, _Tops] = defaultdict(_Tops)

    def record(self, facts: Iterable[Fact], markets: Mapping[str, ExchangeMarket]) -> None:
        """Record the books that the facts have changed."""
        changed = {f.ticker: f.at for f in facts if isinstance(f, BookLevelChanged | Traded)}
        for ticker, at in changed.items():
            market = markets[ticker]
            bid, ask = market.best_bid or Price(0), market.best_ask or ONE_DOLLAR
            self._tops[ticker].add(at, bid, ask, market.open_interest)

    def candles(
        self,
        ticker: str,
        trades: Sequence[Traded],
        first_end: Milliseconds,
        last_end: Milliseconds,
        period: Milliseconds,
    ) -> list[ExchangeCandle]:
        """Return the candles that end from `first_end` to `last_end`, both inclusive.

        Periods without a change are left out. `trades` are all of the market's, in order.
        """
        tops = self._tops.get(ticker, _Tops())
        start = -(-first_end // period) * period - period
        i = bisect_left(tops.at, start)
        j = bisect_left(trades, start, key=lambda trade: trade.at)
        found: list[ExchangeCandle] = []
        while i < len(tops.at) or j < len(trades):
            at = min(
                tops.at[i] if i < len(tops.at) else trades[j].at,
                trades[j].at if j < len(trades) else tops.at[i],
            )
            end = at // period * period + period
            if end > last_end:
                break
            next_i = bisect_left(tops.at, end, i)
            next_j = bisect_left(trades, end, j, key=lambda trade: trade.at)
            found.append(_candle(tops, i, next_i, trades, j, next_j, end))
            i, j = next_i, next_j
        return found


def _candle(
    tops: _Tops,
    i: int,
    next_i: int,
    trades: Sequence[Traded],
    j: int,
    next_j: int,
    end: Milliseconds,
) -> ExchangeCandle:
    # A candle begins with the quotes before it; the first one with an empty book.
    bids = [Price(tops.bid[i - 1] if i else 0), *map(Price, tops.bid[i:next_i])]
    asks = [Price(tops.ask[i - 1] if i else ONE_DOLLAR), *map(Price, tops.ask[i:next_i])]
    within = trades[j:next_j]
    return ExchangeCandle(
        end_ms=end,
        bid=Ohlc.of(bids),
        ask=Ohlc.of(asks),
        price=Ohlc.of([trade.price for trade in within]) if within else None,
        value=sum(trade.count * trade.price for trade in within),
        previous=trades[j - 1].price if j else None,
        volume=Count(sum(trade.count for trade in within)),
        open_interest=Count(tops.open_interest[next_i - 1] if next_i else 0),
    )
