"""Every test of this room computes for itself."""

from __future__ import annotations

import importlib
import pkgutil

import pytest

from mmbot import forecast

MODULES = [
    importlib.import_module(module.name)
    for module in pkgutil.iter_modules(forecast.__path__, "mmbot.forecast.")
]
CACHED = [
    value for module in MODULES for value in vars(module).values() if hasattr(value, "cache_clear")
]


@pytest.fixture(autouse=True)
def _empty_caches() -> None:
    """Empty the caches, which tests of other rooms may have filled where nothing is measured."""
    for function in CACHED:
        function.cache_clear()
