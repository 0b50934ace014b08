"""Order groups."""

from __future__ import annotations

import msgspec

from mmbot.exchange.group_actions import create_group, delete_group, limit_group, reset_group
from mmbot.exchange.group_limits import FillLimitGroup
from mmbot.exchange.order_types import RequestRefused
from mmbot.exchange.render import Json
from mmbot.exchange.rest.rest_call import Reply, RestCall, read_count
from mmbot.units import ONE_CONTRACT, Count, format_count


class GroupLimit(msgspec.Struct, frozen=True):
    """A contracts limit, as a whole number, as a string, or as both if they agree."""

    contracts_limit: int | None = None
    contracts_limit_fp: str | None = None
    subaccount: int | None = None
    exchange_index: int | None = None

    def contracts(self) -> Count:
        """Return the limit."""
        limits: set[Count] = set()
        if self.contracts_limit is not None:
            limits.add(Count(self.contracts_limit * ONE_CONTRACT))
        if self.contracts_limit_fp is not None:
            limits.add(read_count(self.contracts_limit_fp, "contracts_limit_fp"))
        if len(limits) != 1:
            raise RequestRefused("invalid_parameters", "one contracts limit is required")
        return limits.pop()


def create(call: RestCall) -> Reply:
    """Create an order group."""
    body = call.decode(GroupLimit)
    account = call.account(body.subaccount)
    shard = call.exchange.settings.exchange_index
    if body.exchange_index not in (None, -1, shard):
        raise RequestRefused("invalid_parameters", "no such exchange_index")
    group = create_group(call.exchange.engine, account, body.contracts(), call.now)
    return Reply(
        201,
        {
            "order_group_id": group.group_id,
            "subaccount": account.subaccount,
            "exchange_index": shard,
        },
    )


def list_groups(call: RestCall) -> Reply:
    """List the caller's groups."""
    owners = call.accounts()
    groups = [g for g in call.exchange.engine.groups.of(call.user_id) if g.account in owners]
    return Reply(200, {"order_groups": [{"id": g.group_id, **_state(call, g)} for g in groups]})


def get(call: RestCall) -> Reply:
    """Return one group and its resting orders."""
    group = _group(call)
    orders = [o.order_id for o in call.exchange.engine.group_orders(group)]
    return Reply(200, {**_state(call, group), "orders": orders})


def limit(call: RestCall) -> Reply:
    """Change a group's limit."""
    contracts = call.decode(GroupLimit).contracts()
    limit_group(call.exchange.engine, _group(call), contracts, call.now)
    return Reply(200, {})


def trigger(call: RestCall) -> Reply:
    """Cancel a group's orders and block new ones."""
    call.exchange.engine.trigger_group(_group(call), call.now)
    return Reply(200, {})


def reset(call: RestCall) -> Reply:
    """Zero a group's counter and let it accept orders again."""
    reset_group(call.exchange.engine, _group(call), call.now)
    return Reply(200, {})


def delete(call: RestCall) -> Reply:
    """Cancel a group's orders and delete it."""
    delete_group(call.exchange.engine, _group(call), call.now)
    return Reply(200, {})


def _group(call: RestCall) -> FillLimitGroup:
    if call.other_shard():
        raise RequestRefused("not_found", "order group not found")
    subaccount = call.subaccount(call.integer("subaccount"), None)
    group_id = call.path["order_group_id"]
    return call.exchange.engine.groups.get(group_id, call.user_id, subaccount)


def _state(call: RestCall, group: FillLimitGroup) -> Json:
    return {
        "contracts_limit_fp": format_count(group.limit),
        "is_auto_cancel_enabled": True,
        "exchange_index": call.exchange.settings.exchange_index,
    }
