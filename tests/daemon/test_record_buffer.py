"""The records that wait to be written: one message, in memory that a late batch gives back."""

from __future__ import annotations

import mmap
from pathlib import Path

from mmbot.daemon.record_buffer import RecordBuffer
from mmbot.recording.batches import MARK, Packer, unpack
from mmbot.recording.records import join

MEGABYTE = 1024 * 1024
RECORDS = [b"\x01", b"\xa5later", b"\xc0"]


def filled(buffer: RecordBuffer, records: list[bytes] = RECORDS) -> bytes:
    for record in records:
        assert buffer.add(record)
    message = buffer.message()
    assert message is not None
    return bytes(message)


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * mmap.PAGESIZE


def test_its_records_are_one_message() -> None:
    assert filled(RecordBuffer(MEGABYTE)) == join(RECORDS)


def test_without_a_record_there_is_no_message() -> None:
    assert RecordBuffer(MEGABYTE).message() is None


def test_once_cleared_it_begins_another_message() -> None:
    buffer = RecordBuffer(MEGABYTE)
    filled(buffer)
    buffer.clear()
    assert buffer.message() is None
    assert filled(buffer, [b"\xc2"]) == join([b"\xc2"])


def test_a_record_without_room_is_refused_and_the_others_stay() -> None:
    buffer = RecordBuffer(20)
    assert filled(buffer) == join(RECORDS)
    assert not buffer.add(bytes(20))
    assert filled(buffer, [b"\xc2"]) == join([*RECORDS, b"\xc2"])


def test_its_message_is_packed_as_it_is(tmp_path: Path) -> None:
    buffer, path = RecordBuffer(MEGABYTE), tmp_path / "file"
    filled(buffer)
    message = buffer.message()
    assert message is not None
    path.write_bytes(MARK + Packer().pack(message))
    with path.open("rb") as file:
        assert list(unpack(file)) == [join(RECORDS)]


def test_what_a_late_batch_took_is_given_back() -> None:
    buffer = RecordBuffer(32 * MEGABYTE)
    before = resident_bytes()
    filled(buffer, [b"\xc0" * MEGABYTE] * 20)
    assert resident_bytes() > before + 15 * MEGABYTE
    buffer.clear()
    assert resident_bytes() < before + 5 * MEGABYTE
    assert filled(buffer) == join(RECORDS)
