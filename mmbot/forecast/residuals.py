"""The residual bank: point forecasts of every past week, from each of its seven origins.

At origin k of a week its first k days are published and nothing after them is. A forecast covers
four weeks, the origin's own and the next three: up to three are listed at once, and before
Monday's release the week that has begun is still the one after the origin's. The bank is a value:
the caller may store its bytes, and `extend` computes only the weeks that are new.
"""

from __future__ import annotations

import hashlib
from itertools import takewhile
from typing import Literal, Protocol

import msgspec
import numpy as np

from mmbot.errors import BadInput
from mmbot.forecast.fitting import Progress
from mmbot.forecast.history import BREAK_ENDS, Days, Floats, History

WEEKS_AHEAD = 4
_HORIZON_DAYS = np.arange(7 * WEEKS_AHEAD)


class Fitted(Protocol):
    """A fitted point forecast."""

    def predict(self, history: History, days: Days) -> Floats:
        """Return the expected logarithms of `days` given `history`, both of shape (n,)."""


class PointMethod(Protocol):
    """A point forecast of days: fitted to whole weeks, conditioned on the days since."""

    @property
    def name(self) -> str:
        """The name of the method."""

    def fit(self, history: History) -> Fitted:
        """Do the slow part, on a history that ends on a Sunday."""


class ResidualBank(msgspec.Struct, frozen=True):
    """Forecasts of consecutive past weeks.

    Attributes:
        method: The name of the point method.
        monday: The ordinal of the first week's Monday.
        predicted: Expected logarithms, shape (weeks, 7 origins, 28 days from the week's Monday);
            NaN where the history was too short.
        digests: For each week, the digest of the method and all counts up to the week's end.
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
        """Return the bank as bytes."""
        return msgspec.msgpack.encode(
            _Stored(
                1, self.method, self.monday, self.predicted.astype("<f8").tobytes(), self.digests
            )
        )

    @classmethod
    def decode(cls, content: bytes) -> ResidualBank:
        """Read a bank from bytes.

        Raises:
            BadInput: They are not a bank in this program's format.
        """
        try:
            stored = msgspec.msgpack.decode(content, type=_Stored)
            flat = np.frombuffer(stored.predicted, "<f8")
            predicted = flat.reshape(len(stored.digests), 7, len(_HORIZON_DAYS))
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
    bank: ResidualBank | None,
    method: PointMethod,
    history: History,
    progress: Progress | None = None,
) -> ResidualBank:
    """Return the bank of exactly the weeks that are complete in `history`.

    Args:
        bank: A bank whose weeks are reused as far as they come from the same method and counts.
        method: The point method.
        history: The counts.
        progress: Called with the number of new weeks done, and their total.
    """
    first = monday_of(max(history.first, BREAK_ENDS) + 6)
    mondays = np.arange(first, history.last - 5, 7)
    digests = _digests(method, history, mondays)
    rows = _reusable(bank, method, history, mondays, digests)
    fresh = mondays[len(rows) :]
    for done, monday in enumerate(fresh):
        rows.append(_hindcast(method, history, int(monday)))
        if progress is not None:
            progress(done + 1, len(fresh))
    return ResidualBank(method.name, first, np.reshape(rows, (-1, 7, len(_HORIZON_DAYS))), digests)


def monday_of(day: int) -> int:
    """Return the ordinal of the Monday of the week of `day`, an ordinal."""
    # Ordinal 1 was a Monday.
    return day - (day - 1) % 7


def _reusable(
    bank: ResidualBank | None,
    method: PointMethod,
    history: History,
    mondays: Days,
    digests: tuple[str, ...],
) -> list[Floats]:
    """Return the forecasts of the first weeks of `bank` that are still valid, (7, 28) each."""
    if bank is None or not len(mondays) or bank.monday != mondays[0]:
        return []
    pairs = zip(bank.digests, digests, strict=False)
    same = list(takewhile(lambda pair: pair[0] == pair[1], pairs))
    if not same:
        return []
    # The digests cover the counts but not the code, so the last week is recomputed as a check.
    last = len(same) - 1
    again = _hindcast(method, history, int(mondays[last]))
    unchanged = np.allclose(again, bank.predicted[last], rtol=0, atol=1e-9, equal_nan=True)
    return [*bank.predicted[: len(same)]] if unchanged else []


def _hindcast(method: PointMethod, history: History, monday: int) -> Floats:
    """Return the forecasts of one past week, shape (7 origins, 28 days)."""
    fitted = method.fit(history.up_to(monday - 1))
    days = monday + _HORIZON_DAYS
    return np.stack([fitted.predict(history.up_to(monday - 1 + k), days) for k in range(7)])


def _digests(method: PointMethod, history: History, mondays: Days) -> tuple[str, ...]:
    running = hashlib.sha256(f"{method.name},{history.first},".encode())
    digests, done = [], history.first
    for monday in mondays:
        running.update(history.at(np.arange(done, monday + 7)).astype("<f8").tobytes())
        done = int(monday) + 7
        digests.append(running.hexdigest()[:16])
    return tuple(digests)
