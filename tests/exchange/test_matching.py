from __future__ import annotations

import datetime as dt
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmbot.exchange.accounts import Account
from mmbot.exchange.exchange_state import ExchangeState, SimulatedExchangeSettings
from mmbot.exchange.facts import AccountFilled, BookLevelChanged, Traded
from mmbot.exchange.fees import FeeSchedule
from mmbot.exchange.market_actions import determine, settle
from mmbot.exchange.matching import MatchingEngine
from mmbot.exchange.order_types import ExchangeOrder, NewOrder, OrderAmendment, RequestRefused
from mmbot.trading.values import Side
from mmbot.underlying.calendar import CalendarClock, Week
from mmbot.units import MONEY_PER_DOLLAR, Count, Money, Price

TICKER = "KXTSAW-26APR19-A2.45"
NOW = 1_776_100_000_000


class Pit:
    """One open market and a few accounts."""

    def __init__(self, fee_type: str = "quadratic", cash: int = 1_000) -> None:
        rng = random.Random(1)
        exchange = ExchangeState(
            SimulatedExchangeSettings(fees=FeeSchedule(fee_type)), CalendarClock(), rng
        )
        exchange.list_event(Week(dt.date(2026, 4, 19)))
        self.engine: MatchingEngine = exchange.engine
        self.market = self.engine.markets[TICKER]
        self.market.status = "active"
        self.a, self.b, self.c = (self.join(name, cash) for name in "abc")

    def join(self, name: str, dollars: int) -> Account:
        return self.engine.open_account(name, cash=Money(dollars * MONEY_PER_DOLLAR), audited=True)

    def place(
        self, account: Account, side: Side, price: int, count: int, **options: Any
    ) -> ExchangeOrder:
        request = NewOrder(TICKER, side, Price(price), Count(count), **options)
        return self.engine.place(account, request, NOW)

    def decrease(self, order: ExchangeOrder, to: int) -> None:
        self.engine.decrease(order, Count(to), NOW)

    def trades(self) -> list[tuple[int, int]]:
        return [(f.price, f.count) for f in self.engine.facts if isinstance(f, Traded)]


def amendment(price: int, total: int, expires_ms: int | None = None) -> OrderAmendment:
    return OrderAmendment(Price(price), Count(total), expires_ms, "")


@pytest.fixture
def pit() -> Pit:
    return Pit()


def test_the_better_price_trades_first_and_at_the_resting_price(pit: Pit) -> None:
    pit.place(pit.a, "ask", 5_200, 100)
    pit.place(pit.b, "ask", 5_000, 100)
    pit.place(pit.c, "bid", 5_500, 150)
    assert pit.trades() == [(5_000, 100), (5_200, 50)]


def test_the_earlier_order_trades_first_at_one_price(pit: Pit) -> None:
    first = pit.place(pit.a, "ask", 5_000, 100)
    second = pit.place(pit.b, "ask", 5_000, 100)
    pit.place(pit.c, "bid", 5_000, 120)
    assert (first.status, second.remaining) == ("executed", 80)


def test_what_is_left_of_an_order_rests(pit: Pit) -> None:
    pit.place(pit.a, "ask", 5_000, 100)
    order = pit.place(pit.b, "bid", 5_000, 150)
    assert (order.filled, order.remaining, order.status) == (100, 50, "resting")
    assert pit.market.best_bid == 5_000


def test_a_smaller_size_keeps_the_place_in_the_queue(pit: Pit) -> None:
    first = pit.place(pit.a, "bid", 4_000, 100)
    pit.place(pit.b, "bid", 4_000, 100)
    pit.engine.amend(first, amendment(4_000, 50), NOW)
    assert pit.engine.queue_ahead(first) == 0


def test_a_new_expiry_keeps_the_place_in_the_queue(pit: Pit) -> None:
    first = pit.place(pit.a, "bid", 4_000, 100, expires_ms=NOW + 1_000)
    pit.place(pit.b, "bid", 4_000, 100)
    pit.engine.amend(first, amendment(4_000, 100, NOW + 9_000), NOW)
    pit.engine.expire(NOW + 5_000)
    assert (first.status, pit.engine.queue_ahead(first)) == ("resting", 0)


@pytest.mark.parametrize("change", [amendment(4_000, 150), amendment(4_100, 100)])
def test_more_size_or_another_price_goes_to_the_back(pit: Pit, change: OrderAmendment) -> None:
    first = pit.place(pit.a, "bid", 4_000, 100)
    pit.place(pit.b, "bid", change.price, 100)
    pit.engine.amend(first, change, NOW)
    assert pit.engine.queue_ahead(first) == 100


