"""Changes of a market's state: pauses, closing, determination, settlement."""

from __future__ import annotations

from collections.abc import Iterable

from mmbot.exchange.facts import LifecycleStep, MarketChanged, Settled
from mmbot.exchange.market import ExchangeMarket
from mmbot.exchange.matching import MatchingEngine
from mmbot.exchange.order_types import ExchangeOrder, Reason
from mmbot.units import Count, Milliseconds


def announce(
    engine: MatchingEngine, market: ExchangeMarket, event_type: LifecycleStep, now: Milliseconds
) -> None:
    """Report a change of a market's state."""
    market.updated_ms = now
    engine.facts.append(MarketChanged(market.ticker, event_type, now))


def halt(engine: MatchingEngine, orders: Iterable[ExchangeOrder], now: Milliseconds) -> None:
    """Cancel the orders that have `cancel_on_pause` set."""
    for order in list(orders):
        if order.cancel_on_pause:
            engine.withdraw(order, now, "HaltCancel")


def cancel_resting(
    engine: MatchingEngine, market: ExchangeMarket, now: Milliseconds, reason: Reason
) -> None:
    """Cancel every resting order of a market."""
    for order in market.orders():
        engine.withdraw(order, now, reason)


def pause(engine: MatchingEngine, market: ExchangeMarket, now: Milliseconds) -> None:
    """Pause one market."""
    market.status = "inactive"
    announce(engine, market, "deactivated", now)
    halt(engine, market.orders(), now)


def unpause(engine: MatchingEngine, market: ExchangeMarket, now: Milliseconds) -> None:
    """Resume trading in one market, with an empty book."""
    cancel_resting(engine, market, now, "HaltCancel")
    market.status = "active"
    announce(engine, market, "activated", now)


def determine(
    engine: MatchingEngine,
    market: ExchangeMarket,
    result: str,
    expiration_value: str,
    now: Milliseconds,
) -> None:
    """Determine the result of a closed market."""
    market.status, market.result = "determined", result
    market.expiration_value, market.determined_ms = expiration_value, now
    announce(engine, market, "determined", now)


def dispute(market: ExchangeMarket, now: Milliseconds) -> None:
    """Mark a determined result as disputed, which the stream does not report."""
    market.status, market.updated_ms = "disputed", now


def amend(engine: MatchingEngine, market: ExchangeMarket, result: str, now: Milliseconds) -> None:
    """Change the result of a determined market that is not paid out yet."""
    determine(engine, market, result, market.expiration_value, now)
    market.status = "amended"


def settle(engine: MatchingEngine, market: ExchangeMarket, now: Milliseconds) -> None:
    """Pay out every holding in a determined market."""
    yes_value = market.yes_value
    for account in engine.accounts.values():
        position = account.positions.get(market.ticker)
        if position is None or not position.volume:
            continue
        net, cost, fees = position.net, position.cost, position.fees
        payout = position.pay_out(yes_value)
        position.updated_ms = now
        account.credit(payout)
        engine.facts.append(
            Settled(account, market.ticker, net, cost, fees, payout, yes_value, now)
        )
    market.open_interest = Count(0)
    market.status, market.settled_ms = "finalized", now
    announce(engine, market, "settled", now)
