"""The pool's forecasters, as whoever fits them sees them."""

from __future__ import annotations

import pytest

from mmbot.errors import BadInput
from mmbot.forecast.fitting import Memory
from mmbot.forecast.methods import METHODS
from mmbot.forecast.model import Forecaster
from mmbot.forecast.pooled import POOLED
from tests.forecast.test_model import counts_with


class Foreign:
    """What some other forecaster has left."""

    def encode(self) -> bytes:
        return b"weekdays"


def test_its_methods_are_those_that_the_config_may_name() -> None:
    assert POOLED.methods == tuple(METHODS)


def test_a_fit_goes_on_from_what_was_stored_of_the_last_one() -> None:
    counts, steps = counts_with(0), []
    first = POOLED.fit(counts, "seed", None)
    assert isinstance(first.predictor, Forecaster)
    assert (first.method, first.without) == ("seed", ())
    assert first.memory is not None
    again = POOLED.fit(
        counts,
        "seed",
        POOLED.recall(first.memory.encode()),
        lambda done, of: steps.append((done, of)),
    )
    assert steps == []
    assert again.memory is not None
    assert again.memory.encode() == first.memory.encode()


def test_what_another_forecaster_has_left_is_not_gone_on_from() -> None:
    foreign: Memory = Foreign()
    afresh, beside = (POOLED.fit(counts_with(0), "seed", each) for each in (None, foreign))
    assert afresh.memory is not None
    assert beside.memory is not None
    assert afresh.memory.encode() == beside.memory.encode()
    with pytest.raises(BadInput):
        POOLED.recall(foreign.encode())
