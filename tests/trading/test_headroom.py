from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from mmbot.exchange.checks import cash_held
from mmbot.exchange.fees import FeeSchedule
from mmbot.trading.commands import Cancel, Note, Place
from mmbot.trading.events import (
    BeliefFormed,
    FeeTypeRead,
    Filled,
    InputEvent,
    LimitsRead,
    ListingRead,
    Reconciled,
    StreamUp,
    Woken,
)
from mmbot.trading.fees import FREE_TERMS, ONE_TIME, FeeTerms
from mmbot.trading.order import Order, OrderState
from mmbot.trading.values import Fill
from mmbot.units import MONEY_PER_DOLLAR, Money
from tests.trading.builders import (
    HIGH,
    LOW,
    MIDDLE,
    STRIKES,
    Bench,
    belief,
    book,
    event,
    fill,
    group_ready,
    market,
    only,
    order_placed,
)

SHARDS = {LOW: 0, MIDDLE: 1, HIGH: 1}
RICH: dict[str, dict[str, object]] = {
    "limits": {"event_loss_dollars": 1_000.0, "event_cash_share": 1.0}
}


FREE = FeeSchedule()
CHARGED = FeeTerms("quadratic_with_combo_maker_fees", 5 * ONE_TIME)


def sharded(
    balances: dict[int, Money] | None, fills: tuple[Fill, ...] = (), terms: FeeTerms = FREE_TERMS
) -> Bench:
    """A bench whose markets are on two shards, its quotes resting."""
    bench = Bench(**RICH)
    cap = bench.engine.state.settings.limits.fill_cap
    listed = event(*(market(ticker, shard=shard) for ticker, shard in SHARDS.items()))
    bench.handle(
        StreamUp(),
        LimitsRead(1e6, 1e6, 10.0, 2.0, 10.0),
        ListingRead("", (listed,), (), terms),
        group_ready(0, "g-0", cap),
        group_ready(1, "g-1", cap),
        Reconciled((), fills, balances),
        BeliefFormed(belief()),
    )
    settle(bench, *(book(ticker, None, None) for ticker in STRIKES))
    return bench


def settle(bench: Bench, *events: InputEvent) -> None:
    """Handle the events, and have every place that follows applied."""
    for each in events:
        for place in only(Place, bench.handle(each)):
            bench.handle(order_placed(place.client_id, f"o-{place.client_id}"))


def rest_as(bench: Bench, traded: Fill) -> None:
    """Have an order rest that this trade fills."""
    bench.engine.state.orders.add(
        Order(
            "mmbot-session-0",
            traded.ticker,
            traded.side,
            traded.price,
            traded.count,
            bench.now + 60_000,
            bench.now,
            traded.order_id,
            state=OrderState.RESTING,
        )
    )


def needed(bench: Bench, shard: int, fees: FeeSchedule = FREE) -> int:
    """What the exchange would hold back on a shard for the orders that rest there."""
    state = bench.engine.state
    return sum(
        cash_held(
            fees,
            event_state.portfolio.position(ticker),
            [(o.side, o.price, o.exposed) for o in state.orders.of(ticker)],
        )
        for ticker, event_state in state.event_of_market.items()
        if SHARDS[ticker] == shard
    )


def paid(traded: Fill) -> int:
    """What a trade takes out of its shard's balance while nothing is closed by it."""
    each = traded.price if traded.side == "bid" else 10_000 - traded.price
    return each * traded.count


traded = st.builds(
    fill,
    trade_id=st.just("t-1"),
    order_id=st.just("o-0"),
    count=st.integers(1, 30).map(lambda n: 100 * n),
    price=st.integers(1, 99).map(lambda cents: 100 * cents),
    side=st.sampled_from(["bid", "ask"]),
    ticker=st.sampled_from(tuple(STRIKES)),
)
cash = st.integers(0, 40).map(lambda dollars: Money(dollars * MONEY_PER_DOLLAR))
HUNDRED = Money(100 * MONEY_PER_DOLLAR)


@settings(deadline=None)
@given(cash, st.none() | traded)
def test_every_order_can_be_paid_for_with_its_fee(balance: Money, before: Fill | None) -> None:
    bench = sharded({0: balance, 1: balance}, (before,) if before else (), CHARGED)
    fees = FeeSchedule("quadratic_with_combo_maker_fees", 5.0)
    for shard in (0, 1):
        assert needed(bench, shard, fees) <= balance


def test_without_cash_for_the_fee_not_even_a_position_is_closed() -> None:
    bench = sharded({0: Money(0), 1: Money(0)}, (fill("t-1", "o-0", 500),), CHARGED)
    assert not list(bench.engine.state.orders)


