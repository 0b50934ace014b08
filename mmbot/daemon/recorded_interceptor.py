"""Records what passes between an interceptor and the exchange, so that another bot can replay it.

Before the session begins, only the latest answer to each reading is kept, because the wait for the
exchange has no limit.
"""

from __future__ import annotations

from collections.abc import Sequence

from mmbot.daemon.interceptor import Interceptor
from mmbot.kalshi.http import BASE_PATH, HttpAnswer, HttpRequest
from mmbot.recording.late_records import Keep, LateRecords
from mmbot.recording.outside import (
    AlreadyRead,
    AnswerArrived,
    AnsweredInside,
    FrameArrived,
    OrdersAged,
    Outside,
)
from mmbot.units import Milliseconds

# The self-check makes a few readings; those of API keys and orders are not recorded.
_MOST_REMEMBERED = 50
_REMEMBERED = tuple(
    f"{BASE_PATH}/{name}" for name in ("account", "events", "exchange", "markets", "series")
)

_NEXT = FrameArrived(None)


class RecordedInterceptor:
    """Passes everything to another interceptor, and calls `keep` with the records."""

    def __init__(self, inner: Interceptor, keep: Keep | LateRecords) -> None:
        """Record nothing before `begin`."""
        self.began, self.answers = inner.began, inner.answers
        self._inner = inner
        self._records = keep if isinstance(keep, LateRecords) else LateRecords(keep)
        self._is_on = False
        # By path and page.
        self._remembered: dict[tuple[str, str], AlreadyRead] = {}
        self._queued: list[bytes | str] = []

    def begin(self, now: Milliseconds) -> None:
        """Begin the record with what is already known, if there is anything to record."""
        if self.began is not None:
            self._is_on = True
            self._record(self.began, now)
            for read in self._remembered.values():
                self._record(read, now)
        self._remembered.clear()

    def answer(self, request: HttpRequest, now: Milliseconds, /) -> HttpAnswer | None:
        """Record that the interceptor itself answered a request."""
        answer = self._inner.answer(request, now)
        if answer is not None:
            self._record(AnsweredInside(), now)
        return answer

    def observe_answer(
        self, request: HttpRequest, answer: HttpAnswer | None, now: Milliseconds, /
    ) -> None:
        """Record that an answer arrived."""
        if self._is_on:
            self._record(AnswerArrived(), now)
        elif (
            answer is not None
            and request.path.startswith(_REMEMBERED)
            and len(self._remembered) < _MOST_REMEMBERED
        ):
            page = dict(request.query).get("cursor", "")
            read = AlreadyRead(request.path, request.query, answer)
            self._remembered[request.path, page] = read
        self._inner.observe_answer(request, answer, now)

    def connected(self) -> None:
        """Pass it on; the bot's input records it."""
        self._inner.connected()

    def disconnected(self) -> None:
        """Pass it on; the bot's input records it."""
        self._inner.disconnected()

    def outgoing(self, frame: bytes, now: Milliseconds, /) -> list[bytes]:
        """Pass it on; the bot's output records it."""
        return self._inner.outgoing(frame, now)

    def incoming(self, data: bytes | str, now: Milliseconds, /) -> Sequence[bytes | str]:
        """Record a frame, unless the bot receives it unchanged."""
        frames = self._inner.incoming(data, now)
        if len(frames) == 1 and frames[0] is data:
            self._record(_NEXT, now)
        else:
            raw = data.encode(errors="surrogatepass") if isinstance(data, str) else data
            self._record(FrameArrived(raw), now)
        return frames

    def advance(self, now: Milliseconds, /) -> None:
        """Record that time passed, if that had an effect."""
        self._inner.advance(now)
        frames = self._inner.take()
        if frames:
            self._record(OrdersAged(), now)
            self._queued += frames

    def take(self) -> Sequence[bytes | str]:
        """Return and forget the frames queued for the bot."""
        queued, self._queued = self._queued, []
        return [*queued, *self._inner.take()]

    def _record(self, what: Outside, now: Milliseconds) -> None:
        if self._is_on:
            self._records.add(what, now)