def test_the_count_of_an_amendment_includes_what_is_filled(pit: Pit) -> None:
    order = pit.place(pit.a, "bid", 4_000, 100)
    pit.place(pit.b, "ask", 4_000, 30)
    pit.engine.amend(order, amendment(4_000, 100, NOW + 1_000), NOW)
    assert order.remaining == 70


def test_an_amendment_that_changes_nothing_is_refused(pit: Pit) -> None:
    order = pit.place(pit.a, "bid", 4_000, 100)
    with pytest.raises(RequestRefused, match="AMEND_ORDER_NO_OP"):
        pit.engine.amend(order, amendment(4_000, 100), NOW)


def test_an_amended_price_may_trade_at_once(pit: Pit) -> None:
    order = pit.place(pit.a, "bid", 4_000, 100)
    pit.place(pit.b, "ask", 5_000, 40)
    pit.engine.amend(order, amendment(5_000, 100), NOW)
    assert (order.filled, order.remaining, pit.market.best_bid) == (40, 60, 5_000)


def test_a_post_only_order_is_never_amended_into_a_trade(pit: Pit) -> None:
    order = pit.place(pit.a, "bid", 4_000, 100, post_only=True)
    pit.place(pit.b, "ask", 5_000, 40)
    with pytest.raises(RequestRefused, match="post only cross"):
        pit.engine.amend(order, amendment(5_000, 100), NOW)
    assert (order.price, order.status) == (4_000, "resting")


def test_taker_at_cross_cancels_the_incoming_order_and_keeps_earlier_fills(pit: Pit) -> None:
    pit.place(pit.b, "ask", 4_900, 50)
    own = pit.place(pit.a, "ask", 5_000, 50)
    order = pit.place(pit.a, "bid", 5_000, 100)
    assert (order.filled, order.status, own.status) == (50, "canceled", "resting")


def test_maker_prevention_cancels_the_resting_order_and_goes_on(pit: Pit) -> None:
    own = pit.place(pit.a, "ask", 5_000, 50)
    pit.place(pit.b, "ask", 5_000, 50)
    order = pit.place(pit.a, "bid", 5_000, 50, self_trade_prevention="maker")
    assert (own.status, order.filled) == ("canceled", 50)


def test_a_post_only_order_does_not_reach_its_own_members_order(pit: Pit) -> None:
    pit.place(pit.a, "ask", 5_000, 50)
    with pytest.raises(RequestRefused, match="post only cross"):
        pit.place(pit.a, "bid", 5_000, 50, post_only=True)


def test_immediate_or_cancel_rests_nothing(pit: Pit) -> None:
    pit.place(pit.a, "ask", 5_000, 50)
    order = pit.place(pit.b, "bid", 5_000, 80, time_in_force="immediate_or_cancel")
    assert (order.filled, order.remaining, order.status) == (50, 0, "canceled")
    assert pit.market.best_bid is None


def test_fill_or_kill_trades_all_or_nothing(pit: Pit) -> None:
    pit.place(pit.a, "ask", 5_000, 50)
    with pytest.raises(RequestRefused, match="insufficient resting volume"):
        pit.place(pit.b, "bid", 5_000, 80, time_in_force="fill_or_kill")
    assert pit.place(pit.b, "bid", 5_000, 50, time_in_force="fill_or_kill").filled == 50


def test_reduce_only_stops_at_nothing_held(pit: Pit) -> None:
    pit.place(pit.a, "ask", 5_000, 30)
    pit.place(pit.b, "bid", 5_000, 30)
    pit.place(pit.a, "bid", 4_000, 100)
    order = pit.place(
        pit.b, "ask", 4_000, 100, reduce_only=True, time_in_force="immediate_or_cancel"
    )
    assert (order.filled, pit.b.net(TICKER)) == (30, 0)


def test_reduce_only_with_nothing_to_reduce_is_refused(pit: Pit) -> None:
    with pytest.raises(RequestRefused, match="reduce only"):
        pit.place(pit.b, "ask", 4_000, 1, reduce_only=True, time_in_force="immediate_or_cancel")


def test_an_order_must_be_affordable_with_all_other_resting_orders(pit: Pit) -> None:
    poor = pit.join("poor", 10)
    pit.place(poor, "bid", 5_000, 1_500)
    with pytest.raises(RequestRefused, match="insufficient_balance"):
        pit.place(poor, "ask", 6_000, 700)
    pit.place(poor, "ask", 6_000, 600)


def test_cancelling_frees_the_collateral(pit: Pit) -> None:
    poor = pit.join("poor", 10)
    order = pit.place(poor, "bid", 5_000, 2_000)
    pit.engine.cancel(order, NOW)
    pit.place(poor, "bid", 5_000, 2_000)


