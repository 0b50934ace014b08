"""The bank: what would have been forecast of every past week, from each of its seven origins.

Origin k of a week is the moment at which its first k days are published and nothing after them is.
A forecast reaches three weeks, the origin's own and the two after it, as that many may be listed.
The bank is a value: the shell may keep its bytes, and `extend` adds only the weeks that are new.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Protocol

import msgspec
import numpy as np

from mmbot.errors import BadInput
from mmbot.forecast.history import BREAK_ENDS, Days, Floats, History

WEEKS_AHEAD = 3
_HORIZON = np.arange(7 * WEEKS_AHEAD)
_FORMAT = 1

Progress = Callable[[int, int], None]


class Fitted(Protocol):
    """A point forecast whose slow part is done."""

    def predict(self, history: History, days: Days) -> Floats:
        """Return the expected logarithms of `days` given what `history` holds."""
        ...


class PointMethod(Protocol):
    """A way to forecast days: `fit` sees whole weeks only, `Fitted.predict` also the days since."""

    name: str

    def fit(self, history: History) -> Fitted:
        """Do the slow part on a history that ends on a Sunday."""
        ...


class Bank(msgspec.Struct, frozen=True):
    """Forecasts of consecutive past weeks.

    Attributes:
        method: The point method that made them.
        monday: The ordinal of the first week's Monday.
        predicted: Expected logarithms, shape (weeks, 7 origins, 21 days from the week's Monday);
            NaN where the history was too short.
        digest: A name for the method and the counts that went in.
    """

    method: str
    monday: int
    predicted: Floats
    digest: str

    @property
    def mondays(self) -> Days:
        """The ordinals of the weeks' Mondays, shape (weeks,)."""
        return self.monday + 7 * np.arange(len(self.predicted))

    def encode(self) -> bytes:
        """Return the bytes to keep."""
        shape = self.predicted.shape[0]
        return msgspec.msgpack.encode(
            (_FORMAT, self.method, self.monday, shape, self.predicted.tobytes(), self.digest)
        )

    @classmethod
    def decode(cls, content: bytes) -> Bank:
        """Read kept bytes; raise `BadInput` if they are not a bank of this program's."""
        try:
            _, method, monday, weeks, raw, digest = msgspec.msgpack.decode(
                content, type=tuple[Literal[1], str, int, int, bytes, str]
            )
            predicted = np.frombuffer(raw).reshape(weeks, 7, len(_HORIZON))
        except (msgspec.DecodeError, ValueError):
            raise BadInput("the stored residuals cannot be read; delete them") from None
        return cls(method, monday, predicted, digest)


def extend(
    bank: Bank | None, method: PointMethod, history: History, progress: Progress | None = None
) -> Bank:
    """Return the bank of every week that `history` completes.

    Weeks that `bank` holds are kept if it was made by the same method from the same counts.
    `progress` is told how many weeks of how many are done.
    """
    mondays = _mondays(history)
    kept = _still_valid(bank, method, history, mondays)
    fresh = mondays[len(kept) :]
    rows = []
    for done, monday in enumerate(fresh):
        rows.append(_hindcast(method, history, int(monday)))
        if progress is not None:
            progress(done + 1, len(fresh))
    predicted = np.concatenate([kept, np.reshape(rows, (-1, 7, len(_HORIZON)))])
    first = int(mondays[0]) if len(mondays) else history.last + 1
    return Bank(method.name, first, predicted, _digest(method, history, first, len(predicted)))


def monday_of(day: int) -> int:
    """Return the ordinal of the Monday of the week that `day` belongs to."""
    # Ordinal 1 was a Monday.
    return day - (day - 1) % 7


def _mondays(history: History) -> Days:
    first = monday_of(max(history.first, BREAK_ENDS) + 6)
    return np.arange(first, history.last - 5, 7)


def _hindcast(method: PointMethod, history: History, monday: int) -> Floats:
    fitted = method.fit(history.up_to(monday - 1))
    days = monday + _HORIZON
    return np.stack([fitted.predict(history.up_to(monday - 1 + k), days) for k in range(7)])


def _digest(method: PointMethod, history: History, monday: int, weeks: int) -> str:
    return history.up_to(monday + 7 * weeks - 1).digest(f"{_FORMAT},{method.name},{monday}")


def _still_valid(bank: Bank | None, method: PointMethod, history: History, mondays: Days) -> Floats:
    nothing = np.empty((0, 7, len(_HORIZON)))
    if bank is None or not len(mondays) or bank.monday != mondays[0]:
        return nothing
    weeks = len(bank.predicted)
    same = weeks <= len(mondays) and bank.digest == _digest(method, history, bank.monday, weeks)
    return bank.predicted if same else nothing
