"""What a bot recorded in its ledger, as the weeks of a backtest."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from mmbot.research.backtest import Trade, WeekResult
from mmbot.research.performance import predictions_of
from mmbot.trading.commands import MarketSample, Markout, RecordFill, RecordSettlement
from mmbot.trading.values import event_of
from mmbot.tsa.calendar import CalendarClock
from mmbot.units import ONE_DOLLAR


def week_results(
    fills: Sequence[RecordFill],
    markouts: Iterable[Markout],
    samples: Iterable[MarketSample],
    settlements: Sequence[RecordSettlement],
    clock: CalendarClock,
) -> list[WeekResult]:
    """Return every event that is settled as far as it was traded, in order.

    A fill's later value is the market's mid after the next release where there was one, otherwise
    what YES paid. Without a fair value at its time the price stands for it.
    """
    settlement_of = {each.ticker: each for each in settlements}
    unsettled = {event_of(f.fill.ticker) for f in fills if f.fill.ticker not in settlement_of}
    later = {
        (each.trade_id, each.order_id): each.view.mid
        for each in markouts
        if each.horizon == "release" and each.view.mid is not None
    }
    trades: dict[str, list[Trade]] = defaultdict(list)
    for record in fills:
        fill, event = record.fill, event_of(record.fill.ticker)
        if event in unsettled:
            continue
        paid = settlement_of[fill.ticker].value
        price = fill.price / ONE_DOLLAR
        trades[event].append(
            Trade(
                week=event,
                days_published=record.days_published,
                ticker=fill.ticker,
                day=clock.at(fill.at).date(),
                side=fill.side,
                price=fill.price,
                count=fill.count,
                fee=fill.fee,
                fair=price if record.view.fair is None else record.view.fair,
                later=later.get(fill.key, paid / ONE_DOLLAR),
                payout=paid,
            )
        )
    predictions = defaultdict(list)
    for each in predictions_of(samples, settlement_of):
        predictions[each.week].append(each)
    events = sorted((trades.keys() | predictions.keys()) - unsettled)
    return [WeekResult(e, tuple(trades[e]), tuple(predictions[e])) for e in events]
