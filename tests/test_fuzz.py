"""Any input from outside is accepted or refused in one sentence, within a second of CPU time."""

from __future__ import annotations

import contextlib
import itertools
import string
import time
from collections.abc import Iterator

import msgspec
import orjson
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from mmbot import config
from mmbot.errors import BadInput
from mmbot.kalshi.feed import Feed
from mmbot.kalshi.messages import error_body
from mmbot.tsa.pages import parse_page
from mmbot.tsa.underlying import TSA
from mmbot.underlying.counts_file import read_counts_csv
from tests.kalshi.builders import DELTA, EVENT, FILL, SNAPSHOT, USER_ORDER, A

RUNS = settings(max_examples=100)
CPU_SECONDS = 1.0
NOW = 1_795_874_400_000
BOOK_SID = 5

DEFAULTS = msgspec.to_builtins(config.Settings())

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner),
    max_leaves=12,
)
ODD_TEXTS = (
    *("", "no", "-1.00", "0.42001", "1e9", "nan", "9" * 30, "\x00", '"', "\u0663", "\u00b2" * 7),
    *("13/32/2026", "2026-13-32", "0001-01-01", "25:61"),
)
ODD_VALUES: tuple[object, ...] = (
    *ODD_TEXTS,
    *(None, True, -1, 2**63, 1e300, [], {}, [["0.4200", ""]], [["", "1.00"]], [["0.4200"]]),
)
odd_values = json_values | st.sampled_from(ODD_VALUES)
MESSAGES: dict[str, dict[str, object]] = {
    "error": {"code": 9, "msg": "unknown"},
    "event_lifecycle": {"event_ticker": EVENT},
    "fill": FILL,
    "market_lifecycle_v2": {"market_ticker": A, "event_type": "determined", "result": "yes"},
    "order_group_updates": {"order_group_id": "g", "event_type": "triggered"},
    "orderbook_delta": DELTA,
    "orderbook_snapshot": SNAPSHOT,
    "subscribed": {"channel": "fill", "sid": 1},
    "user_order": USER_ORDER,
}


@st.composite
def nearly_valid_frames(draw: st.DrawFn) -> bytes:
    """Draw a frame of the exchange in which up to three values are of any other kind."""
    kind = draw(st.sampled_from(sorted(MESSAGES)))
    valid = MESSAGES[kind]
    changes = draw(st.dictionaries(st.sampled_from(sorted(valid)), odd_values, max_size=3))
    envelope = draw(st.dictionaries(st.sampled_from(["id", "seq", "msg"]), odd_values, max_size=1))
    frame = {"type": kind, "sid": BOOK_SID, "msg": valid | changes, **envelope}
    try:
        return orjson.dumps(frame)
    except TypeError:  # orjson encodes no integer beyond 64 bits
        reject()


markup = st.lists(
    st.sampled_from(
        [
            "<table>",
            "</table>",
            "<tr>",
            "<td>",
            "<th>Date</th><th>Numbers</th>",
            "4/19/2026",
            "2,796,984",
            "</td>",
            "</tr>",
            "<script>",
            "\x00",
            "&nbsp;",
        ]
    )
    | st.text(max_size=10),
    max_size=60,
).map("".join)


@contextlib.contextmanager
def within_limit(*refusals: type[Exception]) -> Iterator[None]:
    """Suppress the given exceptions; measure CPU time, which a busy machine does not change."""
    started = time.thread_time()
    with contextlib.suppress(*refusals):
        yield
    assert time.thread_time() - started < CPU_SECONDS


def watching_feed() -> Feed:
    """Return a feed whose subscriptions are all confirmed and which has the book of a market."""
    feed = Feed("KXTSAW")
    feed.watch([A], NOW)
    for number, frame in enumerate(feed.connected(NOW).frames, BOOK_SID - 4):
        command = orjson.loads(frame)
        (channel,) = command["params"]["channels"]
        confirmation = {"type": "subscribed", "msg": {"channel": channel, "sid": number}}
        feed.received(orjson.dumps(confirmation | {"id": command["id"]}), NOW)
    snapshot = {"type": "orderbook_snapshot", "sid": BOOK_SID, "seq": 1, "msg": SNAPSHOT}
    assert feed.received(orjson.dumps(snapshot), NOW).events
    return feed


@RUNS
@given(st.lists(st.binary(max_size=300), max_size=5))
def test_no_bytes_on_the_stream_raise(frames: list[bytes]) -> None:
    feed = watching_feed()
    with within_limit():
        for frame in frames:
            feed.received(frame, NOW)


@pytest.mark.parametrize("kind", sorted(MESSAGES))
def test_no_odd_value_in_a_frame_raises(kind: str) -> None:
    for key, value in itertools.product(MESSAGES[kind], ODD_VALUES):
        frame = {"type": kind, "sid": BOOK_SID, "msg": MESSAGES[kind] | {key: value}}
        with within_limit():
            watching_feed().received(orjson.dumps(frame), NOW)


@RUNS
@given(st.lists(nearly_valid_frames(), max_size=4))
def test_no_nearly_valid_frame_raises(frames: list[bytes]) -> None:
    feed = watching_feed()
    with within_limit():
        for frame in frames:
            feed.received(frame, NOW)


@RUNS
@given(st.binary(max_size=500) | json_values.map(str).map(str.encode))
def test_no_error_body_raises(body: bytes) -> None:
    with within_limit():
        text = error_body(body).text
    assert len(text) <= 200


@pytest.mark.parametrize("row", ["<td>{}<td>2,796,984", "<td>4/19/2026<td>{}"])
def test_an_odd_cell_of_a_page_is_read_or_refused(row: str) -> None:
    for text in ODD_TEXTS:
        with within_limit(BadInput):
            parse_page(f"<table><tr><th>Date<th>Numbers<tr>{row.format(text)}</table>")


@RUNS
@given(markup | st.text(max_size=300))
def test_a_page_is_read_or_refused(page: str) -> None:
    with within_limit(BadInput):
        parse_page(page)


@RUNS
@given(st.text(alphabet=string.printable, max_size=300))
def test_settings_are_read_or_refused(text: str) -> None:
    with within_limit(BadInput):
        config.parse(text, "fuzz.toml")


@pytest.mark.parametrize("section", [key for key in DEFAULTS if key != "mode"])
def test_an_odd_value_of_any_key_is_read_or_refused(section: str) -> None:
    for key, value in itertools.product(DEFAULTS[section], ODD_VALUES):
        with within_limit(BadInput):
            config.changed(config.Settings(), {f"{section}.{key}": value}, "fuzz.toml")


@RUNS
@given(
    st.sampled_from(["quoting", "limits", "orders", "counts"]), st.text(max_size=12), json_values
)
def test_any_value_of_any_key_is_read_or_refused(section: str, key: str, value: object) -> None:
    text = f"[{section}]\n{key} = {value!r}\n"
    with within_limit(BadInput):
        config.parse(text, "fuzz.toml")


@pytest.mark.parametrize("line", ["{},2796984,", "2026-04-19,{},", "2026-04-19,,{}", "{}"])
def test_an_odd_cell_of_a_counts_file_is_read_or_refused(line: str) -> None:
    for text in ODD_TEXTS:
        with within_limit(BadInput):
            read_counts_csv(["date,as_published,archived", line.format(text)], "fuzz.csv", TSA)


@RUNS
@given(st.lists(st.text(max_size=40), max_size=6))
def test_a_counts_file_is_read_or_refused(lines: list[str]) -> None:
    with within_limit(BadInput):
        read_counts_csv(["date,as_published,archived", *lines], "fuzz.csv", TSA)
