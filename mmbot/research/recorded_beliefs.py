"""The beliefs of a recording in place of a forecaster, so that none has to be fitted again."""

from __future__ import annotations

import datetime as dt
from collections import deque
from collections.abc import Iterable, Sequence

from mmbot.errors import BadInput
from mmbot.forecast.belief import Belief
from mmbot.recording import records
from mmbot.underlying.calendar import Week
from mmbot.underlying.counts import Counts


class RecordedBeliefs:
    """Answers as the recorded forecaster last did for the same week and strikes."""

    def __init__(self) -> None:
        self._latest: dict[tuple[Week, tuple[int, ...]], Belief] = {}
        self._deviations: deque[float] = deque()
        self._reason = ""
        # Weeks and strikes that were requested and not on record.
        self._missed: set[tuple[Week, tuple[int, ...]]] = set()

    def learn(self, answers: Iterable[records.Forecast]) -> bool:
        """Read the answers of a step; return whether an earlier request lacked one of them."""
        self._deviations.clear()
        self._reason = ""
        missed = False
        for answer in answers:
            match answer:
                case Belief():
                    key = answer.week, answer.strikes
                    self._latest[key] = answer
                    missed |= key in self._missed
                    self._missed.discard(key)
                case float():
                    self._deviations.append(answer)
                case str():
                    self._reason = answer
        return missed

    def belief(self, counts: Counts, week: Week, strikes: Sequence[int]) -> Belief:  # noqa: ARG002 (a forecaster's)
        """Return the latest belief on record; raise `BadInput` if there is none."""
        key = week, tuple(strikes)
        if key not in self._latest:
            self._missed.add(key)
            raise BadInput(self._reason or "the recording has no belief of it yet")
        return self._latest[key]

    def deviations(self, counts: Counts, day: dt.date, count: int) -> float:  # noqa: ARG002 (likewise)
        """Return the next answer of this step; a count that was not judged is plausible."""
        return self._deviations.popleft() if self._deviations else 0.0
