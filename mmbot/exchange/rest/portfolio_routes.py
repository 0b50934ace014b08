"""A member's money: balance, positions, fills, settlements and subaccounts."""

from __future__ import annotations

import uuid

import msgspec

from mmbot.exchange.accounts import Account, Position
from mmbot.exchange.exchange_state import Transfer
from mmbot.exchange.market import ExchangeMarket
from mmbot.exchange.order_types import RequestRefused
from mmbot.exchange.render import (
    Json,
    cents,
    event_position_json,
    fill_json,
    position_json,
    settlement_json,
    settlement_value,
)
from mmbot.exchange.rest.rest_call import MOST_SUBACCOUNTS, Reply, RestCall
from mmbot.units import (
    MONEY_PER_CENT,
    ONE_DOLLAR,
    Count,
    Money,
    Price,
    format_money,
    total,
    value_of,
)


def balance(call: RestCall) -> Reply:
    """Return cash and the value of the positions."""
    shard = call.exchange.settings.exchange_index
    reports = [call.exchange.history.reported(a) for a in call.accounts(default=0)]
    elsewhere = call.other_shard()
    cash = total(r.cash for r in reports if not elsewhere)
    value = total(_value(call, r.positions) for r in reports if not elsewhere)
    updated = max(r.updated_ms for r in reports)
    return Reply(
        200,
        {
            "balance": cents(cash),
            "balance_dollars": format_money(cash),
            "portfolio_value": cents(value),
            "updated_ts": updated // 1000,
            "balance_breakdown": [{"exchange_index": shard, "balance": format_money(cash)}],
        },
    )


def _value(call: RestCall, positions: dict[str, Position]) -> Money:
    markets = call.exchange.engine.markets
    return total(_mark(markets[ticker], position) for ticker, position in positions.items())


def _mark(market: ExchangeMarket, position: Position) -> Money:
    """Value a holding at the price at which it could be closed, or at its settlement."""
    if market.result:
        yes = settlement_value(market)
    elif position.net > 0:
        yes = market.best_bid or Price(0)
    else:
        yes = market.best_ask or ONE_DOLLAR
    worth = yes if position.net > 0 else Price(ONE_DOLLAR - yes)
    return value_of(Count(abs(position.net)), worth)


def positions(call: RestCall) -> Reply:
    """List holdings by market and by event."""
    exchange = call.exchange
    filters = call.listed("count_filter")
    if set(filters) - {"position", "total_traded"}:
        raise RequestRefused("invalid_parameters", "count_filter takes position and total_traded")
    state = call.choice("settlement_status", ("unsettled", "settled", "all")) or "unsettled"
    ticker, events = call.text("ticker"), call.listed("event_ticker")
    held: dict[str, Position] = {}
    for account in call.accounts(default=0):
        held.update(exchange.history.reported(account).positions)
    markets = exchange.engine.markets
    found = [
        (-number, (market, held[market.ticker]))
        for number, market in enumerate(markets.values())
        if market.ticker in held
        and ticker in (None, market.ticker)
        and (not events or market.terms.event_ticker in events)
        and state in ("all", "settled" if market.settled_ms is not None else "unsettled")
        and _counted(held[market.ticker], filters)
        and not call.other_shard()
    ]
    page, cursor = call.page(found)
    by_event: dict[str, dict[str, Position]] = {}
    for market, position in page:
        by_event.setdefault(market.terms.event_ticker, {})[market.ticker] = position
    rows = [position_json(m.ticker, p, m.terms.exchange_index) for m, p in page]
    if not cursor:
        rows += exchange.oddities.positions
    return Reply(
        200,
        {
            "market_positions": rows,
            "event_positions": [event_position_json(e, ps) for e, ps in by_event.items()],
            "cursor": cursor,
        },
    )


def _counted(position: Position, filters: list[str]) -> bool:
    amounts = {"position": position.net, "total_traded": position.traded}
    return all(amounts[name] for name in filters)


