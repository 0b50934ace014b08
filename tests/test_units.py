from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmbot.units import (
    CENT_GRID,
    ONE_DOLLAR,
    Count,
    Money,
    Price,
    PriceBand,
    PriceGrid,
    ceil_price,
    floor_price,
    format_count,
    format_money,
    format_price,
    parse_count,
    parse_money,
    parse_price,
)

TAPERED = PriceGrid(
    (
        PriceBand(Price(0), Price(1000), Price(10)),
        PriceBand(Price(1000), Price(9000), Price(100)),
        PriceBand(Price(9000), ONE_DOLLAR, Price(10)),
    )
)
SUB_CENT = PriceGrid((PriceBand(Price(0), ONE_DOLLAR, Price(1)),))
UNEVEN = PriceGrid(
    (
        PriceBand(Price(300), Price(1000), Price(300)),
        PriceBand(Price(2000), Price(2500), Price(200)),
    )
)

integers = st.integers(-(10**12), 10**12)
prices = st.integers(-100, ONE_DOLLAR + 100)
grids = st.sampled_from([CENT_GRID, TAPERED, SUB_CENT, UNEVEN])


@pytest.mark.parametrize(
    ("text", "price"),
    [("0.2900", 2900), ("0.29", 2900), ("0.56", 5600), ("1", 10_000), ("0.000100", 1)],
)
def test_a_price_is_read_exactly(text: str, price: int) -> None:
    assert parse_price(text) == price


def test_a_number_is_read_as_what_it_prints_as() -> None:
    assert (parse_price(0.29), parse_price(1), parse_count(10.0)) == (2900, 10_000, 1000)


@pytest.mark.parametrize("parse", [parse_price, parse_count, parse_money])
@pytest.mark.parametrize("text", ["999999999999", "-999999999999.00", "9" * 15])
def test_what_is_beyond_whatever_is_traded_is_refused(
    parse: Callable[[str], int], text: str
) -> None:
    with pytest.raises(ValueError, match="too large"):
        parse(text)


@given(st.integers(-(10**6), 10**6))
def test_whatever_is_written_is_read_again(value: int) -> None:
    assert parse_price(format_price(Price(value))) == value
    assert parse_count(format_count(Count(value))) == value
    assert parse_money(format_money(Money(value))) == value


def test_values_are_written_as_the_exchange_writes_them() -> None:
    assert format_price(5600) == "0.5600"
    assert format_count(-2550) == "-25.50"
    assert format_money(Money(4_200_000)) == "4.200000"


@pytest.mark.parametrize(
    "text", ["", "-", "1.", ".5", "1e3", "0x1", "nan", "inf", " 1", "1\n", "1,5", "٣", "9" * 16]
)
def test_what_is_no_plain_decimal_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="plain decimal"):
        parse_price(text)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), 1e-9, 1e22])
def test_a_number_that_does_not_print_plainly_is_refused(number: float) -> None:
    with pytest.raises(ValueError, match="plain decimal"):
        parse_price(number)


def test_what_is_finer_than_the_unit_is_refused() -> None:
    with pytest.raises(ValueError, match="more than 4 decimals"):
        parse_price("0.12345")
    with pytest.raises(ValueError, match="more than 2 decimals"):
        parse_count("1.001")


def test_a_product_that_falls_short_of_its_value_keeps_its_tick() -> None:
    assert int(0.57 * 10_000) == 5699
    assert 1.1 * 0.1 * 10_000 > 1100
    assert floor_price(0.57) == 5700
    assert floor_price(0.29) == 2900
    assert ceil_price(1.1 * 0.1) == 1100


@given(st.integers(0, ONE_DOLLAR), st.integers(0, 100))
def test_rounding_a_product_agrees_with_exact_arithmetic(tick: int, percent: int) -> None:
    exact = Fraction(tick * (100 - percent), 100)
    product = tick / ONE_DOLLAR * (1 - percent / 100)
    assert floor_price(product) == exact.__floor__()
    assert ceil_price(product) == exact.__ceil__()


@given(grids, prices)
def test_floor_is_the_greatest_accepted_price_that_is_not_above(
    grid: PriceGrid, price: Price
) -> None:
    below = [p for p in range(1, min(price, ONE_DOLLAR) + 1) if grid.accepts(Price(p))]
    assert grid.floor(price) == (below[-1] if below else None)


@given(grids, prices)
def test_ceil_is_the_least_accepted_price_that_is_not_below(grid: PriceGrid, price: Price) -> None:
    above = [p for p in range(max(price, 1), ONE_DOLLAR) if grid.accepts(Price(p))]
    assert grid.ceil(price) == (above[0] if above else None)


def test_a_tapered_grid_is_finer_at_its_ends() -> None:
    assert TAPERED.accepts(Price(990))
    assert not TAPERED.accepts(Price(1010))
    assert (TAPERED.floor(Price(1010)), TAPERED.ceil(Price(1010))) == (1000, 1100)
    assert (TAPERED.floor(Price(9015)), TAPERED.ceil(Price(9015))) == (9010, 9020)


@pytest.mark.parametrize("price", [0, ONE_DOLLAR, -100, ONE_DOLLAR + 100])
def test_nothing_and_a_dollar_are_no_prices(price: int) -> None:
    assert not CENT_GRID.accepts(Price(price))