def test_a_taker_must_afford_its_fee_as_well(pit: Pit) -> None:
    poor = pit.join("poor", 10)
    pit.place(pit.a, "ask", 5_000, 2_000)
    with pytest.raises(RequestRefused, match="insufficient_balance"):
        pit.place(poor, "bid", 5_000, 2_000)


def test_a_refused_order_changes_nothing(pit: Pit) -> None:
    pit.place(pit.a, "ask", 5_000, 50)
    before = len(pit.engine.facts)
    with pytest.raises(RequestRefused):
        pit.place(pit.b, "bid", 5_000, 50, post_only=True, client_order_id="x")
    assert len(pit.engine.facts) == before
    assert pit.place(pit.b, "bid", 4_900, 50, client_order_id="x").status == "resting"


def test_many_small_fills_cost_what_one_large_one_does(pit: Pit) -> None:
    for _ in range(30):
        pit.place(pit.a, "ask", 4_300, 1)
    order = pit.place(pit.b, "bid", 4_300, 30)
    one_fill = FeeSchedule().raw(Price(4_300), Count(30), is_taker=True)
    assert sum(order.fees) * 10**12 - one_fill < 10**14


def test_expired_orders_leave_the_book(pit: Pit) -> None:
    order = pit.place(pit.a, "bid", 4_000, 100, expires_ms=NOW + 1_000)
    pit.engine.expire(NOW + 999)
    assert order.status == "resting"
    pit.engine.expire(NOW + 1_000)
    assert (order.status, pit.market.best_bid) == ("canceled", None)


def test_the_changes_of_a_book_add_up_to_it(pit: Pit) -> None:
    pit.place(pit.a, "bid", 4_000, 100)
    order = pit.place(pit.b, "bid", 4_000, 50)
    pit.place(pit.c, "ask", 4_000, 120)
    pit.decrease(order, 10)
    changes = [f for f in pit.engine.facts if isinstance(f, BookLevelChanged)]
    assert sum(f.delta for f in changes) == pit.market.sides["bid"].totals[Price(4_000)] == 10
    assert [f.clock for f in changes] == sorted({f.clock for f in changes})


def test_a_fill_has_the_position_after_it(pit: Pit) -> None:
    pit.place(pit.a, "ask", 5_000, 50)
    pit.place(pit.b, "bid", 5_000, 80)
    fills = [f for f in pit.engine.facts if isinstance(f, AccountFilled)]
    assert {(f.account.user_id, f.post_position, f.is_taker) for f in fills} == {
        ("b", 50, True),
        ("a", -50, False),
    }


actions = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "c"]),
        st.sampled_from(["place", "place", "place", "cancel", "amend", "decrease"]),
        st.sampled_from(["bid", "ask"]),
        st.integers(30, 70).map(lambda cents: cents * 100),
        st.integers(1, 3_000),
        st.sampled_from(["good_till_canceled", "immediate_or_cancel", "fill_or_kill"]),
        st.sampled_from(["taker_at_cross", "maker"]),
    ),
    max_size=40,
)


@settings(deadline=None, max_examples=150)
@given(actions, st.sampled_from(["quadratic", "quadratic_with_maker_fees"]), st.booleans())
def test_money_is_conserved_and_nobody_goes_below_nothing(
    steps: list[tuple[str, str, Side, int, int, str, str]], fee_type: str, yes: bool
) -> None:
    pit = Pit(fee_type, cash=20)
    engine, market = pit.engine, pit.market
    members = {"a": pit.a, "b": pit.b, "c": pit.c}

    def total() -> int:
        cash = sum(account.cash for account in engine.accounts.values())
        return cash + market.open_interest * 10_000 + engine.clearing.fee_income

    before = total()
    for name, action, side, price, count, time_in_force, prevention in steps:
        own = engine.resting(members[name], TICKER)
        try:
            if action == "place":
                pit.place(
                    members[name],
                    side,
                    price,
                    count,
                    time_in_force=time_in_force,
                    self_trade_prevention=prevention,
                )
            elif not own:
                continue
            elif action == "cancel":
                engine.cancel(own[0], NOW)
            elif action == "amend":
                change = amendment(price, own[0].filled + count)
                engine.amend(own[0], change, NOW)
            else:
                pit.decrease(own[0], own[0].remaining // 2)
        except RequestRefused:
            pass
        assert total() == before
        assert all(account.cash >= 0 for account in engine.accounts.values())
        assert sum(account.net(TICKER) for account in engine.accounts.values()) == 0
        bid, ask = market.best_bid, market.best_ask
        assert bid is None or ask is None or bid < ask
    determine(engine, market, "yes" if yes else "no", "", NOW)
    settle(engine, market, NOW)
    assert total() == before
