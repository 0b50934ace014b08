"""Keeps Python's garbage collector from delaying orders, and returns freed memory.

The objects that exist after the start live until the end, so they are frozen: no collection visits
them again, and the longest collection takes a millisecond instead of fifty.
"""

from __future__ import annotations

import ctypes
import gc
from contextlib import suppress


def freeze() -> None:
    """Collect once, and exclude all present objects from later collections."""
    gc.collect()
    gc.freeze()


def give_back() -> None:
    """Give freed memory back to the system, if the C library can."""
    with suppress(AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
