"""Order groups: all of a group's orders are cancelled if too much of it trades in 15 seconds."""

from __future__ import annotations

from collections import deque
from typing import Final

from mmbot.exchange.accounts import Account
from mmbot.exchange.order_types import RequestRefused
from mmbot.units import ONE_CONTRACT, Count, Milliseconds

WINDOW_MS: Final = 15_000
LIMITS: Final = (ONE_CONTRACT, Count(1_000_000 * ONE_CONTRACT))
_MOST_GROUPS: Final = 100_000


class FillLimitGroup:
    """One group: its limit, recent matches, and whether it blocks new orders."""

    def __init__(self, group_id: str, account: Account, limit: Count) -> None:
        self.group_id = group_id
        self.account = account
        self.limit = limit
        self.triggered = False
        self._matched: deque[tuple[Milliseconds, Count]] = deque()

    def matched(self, count: Count, now: Milliseconds) -> bool:
        """Add a match; return whether the rolling window has reached the limit."""
        while self._matched and self._matched[0][0] <= now - WINDOW_MS:
            self._matched.popleft()
        self._matched.append((now, count))
        return sum(c for _, c in self._matched) >= self.limit

    def reset(self) -> None:
        """Zero the counter and accept orders again."""
        self._matched.clear()
        self.triggered = False


class FillLimitGroups:
    """Every account's groups."""

    def __init__(self) -> None:
        self._groups: dict[str, FillLimitGroup] = {}

    def create(self, group_id: str, account: Account, limit: Count) -> FillLimitGroup:
        """Add a group, or refuse a limit out of range."""
        check_limit(limit)
        if len(self._groups) >= _MOST_GROUPS:
            raise RequestRefused("invalid_parameters", "too many order groups")
        group = self._groups[group_id] = FillLimitGroup(group_id, account, limit)
        return group

    def get(self, group_id: str, user_id: str, subaccount: int | None = None) -> FillLimitGroup:
        """Return a member's own group; `None` means any of its subaccounts."""
        group = self._groups.get(group_id)
        if (
            group is None
            or group.account.user_id != user_id
            or subaccount not in (None, group.account.subaccount)
        ):
            raise RequestRefused("not_found", "order group not found")
        return group

    def find(self, group_id: str | None) -> FillLimitGroup | None:
        """Return the group an order names, if it still exists."""
        return self._groups.get(group_id) if group_id else None

    def of(self, user_id: str) -> list[FillLimitGroup]:
        """Return a member's groups, oldest first."""
        return [g for g in self._groups.values() if g.account.user_id == user_id]

    def delete(self, group: FillLimitGroup) -> None:
        """Delete a group."""
        del self._groups[group.group_id]


def check_limit(limit: Count) -> None:
    """Refuse a contracts limit outside 1 to 1,000,000."""
    if not LIMITS[0] <= limit <= LIMITS[1]:
        raise RequestRefused("invalid_parameters", "contracts_limit must be between 1 and 1000000")
