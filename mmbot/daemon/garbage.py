"""Python's garbage collector, kept out of the way of orders, and memory given back.

What the process has at its start stays to its end, so it is frozen: no collection looks at it
again, and the longest of them takes a millisecond in place of fifty.
"""

from __future__ import annotations

import ctypes
import gc
from contextlib import suppress


def freeze() -> None:
    """Collect once, and leave alone what there is."""
    gc.collect()
    gc.freeze()


def give_back() -> None:
    """Give the memory that was freed back to the system, where the C library is one that can."""
    with suppress(AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
