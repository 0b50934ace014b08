from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from mmbot.exchange.facts import AccountFilled, OrderChanged
from mmbot.exchange.order_types import ExchangeOrder, NewOrder
from mmbot.faultlab.invariants import Auditor, InvariantBroken, _check_told
from mmbot.faultlab.scenario import build, weeks
from mmbot.faultlab.traffic import CreateRequest
from mmbot.trading.commands import Note
from mmbot.trading.values import CLIENT_ID_PREFIX, Fill
from mmbot.units import MONEY_PER_DOLLAR, ONE_CONTRACT, Count, Money, Price

HALF_A_DOLLAR = Price(5_000)
SCENARIO = build("1", weeks(1), "eventful")
(EVENT,) = SCENARIO.venue.exchange.events.values()
LOW, HIGH = EVENT.tickers[0], EVENT.tickers[-1]
# A bid for so many at half a dollar may lose three quarters of the limit: two are too many.
MANY = Count(SCENARIO.settings.limits.event_loss * 3 // 2 // MONEY_PER_DOLLAR * ONE_CONTRACT)


def bid(ticker: str, session: int, number: int = 1, renewed: int = 0) -> OrderChanged:
    placed = NewOrder(
        ticker,
        "bid",
        HALF_A_DOLLAR,
        MANY,
        client_order_id=f"{CLIENT_ID_PREFIX}{session}-{number}",
        post_only=True,
        cancel_on_pause=True,
        expires_ms=1_000 + renewed,
        group_id="group",
    )
    return OrderChanged(
        ExchangeOrder(f"order-{session}-{number}", SCENARIO.account, placed, 0), "", 0
    )


def in_its_second_session() -> Auditor:
    """An auditor of a bot whose second session has a bid resting in the highest market."""
    auditor = Auditor(SCENARIO)
    auditor.session_started("1")
    auditor.session_started("2")
    auditor.follow_facts([bid(HIGH, session=2)])
    return auditor


def test_two_orders_of_one_session_may_not_lose_more_than_the_limit() -> None:
    with pytest.raises(InvariantBroken, match="worst_case"):
        in_its_second_session().follow_facts([bid(LOW, session=2, number=2)])


def test_an_order_that_an_earlier_session_had_under_way_is_not_held_against_the_next() -> None:
    in_its_second_session().follow_facts([bid(LOW, session=1)])


def test_a_late_order_counts_from_its_renewal_on() -> None:
    auditor = in_its_second_session()
    auditor.follow_facts([bid(LOW, session=1)])
    with pytest.raises(InvariantBroken, match="worst_case"):
        auditor.follow_facts([bid(LOW, session=1, renewed=1_000)])


def send_beside_a_late_order(known: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    auditor = Auditor(SCENARIO)
    auditor.session_started("2")
    auditor.follow_facts([bid(LOW, session=1)])
    send(auditor, known, monkeypatch)


def send(auditor: Auditor, known: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the second session send a bid in the highest market, through gates that are open."""
    monkeypatch.setattr(auditor, "_check_gates", lambda *_: None)
    bot: Any = SimpleNamespace(engine=SimpleNamespace(state=SimpleNamespace(orders=known)))
    auditor._check_create(
        CreateRequest(f"{CLIENT_ID_PREFIX}2-1", HIGH, "bid", HALF_A_DOLLAR, MANY), bot, 0
    )


def test_an_order_may_be_sent_beside_a_late_one_that_was_not_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    send_beside_a_late_order({}, monkeypatch)


def test_an_order_may_not_add_to_what_a_late_one_may_lose_once_that_was_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(InvariantBroken, match="worst_case"):
        send_beside_a_late_order({f"{CLIENT_ID_PREFIX}1-1": "the late order"}, monkeypatch)


def test_no_order_may_rest_beside_one_of_an_earlier_session_that_is_not_late() -> None:
    auditor = Auditor(SCENARIO)
    auditor.session_started("1")
    auditor.follow_facts([bid(HIGH, session=1)])
    auditor.session_started("2")
    with pytest.raises(InvariantBroken, match="one_order"):
        auditor.follow_facts([bid(HIGH, session=2)])


def beside_a_false_end(after: int) -> None:
    """Follow an order whose end was reported falsely, and another on its side so much later."""
    auditor = Auditor(SCENARIO)
    auditor.session_started("1")
    auditor.follow_facts([bid(HIGH, session=1)])
    auditor.ended_falsely(f"{CLIENT_ID_PREFIX}1-1", 0)
    later = msgspec.structs.replace(bid(HIGH, session=1, number=2, renewed=after), at=after)
    auditor.follow_facts([later])


def test_an_order_that_was_ended_falsely_may_be_replaced_for_a_while() -> None:
    beside_a_false_end(after=39_000)


def test_an_order_that_was_ended_falsely_has_to_be_known_again() -> None:
    with pytest.raises(InvariantBroken, match="one_order"):
        beside_a_false_end(after=40_000)


def long_after_a_false_end() -> Auditor:
    """An auditor of a bot that placed more because an order was reported to have ended.

    Both rest, and no cancel has got through for a minute.
    """
    auditor = in_its_second_session()
    auditor.ended_falsely(f"{CLIENT_ID_PREFIX}2-1", 0)
    placed = bid(LOW, session=2, number=2)
    auditor.follow_facts([placed])
    auditor.follow_facts([msgspec.structs.replace(placed, at=60_000)])
    return auditor


def test_what_was_sent_before_a_false_end_was_known_is_not_held_against_the_bot() -> None:
    assert len(long_after_a_false_end().orders.resting) == 2


def test_an_order_that_was_ended_falsely_counts_once_it_is_renewed() -> None:
    with pytest.raises(InvariantBroken, match="worst_case"):
        long_after_a_false_end().follow_facts([bid(HIGH, session=2, renewed=1_000)])


def after_a_fill_of_the_first_session() -> tuple[Auditor, AccountFilled]:
    """An auditor of a second session, of which the first has bought in the lowest market."""
    auditor = Auditor(SCENARIO)
    auditor.session_started("1")
    auditor.follow_facts([bid(LOW, session=1)])
    (order,) = auditor.orders
    bought = AccountFilled(
        trade_id="t-1",
        account=SCENARIO.account,
        order_id=order.order_id,
        client_order_id=order.client_order_id,
        ticker=LOW,
        side="bid",
        price=HALF_A_DOLLAR,
        count=MANY,
        is_taker=False,
        fee=Money(0),
        post_position=MANY,
        at=0,
    )
    auditor.orders.resting.clear()
    auditor.follow_facts([bought])
    auditor.session_started("2")
    return auditor, bought


def as_told(fact: AccountFilled, trade_id: str = "t-1") -> Fill:
    return Fill(
        trade_id, fact.order_id, fact.ticker, fact.side, fact.price, fact.count, fact.fee, fact.at
    )


def test_a_fill_that_ledger_and_account_deny_is_not_held_against_a_session(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    auditor, _ = after_a_fill_of_the_first_session()
    auditor.fills_listed(denied=True)
    send(auditor, {}, monkeypatch)


@pytest.mark.parametrize("recorded", [False, True])
def test_a_fill_that_ledger_or_account_tell_a_session_counts(
    monkeypatch: pytest.MonkeyPatch, *, recorded: bool
) -> None:
    auditor, bought = after_a_fill_of_the_first_session()
    if recorded:
        auditor.fills_restored([as_told(bought)])
    auditor.fills_listed(denied=recorded)
    with pytest.raises(InvariantBroken, match="worst_case"):
        send(auditor, {}, monkeypatch)


def test_a_fill_before_a_false_end_that_was_not_told_is_not_held_against_the_bot(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    auditor, bought = after_a_fill_of_the_first_session()
    auditor.ended_falsely(bought.client_order_id, 0)
    send(auditor, {}, monkeypatch)


def test_a_fill_from_the_ledger_may_not_be_booked_again() -> None:
    auditor, bought = after_a_fill_of_the_first_session()
    auditor.fills_restored([as_told(bought)])
    with pytest.raises(InvariantBroken, match="booked_once"):
        auditor._check_booking(as_told(bought))


def test_an_invented_fill_stands_for_an_equal_one_that_was_not_told() -> None:
    auditor, bought = after_a_fill_of_the_first_session()
    order = bid(LOW, session=1).order
    larger = Count(bought.count + 1)
    other = msgspec.structs.replace(
        as_told(bought, auditor.told_fills.invent(order, larger)), count=larger
    )
    ghost = as_told(bought, auditor.told_fills.invent(order, bought.count))
    auditor.told_fills.pair_equals([other, ghost], auditor.fills)
    assert auditor.told_fills.true_key(ghost) == ("t-1", order.order_id)
    assert auditor.told_fills.true_key(other) is None


def test_an_invented_fill_beside_the_one_that_happened_stays_one() -> None:
    auditor, bought = after_a_fill_of_the_first_session()
    ghost = as_told(bought, auditor.told_fills.invent(bid(LOW, session=1).order, bought.count))
    auditor.told_fills.pair_equals([as_told(bought), ghost], auditor.fills)
    assert auditor.told_fills.true_key(ghost) is None


def test_of_two_equal_fills_of_which_one_was_invented_either_may_be_voided() -> None:
    auditor, bought = after_a_fill_of_the_first_session()
    order = bid(LOW, session=1).order
    ghost = as_told(bought, auditor.told_fills.invent(order, bought.count))
    auditor.told_fills.voided(as_told(bought))
    assert auditor.told_fills.true_key(ghost) == ("t-1", order.order_id)
    assert auditor.told_fills.true_key(as_told(bought)) is None
    with pytest.raises(InvariantBroken, match="voided"):
        auditor.told_fills.voided(ghost)


def told(fact: AccountFilled, *ended: str, known: bool = False) -> None:
    """Have a fill checked that was booked as told, with these orders over by the same input."""
    fill = msgspec.structs.replace(as_told(fact), client_id=fact.client_order_id)
    outputs = [Note("order.over", {"client_order_id": each}) for each in ended]
    live = {fact.client_order_id: "live"} if known else {}
    bot: Any = SimpleNamespace(engine=SimpleNamespace(state=SimpleNamespace(orders=live)))
    _check_told(fill, outputs, bot)


def test_a_fill_may_be_booked_as_told_for_an_order_that_is_live_or_that_it_completes() -> None:
    _, bought = after_a_fill_of_the_first_session()
    told(bought, known=True)
    told(bought, "another", bought.client_order_id)


def test_a_fill_of_an_order_that_was_over_may_not_be_booked_as_told() -> None:
    _, bought = after_a_fill_of_the_first_session()
    with pytest.raises(InvariantBroken, match="booked_as_told"):
        told(bought, "another")
