"""Statements for the tax return: what the balance gained and lost, row by row."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from mmbot.exchange.accounts import Position
from mmbot.observe.statements import (
    FILL_COLUMNS,
    SETTLEMENT_COLUMNS,
    fill_rows,
    settlement_rows,
)
from mmbot.units import ONE_DOLLAR, Price
from tests.research.records import FILLS, HIGH, LOW, SETTLEMENTS, booked, settlement


def rows(columns: tuple[str, ...], given_rows: Iterable[tuple[str, ...]]) -> list[dict[str, str]]:
    return [dict(zip(columns, row, strict=True)) for row in given_rows]


def test_a_fill_is_a_row_with_its_time_zone_and_what_the_balance_lost() -> None:
    bought, sold, _ = rows(FILL_COLUMNS, fill_rows(FILLS))
    at = dt.datetime.fromisoformat(bought["time"])
    assert at == dt.datetime.fromtimestamp(FILLS[0].fill.at / 1000, dt.UTC)
    assert (bought["time_zone"], at.utcoffset()) == ("America/New_York", dt.timedelta(hours=-5))
    assert (bought["ticker"], bought["side"], bought["price"]) == (LOW, "YES bought", "0.4000")
    assert (bought["count"], bought["fee"], bought["cash"]) == ("10.00", "0.300000", "-4.300000")
    # Five YES sold at 30 cents are five NO bought at 70.
    assert (sold["side"], sold["cash"]) == ("YES sold", "-3.500000")


def test_a_pair_that_a_fill_completes_pays_a_dollar_back() -> None:
    fills = (booked("a", LOW, "ask", 40, 10), booked("b", LOW, "bid", 30, 15))
    assert [row["cash"] for row in rows(FILL_COLUMNS, fill_rows(fills))] == [
        "-6.000000",
        # Ten pairs pay ten dollars, fifteen YES cost four and a half.
        "5.500000",
    ]


def test_a_settlement_of_a_position_is_a_row() -> None:
    won, lost_yes, worthless = rows(SETTLEMENT_COLUMNS, settlement_rows(SETTLEMENTS))
    assert (won["ticker"], won["result"], won["cash"]) == (LOW, "yes", "10.000000")
    assert (lost_yes["ticker"], lost_yes["result"], lost_yes["cash"]) == (HIGH, "no", "5.000000")
    assert (worthless["position"], worthless["cash"]) == ("20.00", "0.000000")


def test_an_amended_settlement_pays_or_takes_the_difference() -> None:
    amended = (settlement(LOW, True, 10), settlement(LOW, False, 10), settlement(LOW, True, 10))
    assert [
        (row["kind"], row["paid"], row["cash"])
        for row in rows(SETTLEMENT_COLUMNS, settlement_rows(amended))
    ] == [
        ("settlement", "10.000000", "10.000000"),
        ("amendment", "0.000000", "-10.000000"),
        ("amendment", "10.000000", "10.000000"),
    ]


def test_a_settlement_without_a_time_has_none() -> None:
    (row,) = rows(SETTLEMENT_COLUMNS, settlement_rows([settlement(LOW, True, 1, at=0)]))
    assert row["time"] == ""


@given(
    st.lists(st.tuples(st.sampled_from(("bid", "ask")), st.integers(1, 99), st.integers(1, 30))),
    st.booleans(),
)
def test_cash_is_what_the_exchange_books_and_adds_up_to_the_pnl(
    drawn: list[tuple[str, int, int]], won: bool
) -> None:
    fills = [
        booked(f"{i}", LOW, "bid" if side == "bid" else "ask", cents, contracts)
        for i, (side, cents, contracts) in enumerate(drawn)
    ]
    theirs = Position()
    cash = [theirs.apply(each.fill.side, each.fill.price, each.fill.count) for each in fills]
    ours = [Decimal(row["cash"]) for row in rows(FILL_COLUMNS, fill_rows(fills))]
    assert ours == [Decimal(each) / 1_000_000 for each in cash]
    held = theirs.net // 100
    paid = [
        Decimal(row["cash"])
        for row in rows(SETTLEMENT_COLUMNS, settlement_rows([settlement(LOW, won, held)]))
    ]
    assert sum(paid) == Decimal(theirs.pay_out(Price(won * ONE_DOLLAR))) / 1_000_000
    profit = sum(each.fill.cash + each.fill.signed_count * won * ONE_DOLLAR for each in fills)
    assert sum(ours) + sum(paid) == Decimal(profit) / 1_000_000
