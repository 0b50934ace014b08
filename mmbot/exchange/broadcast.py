"""Publishes the engine's facts to the subscriptions of every stream session."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import assert_never

from mmbot.exchange.accounts import Account
from mmbot.exchange.exchange_state import ExchangeEvent, ExchangeState
from mmbot.exchange.facts import (
    AccountFilled,
    BookLevelChanged,
    Fact,
    GroupUpdated,
    MarketChanged,
    OrderChanged,
    Settled,
    Traded,
)
from mmbot.exchange.market import ExchangeMarket
from mmbot.exchange.render import Json
from mmbot.exchange.stream_session import StreamSession, Subscription
from mmbot.exchange.tape import (
    delta_json,
    event_message,
    fill_message,
    group_message,
    lifecycle_message,
    order_message,
    position_message,
    ticker_json,
    trade_message,
)
from mmbot.units import Milliseconds


def broadcast(
    exchange: ExchangeState,
    sessions: Sequence[StreamSession],
    facts: Iterable[Fact],
    now: Milliseconds,
) -> None:
    """Queue the frames that follow from `facts` for each session, `ticker` messages last."""
    if not sessions:
        return
    for session in sessions:
        session.set_time(now)
    touched: dict[str, None] = {}
    for fact in facts:
        if isinstance(fact, BookLevelChanged | Traded):
            touched[fact.ticker] = None
        _publish(exchange, sessions, fact)
    for ticker in touched:
        for session, subscription in _subscribers(sessions, "ticker", ticker):
            message = ticker_json(exchange.engine.markets[ticker], now)
            session.publish(subscription, "ticker", message)


def _publish(exchange: ExchangeState, sessions: Sequence[StreamSession], fact: Fact) -> None:
    market = exchange.engine.markets
    match fact:
        case BookLevelChanged():
            _publish_delta(sessions, fact, market[fact.ticker])
        case Traded():
            for session, subscription in _subscribers(sessions, "trade", fact.ticker):
                session.publish(subscription, "trade", trade_message(fact))
        case MarketChanged():
            message = lifecycle_message(fact, market[fact.ticker], exchange)
            _publish_lifecycle(sessions, "market_lifecycle_v2", message)
        case OrderChanged() | AccountFilled() | Settled() | GroupUpdated():
            _publish_private(exchange.settings.exchange_index, sessions, fact)
        case _:
            assert_never(fact)


def _publish_private(
    shard: int,
    sessions: Sequence[StreamSession],
    fact: OrderChanged | AccountFilled | Settled | GroupUpdated,
) -> None:
    match fact:
        case OrderChanged():
            order = fact.order
            owned = _owned(sessions, order.account)
            for session, subscription in _subscribers(owned, "user_orders", order.ticker):
                message = order_message(order, fact.reason, shard)
                session.publish(subscription, "user_order", message)
        case AccountFilled() | Settled():
            for session in _owned(sessions, fact.account):
                for subscription in tuple(session.subscriptions.values()):
                    if subscription.wants(fact.ticker):
                        _publish_position(shard, session, subscription, fact)
        case GroupUpdated():
            owned = _owned(sessions, fact.account)
            for session, subscription in _subscribers(owned, "order_group_updates"):
                session.publish(subscription, "order_group_updates", group_message(fact))
        case _:
            assert_never(fact)


def _publish_position(
    shard: int,
    session: StreamSession,
    subscription: Subscription,
    fact: AccountFilled | Settled,
) -> None:
    if subscription.channel == "market_positions":
        position = fact.account.position(fact.ticker)
        message = position_message(fact.account, fact.ticker, position)
        session.publish(subscription, "market_position", message)
    elif subscription.channel == "fill" and isinstance(fact, AccountFilled):
        session.publish(subscription, "fill", fill_message(fact, shard))


def _publish_delta(
    sessions: Sequence[StreamSession], fact: BookLevelChanged, market: ExchangeMarket
) -> None:
    for session, subscription in _subscribers(sessions, "orderbook_delta", fact.ticker):
        message = delta_json(
            fact,
            market,
            no_as_yes=subscription.use_yes_price,
            own=_owns(session, fact.account),
        )
        session.publish(subscription, "orderbook_delta", message)


def _owns(session: StreamSession, account: Account) -> bool:
    key = session.credential
    return key.user_id == account.user_id and key.subaccount in (None, account.subaccount)


def _owned(sessions: Iterable[StreamSession], account: Account) -> list[StreamSession]:
    """Return the sessions whose key may see the account."""
    return [session for session in sessions if _owns(session, account)]


def _subscribers(
    sessions: Iterable[StreamSession], channel: str, ticker: str | None = None
) -> Iterator[tuple[StreamSession, Subscription]]:
    """Yield the subscriptions to a channel, and to a market if `ticker` is given."""
    for session in sessions:
        # A copy: publishing ends the subscription of a consumer that is too slow.
        for subscription in tuple(session.subscriptions.values()):
            if subscription.channel == channel and (ticker is None or subscription.wants(ticker)):
                yield session, subscription


def broadcast_event(
    exchange: ExchangeState,
    event: ExchangeEvent,
    sessions: Sequence[StreamSession],
    now: Milliseconds,
) -> None:
    """Publish a new event."""
    for session in sessions:
        session.set_time(now)
    _publish_lifecycle(sessions, "event_lifecycle", event_message(event, exchange))


def broadcast_fees(
    event: ExchangeEvent, sessions: Sequence[StreamSession], now: Milliseconds
) -> None:
    """Publish an event's new fees."""
    override = event.fee_override
    message = {
        "event_ticker": event.ticker,
        "fee_type_override": override.fee_type if override else None,
        "fee_multiplier_override": override.multiplier if override else None,
    }
    for session in sessions:
        session.set_time(now)
    _publish_lifecycle(sessions, "event_fee_update", message)


def _publish_lifecycle(sessions: Iterable[StreamSession], kind: str, message: Json) -> None:
    for session, subscription in _subscribers(sessions, "market_lifecycle_v2"):
        session.publish(subscription, kind, message)
