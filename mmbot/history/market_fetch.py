"""One market's past: its trades and candles of both tiers, checked against each other.

The trades of a market that was paid out must make its volume. Where they do not, the other tier is
asked as well, then everything anew; what still lacks is named, and asked for by the next fetch.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

import msgspec

from mmbot.history import wire
from mmbot.history.doubts import Doubts
from mmbot.history.listing import Cutoff
from mmbot.history.manifest import MarketEntry
from mmbot.history.rows import CANDLES, TRADES, Candle, MarketRecord, Period, Trade
from mmbot.history.steps import Query, Refused, Steps, page
from mmbot.history.store import merge
from mmbot.units import Count, Milliseconds, format_count

_TRADES_A_PAGE = "1000"
_MOST_PAGES = 2_000
# No answer holds more than ten thousand candles; a week of trading has 9,480 minutes.
_CANDLES_AT_ONCE = 4_800
# What was the newest at the last fetch is asked for again, so that nothing is lost in between.
_OVERLAP_MS: Milliseconds = 120_000
# A market whose trades do not make its volume after so many fetches is left as it is.
MOST_FETCHES = 3


class Held(msgspec.Struct, frozen=True):
    """What is already there of a market."""

    entry: MarketEntry = MarketEntry()
    trades: tuple[Trade, ...] = ()
    candles: tuple[Candle, ...] = ()


class MarketFetched(msgspec.Struct, frozen=True):
    """All that is known of a market after a fetch."""

    market: MarketRecord
    trades: tuple[Trade, ...]
    candles: tuple[Candle, ...]
    entry: MarketEntry


class _Part(msgspec.Struct, frozen=True):
    """The rows of one kind, and why they may not be all."""

    trades: tuple[Trade, ...] = ()
    candles: tuple[Candle, ...] = ()
    missing: tuple[str, ...] = ()


def fetch_market(
    market: MarketRecord,
    cutoff: Cutoff,
    held: Held,
    now: Milliseconds,
    periods: tuple[Period, ...],
    *,
    is_archived: bool = False,
) -> Steps[MarketFetched]:
    """Fetch what is not there of a market.

    Args:
        market: What is known of it.
        cutoff: The boundaries of the tiers.
        held: What is there.
        now: The exchange's time.
        periods: The candles that are wanted.
        is_archived: Whether the historical tier lists it.
    """
    doubts = Doubts()
    imported = held if held.entry.is_imported else Held()
    held = Held(held.entry) if held.entry.is_imported else held
    since = held.entry.until_ms if _can_go_on(held, periods) else 0
    traded = yield from _all_trades(market, cutoff, held.trades, since, now, doubts)
    part = yield from _all_candles(
        market, cutoff, held.candles, since, now, periods, doubts, is_archived=is_archived
    )
    missing, candles = (*traded.missing, *part.missing), part.candles
    fetches = held.entry.fetches + 1 if missing else 0
    if missing and market.is_final and fetches >= MOST_FETCHES:
        doubts.add("given up after so many fetches", f"{fetches}: {'; '.join(missing)}")
        missing = ()
    trades = traded.trades
    if missing:
        # What the user has from elsewhere is kept until the exchange's own is whole.
        trades, candles = trades or imported.trades, candles or imported.candles
    entry = MarketEntry(
        periods={period: sum(c.period_minutes == period for c in candles) for period in periods},
        until_ms=now,
        is_final=market.is_final and all(_is_over(market, candles, p, now) for p in periods),
        missing=missing,
        doubts=doubts.told(),
        fetches=fetches,
    )
    return MarketFetched(market, trades, candles, entry)


def _can_go_on(held: Held, periods: tuple[Period, ...]) -> bool:
    """Return whether only what is newer is wanted: what is there came whole from the exchange."""
    entry = held.entry
    return (
        entry.until_ms > 0
        and not entry.missing
        and not entry.is_imported
        and set(periods) <= entry.periods.keys()
        and not entry.is_final
    )


def _is_over(
    market: MarketRecord, candles: Iterable[Candle], period: Period, now: Milliseconds
) -> bool:
    """Return whether no candle of a closed market is to come: its last period is over or there."""
    return now >= market.closes_ms + period * 60_000 or any(
        candle.end_ms >= market.closes_ms for candle in candles if candle.period_minutes == period
    )


def _make_volume(market: MarketRecord, candles: Iterable[Candle], period: Period) -> bool:
    traded = sum(candle.volume for candle in candles if candle.period_minutes == period)
    return market.volume in (None, traded)


def _lack(market: MarketRecord, trades: Iterable[Trade]) -> str:
    """Return how the trades of a market that was paid out contradict its volume, or ""."""
    if not market.is_final or market.volume is None:
        return ""
    traded = Count(sum(trade.count for trade in trades))
    if traded == market.volume:
        return ""
    return f"{format_count(market.volume)} contracts traded, {format_count(traded)} in its trades"


# Trades


def _all_trades(
    market: MarketRecord,
    cutoff: Cutoff,
    held: tuple[Trade, ...],
    since: Milliseconds,
    now: Milliseconds,
    doubts: Doubts,
) -> Steps[_Part]:
    """Fetch a market's trades after `since`, or all if they do not make its volume then."""
    part = yield from _fetch_trades(market, cutoff, held, since, now, doubts)
    if since and _lack(market, part.trades):
        # Something was lost in between.
        part = yield from _fetch_trades(market, cutoff, held, 0, now, doubts)
    lack = _lack(market, part.trades)
    return _Part(trades=part.trades, missing=(*part.missing, *([lack] if lack else [])))