def test_orders_whose_fees_cannot_be_paid_any_more_are_cancelled() -> None:
    bench = sharded({0: HUNDRED, 1: HUNDRED})
    exact = {shard: Money(needed(bench, shard)) for shard in (0, 1)}
    assert not only(Cancel, bench.handle(Reconciled((), (), exact), after=100))
    tiny = FeeTerms("quadratic_with_maker_fees", ONE_TIME // 1_000)
    told = only(Note, bench.handle(FeeTypeRead(tiny), after=100))
    assert "shard_balance" in {note.fields.get("reason") for note in told}


@settings(deadline=None)
@given(cash, cash, st.none() | traded, st.none() | traded, st.booleans())
def test_every_order_can_be_paid_for_from_its_own_shard(
    first: Money, second: Money, before: Fill | None, after: Fill | None, doubted: bool
) -> None:
    bench = sharded({0: first, 1: second}, (before,) if before else ())
    balances = [first, second]
    if after and not before:
        if not doubted:
            rest_as(bench, after)
        bench.handle(Filled(after), after=2_000)
        left = balances[SHARDS[after.ticker]] - paid(after)
        balances[SHARDS[after.ticker]] = Money(left)
        for cancel in only(Cancel, bench.all_commands):
            order = bench.engine.state.orders.get(cancel.client_id)
            if order:
                bench.engine.state.orders.end(order)
        settle(bench, Woken())
    for shard, balance in enumerate(balances):
        assert needed(bench, shard) <= max(0, balance)


def test_a_shard_without_cash_leaves_the_other_alone() -> None:
    bench = sharded({0: Money(0), 1: Money(1_000 * MONEY_PER_DOLLAR)})
    assert {order.ticker for order in bench.engine.state.orders} == {MIDDLE, HIGH}


def test_an_order_that_closes_a_position_needs_no_cash() -> None:
    bench = sharded({0: Money(0), 1: Money(0)}, (fill("t-1", "o-0", 500),))
    (order,) = bench.engine.state.orders
    assert (order.ticker, order.side, order.count) == (MIDDLE, "ask", 500)


def test_a_balance_that_was_never_read_stops_nothing() -> None:
    assert len(sharded(None).engine.state.orders) == 6


def test_when_a_balance_shrinks_only_what_it_cannot_pay_for_is_cancelled() -> None:
    bench = sharded({0: HUNDRED, 1: HUNDRED})
    for left, gone in ((needed(bench, 1) - 1, 1), (0, 2)):
        account = Reconciled((), (), {0: HUNDRED, 1: Money(left)})
        cancels = only(Cancel, bench.handle(account, after=100))
        assert len(cancels) == gone
        assert LOW not in {cancel.ticker for cancel in cancels}


def wealth(bench: Bench) -> list[Money]:
    """The wealth in each outcome, whatever may still happen to fills and orders."""
    state = bench.engine.state
    event_state = state.event_of_market[MIDDLE]
    return event_state.portfolio.wealth(state.exposures(event_state))


@settings(deadline=None)
@given(traded)
def test_a_fill_that_the_account_does_not_list_yet_makes_no_outcome_better(told: Fill) -> None:
    bench = Bench(**RICH)
    bench.start()
    flat = wealth(bench)
    rest_as(bench, told)
    bench.handle(Filled(told))
    booked = bench.engine.state.event_of_market[MIDDLE].portfolio.wealth()
    assert wealth(bench) == [min(outcomes) for outcomes in zip(flat, booked, strict=True)]
    bench.handle(Reconciled((), (told,), {0: HUNDRED}))
    assert wealth(bench) == booked


def test_a_fill_that_an_earlier_session_was_told_makes_no_room_until_it_is_listed() -> None:
    sold = fill("ghost", "o-7", 500, 6000, "ask")
    bench = Bench(**RICH)
    bench.engine.state.unconfirmed = (sold,)
    bench.start()
    assert bench.engine.state.event_of_market[MIDDLE].portfolio.position(MIDDLE) == -500
    assert max(wealth(bench)) == 0


def test_what_is_held_in_a_market_that_cannot_be_read_counts_as_lost_in_every_outcome() -> None:
    bench = Bench(**RICH)
    bought = fill("t-1", "o-7", 1000, 8000, ticker=LOW)
    bench.engine.state.recorded = (bought, fill("t-2", "o-8", 100, ticker="OTHER-A1"))
    readable = event(market(MIDDLE), market(HIGH))
    bench.handle(StreamUp(), ListingRead("", (readable,)))
    state = bench.engine.state
    event_state = state.event_of_market[MIDDLE]
    assert state.floor(event_state) == 8_000_000 - state.loss_limit()
    bench.handle(ListingRead("", (event(),)))
    event_state = state.event_of_market[MIDDLE]
    assert state.floor(event_state) == -state.loss_limit()
    assert event_state.portfolio.position(LOW) == 1000