def fills(call: RestCall) -> Reply:
    """List fills, newest first."""
    owners = set(call.accounts())
    tickers, order_id = call.listed("ticker"), call.text("order_id")
    span = call.span()
    found = (
        (number, fill)
        for number, fill in reversed(call.exchange.history.fills)
        if fill.account in owners
        and (not tickers or fill.ticker in tickers)
        and order_id in (None, fill.order_id)
        and span.holds(fill.at)
        and not call.other_shard()
    )
    page, cursor = call.page(found)
    shard = call.exchange.settings.exchange_index
    return Reply(200, {"fills": [fill_json(f, shard) for f in page], "cursor": cursor})


def settlements(call: RestCall) -> Reply:
    """List payouts, newest first."""
    owners = set(call.accounts())
    markets = call.exchange.engine.markets
    ticker, event = call.text("ticker"), call.text("event_ticker")
    span = call.span()
    found = (
        (number, settled)
        for number, settled in reversed(call.exchange.history.settlements)
        if settled.account in owners
        and ticker in (None, settled.ticker)
        and event in (None, markets[settled.ticker].terms.event_ticker)
        and span.holds(settled.at)
    )
    page, cursor = call.page(found)
    bodies = [settlement_json(s, markets[s.ticker]) for s in page]
    return Reply(200, {"settlements": bodies, "cursor": cursor})


# Subaccounts


class SubaccountTransfer(msgspec.Struct, frozen=True):
    """The body of a transfer between subaccounts."""

    client_transfer_id: uuid.UUID
    from_subaccount: int
    to_subaccount: int
    amount_cents: int
    exchange_index: int | None = None


def create_subaccount(call: RestCall) -> Reply:
    """Open the next subaccount; not for the basic tier."""
    if call.exchange.tiers[call.user_id] == "basic":
        raise RequestRefused("permission_denied", "subaccounts need the advanced tier")
    number = len(call.exchange.accounts(call.user_id))
    if number > MOST_SUBACCOUNTS:
        raise RequestRefused("invalid_parameters", "no more subaccounts")
    call.exchange.open_account(call.user_id, number)
    return Reply(201, {"subaccount_number": number})


def transfer(call: RestCall) -> Reply:
    """Move free cash between two subaccounts."""
    body = call.decode(SubaccountTransfer)
    source = call.exchange.account(call.user_id, body.from_subaccount)
    target = call.exchange.account(call.user_id, body.to_subaccount)
    transfer_id = str(body.client_transfer_id)
    if any(t.transfer_id == transfer_id for t in call.exchange.transfers):
        raise RequestRefused("invalid_parameters", "client_transfer_id was used before", status=409)
    if body.amount_cents <= 0 or source is target:
        raise RequestRefused(
            "invalid_parameters", "amount_cents must be positive, and the two differ"
        )
    amount = Money(body.amount_cents * MONEY_PER_CENT)
    if amount > source.cash - source.held:
        raise RequestRefused("insufficient_balance")
    for account, signed in ((source, Money(-amount)), (target, amount)):
        account.deposit(signed)
        call.exchange.history.record_deposit(account, call.now)
    call.exchange.transfers.append(
        Transfer(
            transfer_id,
            call.user_id,
            source.subaccount,
            target.subaccount,
            body.amount_cents,
            call.now,
        )
    )
    return Reply(200, {})


def list_transfers(call: RestCall) -> Reply:
    """List transfers, newest first."""
    mine = [
        (number, t)
        for number, t in reversed(list(enumerate(call.exchange.transfers)))
        if t.user_id == call.user_id
    ]
    page, cursor = call.page(mine)
    bodies = [
        {
            "transfer_id": t.transfer_id,
            "from_subaccount": t.source,
            "to_subaccount": t.target,
            "amount_cents": t.cents,
            "created_ts": t.at // 1000,
            "exchange_index": call.exchange.settings.exchange_index,
        }
        for t in page
    ]
    return Reply(200, {"transfers": bodies, "cursor": cursor})


def subaccount_balances(call: RestCall) -> Reply:
    """List every subaccount's cash."""
    return Reply(200, {"subaccount_balances": [_balance(call, a) for a in call.accounts()]})


def _balance(call: RestCall, account: Account) -> Json:
    reported = call.exchange.history.reported(account)
    return {
        "subaccount_number": account.subaccount,
        "exchange_index": call.exchange.settings.exchange_index,
        "balance": format_money(reported.cash),
        "updated_ts": reported.updated_ms // 1000,
    }