def _fetch_trades(
    market: MarketRecord,
    cutoff: Cutoff,
    held: tuple[Trade, ...],
    since: Milliseconds,
    now: Milliseconds,
    doubts: Doubts,
) -> Steps[_Part]:
    """Fetch a market's trades after `since` from the tiers that may have some."""
    since = max(market.opens_ms, since - _OVERLAP_MS)
    until = min(market.closes_ms, now)
    old = ("/historical/trades", cutoff.may_have_traded(since))
    live = ("/markets/trades", cutoff.may_be_live(until))
    found = held
    missing: list[str] = []
    asked = [path for path, wanted in (old, live) if wanted]
    # A tier that should have nothing is asked only where trades are missing.
    for path in (*asked, *(path for path, wanted in (old, live) if not wanted)):
        if path not in asked and not (missing or _lack(market, found)):
            continue
        try:
            part = yield from _one_tier(path, market, since, until, doubts)
        except Refused as error:
            missing.append(str(error))
            continue
        found = _in_order(found, part.trades, doubts)
        missing += part.missing
    if market.is_final and market.volume is not None and not _lack(market, found):
        missing = []
    return _Part(trades=found, missing=tuple(missing))


def _one_tier(
    path: str,
    market: MarketRecord,
    since: Milliseconds,
    until: Milliseconds,
    doubts: Doubts,
) -> Steps[_Part]:
    """Fetch the trades of a market from one tier, newest first.

    Where the pages go round in a circle, or one brings nothing new, the list is asked for again
    from the oldest trade that came, as long as that helps.
    """
    life = wire.Life.of(market)
    # The newest first, as it comes.
    order: dict[str, Trade] = {}
    seen: set[str] = set()
    newest, cursor = -(-until // 1000) + 1, ""
    asked: set[str] = set()
    news = 0
    for _ in range(_MOST_PAGES):
        query: Query = (
            ("ticker", market.ticker),
            ("min_ts", str(since // 1000 - 1)),
            ("max_ts", str(newest)),
            ("limit", _TRADES_A_PAGE),
            *((("cursor", cursor),) if cursor else ()),
        )
        asked.add(cursor)
        rows, cursor = yield from page(path, query, "trades")
        before = len(seen)
        for row in wire.each_of(rows, wire.RestTrade, "a trade", doubts):
            seen.add(row.trade_id)
            try:
                _keep_first(order, wire.read_trade(row, life, doubts), doubts)
            except wire.Unusable as error:
                doubts.add(error.why, error.case)
        news += len(seen) - before
        if not cursor:
            return _Part(trades=tuple(reversed(order.values())))
        if cursor in asked or len(seen) == before:
            doubts.add("a page of trades that repeats, so that the list was asked anew", path)
            oldest = min((trade.at_ms for trade in order.values()), default=0)
            if not news or not oldest:
                return _Part(
                    tuple(reversed(order.values())), missing=("the list of trades goes round",)
                )
            newest, cursor, asked, news = -(-oldest // 1000), "", set(), 0
    return _Part(
        tuple(reversed(order.values())), missing=(f"more than {_MOST_PAGES:,} pages of trades",)
    )


def _in_order(
    held: tuple[Trade, ...], found: tuple[Trade, ...], doubts: Doubts
) -> tuple[Trade, ...]:
    """Return all trades in the order in which they happened, each once.

    Those of one instant stay in the order in which the exchange lists them.
    """
    known = {trade.trade_id: trade for trade in held}
    for trade in found:
        _keep_first(known, trade, doubts)
    return tuple(sorted(known.values(), key=TRADES.order_of))


def _keep_first(known: dict[str, Trade], trade: Trade, doubts: Doubts) -> None:
    if known.setdefault(trade.trade_id, trade) != trade:
        doubts.add("a trade that was told in two ways, of which the first counts", trade.trade_id)


# Candles


def _all_candles(
    market: MarketRecord,
    cutoff: Cutoff,
    held: tuple[Candle, ...],
    since: Milliseconds,
    now: Milliseconds,
    periods: tuple[Period, ...],
    doubts: Doubts,
    *,
    is_archived: bool,
) -> Steps[_Part]:
    """Fetch a market's candles after `since`; return them with those that are there.

    A hole shows less in candles than in trades: once all are there, they are asked for whole.
    """
    candles, missing = list(held), list[str]()
    asked = 0 if market.is_final else since
    for period in periods:
        part = yield from _fetch_candles(
            market, cutoff, asked, now, period, doubts, is_archived=is_archived
        )
        candles = merge(CANDLES, candles, part.candles)
        missing += part.missing
        if market.is_final and not part.missing and not _make_volume(market, candles, period):
            doubts.add("candles that do not make their market's volume", f"{period} minutes")
    return _Part(candles=tuple(candles), missing=tuple(missing))


def _fetch_candles(
    market: MarketRecord,
    cutoff: Cutoff,
    since: Milliseconds,
    now: Milliseconds,
    period: Period,
    doubts: Doubts,
    *,
    is_archived: bool,
) -> Steps[_Part]:
    """Fetch the candles of one period after `since` from the tier that has the market."""
    series, ticker = market.series, market.ticker
    live = f"/series/{series}/markets/{ticker}/candlesticks"
    old = f"/historical/markets/{ticker}/candlesticks"
    settled = market.settled_ms
    tiers = [live]
    if is_archived or settled is not None:
        archived_first = is_archived or (settled or 0) < (cutoff.settled_ms or 0)
        tiers = [old, live] if archived_first else [live, old]
    reasons: list[str] = []
    for path in tiers:
        try:
            found = yield from _windows(path, market, since, now, period, doubts)
        except Refused as error:
            reasons.append(str(error))
            continue
        if found:
            return _Part(candles=found)
        # A tier that has nothing of a market that was traded may not be the one that has it.
        if since or not market.volume or not market.is_final:
            return _Part()
        reasons.append(f"there are no candles of {period} minutes at {path}")
    return _Part(missing=tuple(reasons))


def _windows(
    path: str,
    market: MarketRecord,
    since: Milliseconds,
    now: Milliseconds,
    period: Period,
    doubts: Doubts,
) -> Steps[tuple[Candle, ...]]:
    step = period * 60
    # The newest candle may have been told before its period was over.
    since = max(market.opens_ms, since - period * 60_000 - _OVERLAP_MS)
    # In a market that has closed nothing happens any more before its last period is over.
    last = market.closes_ms // 1000 + step if market.closes_ms <= now else now // 1000
    first = since // 1000
    life = wire.Life.of(market)
    found: dict[int, Candle] = {}
    while first <= last:
        end = min(first + (_CANDLES_AT_ONCE - 1) * step, last)
        query: Query = (
            ("start_ts", str(first)),
            ("end_ts", str(end)),
            ("period_interval", str(period)),
        )
        rows, _ = yield from page(path, query, "candlesticks")
        read = partial(wire.read_candle, life=life, period=period, span=(first, end), doubts=doubts)
        for candle in wire.usable(rows, wire.RestCandle, read, "a candle", doubts):
            if found.setdefault(candle.end_ms, candle) != candle:
                told = f"{candle.end_ms // 1000}, {period} minutes"
                doubts.add("a candle that was told in two ways, of which the first counts", told)
        first = end + 1
    return tuple(found[end] for end in sorted(found))
