"""Runs independent items of work on every core of this machine, or on a Dask cluster.

All items share one value, which is sent to each worker once. Results come in the items' order.
"""

from __future__ import annotations

import importlib
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Annotated, Any, TypeAlias, TypeVar

import typer

from mmbot.errors import BadInput

# Fewer items are finished before other processes would have started.
_WORTH_PROCESSES = 6

SchedulerAddress: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--scheduler", help="Address of a Dask scheduler whose workers have mmbot installed."
    ),
]

Shared = TypeVar("Shared")
Item = TypeVar("Item")
Result = TypeVar("Result")


def work_through(
    work: Callable[[Shared, Item], Result],
    shared: Shared,
    items: Sequence[Item],
    scheduler: str | None,
) -> Iterator[Result]:
    """Yield `work(shared, item)` for each of the items, in their order.

    Args:
        work: A module-level function, so that other processes can import it.
        shared: What every item needs.
        items: The items.
        scheduler: The address of a Dask scheduler, or `None` for the cores of this machine.

    Raises:
        BadInput: Dask is not installed, or there is no scheduler at that address.
    """
    if scheduler is not None:
        yield from _on_cluster(work, shared, items, scheduler)
    elif len(items) < _WORTH_PROCESSES:
        yield from (work(shared, item) for item in items)
    else:
        yield from _on_cores(work, shared, items)


def _on_cores(
    work: Callable[[Shared, Item], Result], shared: Shared, items: Sequence[Item]
) -> Iterator[Result]:
    # A forked worker could inherit a lock that the progress bar's thread holds.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(
        mp_context=context, initializer=_set_task, initargs=((work, shared),)
    )
    try:
        yield from pool.map(_do, items)
    finally:
        pool.shutdown(cancel_futures=True)


# In a worker, the value that all items share, sent once.
_task: list[tuple[Callable[[Any, Any], Any], Any]] = []


def _set_task(task: tuple[Callable[[Any, Any], Any], Any]) -> None:
    _task[:] = [task]


def _do(item: Any) -> Any:
    ((work, shared),) = _task
    return work(shared, item)


def _on_cluster(
    work: Callable[[Shared, Item], Result], shared: Shared, items: Sequence[Item], address: str
) -> Iterator[Result]:
    try:
        distributed: Any = importlib.import_module("distributed")
    except ModuleNotFoundError:
        raise BadInput("--scheduler needs Dask; install mmbot with its extra 'cluster'") from None
    try:
        client = distributed.Client(address)
    except (OSError, ValueError) as error:
        raise BadInput(f"there is no Dask scheduler at {address}: {error}") from None
    with client:
        scattered = client.scatter(shared, broadcast=True)
        futures = client.map(work, [scattered] * len(items), list(items), pure=False)
        for future in futures:
            yield future.result()
