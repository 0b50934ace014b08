from __future__ import annotations

from collections import Counter

import pytest

from mmbot.errors import BadInput
from mmbot.faultlab.faults import FAULTS, Faults, named
from mmbot.kalshi.http import HttpRequest

CREATE = HttpRequest("POST", "/trade-api/v2/portfolio/events/orders")


def using(name: str) -> Faults:
    """Return the faults of the first seed that uses this one."""
    for seed in range(200):
        faults = Faults(str(seed), [name])
        faults.calm = False
        if FAULTS[name].point == "occasion" and faults.occasions(0, 1000):
            return faults
        if any(faults.occurs(name) for _ in range(1000)):
            return faults
    pytest.fail(f"no seed uses {name}")


def test_all_names_every_fault_and_none_names_none() -> None:
    assert named("all") == tuple(FAULTS)
    assert named("none") == ()


def test_a_list_of_faults_is_read_in_its_order() -> None:
    assert named("killed, half_open") == ("killed", "half_open")


def test_a_fault_that_does_not_exist_is_refused() -> None:
    with pytest.raises(BadInput, match="no fault 'kiled'"):
        named("kiled")


def test_no_message_is_faulty_while_it_is_calm() -> None:
    faults = using("answer_lost")
    faults.calm = True
    deliveries = [faults.call(CREATE, 0) for _ in range(500)]
    assert all(d.request_delay is not None and d.answer_delay is not None for d in deliveries)


@pytest.mark.parametrize("name", ["answer_lost", "request_lost"])
def test_a_lost_call_gets_no_answer(name: str) -> None:
    faults = using(name)
    deliveries = [faults.call(CREATE, 0) for _ in range(500)]
    lost = [delivery for delivery in deliveries if delivery.answer_delay is None]
    assert lost
    assert all((each.request_delay is None) == (name == "request_lost") for each in lost)


def test_a_reordered_fill_may_be_overtaken() -> None:
    faults = using("fill_reordered")
    deliveries = [faults.frame("fill", 0)[0] for _ in range(500)]
    assert {delivery.in_order for delivery in deliveries} == {True, False}


def test_a_frame_may_be_duplicated_or_dropped() -> None:
    twice = using("report_duplicated")
    assert Counter(len(twice.frame("user_order", 0)) for _ in range(200)).keys() == {1, 2}
    never = using("fill_dropped")
    assert Counter(len(never.frame("fill", 0)) for _ in range(200)).keys() == {0, 1}


def test_the_confirmation_of_a_subscription_is_never_dropped() -> None:
    faults = using("book_dropped")
    assert all(len(faults.frame("subscribed", 0)) == 1 for _ in range(2000))


def test_no_snapshot_comes_while_snapshots_are_missing() -> None:
    faults = using("half_open")
    faults.no_snapshot_until = 1000
    assert faults.frame("orderbook_snapshot", 999) == []
    assert len(faults.frame("orderbook_snapshot", 1000)) == 1


def test_a_shard_that_is_down_refuses_writes_and_answers_reads() -> None:
    faults = using("half_open")
    faults.shard_down_until = 1000
    refused = faults.call(CREATE, 999)
    assert refused.request_delay is None
    assert refused.front_answer is not None
    assert refused.front_answer.status == 503
    read = faults.call(HttpRequest("GET", "/trade-api/v2/portfolio/orders"), 999)
    assert read.front_answer is None


def test_taking_a_fault_out_leaves_the_others_as_they_were() -> None:
    both, one = Faults("7", ["half_open", "disconnect"]), Faults("7", ["disconnect"])
    alone = [drawn for drawn in both.occasions(0, 1000) if drawn[1] == "disconnect"]
    assert one.occasions(0, 1000) == alone


def test_every_fault_is_drawn_by_some_seed() -> None:
    drawn: set[str] = set()
    for seed in range(100):
        faults = Faults(str(seed), FAULTS)
        for _ in range(8):
            drawn |= {name for _, name in faults.occasions(0, 1000)}
    assert drawn == {name for name, fault in FAULTS.items() if fault.point == "occasion"}


def test_only_answers_about_orders_bear_odd_statuses() -> None:
    faults = using("answer_status")
    orders = HttpRequest("GET", "/trade-api/v2/portfolio/orders")
    fills = HttpRequest("GET", "/trade-api/v2/portfolio/fills")
    assert {faults.call(orders, 0).odd_status for _ in range(500)} == {True, False}
    assert not any(faults.call(each, 0).odd_status for each in (fills, CREATE) for _ in range(500))
