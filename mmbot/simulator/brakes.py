"""What a member does with its order groups."""

from __future__ import annotations

from mmbot.simulator.facts import GroupChanged
from mmbot.simulator.groups import OrderGroup, check_limit
from mmbot.simulator.ledger import Account
from mmbot.simulator.matching import MatchingEngine
from mmbot.units import Count


def create_group(engine: MatchingEngine, account: Account, limit: Count, now: int) -> OrderGroup:
    """Open an order group."""
    group = engine.groups.create(engine.new_id(), account, limit)
    engine.facts.append(GroupChanged(account, group.group_id, "created", limit, now))
    return group


def limit_group(engine: MatchingEngine, group: OrderGroup, limit: Count, now: int) -> None:
    """Change a group's limit."""
    check_limit(limit)
    group.limit = limit
    engine.facts.append(GroupChanged(group.account, group.group_id, "limit_updated", limit, now))


def reset_group(engine: MatchingEngine, group: OrderGroup, now: int) -> None:
    """Let a group trade again."""
    group.reset()
    engine.facts.append(GroupChanged(group.account, group.group_id, "reset", None, now))


def delete_group(engine: MatchingEngine, group: OrderGroup, now: int) -> None:
    """Cancel a group's orders and forget it."""
    engine.groups.delete(group)
    for order in engine.group_orders(group):
        engine.withdraw(order, now, "")
    engine.facts.append(GroupChanged(group.account, group.group_id, "deleted", None, now))
