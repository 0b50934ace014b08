"""The requests of the bot on record, so that another bot that makes the same is served as it was.

As long as the two bots do the same, each request, frame and timer of the new one is matched with
the recorded one, and takes effect exactly where that did: so the same settings give the same fills.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

import msgspec

from mmbot.bot.inputs import PageFetched
from mmbot.bot.outputs import FetchPage
from mmbot.kalshi.gateway import Call
from mmbot.kalshi.http import HttpRequest
from mmbot.recording.records import FrameRecord, Record
from mmbot.research.recorded_market import key_of
from mmbot.units import Milliseconds

_Request: TypeAlias = tuple[str, str, tuple[tuple[str, str], ...], bytes]


class RecordedRequests:
    """The requests of the bot on record, matched with those of the new one.

    Attributes:
        due: When the timer of the bot on record is due; `None` while it has none.
        pages: The paths of the pages that it requested, by the id of the request.
    """

    def __init__(self) -> None:
        """Begin without requests."""
        self.due: Milliseconds | None = None
        self.pages: dict[int, str] = {}
        self._calls: dict[int, _Request] = {}
        self._served_as: dict[int, Call] = {}
        # Those of the current step.
        self._new_calls: list[int] = []
        self._frames: list[bytes] = []
        self._reconnects = 0

    def begin_step(self, records: Iterable[Record]) -> None:
        """Read what the bot on record requested in one step; earlier steps are over."""
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
        """Return whether the bot on record made this call in the step, to be served as that one."""
        request = call.request
        made = (request.method, request.path, request.query, request.body)
        for recorded in self._new_calls:
            if self._calls[recorded] == made:
                self._new_calls.remove(recorded)
                self._served_as[recorded] = call
                return True
        return False

    def take(self, recorded: int) -> tuple[HttpRequest | None, Call | None]:
        """Return a recorded call that is now answered, and the new bot's call matched with it."""
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
        """Return whether the bot on record requested another stream in the step."""
        self._reconnects -= 1
        return self._reconnects >= 0


class UnrecordedCalls:
    """The requests of the new bot that the one on record did not make, until they are answered."""

    def __init__(self) -> None:
        """Begin without requests."""
        # Those on their way, and when they take effect.
        self._sent: deque[tuple[Call, Milliseconds]] = deque()
        # Those without an answer on record so far, and the deadline of each.
        self._waiting: list[tuple[Call, Milliseconds]] = []

    @property
    def next_due(self) -> Milliseconds | None:
        """When the next request takes effect."""
        return self._sent[0][1] if self._sent else None

    def send(self, call: Call, due: Milliseconds) -> None:
        """Have a request take effect at `due`, which is no earlier than that of the one before."""
        self._sent.append((call, due))

    def pop(self) -> Call:
        """Remove and return the request that takes effect next."""
        return self._sent.popleft()[0]

    def wait(self, call: Call, deadline: Milliseconds) -> None:
        """Wait for an answer on record until a deadline."""
        self._waiting.append((call, deadline))

    def answered_by(self, request: HttpRequest) -> list[Call]:
        """Remove and return those that wait for the answer to the same request."""
        return [call for call, _ in self._take(lambda c, _: key_of(c.request) == key_of(request))]

    def given_up(self, until: Milliseconds) -> list[tuple[Call, Milliseconds]]:
        """Remove and return those whose deadline has come, each with its deadline."""
        return self._take(lambda _, deadline: deadline <= until)

    def _take(
        self, is_meant: Callable[[Call, Milliseconds], bool]
    ) -> list[tuple[Call, Milliseconds]]:
        if not self._waiting:
            return []
        taken = [each for each in self._waiting if is_meant(*each)]
        self._waiting = [each for each in self._waiting if each not in taken]
        return taken


class RecordedPages:
    """The page that the new bot requests, answered with the recorded reading of the same page."""

    def __init__(self) -> None:
        """Begin without a request or a reading."""
        self._asked: FetchPage | None = None
        # The last reading that came before the new bot requested it, with its path.
        self._held: tuple[str, PageFetched] | None = None

    def ask(self, page: FetchPage) -> None:
        """Request a page, in place of the one before."""
        self._asked = page

    def read(self, path: str, fetched: PageFetched) -> PageFetched | None:
        """Return a recorded reading if the new bot has requested it; else hold it."""
        if self._asked is None or self._asked.path != path:
            self._held = path, fetched
            return None
        number, self._asked = self._asked.id, None
        return msgspec.structs.replace(fetched, id=number)

    def take(self) -> PageFetched | None:
        """Return the held reading if the new bot has requested it now; else `None`."""
        if self._asked is None or self._held is None or self._held[0] != self._asked.path:
            return None
        fetched = msgspec.structs.replace(self._held[1], id=self._asked.id)
        self._asked = self._held = None
        return fetched


def frame_of(frame: bytes | None, caused: Sequence[Record]) -> bytes | None:
    """Return a frame of the exchange, which may be the one that the bot was given.

    A recording that was cut off there lacks it.
    """
    if frame is not None:
        return frame
    if caused and isinstance(caused[0].what, FrameRecord):
        return caused[0].what.frame
    return None
