"""Prices, counts and money as integers on the exchange's own grid.

A price is an integer of 1e-4 dollar, a count one of 0.01 contract. Their product is money in
exactly 1e-6 dollar, so nothing that touches money is ever rounded.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import NewType, TypeAlias

import msgspec

Price = NewType("Price", int)
Count = NewType("Count", int)
Money = NewType("Money", int)
# An instant since the Unix epoch, or a duration.
Milliseconds: TypeAlias = int

ONE_DOLLAR = Price(10_000)
ONE_CENT = Price(100)
ONE_CONTRACT = Count(100)
MONEY_PER_DOLLAR = Money(1_000_000)
MONEY_PER_CENT = Money(10_000)

_PRICE_DECIMALS, _COUNT_DECIMALS, _MONEY_DECIMALS = 4, 2, 6
# The same prices and counts are formatted over and over.
_TEXTS_KEPT = 4096
# No price, count or money is beyond these; within them, no sum of products outgrows 64 bits.
_MOST = {_PRICE_DECIMALS: 10**6, _COUNT_DECIMALS: 10**11, _MONEY_DECIMALS: 10**16}
_FIXED_POINT = re.compile(r"(-?)(\d{1,15})(?:\.(\d{1,12}))?\Z", re.ASCII)

# A product such as 0.29 x 10,000 may fall short of its true value by one part in 1e16; without
# this slack, rounding down would lose a whole tick. It is a millionth of the smallest price step.
_FLOAT_SLACK = 1e-6


@lru_cache(_TEXTS_KEPT)
def parse_price(text: str | float) -> Price:
    """Read a price in dollars, such as `"0.5600"`; raise `ValueError` if it is not one exactly."""
    return Price(_parse_fixed(text, _PRICE_DECIMALS))


@lru_cache(_TEXTS_KEPT)
def parse_count(text: str | float) -> Count:
    """Read a number of contracts, such as `"10.00"`; raise `ValueError` if it is not one."""
    return Count(_parse_fixed(text, _COUNT_DECIMALS))


def parse_money(text: str | float) -> Money:
    """Read an amount in dollars of up to six decimals; raise `ValueError` if it is not one."""
    return Money(_parse_fixed(text, _MONEY_DECIMALS))


def value_of(count: Count, price: Price) -> Money:
    """Return the value of a number of contracts at a price, exactly: 1e-2 times 1e-4 is 1e-6."""
    return Money(count * price)


def total(amounts: Iterable[Money]) -> Money:
    """Return the sum of some amounts of money."""
    return Money(sum(amounts))


@lru_cache(_TEXTS_KEPT)
def format_price(price: Price) -> str:
    """Write a price as the exchange does: `5600` becomes `"0.5600"`."""
    return _format_fixed(price, _PRICE_DECIMALS)


@lru_cache(_TEXTS_KEPT)
def format_count(count: Count) -> str:
    """Write a count as the exchange does: `2500` becomes `"25.00"`."""
    return _format_fixed(count, _COUNT_DECIMALS)


@lru_cache(_TEXTS_KEPT)
def format_money(money: Money) -> str:
    """Write money as the exchange does: `4200000` becomes `"4.200000"`."""
    return _format_fixed(money, _MONEY_DECIMALS)


def floor_price(dollars: float) -> Price:
    """Round a value in dollars down to a whole price unit, in a bid's favour."""
    return Price(math.floor(dollars * ONE_DOLLAR + _FLOAT_SLACK))


def ceil_price(dollars: float) -> Price:
    """Round a value in dollars up to a whole price unit, in an ask's favour."""
    return Price(math.ceil(dollars * ONE_DOLLAR - _FLOAT_SLACK))


def _parse_fixed(text: str | float, decimals: int) -> int:
    # The protocol promises strings; plain numbers occur as well.
    match = _FIXED_POINT.match(text if isinstance(text, str) else repr(text))
    if match is None:
        raise ValueError(f"{_shown(text)} is not a plain decimal number")
    sign, whole, fraction = match[1], match[2], match[3] or ""
    if fraction[decimals:].strip("0"):
        raise ValueError(f"{_shown(text)} has more than {decimals} decimals")
    value = int(whole + fraction[:decimals].ljust(decimals, "0"))
    if value > _MOST[decimals]:
        raise ValueError(f"{text!r} is too large")
    return -value if sign else value


def _shown(text: str | float) -> str:
    return f"{text!r:.60}"


def _format_fixed(value: int, decimals: int) -> str:
    whole, fraction = divmod(abs(value), 10**decimals)
    return f"{'-' if value < 0 else ''}{whole}.{fraction:0{decimals}d}"


class PriceBand(msgspec.Struct, frozen=True):
    """The prices `start, start + step, ... end`, in price units."""

    start: Price
    end: Price
    step: Price


class PriceGrid(msgspec.Struct, frozen=True):
    """The prices at which a market takes orders: every step of every band but 0 and one dollar."""

    bands: tuple[PriceBand, ...]

    def accepts(self, price: Price) -> bool:
        """Say whether an order may be placed at `price`."""
        return 0 < price < ONE_DOLLAR and any(
            band.start <= price <= band.end and (price - band.start) % band.step == 0
            for band in self.bands
        )

    def floor(self, price: int) -> Price | None:
        """Return the greatest price on the grid that is not above `price`, if there is one."""
        greatest = 0
        for band in self.bands:
            start = band.start
            capped = price if price < band.end else band.end
            if capped >= ONE_DOLLAR:
                capped = ONE_DOLLAR - 1
            if capped >= start:
                capped -= (capped - start) % band.step
                if capped > greatest:
                    greatest = capped
        return Price(greatest) if greatest else None

    def ceil(self, price: int) -> Price | None:
        """Return the least price on the grid that is not below `price`, if there is one."""
        least: int = ONE_DOLLAR
        for band in self.bands:
            start = band.start
            raised = price if price > start else start
            if raised < 1:
                raised = 1
            raised += (start - raised) % band.step
            if raised <= band.end and raised < least:
                least = raised
        return Price(least) if least < ONE_DOLLAR else None


CENT_GRID = PriceGrid((PriceBand(Price(0), ONE_DOLLAR, ONE_CENT),))
