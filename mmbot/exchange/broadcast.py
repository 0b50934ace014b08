"""Who hears what: the engine's facts, sorted into every session's subscriptions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

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


def broadcast(
    exchange: ExchangeState, sessions: Sequence[StreamSession], facts: Iterable[Fact], now: int
) -> None:
    """Queue the frames that `facts` mean for each session, tickers once at the end."""
    if not sessions:
        return
    for session in sessions:
        session.at(now)
    touched: dict[str, None] = {}
    for fact in facts:
        if isinstance(fact, BookLevelChanged | Traded):
            touched[fact.ticker] = None
        for session in sessions:
            for subscription in list(session.subscriptions.values()):
                _publish(exchange, session, subscription, fact)
    for ticker in touched:
        message = ticker_json(exchange.engine.markets[ticker], now)
        for session, subscription in _on(sessions, "ticker"):
            if subscription.wants(ticker):
                session.publish(subscription, "ticker", message)


def _publish(
    exchange: ExchangeState, session: StreamSession, subscription: Subscription, fact: Fact
) -> None:
    market = exchange.engine.markets
    match subscription.channel, fact:
        case "orderbook_delta", BookLevelChanged() if subscription.wants(fact.ticker):
            message = delta_json(
                fact,
                market[fact.ticker],
                no_as_yes=subscription.use_yes_price,
                own=_owns(session, fact.account),
            )
            session.publish(subscription, "orderbook_delta", message)
        case "trade", Traded() if subscription.wants(fact.ticker):
            session.publish(subscription, "trade", trade_message(fact))
        case "market_lifecycle_v2", MarketChanged():
            message = lifecycle_message(fact, market[fact.ticker], exchange)
            session.publish(subscription, "market_lifecycle_v2", message)
        case _:
            _publish_private(exchange, session, subscription, fact)


def _publish_private(
    exchange: ExchangeState, session: StreamSession, subscription: Subscription, fact: Fact
) -> None:
    shard = exchange.settings.exchange_index
    match subscription.channel, fact:
        case "fill", AccountFilled() if _hears(session, subscription, fact):
            session.publish(subscription, "fill", fill_message(fact, shard))
        case "user_orders", OrderChanged():
            order = fact.order
            if _owns(session, order.account) and subscription.wants(order.ticker):
                session.publish(
                    subscription, "user_order", order_message(order, fact.reason, shard)
                )
        case "market_positions", AccountFilled() | Settled() if _hears(session, subscription, fact):
            position = fact.account.position(fact.ticker)
            session.publish(
                subscription,
                "market_position",
                position_message(fact.account, fact.ticker, position),
            )
        case "order_group_updates", GroupUpdated() if _owns(session, fact.account):
            session.publish(subscription, "order_group_updates", group_message(fact))


def _hears(
    session: StreamSession, subscription: Subscription, fact: AccountFilled | Settled
) -> bool:
    return _owns(session, fact.account) and subscription.wants(fact.ticker)


def _owns(session: StreamSession, account: Account) -> bool:
    key = session.credential
    return key.user_id == account.user_id and key.subaccount in (None, account.subaccount)


def _on(
    sessions: Iterable[StreamSession], channel: str
) -> Iterator[tuple[StreamSession, Subscription]]:
    for session in sessions:
        for subscription in list(session.subscriptions.values()):
            if subscription.channel == channel:
                yield session, subscription


def broadcast_event(
    exchange: ExchangeState, event: ExchangeEvent, sessions: Sequence[StreamSession], now: int
) -> None:
    """Tell of a new event."""
    _lifecycle(sessions, "event_lifecycle", event_message(event, exchange), now)


def broadcast_fees(event: ExchangeEvent, sessions: Sequence[StreamSession], now: int) -> None:
    """Tell of an event's new fees."""
    override = event.fee_override
    message = {
        "event_ticker": event.ticker,
        "fee_type_override": override.fee_type if override else None,
        "fee_multiplier_override": override.multiplier if override else None,
    }
    _lifecycle(sessions, "event_fee_update", message, now)


def _lifecycle(sessions: Sequence[StreamSession], kind: str, message: Json, now: int) -> None:
    for session, subscription in _on(sessions, "market_lifecycle_v2"):
        session.at(now)
        session.publish(subscription, kind, message)
