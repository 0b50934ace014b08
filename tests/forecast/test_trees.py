from __future__ import annotations

import lightgbm
import numpy as np
import pytest

from mmbot.forecast.history import Floats
from mmbot.forecast.trees import Trees

RNG = np.random.default_rng(0)
ROWS = RNG.normal(size=(400, 3))
TARGET = np.where(ROWS[:, 0] > 0, 1.0, -1.0) + ROWS[:, 1] ** 2


def model(rows: Floats, target: Floats) -> lightgbm.Booster:
    parameters = {"num_leaves": 7, "min_data_in_leaf": 10, "verbose": -1, "num_threads": 1}
    return lightgbm.train(parameters, lightgbm.Dataset(rows, target), num_boost_round=10)


def some_missing(rows: Floats) -> Floats:
    return np.where(RNG.random(rows.shape) < 0.3, np.nan, rows)


@pytest.mark.parametrize("learnt", [ROWS, some_missing(ROWS)], ids=["whole", "with gaps"])
@pytest.mark.parametrize("asked", [ROWS, some_missing(ROWS)], ids=["of whole", "of gaps"])
def test_trees_say_what_the_library_says(learnt: Floats, asked: Floats) -> None:
    grown = model(learnt, TARGET)
    read = Trees.read(grown.model_to_string())
    assert read.predict(asked) == pytest.approx(grown.predict(asked), abs=1e-12)


def test_trees_without_a_split_are_constants() -> None:
    grown = model(ROWS, np.full(len(ROWS), 2.5))
    assert Trees.read(grown.model_to_string()).predict(ROWS) == pytest.approx(2.5)
