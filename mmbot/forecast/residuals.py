"""The bank: what would have been forecast of every past week, from each of its seven origins.

Origin k of a week is the moment at which its first k days are published and nothing after them is.
A forecast reaches four weeks, the origin's own and the three after it: as many as three are listed
at once, and before Monday's release the week that has begun is still the one after the origin's.
The bank is a value: the shell may keep its bytes, and `extend` makes only the weeks that are new.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from itertools import takewhile
from typing import Literal, Protocol

import msgspec
import numpy as np

from mmbot.errors import BadInput
from mmbot.forecast.history import BREAK_ENDS, Days, Floats, History

WEEKS_AHEAD = 4
_HORIZON = np.arange(7 * WEEKS_AHEAD)

Progress = Callable[[int, int], None]


class Fitted(Protocol):
    """A point forecast whose slow part is done."""

    def predict(self, history: History, days: Days) -> Floats:
        """Return the expected logarithms of `days` given what `history` holds."""


class PointMethod(Protocol):
    """A way to forecast days: `fit` sees whole weeks only, `Fitted.predict` also the days since."""

    name: str

    def fit(self, history: History) -> Fitted:
        """Do the slow part on a history that ends on a Sunday."""


class Bank(msgspec.Struct, frozen=True):
    """Forecasts of consecutive past weeks.

    Attributes:
        method: The point method that made them.
        monday: The ordinal of the first week's Monday.
        predicted: Expected logarithms, shape (weeks, 7 origins, 28 days from the week's Monday);
            NaN where the history was too short.
        digests: For each week, a name for the method and all counts up to the week's end.
    """

    method: str
    monday: int
    predicted: Floats
    digests: tuple[str, ...]

    @property
    def mondays(self) -> Days:
        """The ordinals of the weeks' Mondays, shape (weeks,)."""
        return self.monday + 7 * np.arange(len(self.predicted))

    @property
    def usable(self) -> int:
        """The number of weeks for which there is a forecast."""
        return int(np.isfinite(self.predicted[:, 0, 0]).sum())

    def encode(self) -> bytes:
        """Return the bytes to keep."""
        return msgspec.msgpack.encode(
            _Stored(
                1, self.method, self.monday, self.predicted.astype("<f8").tobytes(), self.digests
            )
        )

    @classmethod
    def decode(cls, content: bytes) -> Bank:
        """Read kept bytes; raise `BadInput` if they are not a bank of this program's."""
        try:
            stored = msgspec.msgpack.decode(content, type=_Stored)
            flat = np.frombuffer(stored.predicted, "<f8")
            predicted = flat.reshape(len(stored.digests), 7, len(_HORIZON))
        except (msgspec.DecodeError, ValueError):
            raise BadInput("the stored forecasts of past weeks cannot be read") from None
        return cls(stored.method, stored.monday, predicted, stored.digests)


class _Stored(msgspec.Struct, frozen=True, array_like=True):
    form: Literal[1]
    method: str
    monday: int
    predicted: bytes
    digests: tuple[str, ...]


def extend(
    bank: Bank | None, method: PointMethod, history: History, progress: Progress | None = None
) -> Bank:
    """Return the bank of exactly the weeks that `history` completes.

    What `bank` holds is kept as far as it was made by the same method from the same counts.
    `progress` is told how many of the new weeks are done, and how many there are.
    """
    first = monday_of(max(history.first, BREAK_ENDS) + 6)
    mondays = np.arange(first, history.last - 5, 7)
    digests = _digests(method, history, mondays)
    rows = _kept(bank, method, history, mondays, digests)
    fresh = mondays[len(rows) :]
    for done, monday in enumerate(fresh):
        rows.append(_hindcast(method, history, int(monday)))
        if progress is not None:
            progress(done + 1, len(fresh))
    return Bank(method.name, first, np.reshape(rows, (-1, 7, len(_HORIZON))), digests)


def monday_of(day: int) -> int:
    """Return the ordinal of the Monday of the week that `day` belongs to."""
    # Ordinal 1 was a Monday.
    return day - (day - 1) % 7


def _kept(
    bank: Bank | None,
    method: PointMethod,
    history: History,
    mondays: Days,
    digests: tuple[str, ...],
) -> list[Floats]:
    """Return the weeks of `bank` that need not be made again, from the first on."""
    if bank is None or not len(mondays) or bank.monday != mondays[0]:
        return []
    pairs = zip(bank.digests, digests, strict=False)
    same = list(takewhile(lambda pair: pair[0] == pair[1], pairs))
    if not same:
        return []
    # The digests know the counts and not the program: the last week must come out the same again.
    last = len(same) - 1
    again = _hindcast(method, history, int(mondays[last]))
    as_before = np.allclose(again, bank.predicted[last], rtol=0, atol=1e-9, equal_nan=True)
    return [*bank.predicted[: len(same)]] if as_before else []


def _hindcast(method: PointMethod, history: History, monday: int) -> Floats:
    fitted = method.fit(history.up_to(monday - 1))
    days = monday + _HORIZON
    return np.stack([fitted.predict(history.up_to(monday - 1 + k), days) for k in range(7)])


def _digests(method: PointMethod, history: History, mondays: Days) -> tuple[str, ...]:
    running = hashlib.sha256(f"{method.name},{history.first},".encode())
    digests, done = [], history.first
    for monday in mondays:
        running.update(history.at(np.arange(done, monday + 7)).astype("<f8").tobytes())
        done = int(monday) + 7
        digests.append(running.hexdigest()[:16])
    return tuple(digests)
