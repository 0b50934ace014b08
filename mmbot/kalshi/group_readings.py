"""Order groups: readings that find or create one, and reset one."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Annotated, Any, TypeAlias

import msgspec
import orjson

from mmbot.kalshi import messages as wire
from mmbot.kalshi.http import HttpRequest
from mmbot.kalshi.readings import Reading, ReadingError, get, own_subaccount, refusal_text
from mmbot.trading.commands import EnsureGroup, ResetGroup
from mmbot.trading.events import GroupChanged, GroupReady
from mmbot.units import format_count, parse_count

_GROUPS = "/portfolio/order_groups"

_Id: TypeAlias = Annotated[str, msgspec.Meta(min_length=1)]


def ensure_group(command: EnsureGroup, subaccount: int) -> Reading:
    """Find a group on the shard with this cap, left by an earlier session, or create one."""
    listed = yield from get(_GROUPS, _Groups, (own_subaccount(subaccount),))
    ours = [group.id for group in _readable(listed.order_groups) if group.matches(command)]
    if ours:
        return [GroupReady(command.shard, min(ours), command.contracts)]
    body: dict[str, Any] = {
        "contracts_limit_fp": format_count(command.contracts),
        "subaccount": subaccount,
        "exchange_index": command.shard,
    }
    path = f"{_GROUPS}/create"
    answer = yield HttpRequest("POST", path, body=orjson.dumps(body))
    if answer is None or answer.status != 201:
        raise ReadingError(f"POST {path}: {refusal_text(answer)}")
    created = wire.decode(answer.body, _Created).order_group_id
    return [GroupReady(command.shard, created, command.contracts)]


def reset_group(command: ResetGroup, subaccount: int) -> Reading:
    """Let a triggered group accept orders again; one that no longer exists counts as deleted."""
    path = f"{_GROUPS}/{command.group}/reset"
    query = own_subaccount(subaccount), ("exchange_index", str(command.shard))
    answer = yield HttpRequest("PUT", path, query)
    if answer is not None and answer.status == 404:
        return [GroupChanged(command.group, "deleted")]
    if answer is None or not 200 <= answer.status < 300:
        raise ReadingError(f"PUT {path}: {refusal_text(answer)}")
    return [GroupChanged(command.group, "reset")]


def _readable(rows: tuple[Any, ...]) -> Iterator[_Group]:
    """Iterate over the readable groups; any other may be anybody's and is not used."""
    for row in rows:
        with contextlib.suppress(wire.Malformed):
            yield wire.convert(row, _Group)


class _Group(msgspec.Struct, frozen=True):
    id: _Id
    contracts_limit_fp: str = ""
    is_auto_cancel_enabled: wire.Word = None
    exchange_index: wire.Integer = 0

    def matches(self, wanted: EnsureGroup) -> bool:
        """Return whether it is on the shard, has the cap, and cancels its orders when exceeded."""
        try:
            limit = parse_count(self.contracts_limit_fp or "0")
        except ValueError:
            return False
        same_shard = self.exchange_index == wanted.shard
        return same_shard and limit == wanted.contracts and self.is_auto_cancel_enabled is True


class _Groups(msgspec.Struct, frozen=True):
    order_groups: tuple[Any, ...] = ()


class _Created(msgspec.Struct, frozen=True):
    order_group_id: _Id
