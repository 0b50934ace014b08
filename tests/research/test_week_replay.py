from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import Phase, given
from hypothesis import settings as tried
from hypothesis import strategies as st

from mmbot.bot.outputs import Output
from mmbot.errors import BadInput
from mmbot.history.rows import Candle, FeeChange, Trade
from mmbot.kalshi.gateway import Call
from mmbot.research.replayed_week import FillRules, ReplayedWeek
from mmbot.tsa.releases import assumed_release
from mmbot.underlying.calendar import to_milliseconds
from mmbot.units import Count, Milliseconds
from tests.research.past_weeks import (
    HOUR,
    MINUTE,
    WEEK,
    SameBelief,
    candle,
    opens,
    past_week,
    replayed,
    settings,
    ticker,
    trade,
)

STRIKE = 2_500_000
MARKET = ticker(STRIKE)
# What the belief and the margin of a tenth allow.
BID, ASK = 4500, 5500
# The account and the books are read by then.
READY = opens() + MINUTE


def short_week(hours: float = 3, payout: int = 10_000) -> Any:
    return past_week((STRIKE,), (payout,), closes=opens() + round(hours * HOUR))


def played(
    rows: Sequence[Trade | Candle], rules: FillRules | None = None, hours: float = 3, **quoting: Any
) -> ReplayedWeek:
    start = [candle(opens(), MARKET, 4800, 5200)]
    return replayed(
        short_week(hours), [*start, *rows], SameBelief((0.5,)), settings(**quoting), rules
    )


def filled(week: ReplayedWeek) -> list[tuple[str, int, int]]:
    return [(each.fill.side, each.fill.price, each.fill.count) for each in week.fills]


@pytest.mark.parametrize(
    ("own", "own_multiplier", "fee"),
    [
        # The bid is lower by the fee: 3 contracts at 44 cents, 0.0175 x 3 x 0.44 x 0.56.
        (None, None, 13_000),
        (None, 500_000, 6_500),
        ("quadratic_with_combo_maker_fees", None, 25_900),
    ],
)
def test_a_week_is_traded_with_the_fees_that_it_had(
    own: str | None, own_multiplier: int | None, fee: int
) -> None:
    past = short_week()
    charged = FeeChange(
        opens() - HOUR, "KXTSAW", "quadratic_with_maker_fees", 10**6, "1", is_reading=False
    )
    event = msgspec.structs.replace(past.event, fee_type=own, fee_multiplier=own_multiplier)
    past = msgspec.structs.replace(past, event=event, fees=(charged,))
    rows: list[Trade | Candle] = [candle(opens(), MARKET, 4_800, 5_200)]
    rows.append(trade(READY, MARKET, 4_399, 300, "no"))
    (only,) = replayed(past, rows, SameBelief((0.5,)), settings()).fills
    assert (only.fill.price, only.fill.fee) == (4_400, fee)


def test_a_trade_strictly_through_the_price_fills_at_the_price() -> None:
    assert filled(played([trade(READY, MARKET, BID, 300, "no")])) == []
    assert filled(played([trade(READY, MARKET, BID - 100, 300, "no")])) == [("bid", BID, 300)]
    assert filled(played([trade(READY, MARKET, ASK + 100, 300, "yes")])) == [("ask", ASK, 300)]


def test_no_more_fills_than_the_trade_was_nor_than_rests() -> None:
    week = played(
        [
            trade(READY, MARKET, BID - 100, 300, "no"),
            trade(READY + 1, MARKET, BID - 100, 5_000, "no"),
        ]
    )
    assert filled(week) == [("bid", BID, 300), ("bid", BID, 700)]


def test_in_a_queue_an_order_at_the_price_fills_once_those_ahead_have() -> None:
    rows = [trade(READY + i, MARKET, BID, 300, "no") for i in range(3)]
    assert filled(played(rows, FillRules(queue_ahead=Count(500)))) == [
        ("bid", BID, 100),
        ("bid", BID, 300),
    ]
    # A buyer at that price met an ask, not this bid.
    rows = [trade(READY + i, MARKET, BID, 300, "yes") for i in range(3)]
    assert filled(played(rows, FillRules(queue_ahead=Count(0)))) == []


def test_a_block_trade_fills_nobody() -> None:
    block = msgspec.structs.replace(trade(READY, MARKET, BID - 100, 300, "no"), is_block=True)
    assert filled(played([block])) == []


def test_a_decision_takes_effect_after_the_delay() -> None:
    """The market moves; the order that it makes too dear rests until the cancel arrives."""
    moved: list[Trade | Candle] = [
        candle(READY, MARKET, 4000, 4400),
        trade(READY + 400, MARKET, 4300, 300, "no"),
    ]
    weights: dict[str, Any] = {"belief_weight": [0.0] * 5, "minimum_rest_seconds": 0.0}
    assert filled(played(moved, FillRules(delay_ms=500), **weights)) == [("bid", BID, 300)]
    assert filled(played(moved, FillRules(delay_ms=100), **weights)) == []


