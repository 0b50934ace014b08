"""The status of a session, made from the state of its bot: see `mmbot.status_report`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise

from mmbot.forecast.belief import Belief
from mmbot.observe.limits_left import limits_left
from mmbot.observe.pnl import EventPnl, account_pnl, event_pnl, market_pnl
from mmbot.status_report import (
    Ages,
    BookLevel,
    DayState,
    DayStatus,
    EventStatus,
    ForecastStatus,
    HaltStatus,
    MarketStatus,
    MemberShare,
    Outcome,
    OwnOrder,
    ShownGate,
    StatusReport,
    StatusSteps,
    Surroundings,
    finished,
)
from mmbot.trading.book import Book
from mmbot.trading.event_state import EventState
from mmbot.trading.gate_checks import service_gate
from mmbot.trading.gates import ShutGate
from mmbot.trading.market_state import MarketState
from mmbot.trading.order import Order, OrderState
from mmbot.trading.state import TradingState
from mmbot.trading.values import Side
from mmbot.underlying.calendar import Week
from mmbot.underlying.counts import Counts
from mmbot.units import (
    Count,
    Milliseconds,
    Money,
    Price,
    format_count,
    format_money,
    format_price,
)


def status(
    state: TradingState, counts: Counts, around: Surroundings, now: Milliseconds
) -> StatusReport:
    """Return the status at `now`.

    Args:
        state: The engine's state; only read.
        counts: The counts as of now.
        around: What the state does not contain.
        now: The time.
    """
    return finished(status_steps(state, counts, around, now))


def status_steps(
    state: TradingState, counts: Counts, around: Surroundings, now: Milliseconds
) -> StatusSteps:
    """Return the status in steps, one for each event, between which the state may change."""
    events = sorted(state.events.values(), key=lambda each: each.week)
    pnl: dict[EventState, EventPnl] = {}
    shown: list[EventStatus] = []
    for each in events:
        pnl[each] = event_pnl(state, each, now)
        shown.append(_event(state, counts, each, pnl[each], now))
        yield
    quoting = service_gate(state.service) is None and any(map(_is_meant, state.orders))
    shut = [gate for _, market in state.markets() if (gate := market.shut_gate)]
    service, calendar = state.service, state.clock.at(now)
    return StatusReport(
        running=True,
        at=now,
        calendar=calendar,
        mode=state.settings.mode,
        pnl=account_pnl(pnl, calendar.date()),
        session=around.session,
        since=around.since,
        process=around.process,
        exchange=around.exchange,
        directory=around.directory,
        series=state.settings.exchange.series,
        streaming=service.streaming,
        reconciled=service.reconciled,
        ages=_ages(state, around, now),
        latency=around.latency,
        quoting=quoting,
        gate=_gate_of_all(state, shut, quoting=quoting),
        gates=dict(Counter(str(each.gate) for each in shut)),
        halt=None
        if service.halted_since is None
        else HaltStatus(service.halted_since, service.halt_reason),
        paused=tuple(sorted(state.paused)),
        stopping=service.stopping,
        problems=around.problems,
        live_orders=len(state.orders),
        cash=None if state.cash is None else format_money(state.cash),
        balances={shard: _money(state.balance(shard)) or "" for shard in sorted(state.flat)},
        limits=tuple(limits_left(state, pnl, now)),
        events=tuple(shown),
        unreadable=state.unreadable,
        unknown_words=around.unknown_words,
        log_dropped=around.log_dropped,
    )


def _is_meant(order: Order) -> bool:
    """Return whether an order is a quote, resting or on its way, that is to stay."""
    return order.remaining > 0 and order.state is not OrderState.CANCELLING


def shown_gate(gate: ShutGate | None) -> ShownGate | None:
    """Return a gate that is shut, in words."""
    return None if gate is None else ShownGate(str(gate.gate), gate.gate.meaning, gate.detail)


def _gate_of_all(
    state: TradingState, shut: Iterable[ShutGate], *, quoting: bool
) -> ShownGate | None:
    """Return the gate that stops all quoting or, with nothing quoted, the gate of most markets."""
    gate = service_gate(state.service)
    if gate is not None:
        exchange = state.service.exchange
        return shown_gate(exchange if exchange and exchange.gate is gate else ShutGate(gate))
    commonest = Counter(shut).most_common(1)
    return None if quoting or not commonest else shown_gate(commonest[0][0])


def _ages(state: TradingState, around: Surroundings, now: Milliseconds) -> Ages:
    running = Week.of(state.clock.at(now).date())
    formed = [each.belief_at for each in state.events.values() if each.week == running]
    return Ages(
        stream_ms=around.stream_age_ms,
        orders_ms=around.orders_age_ms,
        belief_ms=_since(formed[0] if formed else None, now),
        page_ms=around.page_age_ms,
        account_ms=_since(state.account_read_at, now),
        listing_ms=_since(state.listing_read_at, now),
    )


def _since(at: Milliseconds | None, now: Milliseconds) -> Milliseconds | None:
    return None if at is None else max(0, now - at)


def _money(money: Money | None) -> str | None:
    return None if money is None else format_money(money)


# Events


def _event(
    state: TradingState,
    counts: Counts,
    event_state: EventState,
    pnl: EventPnl,
    now: Milliseconds,
) -> EventStatus:
    return EventStatus(
        event=event_state.ticker,
        week=event_state.week.sunday,
        closes=event_state.closes,
        days_published=len(counts.published_days(event_state.week)),
        days=tuple(_days(state, counts, event_state.week, now)),
        margin=state.settings.quoting.margin_at(event_state.days_published),
        fee=event_state.fee.text,
        forecast=_forecast(event_state, state.underlying.value_unit, now),
        outcomes=tuple(_outcomes(event_state, pnl)),
        cash=format_money(event_state.portfolio.cash),
        pnl_fair=_money(pnl.fair),
        pnl_worst=format_money(pnl.worst),
        pnl_worst_if_filled=format_money(pnl.worst_if_filled),
        pnl_today_fair=_money(pnl.today_fair),
        pnl_today_worst=format_money(pnl.today_worst),
        reduce_only=event_state.reduce_only,
        settled=event_state.settled,
        markets=tuple(
            _market(state, event_state, market, now) for market in event_state.markets.values()
        ),
    )


def _days(
    state: TradingState, counts: Counts, week: Week, now: Milliseconds
) -> Iterator[DayStatus]:
    at, earliest = state.clock.at(now), state.settings.counts.earliest_release
    due = state.underlying.settles(week)
    for day in week.days:
        release = state.underlying.release(day, earliest)
        day_state: DayState = "due" if release <= at else "expected"
        if day in counts:
            day_state = "published"
        elif day in state.missing:
            day_state = "none"
        count = counts.settling_count(day, due) if day in counts else None
        yield DayStatus(day, day_state, count, state.clock.wall_time(release))


def _forecast(event_state: EventState, unit: str, now: Milliseconds) -> ForecastStatus | None:
    belief, formed = event_state.belief, event_state.belief_at
    if belief is None or formed is None:
        return None
    return ForecastStatus(
        mean=round(belief.mean, 1),
        sd=round(belief.sd, 1),
        method=belief.method,
        days_published=belief.days_published,
        formed=formed,
        age_ms=max(0, now - formed),
        effective_weeks=round(belief.effective_weeks, 1),
        members=tuple(
            MemberShare(m.method, round(m.weight, 4), round(m.mean, 1), round(m.sd, 1))
            for m in belief.members
        ),
        digest=belief.digest,
        unit=unit,
    )


def _outcomes(event_state: EventState, pnl: EventPnl) -> Iterator[Outcome]:
    belief = event_state.belief
    strikes = (None, *event_state.strikes, None)
    cells = belief.cells if belief else (None,) * len(pnl.held)
    for (above, up_to), probability, held, filled in zip(
        pairwise(strikes), cells, pnl.held, pnl.filled, strict=True
    ):
        yield Outcome(above, up_to, _rounded(probability), format_money(held), format_money(filled))


# Markets


def _market(
    state: TradingState, event_state: EventState, market: MarketState, now: Milliseconds
) -> MarketStatus:
    ticker, portfolio = market.ticker, event_state.portfolio
    bid, ask = _book(state, market)
    position = portfolio.position(ticker)
    pnl = market_pnl(portfolio, market)
    return MarketStatus(
        market=ticker,
        strike=market.terms.strike,
        opens=market.terms.opens,
        closes=market.terms.closes,
        belief=_rounded(_above(event_state.belief, market.terms.strike)),
        mid=_rounded(market.market_mid.mid if market.market_mid.live else None),
        fair=_rounded(market.fair),
        reservation=_rounded(market.quote_limits.reservation if market.quote_limits else None),
        book_bid=bid,
        book_ask=ask,
        book_age_ms=_since(market.book_at if market.book else None, now),
        quotes=tuple(map(own_order, state.orders.of(ticker))),
        position=format_count(position),
        position_left=format_count(Count(state.settings.limits.position - abs(position))),
        cash=format_money(portfolio.cash_of(ticker)),
        pnl_fair=_money(pnl.fair),
        pnl_worst=format_money(pnl.worst),
        result=None if market.result is None else format_price(market.result),
        settled=market.settled is not None,
        paused=ticker in state.paused,
        gate=shown_gate(market.shut_gate),
    )


def own_order(order: Order) -> OwnOrder:
    """Return one of the bot's orders as it is shown."""
    return OwnOrder(
        market=order.ticker,
        side=order.side,
        price=format_price(order.price),
        count=format_count(order.remaining),
        filled=format_count(order.filled),
        state=str(order.state),
        placed=order.placed_at,
        expires=order.expires,
        order_id=order.order_id,
        client_id=order.client_id,
    )


def _book(state: TradingState, market: MarketState) -> tuple[BookLevel | None, BookLevel | None]:
    """Return the best bid and ask of others, with what rests there."""
    if market.book is None:
        return None, None
    bids, asks = state.orders.levels(market.ticker)
    best = market.book.top(bids, asks)
    return (
        _level(market.book, "bid", best.bid, bids),
        _level(market.book, "ask", best.ask, asks),
    )


def _level(
    book: Book, side: Side, price: Price | None, ours: Mapping[Price, int]
) -> BookLevel | None:
    if price is None:
        return None
    others = Count(book.resting(side, price) - ours.get(price, 0))
    return BookLevel(format_price(price), format_count(others))


def _above(belief: Belief | None, strike: int) -> float | None:
    if belief is None or strike not in belief.strikes:
        return None
    return belief.above[belief.strikes.index(strike)]


def _rounded(dollars: float | None) -> float | None:
    return None if dollars is None else round(dollars, 4)
