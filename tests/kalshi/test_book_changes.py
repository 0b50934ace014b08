"""The quick way to read a change of a book: the same events as the general one, or nothing."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmbot.kalshi import book_changes
from mmbot.kalshi.book_changes import COUNTS, PRICES
from mmbot.trading.events import BookChanged, FeedLagged, InputEvent
from mmbot.units import Count, Price
from tests.kalshi.builders import DELTA, SNAPSHOT, A, B, changed, frame
from tests.kalshi.stream_line import BOOK_SID, FILL_SID, Line

OTHERS = {key: value for key, value in DELTA.items() if key not in {"client_order_id", "clock"}}

messages = st.one_of(
    st.just({}),
    st.sampled_from(
        [
            {"market_ticker": B},
            {"market_ticker": "KXTSAW-26NOV29-A9.99"},
            {"price_dollars": "0.0800", "delta_fp": "300.00", "side": "no"},
            {"clock": 1},
            {"clock": 4_182_057},
            {"clock": 2**60},
            {"ts_ms": None},
            {"ts_ms": 1},
            {"client_order_id": "mmbot-1"},
            {"client_order_id": {"of": "no form"}},
            {"side": "neither"},
            {"side": None},
            {"price_dollars": 0.42},
            {"price_dollars": "0.42001"},
            {"price_dollars": "half"},
            {"delta_fp": 7},
            {"delta_fp": "seven"},
            {"price_dollars": "1.0100"},
            {"market_ticker": 7},
        ]
    ),
)
# How the frame's number follows the one before, and what else of the envelope is unusual.
envelopes: st.SearchStrategy[tuple[int, dict[str, Any]]] = st.one_of(
    st.just((1, {})),
    st.tuples(
        st.sampled_from([-1, 0, 1, 1, 1, 2]),
        st.sampled_from(
            [
                {},
                {"sending_ts_ms": 1_795_874_400_150},
                {"sending_ts_ms": 1_795_874_390_000},
                {"sending_ts_ms": 1_795_874_409_000},
                {"sending_ts_ms": "late"},
                {"id": "none"},
                {"sid": FILL_SID},
                {"sid": 0},
                {"seq": 0},
            ]
        ),
    ),
)
kinds = st.sampled_from(["orderbook_delta"] * 8 + ["orderbook_snapshot", "ok", "never heard of"])


def started() -> Line:
    line = Line(A, B)
    line.start()
    return line


def heard(line: Line, data: bytes, *, quickly: bool) -> list[InputEvent]:
    change = line.feed.book_change(data, line.now) if quickly else None
    return [change] if change is not None else line.feed.received(data, line.now).events


@settings(max_examples=150)
@given(st.lists(st.tuples(kinds, messages, envelopes, st.sampled_from([0, 10, 2_500]))))
def test_whatever_comes_is_read_as_the_general_way_reads_it(
    frames: list[tuple[str, dict[str, Any], tuple[int, dict[str, Any]], int]],
) -> None:
    quick, general = started(), started()
    seq = quick.seq
    for kind, message, (step, envelope), passed in frames:
        seq += step
        whole = changed(SNAPSHOT if kind == "orderbook_snapshot" else OTHERS, **message)
        data = frame(kind, whole, **{"sid": BOOK_SID, "seq": seq, **envelope})
        results = []
        for line in (quick, general):
            line.now += passed
            results.append(heard(line, data, quickly=line is quick))
            results[-1] += line.feed.woken(line.now).events
        assert results[0] == results[1]
        assert quick.feed.next_deadline == general.feed.next_deadline
        assert quick.feed.age(quick.now) == general.feed.age(general.now)
    assert quick.feed.unknown_words.counts == general.feed.unknown_words.counts


def next_change(line: Line, **changes: Any) -> BookChanged | None:
    line.seq += 1
    data = frame("orderbook_delta", changed(OTHERS, **changes), sid=BOOK_SID, seq=line.seq)
    return line.feed.book_change(data, line.now)


def follow(line: Line) -> None:
    """Hear the first change after a snapshot, from which on only the sequence counts."""
    line.books("orderbook_delta", OTHERS)


def test_once_a_book_is_followed_its_changes_are_read_quickly() -> None:
    line = started()
    assert next_change(line) is None
    line.seq -= 1
    follow(line)
    assert next_change(line) == BookChanged(A, "bid", Price(4_200), Count(-5_400))
    assert next_change(line, market_ticker=B) is None


def test_a_new_snapshot_has_to_be_followed_by_a_change_first() -> None:
    line = started()
    follow(line)
    line.books("orderbook_snapshot", SNAPSHOT)
    assert next_change(line, clock=4_182_057) is None


def test_while_frames_come_late_none_is_read_quickly() -> None:
    line = started()
    follow(line)
    line.seq += 1
    late = frame(
        "orderbook_delta", OTHERS, sid=BOOK_SID, seq=line.seq, sending_ts_ms=line.now - 4_000
    )
    assert line.feed.book_change(late, line.now) is None
    assert isinstance(line.feed.received(late, line.now).events[0], FeedLagged)
    line.seq += 1
    better = frame(
        "orderbook_delta", OTHERS, sid=BOOK_SID, seq=line.seq, sending_ts_ms=line.now - 2_000
    )
    assert line.feed.book_change(better, line.now) is None


def test_one_change_in_a_hundred_is_examined_for_unknown_words() -> None:
    line = started()
    follow(line)
    assert all(next_change(line, mood="calm") is not None for _ in range(200))
    assert line.feed.unknown_words.counts == {"orderbook_delta.mood": 2}


def test_texts_of_numbers_are_kept_within_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(book_changes, "_TEXTS_KEPT", 2)
    monkeypatch.setattr(book_changes, "PRICES", type(PRICES)(PRICES._parse))
    texts = ["0.1000", "0.2000", "0.3000", "0.1000"]
    assert [book_changes.PRICES[text] for text in texts] == [1_000, 2_000, 3_000, 1_000]
    assert len(book_changes.PRICES) == 2
    assert COUNTS["a dozen"] is None
