from __future__ import annotations

import msgspec
import pytest

from mmbot.paper.rewrite import FrameData, with_number


@pytest.mark.parametrize(
    "frame",
    [
        b'{"type":"trade","sid":1,"seq":7,"msg":{"price":"0.5000"}}',
        b'{"sid":1,"msg":{},"seq":7}',
        b'{"sid": 1, "seq": 7, "msg": {}}',
        b'{"seq":7,"msg":{"seq":7}}',
        b'{"msg":{"text":"\\"seq\\":7,"},"seq":7,"sid":1}',
        '{"sid":1,"seq":7,"msg":{}}',
    ],
)
def test_a_frame_with_another_number_tells_the_same_otherwise(frame: FrameData) -> None:
    assert msgspec.json.decode(with_number(frame, 7, 9)) == msgspec.json.decode(frame) | {"seq": 9}
