"""Maker fees: the fee of a fill, and the terms that the exchange states.

The fee of a fill is rate x multiplier x contracts x P x (1 - P), rounded up to $0.0001: the same
for YES at P as for NO at 1 - P. The exchange rebates what rounding up each fill of an order costs
beyond rounding up their sum, so an order pays at most the fee of a single fill of all of it.
An unknown kind of fee, or a multiplier that cannot be read, has no `MakerFee`: nothing may be
quoted under it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

import msgspec

from mmbot.units import ONE_CONTRACT, ONE_DOLLAR, Count, Milliseconds, Money, Price

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

# The maker's rates of contracts x P x (1 - P), in 1e-4.
_RATES: Final = {
    "quadratic": 0,
    "quadratic_with_maker_fees": 175,
    "quadratic_with_combo_maker_fees": 350,
}
# Multipliers are in millionths. Beyond this one, a higher price could cost less with its fee.
ONE_TIME: Final = 1_000_000
MOST_MULTIPLIER: Final = 10 * ONE_TIME
# Stands for a multiplier that is stated and cannot be read.
UNREADABLE_MULTIPLIER: Final = -1
# The step of fees: $0.0001, the grid of a direct member's balance.
FEE_STEP: Final = Money(100)
# rate (1e-4) x multiplier (1e-6) x count (1e-2) x price (1e-4) x price (1e-4), of a step of 1e-4.
_RAW_PER_STEP: Final = 10**16
# How long before a change its terms count already: time to get orders off that the new fee makes
# too expensive, even if the first cancels are lost.
LEAD_MS: Final[Milliseconds] = 60_000
# A process meets a handful of fees, each a kind with a multiplier.
_TABLES_KEPT: Final = 16


class MakerFee(msgspec.Struct, frozen=True):
    """A maker's fee of a known kind; the multiplier is in millionths, 0 to `MOST_MULTIPLIER`."""

    kind: str = "quadratic"
    multiplier: int = ONE_TIME

    @property
    def coefficient(self) -> int:
        """The factor of contracts x P x (1 - P), in 1e-10; the higher a fee, the greater."""
        return _RATES[self.kind] * self.multiplier

    @property
    def is_free(self) -> bool:
        """Whether makers pay nothing."""
        return self.coefficient == 0

    @property
    def text(self) -> str:
        """The kind, with the multiplier unless it is 1: `quadratic x0.5`."""
        times = "" if self.multiplier == ONE_TIME else f" x{self.multiplier / ONE_TIME:g}"
        return f"{self.kind}{times}"

    def of(self, count: Count, price: Price) -> Money:
        """Return the fee of one fill, which is also the most that an order of this size pays."""
        coefficient = self.coefficient
        if not coefficient:
            return Money(0)
        raw = coefficient * count * price * (ONE_DOLLAR - price)
        return Money(-(-raw // _RAW_PER_STEP) * FEE_STEP)

    def each(self, price: Price) -> Price:
        """Return the fee of one contract."""
        return Price(self.of(ONE_CONTRACT, price) // ONE_CONTRACT)

    def affordable(self, money: Money, paid: Price) -> Count:
        """Return the contracts that `money` buys at `paid` each, with the fee of their order."""
        if self.is_free:
            return Count(max(0, money // paid))
        # Rounding up may charge a partial contract a step more than its share of a whole one's fee.
        return Count(max(0, (money - FEE_STEP) // (paid + self.each(paid))))

    def most_paid(self, in_all: Price) -> Price:
        """Return the highest price at which a contract with its fee costs at most `in_all`."""
        if self.is_free:
            return in_all
        return Price(int(_costs(self).searchsorted(in_all, side="right")) - 1)


NO_FEE: Final = MakerFee()


@lru_cache(_TABLES_KEPT)
def _costs(fee: MakerFee) -> npt.NDArray[np.int64]:
    """Return what a contract costs with its fee at each price, from 0 to a dollar.

    It never falls as the price rises, since no fee falls faster than the price rises.
    """
    import numpy as np  # noqa: PLC0415 (only where something is priced)

    prices = np.arange(ONE_DOLLAR + 1)
    raw = fee.coefficient * prices * (ONE_DOLLAR - prices)
    return prices - (-raw // (_RAW_PER_STEP // ONE_CONTRACT))


def costs_in_dollars(fee: MakerFee) -> npt.NDArray[np.float64]:
    """Return what a contract costs with its fee at each price in 1e-4 dollar, in dollars."""
    costs: npt.NDArray[np.float64] = _costs(fee) / ONE_DOLLAR
    return costs


class FeeTerms(msgspec.Struct, frozen=True):
    """The stated terms of a fee; `None` where nothing is stated, as for an event without its own.

    Attributes:
        kind: The exchange's name for it.
        multiplier: In millionths; negative if it cannot be read.
    """

    kind: str | None = None
    multiplier: int | None = None

    def over(self, usual: FeeTerms) -> FeeTerms:
        """Return these terms, with `usual` for what is not stated."""
        return FeeTerms(
            usual.kind if self.kind is None else self.kind,
            usual.multiplier if self.multiplier is None else self.multiplier,
        )

    @property
    def fee(self) -> MakerFee | None:
        """What makers pay; `None` if that is not known."""
        if self.kind not in _RATES:
            return None
        if self.multiplier is None:
            # A multiple of nothing is nothing.
            return None if _RATES[self.kind] else MakerFee(self.kind)
        if not 0 <= self.multiplier <= MOST_MULTIPLIER:
            return None
        return MakerFee(self.kind, self.multiplier)

    @property
    def text(self) -> str:
        """The terms as shown by log and gate, whether or not they are known."""
        kind, multiplier = self.kind or "not_stated", self.multiplier
        if kind not in _RATES or multiplier == ONE_TIME:
            return kind
        if multiplier is None or multiplier < 0:
            return f"{kind} with an unreadable multiplier"
        return f"{kind} x{multiplier / ONE_TIME:g}"


FREE_TERMS: Final = FeeTerms("quadratic", ONE_TIME)


class FeeChange(msgspec.Struct, frozen=True):
    """Terms that apply from `at` on; 0 if the time cannot be read."""

    at: Milliseconds
    terms: FeeTerms
