"""The forecasters of daily travel: the pool of all methods in this package, or one of them alone.

Their modules are imported only where something is fitted: the import is slow, and every command
names an underlying.
"""

from __future__ import annotations

from typing import Final

from mmbot.forecast.fitting import Fit, Forecasters, Memory, Progress
from mmbot.underlying.counts import Counts


class _Pooled:
    """Fits the methods of `methods`."""

    @property
    def methods(self) -> tuple[str, ...]:
        from mmbot.forecast.methods import METHODS  # noqa: PLC0415

        return tuple(METHODS)

    def fit(
        self,
        counts: Counts,
        method: str,
        memory: Memory | None,
        progress: Progress | None = None,
        *,
        error_correction: bool = True,
    ) -> Fit:
        from mmbot.forecast.methods import METHODS  # noqa: PLC0415
        from mmbot.forecast.model import Forecaster, Hindcasts  # noqa: PLC0415

        hindcasts = memory if isinstance(memory, Hindcasts) else None
        forecaster = Forecaster.fit(
            counts, method, hindcasts, progress, error_correction=error_correction
        )
        return Fit(
            forecaster,
            forecaster.name,
            forecaster.hindcasts,
            tuple(each.name for each in METHODS[method] if each not in forecaster.members),
            forecaster.hindcasts.record.calibration(),
        )

    def recall(self, data: bytes) -> Memory:
        from mmbot.forecast.model import Hindcasts  # noqa: PLC0415

        return Hindcasts.decode(data)


POOLED: Final[Forecasters] = _Pooled()
