"""A file of batches loses its tail when it is torn, and is refused when it is damaged."""

from __future__ import annotations

import io
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmbot.errors import BadInput
from mmbot.recording import batches
from mmbot.recording.batches import MARK, Packer, unpack
from mmbot.recording.records import join

RUNS = settings(max_examples=300, deadline=None)
several = st.lists(st.lists(st.binary(max_size=60), max_size=5), min_size=1, max_size=6)


def written(groups: Sequence[Sequence[bytes]]) -> bytes:
    packer = Packer()
    return MARK + b"".join(packer.pack(join(group)) for group in groups)


def read(data: bytes) -> list[bytes]:
    return list(unpack(io.BytesIO(data)))


@RUNS
@given(several)
def test_what_was_written_is_read(groups: list[list[bytes]]) -> None:
    assert read(written(groups)) == [join(group) for group in groups]


@RUNS
@given(several, st.data())
def test_a_file_cut_anywhere_holds_what_came_before(
    groups: list[list[bytes]], data: st.DataObject
) -> None:
    whole = written(groups)
    cut = data.draw(st.integers(0, len(whole)))
    messages = read(whole[:cut])
    assert messages == [join(group) for group in groups[: len(messages)]]
    complete = [n for n in range(len(groups) + 1) if len(written(groups[:n])) <= cut]
    assert len(messages) == (complete[-1] if complete else 0)


@RUNS
@given(several, st.data())
def test_a_byte_that_is_not_what_it_was_is_noticed(
    groups: list[list[bytes]], data: st.DataObject
) -> None:
    whole = bytearray(written(groups))
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(BadInput):
        read(bytes(whole))


@RUNS
@given(several, st.integers(0, 100))
def test_zeros_in_place_of_a_tail_are_a_torn_tail(groups: list[list[bytes]], zeros: int) -> None:
    assert read(written(groups) + bytes(zeros)) == [join(group) for group in groups]


def test_zeros_in_the_middle_are_damage() -> None:
    with pytest.raises(BadInput, match="damaged in the batch that begins at byte"):
        read(written([[b"one"]]) + bytes(40) + written([[b"two"]]))


@given(st.binary(min_size=1, max_size=200))
def test_any_other_file_is_refused(data: bytes) -> None:
    if not MARK.startswith(data):
        with pytest.raises(BadInput, match="does not begin as a capture does"):
            read(b"\0" + data)


def test_a_batch_that_would_fill_the_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    data = written([[bytes(1_000_000)]])
    monkeypatch.setattr(batches, "LARGEST", 10_000)
    with pytest.raises(BadInput, match="damaged"):
        read(data)


def test_batches_that_repeat_themselves_cost_little() -> None:
    packer = Packer()
    record = bytes(range(256))
    first, second = packer.pack(join([record])), packer.pack(join([record]))
    assert len(second) < len(first) / 5


def test_a_file_that_grows_while_its_mark_is_read_has_no_batch_yet() -> None:
    class Growing:
        def __init__(self) -> None:
            self.pieces = [b"", MARK, b""]

        def read(self, size: int, /) -> bytes:
            return self.pieces.pop(0)[:size]

    assert list(unpack(Growing())) == []
