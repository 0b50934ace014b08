"""The exchange's fee schedules, exact in integers.

The maker rates of kinds that are not public are made up: a bot must meet such kinds, not compute
with them.
"""

from __future__ import annotations

from typing import Final

import msgspec

from mmbot.units import ONE_DOLLAR, Count, Money, Price

# Source: the exchange's fee schedule. Rates are per C x P x (1 - P), in 1e-4.
_TAKER_RATE: Final = 700
_MAKER_RATES: Final = {
    "quadratic": 0,
    "quadratic_with_maker_fees": 175,
    "quadratic_with_combo_maker_fees": 350,
    "flat": _TAKER_RATE,
    "margin_market_maker_program_fees": _TAKER_RATE,
}
# The kinds whose rate for makers is public.
PUBLIC_KINDS: Final = tuple(_MAKER_RATES)[:3]
_MOST_MULTIPLIER: Final = 10.0
# Direct members' balances move on a grid of $0.0001.
_FEE_STEP: Final = Money(100)
# rate (1e-4) x multiplier (1e-4) x count (1e-2) x price (1e-4) x price (1e-4)
_RAW_PER_FEE_STEP: Final = 10**14


class FeeSchedule(msgspec.Struct, frozen=True):
    """A series' fee type and multiplier."""

    fee_type: str = "quadratic"
    multiplier: float = 1.0

    def __post_init__(self) -> None:
        if self.fee_type not in _MAKER_RATES:
            raise ValueError(f"{self.fee_type!r} is not a fee type this exchange can charge")

    @classmethod
    def parse(cls, text: str) -> FeeSchedule:
        """Read `KIND` or `KIND:MULTIPLIER`; raise `ValueError`, with a sentence, otherwise."""
        kind, _, multiplier = text.partition(":")
        if kind not in _MAKER_RATES:
            raise ValueError(
                f"{kind!r} is not a kind of fee; choose from {', '.join(_MAKER_RATES)}"
            )
        try:
            times = float(multiplier or 1.0)
        except ValueError:
            times = -1.0
        if not 0.0 <= times <= _MOST_MULTIPLIER:
            raise ValueError(f"{multiplier!r} is not a multiplier from 0 to {_MOST_MULTIPLIER:g}")
        return cls(kind, times)

    @property
    def is_public(self) -> bool:
        """Whether the rate for makers is public."""
        return self.fee_type in PUBLIC_KINDS

    @property
    def charges_makers(self) -> bool:
        """Whether a maker's fill costs a fee."""
        return _MAKER_RATES[self.fee_type] > 0 and self.multiplier > 0

    def raw(self, price: Price, count: Count, *, is_taker: bool) -> int:
        """Return the unrounded fee of one fill in 1e-18 dollar: rate x M x C x P x (1 - P)."""
        rate = _TAKER_RATE if is_taker else _MAKER_RATES[self.fee_type]
        return rate * round(self.multiplier * 10_000) * count * price * (ONE_DOLLAR - price)


def rounded_fee(raw: int) -> Money:
    """Round a fee in 1e-18 dollar up to the next $0.0001.

    An order is charged the rounded sum of its fills less what it has paid: the excess from rounding
    up each fill is rebated, so many small fills cost the same as one large one.
    """
    return Money(-(-raw // _RAW_PER_FEE_STEP) * _FEE_STEP)
