"""A member's actions on its order groups."""

from __future__ import annotations

from mmbot.exchange.accounts import Account
from mmbot.exchange.facts import GroupUpdated
from mmbot.exchange.group_limits import FillLimitGroup, check_limit
from mmbot.exchange.matching import MatchingEngine
from mmbot.units import Count, Milliseconds


def create_group(
    engine: MatchingEngine, account: Account, limit: Count, now: Milliseconds
) -> FillLimitGroup:
    """Create an order group."""
    group = engine.groups.create(engine.new_id(), account, limit)
    engine.facts.append(GroupUpdated(account, group.group_id, "created", limit, now))
    return group


def limit_group(
    engine: MatchingEngine, group: FillLimitGroup, limit: Count, now: Milliseconds
) -> None:
    """Change a group's limit."""
    check_limit(limit)
    group.limit = limit
    engine.facts.append(GroupUpdated(group.account, group.group_id, "limit_updated", limit, now))


def reset_group(engine: MatchingEngine, group: FillLimitGroup, now: Milliseconds) -> None:
    """Zero a group's counter and let it accept orders again."""
    group.reset()
    engine.facts.append(GroupUpdated(group.account, group.group_id, "reset", None, now))


def delete_group(engine: MatchingEngine, group: FillLimitGroup, now: Milliseconds) -> None:
    """Cancel a group's orders and delete it."""
    engine.groups.delete(group)
    for order in engine.group_orders(group):
        engine.withdraw(order, now, "")
    engine.facts.append(GroupUpdated(group.account, group.group_id, "deleted", None, now))
