"""Whatever bytes come in from outside, they end in an answer or in one sentence, and soon."""

from __future__ import annotations

import contextlib
import string

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from mmbot import config
from mmbot.errors import BadInput
from mmbot.kalshi.feed import Feed
from mmbot.kalshi.messages import error_body
from mmbot.tsa.counts import read_counts_csv
from mmbot.tsa.pages import parse_page

RUNS = settings(max_examples=300, deadline=1000)
NOW = 1_795_874_400_000

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner),
    max_leaves=12,
)
frame_types = st.sampled_from(
    [
        "orderbook_delta",
        "orderbook_snapshot",
        "fill",
        "user_order",
        "market_lifecycle_v2",
        "event_lifecycle",
        "subscribed",
        "ok",
        "error",
        "trade",
    ]
)
field_names = st.sampled_from(
    [
        "market_ticker",
        "price_dollars",
        "delta_fp",
        "side",
        "clock",
        "yes_dollars_fp",
        "no_dollars_fp",
        "trade_id",
        "order_id",
        "book_side",
        "yes_price_dollars",
        "count_fp",
        "status",
        "event_type",
        "channel",
        "sid",
        "code",
        "result",
        "close_ts",
    ]
)
near_frames = st.fixed_dictionaries(
    {"type": frame_types},
    optional={
        "id": st.integers(-5, 50),
        "sid": st.integers(-2, 10),
        "seq": st.integers(-2, 1000),
        "msg": st.dictionaries(field_names, json_values, max_size=8) | json_values,
    },
)
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


def feed() -> Feed:
    feed = Feed("KXTSAW")
    feed.connected(NOW)
    feed.watch(["KXTSAW-26APR19-A2.45"], NOW)
    return feed


@RUNS
@given(st.lists(st.binary(max_size=300), max_size=5))
def test_no_bytes_on_the_stream_raise(frames: list[bytes]) -> None:
    stream = feed()
    for frame in frames:
        stream.received(frame, NOW)


@RUNS
@given(st.lists(near_frames, max_size=8))
def test_no_frame_that_is_almost_right_raises(frames: list[dict[str, object]]) -> None:
    stream = feed()
    for frame in frames:
        with contextlib.suppress(TypeError):  # an integer beyond 64 bits cannot be sent at all
            stream.received(orjson.dumps(frame), NOW)


@RUNS
@given(st.binary(max_size=500) | json_values.map(str).map(str.encode))
def test_no_error_body_raises(body: bytes) -> None:
    assert len(error_body(body).text) <= 200


@RUNS
@given(markup | st.text(max_size=300))
def test_no_page_does_worse_than_a_sentence(page: str) -> None:
    with contextlib.suppress(BadInput):
        parse_page(page)


@RUNS
@given(st.text(alphabet=string.printable, max_size=300))
def test_no_settings_do_worse_than_a_sentence(text: str) -> None:
    with contextlib.suppress(BadInput):
        config.parse(text, "fuzz.toml")


@RUNS
@given(
    st.sampled_from(["quoting", "limits", "orders", "counts"]), st.text(max_size=12), json_values
)
def test_no_value_in_the_settings_does_worse_than_a_sentence(
    section: str, key: str, value: object
) -> None:
    text = f"[{section}]\n{key} = {value!r}\n"
    with contextlib.suppress(BadInput):
        config.parse(text, "fuzz.toml")


@RUNS
@given(st.lists(st.text(max_size=40), max_size=6))
def test_no_counts_file_does_worse_than_a_sentence(lines: list[str]) -> None:
    with contextlib.suppress(BadInput):
        read_counts_csv(["date,as_published,archived", *lines], "fuzz.csv")
