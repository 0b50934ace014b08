"""Text of any size, depth and encoding can be shown, encoded and sent."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from mmbot import texts

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=30) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(anything)
def test_whatever_it_is_can_be_shown(value: object) -> None:
    texts.encodable(texts.shown(value)).encode()


def test_what_is_short_is_shown_as_python_writes_it() -> None:
    for value in ("yes", 17, None, 1.5, [1, "a"], {"a": 1}):
        assert texts.shown(value) == repr(value)


def test_what_has_no_end_is_shown_up_to_one() -> None:
    ring: list[object] = []
    ring.append(ring)
    for value in (ring, "x" * 10**6, 10**5000, [0] * 10**6):
        assert len(texts.shown(value)) < 300


@given(st.text(st.characters(exclude_categories=[])), st.text(st.characters(categories=["Cs"])))
def test_any_text_can_be_sent_and_keeps_its_length(text: str, halves: str) -> None:
    whole = text + halves
    sent = texts.to_json({whole: [whole, (whole,)]})
    plain = texts.encodable(whole)
    assert len(plain) == len(whole)
    assert msgspec.json.decode(sent) == {plain: [plain, [plain]]}


def test_text_that_can_be_encoded_is_left_alone() -> None:
    assert texts.encodable("café 🂡") == "café 🂡"
