"""The parts of which the tables of settings are made."""

from __future__ import annotations

from typing import Annotated

import msgspec

Share = Annotated[float, msgspec.Meta(ge=0.0, lt=1.0)]
Part = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]
# A value for each number of published days: none, one, two, three, and four or more.
_BY_DAYS_PUBLISHED = msgspec.Meta(min_length=5, max_length=5)
Shares = Annotated[tuple[Share, ...], _BY_DAYS_PUBLISHED]
Parts = Annotated[tuple[Part, ...], _BY_DAYS_PUBLISHED]
Dollars = Annotated[float, msgspec.Meta(ge=0.01, le=1_000_000.0)]
# Cents at prices ten cents apart. Below ten, so that no edge falls by more than the price rises: a
# contract worth more is never bid for at less.
_LessThanTenCents = Annotated[float, msgspec.Meta(ge=0.0, lt=10.0)]
AtTensOfCents = Annotated[tuple[_LessThanTenCents, ...], msgspec.Meta(min_length=5, max_length=5)]


def key(why: str, unit: str = "") -> msgspec.Meta:
    """Return the metadata of a key's remark in the template: one line of why, and its unit."""
    return msgspec.Meta(description=why, extra_json_schema={"x-unit": unit} if unit else None)


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, dict=True):
    """A table of the file; each field is a key, with its default and bounds."""
