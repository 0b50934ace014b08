"""The hindcasts that commands keep."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import msgspec
import numpy as np

from mmbot.cli import banks
from mmbot.daemon.bank_file import bank_path, load_memory, store_memory
from mmbot.forecast.model import Hindcasts
from mmbot.tsa.synthetic import daily_counts
from mmbot.underlying.counts import Counts

END = dt.date(2026, 4, 19)


def counts() -> Counts:
    held = Counts()
    for day, count in daily_counts(END, 1).items():
        if day > END - dt.timedelta(weeks=70):
            held, _ = held.observe(day, count, dt.datetime(2026, 4, 21, tzinfo=dt.UTC))
    return held


def test_weights_that_another_program_learnt_are_learnt_and_kept_again(tmp_path: Path) -> None:
    made = banks.fit(counts(), "seed", tmp_path).hindcasts
    path = bank_path(tmp_path, "seed")
    other = msgspec.structs.replace(made.record, learnt=made.record.learnt + 0.1)
    store_memory(path, msgspec.structs.replace(made, record=other))
    banks.fit(counts(), "seed", tmp_path)
    kept = load_memory(path, Hindcasts.decode)
    assert kept is not None
    assert np.array_equal(kept.record.learnt, made.record.learnt)
