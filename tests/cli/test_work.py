"""Work that is handed out gives what it gives at once, wherever it is done."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from mmbot.cli.work import work_through
from mmbot.errors import BadInput


def multiplied(factor: int, number: int) -> int:
    return factor * number


def divided(number: int, divisor: int) -> float:
    return number / divisor


def process_of(_: None, __: int) -> int:
    return os.getpid()


@pytest.mark.parametrize("items", [[], [3, 1, 2], list(range(20, 0, -1))])
def test_results_come_in_the_order_of_the_items(items: list[int]) -> None:
    assert list(work_through(multiplied, 7, items, None)) == [7 * item for item in items]


def test_few_items_are_done_here_and_many_elsewhere() -> None:
    assert set(work_through(process_of, None, [1, 2], None)) == {os.getpid()}
    assert os.getpid() not in set(work_through(process_of, None, list(range(8)), None))


@pytest.mark.parametrize("items", [[1, 0], [1] * 10 + [0]])
def test_what_fails_in_a_worker_fails_here(items: list[int]) -> None:
    with pytest.raises(ZeroDivisionError):
        list(work_through(divided, 1, items, None))


@pytest.fixture
def cluster() -> Iterator[str]:
    """Yield the address of a Dask scheduler with one worker, in processes of their own."""
    module = (sys.executable, "-m", "distributed.cli.dask_scheduler")
    quiet = ("--no-dashboard", "--host", "127.0.0.1", "--port", "0")
    with subprocess.Popen((*module, *quiet), stderr=subprocess.PIPE, text=True) as scheduler:
        assert scheduler.stderr is not None
        address = next(
            line.rpartition(" ")[2].strip() for line in scheduler.stderr if "tcp://" in line
        )
        module = (sys.executable, "-m", "distributed.cli.dask_worker")
        options = ("--nthreads", "1", "--no-nanny", "--no-dashboard", "--host", "127.0.0.1")
        with subprocess.Popen((*module, address, *options), stderr=subprocess.DEVNULL) as worker:
            yield address
            worker.terminate()
        scheduler.terminate()


def test_a_cluster_gives_the_same_results(cluster: str) -> None:
    assert list(work_through(multiplied, 7, [3, 1, 2], cluster)) == [21, 7, 14]


def test_an_address_without_a_scheduler_is_one_sentence() -> None:
    with pytest.raises(BadInput, match="there is no Dask scheduler at nonsense"):
        list(work_through(multiplied, 7, [1], "nonsense://127.0.0.1:9"))