def calls_of(hours: float) -> list[Call]:
    """What the bot asks for in a week of so many hours in which nothing happens."""
    calls: list[Call] = []

    def decided(outputs: Sequence[Output], _: Milliseconds) -> None:
        calls.extend(each for each in outputs if isinstance(each, Call))

    book = [candle(opens(), MARKET, 4800, 5200)]
    replayed(short_week(hours), book, SameBelief((0.5,)), settings(), decided=decided)
    return calls


def test_a_day_in_which_nothing_happens_asks_for_little() -> None:
    short, long = calls_of(3), calls_of(23)
    # What the stream tells is read again once an hour; no order is renewed.
    assert len(long) - len(short) <= 20 * 20
    assert "POST" not in {call.request.method for call in long[len(short) :]}


def test_a_decision_takes_time() -> None:
    with pytest.raises(ValueError, match="a millisecond at least"):
        FillRules(delay_ms=0)


def test_nothing_is_quoted_where_the_book_is_not_known() -> None:
    rows = [trade(READY + HOUR, MARKET, 1000, 300, "no")]
    week = replayed(short_week(), rows, SameBelief((0.5,)))
    assert (filled(week), week.trades) == ([], 1)
    old: list[Trade | Candle] = [
        candle(opens(), MARKET, 4800, 5200, minutes=60),
        trade(READY + 20 * MINUTE, MARKET, 1000, 300, "no"),
    ]
    assert filled(replayed(short_week(), old, SameBelief((0.5,)))) == []
    assert filled(
        replayed(short_week(), old, SameBelief((0.5,)), rules=FillRules(holds_ms=HOUR))
    ) == [("bid", BID, 300)]


class Decisions:
    """What a bot decided, and when; the names of orders are of no interest."""

    def __init__(self) -> None:
        self.made: list[tuple[Milliseconds, str]] = []

    def __call__(self, outputs: Sequence[Output], now: Milliseconds) -> None:
        for output in outputs:
            what = output.request if isinstance(output, Call) else output
            self.made.append((now, repr(what)))

    def placed(self) -> list[Milliseconds]:
        return [
            at for at, what in self.made if "/orders/batched" in what and "method='POST'" in what
        ]


def test_after_a_release_no_order_is_priced_by_a_mid_from_before_it() -> None:
    """Monday's count comes on Tuesday; until the minute has ended the book may be the old one."""
    released = to_milliseconds(assumed_release(WEEK.monday))
    decisions = Decisions()
    replayed(
        past_week((STRIKE,), (0,), closes=released + HOUR),
        [candle(opens(), MARKET, 4800, 5200)],
        SameBelief((0.5,)),
        decided=decisions,
    )
    placed = decisions.placed()
    assert placed[0] < opens() + MINUTE
    after = [at for at in placed if at >= released]
    assert after
    assert min(after) >= released + MINUTE


def test_a_week_without_a_result_is_refused() -> None:
    week = short_week()
    markets = tuple(msgspec.structs.replace(m, yes_value=None) for m in week.markets)
    with pytest.raises(BadInput, match="no result"):
        replayed(msgspec.structs.replace(week, markets=markets), [], SameBelief((0.5,)))


_ROWS = st.lists(
    st.tuples(
        st.integers(0, 3 * HOUR // 2),
        st.sampled_from((4300, 4400, 4600, 4800, 5200, 5400, 5600, 5700)),
        st.integers(1, 2_000),
        st.sampled_from(("yes", "no", "candle")),
    ),
    max_size=25,
)


# Without shrinking: a week takes a second when it fails, and the rows are few.
@tried(max_examples=25, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(rows=_ROWS, instant=st.integers(0, 3 * HOUR // 2), shift=st.integers(1, HOUR // 2))
def test_what_happens_after_an_instant_changes_nothing_decided_before_it(
    rows: list[tuple[int, int, int, Any]], instant: int, shift: int
) -> None:
    instant += opens()

    def decided(later: int) -> list[tuple[Milliseconds, str]]:
        happened: list[Trade | Candle] = []
        for offset, price, count, kind in rows:
            at = opens() + offset
            at += later if at > instant else 0
            if kind == "candle":
                happened.append(candle(at, MARKET, price - 200, price))
            else:
                happened.append(trade(at, MARKET, price, count, kind))
        decisions = Decisions()
        replayed(
            short_week(), [candle(opens(), MARKET, 4800, 5200), *happened], SameBelief((0.5,)),
            settings(belief_weight=[0.5] * 5), decided=decisions,
        )  # fmt: skip
        return [(at, what) for at, what in decisions.made if at <= instant]

    assert decided(0) == decided(shift)
