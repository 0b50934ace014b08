from __future__ import annotations

from typing import Any

import orjson
import pytest

from mmbot.kalshi.group_readings import ensure_group, reset_group
from mmbot.kalshi.http import HttpAnswer, HttpRequest
from mmbot.kalshi.messages import Malformed
from mmbot.kalshi.readings import Reading, ReadingError
from mmbot.trading.commands import ResetGroup
from mmbot.trading.events import GroupChanged, GroupReady, InputEvent
from mmbot.units import Count
from tests.kalshi import builders
from tests.kalshi.builders import answer, changed

COMMAND = builders.ensure_group(3, 10_000)
GROUP = {
    "id": "g-5",
    "contracts_limit_fp": "100.00",
    "is_auto_cancel_enabled": True,
    "exchange_index": 3,
}
BASE = "/portfolio/order_groups"


def run(
    reading: Reading, *answers: HttpAnswer | None
) -> tuple[list[InputEvent], list[HttpRequest]]:
    waiting = list(answers)
    asked = [next(reading)]
    try:
        while True:
            asked.append(reading.send(waiting.pop(0)))
    except StopIteration as end:
        return end.value, asked


def listed(*groups: dict[str, Any]) -> HttpAnswer:
    return answer({"order_groups": list(groups)})


def test_a_group_of_an_earlier_session_is_reused() -> None:
    events, asked = run(ensure_group(COMMAND, 7), listed(changed(GROUP, id="g-9"), GROUP))
    assert events == [GroupReady(3, "g-5", Count(10_000))]
    assert [(r.method, r.path, r.query) for r in asked] == [("GET", BASE, (("subaccount", "7"),))]


@pytest.mark.parametrize(
    "other",
    [
        {"exchange_index": 0},
        {"contracts_limit_fp": "200.00"},
        {"contracts_limit_fp": ...},
        {"is_auto_cancel_enabled": False},
    ],
)
def test_without_a_matching_group_one_is_created(other: dict[str, Any]) -> None:
    created = answer({"order_group_id": "g-1", "subaccount": 7}, 201)
    events, asked = run(ensure_group(COMMAND, 7), listed(changed(GROUP, **other)), created)
    assert events == [GroupReady(3, "g-1", Count(10_000))]
    assert (asked[1].method, asked[1].path) == ("POST", f"{BASE}/create")
    assert orjson.loads(asked[1].body) == {
        "contracts_limit_fp": "100.00",
        "subaccount": 7,
        "exchange_index": 3,
    }


def test_a_group_without_an_id_is_malformed() -> None:
    with pytest.raises(Malformed):
        run(ensure_group(COMMAND, 7), listed(), answer({"order_group_id": ""}, 201))


@pytest.mark.parametrize("answered", [None, HttpAnswer(500), HttpAnswer(403)])
def test_a_group_that_cannot_be_created_fails_the_reading(answered: HttpAnswer | None) -> None:
    with pytest.raises(ReadingError, match=f"POST {BASE}/create"):
        run(ensure_group(COMMAND, 7), listed(), answered)


@pytest.mark.parametrize(
    "odd",
    [
        {"contracts_limit_fp": "many"},
        {"contracts_limit_fp": 3},
        {"id": ...},
        {"id": ""},
        {"is_auto_cancel_enabled": ...},
        {"is_auto_cancel_enabled": "true"},
        {"is_auto_cancel_enabled": None},
    ],
)
def test_a_group_that_cannot_be_read_is_not_used_and_hides_no_other(odd: dict[str, Any]) -> None:
    rows = listed(changed(GROUP, **odd), GROUP)
    events, _ = run(ensure_group(COMMAND, 7), rows)
    assert events == [GroupReady(3, "g-5", COMMAND.contracts)]


def test_a_group_is_reset_on_its_shard_for_its_subaccount() -> None:
    events, asked = run(reset_group(ResetGroup(3, "g-5"), 7), answer({}))
    assert events == [GroupChanged("g-5", "reset")]
    assert (asked[0].method, asked[0].path) == ("PUT", f"{BASE}/g-5/reset")
    assert dict(asked[0].query) == {"subaccount": "7", "exchange_index": "3"}


def test_resetting_a_group_that_no_longer_exists_reports_it_deleted() -> None:
    events, _ = run(reset_group(ResetGroup(3, "g-5"), 7), HttpAnswer(404))
    assert events == [GroupChanged("g-5", "deleted")]


@pytest.mark.parametrize("answered", [None, HttpAnswer(503)])
def test_a_reset_that_is_not_confirmed_fails_the_reading(answered: HttpAnswer | None) -> None:
    with pytest.raises(ReadingError, match="reset"):
        run(reset_group(ResetGroup(3, "g-5"), 7), answered)
