"""One market's past: its trades and candles of both tiers, checked against each other.

The trades of a settled market must add up to its volume. If they do not, the other tier is asked
too, then everything is requested again; what is still missing is noted for the next fetch.
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
# The newest rows of the last fetch are requested again, so that none is lost in between.
_OVERLAP_MS: Milliseconds = 120_000
# After this many fetches, a market whose trades do not add up to its volume is left as it is.
MOST_FETCHES = 3


class MarketToFetch(msgspec.Struct, frozen=True):
    """A market to fetch, and whether the historical tier lists it."""

    market: MarketRecord
    is_archived: bool


class Held(msgspec.Struct, frozen=True):
    """What the directory has of a market."""

    entry: MarketEntry = MarketEntry()
    trades: tuple[Trade, ...] = ()
    candles: tuple[Candle, ...] = ()


class MarketFetched(msgspec.Struct, frozen=True):
    """All that is known about a market after a fetch."""

    market: MarketRecord
    trades: tuple[Trade, ...]
    candles: tuple[Candle, ...]
    entry: MarketEntry


class _Fetch(msgspec.Struct, frozen=True):
    """One fetch of one market.

    Attributes:
        market: The market.
        is_archived: Whether the historical tier lists it.
        cutoff: The boundaries of the tiers.
        since: The time from which rows are requested; 0 for all.
        now: The exchange's time.
        doubts: Collects what could not be used.
    """

    market: MarketRecord
    is_archived: bool
    cutoff: Cutoff
    since: Milliseconds
    now: Milliseconds
    doubts: Doubts


class _Part(msgspec.Struct, frozen=True):
    """The rows of one kind, and why some of them may be missing."""

    trades: tuple[Trade, ...] = ()
    candles: tuple[Candle, ...] = ()
    missing: tuple[str, ...] = ()


def fetch_market(
    wanted: MarketToFetch,
    held: Held,
    cutoff: Cutoff,
    periods: tuple[Period, ...],
    now: Milliseconds,
) -> Steps[MarketFetched]:
    """Fetch what the directory does not have of a market.

    Args:
        wanted: The market.
        held: What the directory has of it.
        cutoff: The boundaries of the tiers.
        periods: The candles that are wanted.
        now: The exchange's time.
    """
    market = wanted.market
    imported = held if held.entry.is_imported else Held()
    held = Held(held.entry) if held.entry.is_imported else held
    since = held.entry.until_ms if _can_continue(held.entry, periods) else 0
    fetch = _Fetch(market, wanted.is_archived, cutoff, since, now, Doubts())
    traded = yield from _trades(fetch, held.trades)
    part = yield from _candles(fetch, held.candles, periods)
    trades, candles = traded.trades, part.candles
    missing = (*traded.missing, *part.missing)
    fetches = held.entry.fetches + 1 if missing else 0
    if missing and market.is_final and fetches >= MOST_FETCHES:
        fetch.doubts.add("given up after several fetches", f"{fetches}: {'; '.join(missing)}")
        missing = ()
    if missing:
        # The user's own files are kept until the exchange's rows are complete.
        trades, candles = trades or imported.trades, candles or imported.candles
    entry = MarketEntry(
        periods={period: sum(c.period_minutes == period for c in candles) for period in periods},
        until_ms=now,
        is_final=market.is_final and all(_is_over(market, candles, p, now) for p in periods),
        missing=missing,
        doubts=fetch.doubts.told(),
        fetches=fetches,
    )
    return MarketFetched(market, trades, candles, entry)


def _can_continue(entry: MarketEntry, periods: tuple[Period, ...]) -> bool:
    """Return whether only newer rows are needed: the older ones came complete from the exchange."""
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
    """Return whether a closed market has its last candle, or can have no further one."""
    return now >= market.closes_ms + period * 60_000 or any(
        candle.end_ms >= market.closes_ms for candle in candles if candle.period_minutes == period
    )


def _make_volume(market: MarketRecord, candles: Iterable[Candle], period: Period) -> bool:
    traded = sum(candle.volume for candle in candles if candle.period_minutes == period)
    return market.volume in (None, traded)


def _shortfall(market: MarketRecord, trades: Iterable[Trade]) -> str:
    """Return how the trades of a settled market contradict its volume, or ""."""
    if not market.is_final or market.volume is None:
        return ""
    traded = Count(sum(trade.count for trade in trades))
    if traded == market.volume:
        return ""
    return f"{format_count(market.volume)} contracts traded, {format_count(traded)} in its trades"


# Trades


def _trades(fetch: _Fetch, held: tuple[Trade, ...]) -> Steps[_Part]:
    """Fetch the newer trades, or all if they do not add up to the volume then."""
    part = yield from _trades_of_tiers(fetch, held)
    if fetch.since and _shortfall(fetch.market, part.trades):
        # One was lost between two fetches.
        part = yield from _trades_of_tiers(msgspec.structs.replace(fetch, since=0), held)
    shortfall = _shortfall(fetch.market, part.trades)
    return _Part(part.trades, missing=(*part.missing, *([shortfall] if shortfall else [])))


def _trades_of_tiers(fetch: _Fetch, held: tuple[Trade, ...]) -> Steps[_Part]:
    """Fetch the newer trades from the tiers that may have some; return them with those held."""
    market, cutoff = fetch.market, fetch.cutoff
    since = max(market.opens_ms, fetch.since - _OVERLAP_MS)
    until = min(market.closes_ms, fetch.now)
    tiers = {
        "/historical/trades": cutoff.may_have_traded(since),
        "/markets/trades": cutoff.may_be_live(until),
    }
    found = held
    missing: list[str] = []
    # A tier that should have nothing comes last, and is asked only if trades are missing.
    for path, may_have_some in sorted(tiers.items(), key=lambda tier: not tier[1]):
        if not may_have_some and not (missing or _shortfall(market, found)):
            continue
        try:
            part = yield from _trades_of_tier(fetch, path, since, until)
        except Refused as error:
            missing.append(str(error))
            continue
        found = _in_order(found, part.trades, fetch.doubts)
        missing += part.missing
    if market.is_final and market.volume is not None and not _shortfall(market, found):
        missing = []
    return _Part(found, missing=tuple(missing))


def _trades_of_tier(
    fetch: _Fetch, path: str, since: Milliseconds, until: Milliseconds
) -> Steps[_Part]:
    """Fetch the trades of a market from one tier, newest first.

    If the pages loop, or one brings nothing new, the list is requested again from the oldest trade
    received, as long as that helps.
    """
    life, doubts = wire.Life.of(fetch.market), fetch.doubts
    # The newest first, as it comes.
    order: dict[str, Trade] = {}
    seen: set[str] = set()
    newest, cursor = -(-until // 1000) + 1, ""
    asked: set[str] = set()
    news = 0
    for _ in range(_MOST_PAGES):
        query: Query = (
            ("ticker", fetch.market.ticker),
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
            doubts.add("a repeated page of trades, so the list was requested again", path)
            oldest = min((trade.at_ms for trade in order.values()), default=0)
            if not news or not oldest:
                return _Part(
                    tuple(reversed(order.values())),
                    missing=("the pages of the list of trades repeat",),
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
        doubts.add("a trade that was reported in two ways; the first is used", trade.trade_id)


# Candles


def _candles(fetch: _Fetch, held: tuple[Candle, ...], periods: tuple[Period, ...]) -> Steps[_Part]:
    """Fetch the newer candles; return them with those held.

    A gap is harder to see in candles than in trades, so a settled market's are all requested.
    """
    market = fetch.market
    if market.is_final:
        fetch = msgspec.structs.replace(fetch, since=0)
    candles, missing = list(held), list[str]()
    for period in periods:
        part = yield from _candles_of_period(fetch, period)
        candles = merge(CANDLES, candles, part.candles)
        missing += part.missing
        if market.is_final and not part.missing and not _make_volume(market, candles, period):
            fetch.doubts.add(
                "candles that do not add up to their market's volume", f"{period} minutes"
            )
    return _Part(candles=tuple(candles), missing=tuple(missing))


def _candles_of_period(fetch: _Fetch, period: Period) -> Steps[_Part]:
    """Fetch the newer candles of one period from the tier that has the market."""
    market = fetch.market
    live = f"/series/{market.series}/markets/{market.ticker}/candlesticks"
    old = f"/historical/markets/{market.ticker}/candlesticks"
    settled = market.settled_ms
    tiers = [live]
    if fetch.is_archived or settled is not None:
        archived_first = fetch.is_archived or (settled or 0) < (fetch.cutoff.settled_ms or 0)
        tiers = [old, live] if archived_first else [live, old]
    reasons: list[str] = []
    for path in tiers:
        try:
            found = yield from _candles_of_tier(fetch, path, period)
        except Refused as error:
            reasons.append(str(error))
            continue
        if found:
            return _Part(candles=found)
        # The other tier may have the candles of a market that was traded.
        if fetch.since or not market.volume or not market.is_final:
            return _Part()
        reasons.append(f"there are no candles of {period} minutes at {path}")
    return _Part(missing=tuple(reasons))


def _candles_of_tier(fetch: _Fetch, path: str, period: Period) -> Steps[tuple[Candle, ...]]:
    """Fetch the newer candles of one period from one tier, a limited number per request."""
    market, now, doubts = fetch.market, fetch.now, fetch.doubts
    step = period * 60
    # The newest candle held may have been read before its period was over.
    since = max(market.opens_ms, fetch.since - period * 60_000 - _OVERLAP_MS)
    # Once a market has closed, the last candle is that of the period in which it closed.
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
                doubts.add("a candle that was reported in two ways; the first is used", told)
        first = end + 1
    return tuple(found[end] for end in sorted(found))
