"""What a bot kept of a recording that it traded again, as the weeks of a backtest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from mmbot.research.backtest import WeekResult
from mmbot.research.past_history import result_of
from mmbot.research.week_path import PathKeeper
from mmbot.research.week_replay import MarketOutcome, ReplayedWeek
from mmbot.research.yardstick import strikes_in_order
from mmbot.trading.commands import MarketSample, Markout, RecordFill, RecordSettlement
from mmbot.trading.values import event_of
from mmbot.underlying.calendar import CalendarClock
from mmbot.units import ONE_DOLLAR, Price


def week_results(
    fills: Sequence[RecordFill],
    markouts: Sequence[Markout],
    samples: Sequence[MarketSample],
    settlements: Iterable[RecordSettlement],
    clock: CalendarClock,
    mids: Mapping[str, float] | None = None,
    path: PathKeeper | None = None,
) -> list[WeekResult]:
    """Return every event that is settled as far as it was traded, in order.

    A fill's later value is the market's mid after the next release where there was one, otherwise
    what YES paid. With `mids`, in dollars, there are the other events that have one as well: a
    market without a settlement is worth its mid, and what was thought of it is not scored. `path`
    has what was seen and quoted, if that is wanted.
    """
    settled = {each.ticker: each.value for each in settlements}
    marked = {ticker: Price(round(mid * ONE_DOLLAR)) for ticker, mid in (mids or {}).items()}
    worth = marked | settled
    scored = [each for each in samples if each.ticker in settled]
    open_ = {event_of(each.fill.ticker) for each in fills if each.fill.ticker not in worth}
    tickers = {each.fill.ticker for each in fills} | {each.ticker for each in scored} | set(marked)
    found = []
    for event in sorted({event_of(ticker) for ticker in tickers} - open_):
        its_fills = tuple(each for each in fills if event_of(each.fill.ticker) == event)
        its_markouts = _of(its_fills, markouts)
        replayed = ReplayedWeek(
            event=event,
            clock=clock,
            markets=tuple(
                MarketOutcome(ticker, worth[ticker])
                for ticker in strikes_in_order(t for t in tickers if event_of(t) == event)
            ),
            fills=its_fills,
            markouts=its_markouts,
            samples=tuple(each for each in scored if event_of(each.ticker) == event),
            later=_later(its_fills, its_markouts, worth),
            path=None if path is None else path.path(event),
        )
        found.append(result_of(replayed, "recording"))
    return found


def _of(fills: Sequence[RecordFill], markouts: Iterable[Markout]) -> tuple[Markout, ...]:
    keys = {each.fill.key for each in fills}
    return tuple(each for each in markouts if (each.trade_id, each.order_id) in keys)


def _later(
    fills: Iterable[RecordFill], markouts: Iterable[Markout], worth: Mapping[str, Price]
) -> dict[tuple[str, str], float]:
    paid = {each.fill.key: worth[each.fill.ticker] / ONE_DOLLAR for each in fills}
    return paid | {
        (each.trade_id, each.order_id): each.view.mid
        for each in markouts
        if each.horizon == "release" and each.view.mid is not None
    }
