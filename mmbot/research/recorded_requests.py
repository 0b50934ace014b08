"""What the bot on record asked for, so that another bot that asks for the same is served as it was.

As long as two bots do the same, each request, frame and timer of the one is recognised as the
other's, and takes effect exactly where that one's did: so the same settings give the same fills.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias

import msgspec

from mmbot.kalshi.gateway import Call
from mmbot.kalshi.http import HttpRequest
from mmbot.recording.records import Record
from mmbot.units import Milliseconds

_Request: TypeAlias = tuple[str, str, tuple[tuple[str, str], ...], bytes]


class RecordedRequests:
    """The requests of the bot on record, matched with those of the new one.

    Attributes:
        due: When the timer of the bot on record is due; `None` while it has none.
        pages: The paths of the pages that it asked for, by the id of the request.
    """

    def __init__(self) -> None:
        """Begin with nothing asked for."""
        self.due: Milliseconds | None = None
        self.pages: dict[int, str] = {}
        self._calls: dict[int, _Request] = {}
        self._served_as: dict[int, Call] = {}
        # Those of the step that is under way.
        self._new_calls: list[int] = []
        self._frames: list[bytes] = []
        self._reconnects = 0

    def begin_step(self, records: Iterable[Record]) -> None:
        """Read what the bot on record asked for in one step; what it asked before is past."""
        self._new_calls, self._frames, self._reconnects = [], [], 0
        for record in records:
            for output in msgspec.msgpack.decode(record.outputs):
                if isinstance(output, dict):
                    self._read(output)

    def _read(self, output: dict[str, Any]) -> None:
        match output["type"]:
            case "WakeAt":
                self.due = output["at"]
            case "Call":
                query = tuple((name, value) for name, value in output["query"])
                request = (output["method"], output["path"], query, output["body"])
                self._calls[output["id"]] = request
                self._new_calls.append(output["id"])
            case "Transmit":
                self._frames.append(output["frame"])
            case "Reconnect":
                self._reconnects += 1
            case "FetchPage":
                self.pages[output["id"]] = output["path"]

    def is_made(self, call: Call) -> bool:
        """Return whether the bot on record made this call in the step; it is served as that one."""
        request = call.request
        made = (request.method, request.path, request.query, request.body)
        for recorded in self._new_calls:
            if self._calls[recorded] == made:
                self._new_calls.remove(recorded)
                self._served_as[recorded] = call
                return True
        return False

    def take(self, recorded: int) -> tuple[HttpRequest | None, Call | None]:
        """Return a recorded call that is now answered, and the new bot's that is served as it."""
        made = self._calls.pop(recorded, None)
        request = HttpRequest(made[0], made[1], made[2], (), made[3]) if made else None
        return request, self._served_as.pop(recorded, None)

    def is_sent(self, frame: bytes) -> bool:
        """Return whether the bot on record sent this frame in the step."""
        if frame not in self._frames:
            return False
        self._frames.remove(frame)
        return True

    def is_reconnecting(self) -> bool:
        """Return whether the bot on record asked for another stream in the step."""
        self._reconnects -= 1
        return self._reconnects >= 0
