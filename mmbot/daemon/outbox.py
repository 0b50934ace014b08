"""The queue of outgoing alerts: bounded, limited in rate, with fills folded into one message.

It is a pure queue; times are seconds of any monotonic clock. Dropped alerts are counted, and the
next message says how many there were.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

import msgspec

from mmbot.config import AlertKind, AlertSettings

# Alerts that may wait, and fills that one message lists.
MOST_WAITING = 50
MOST_FILLS = 20
# Alerts of one kind in an hour; for all kinds together the limit is `alerts.most_an_hour`.
MOST_OF_A_KIND = 12
MOST_REMEMBERED = 2000
MOST_ATTEMPTS = 3
RETRY_SECONDS = 60.0
_HOUR = 3600.0


class Alert(msgspec.Struct, frozen=True):
    """A message to a person: a title line, and the text below it."""

    kind: AlertKind
    title: str
    body: str = ""
    attempts: int = 0


class Outbox:
    """The queue of alerts."""

    def __init__(
        self, settings: AlertSettings, taken: Iterable[tuple[float, AlertKind]] = ()
    ) -> None:
        """Begin empty; alerts `taken` earlier count for the rate limits."""
        self._settings = settings
        self._waiting: deque[Alert] = deque()
        self._fills: list[str] = []
        self._more_fills = 0
        self._fold_until = 0.0
        self._taken = deque(taken, maxlen=MOST_REMEMBERED)
        self._not_before = 0.0
        self._dropped = 0

    def change(self, settings: AlertSettings) -> None:
        """Use other settings from now on; waiting alerts stay."""
        self._settings = settings

    @property
    def taken(self) -> tuple[tuple[float, AlertKind], ...]:
        """The alerts of the last hour, with their times."""
        return tuple(self._taken)

    def put(self, alert: Alert) -> None:
        """Add an alert, if its kind is wanted; if the queue is full, the oldest is dropped."""
        if alert.kind not in self._settings.events:
            return
        if len(self._waiting) >= MOST_WAITING:
            self._waiting.popleft()
            self._dropped += 1
        self._waiting.append(alert)

    def put_fill(self, line: str, now: float) -> None:
        """Add a fill; it waits a while for others, to be sent with them."""
        if not self._fills:
            self._fold_until = now + self._settings.fold_seconds
        if len(self._fills) < MOST_FILLS:
            self._fills.append(line)
        else:
            self._more_fills += 1

    def take(self, now: float) -> Alert | None:
        """Return the next alert that is due and within the rate limits; it counts as sent."""
        if self._fills and now >= self._fold_until:
            self._fold()
        while self._taken and self._taken[0][0] <= now - _HOUR:
            self._taken.popleft()
        while self._waiting and now >= self._not_before:
            alert = self._waiting.popleft()
            of_kind = sum(kind == alert.kind for _, kind in self._taken)
            if len(self._taken) >= self._settings.most_an_hour or of_kind >= MOST_OF_A_KIND:
                self._dropped += 1
                continue
            self._taken.append((now, alert.kind))
            return self._with_dropped(alert)
        return None

    def put_back(self, alert: Alert, now: float) -> None:
        """Put back an alert that could not be sent, for a few more attempts."""
        self._not_before = now + RETRY_SECONDS
        again = msgspec.structs.replace(alert, attempts=alert.attempts + 1)
        if again.attempts < MOST_ATTEMPTS:
            self._waiting.appendleft(again)
        else:
            self._dropped += 1

    def hasten(self) -> None:
        """Make all waiting alerts due now."""
        self._fold()
        self._not_before = 0.0

    def _fold(self) -> None:
        lines, more = self._fills, self._more_fills
        self._fills, self._more_fills = [], 0
        if lines:
            count = len(lines) + more
            title = lines[0] if count == 1 else f"{count} fills"
            rest = (f"and {more} more",) if more else ()
            self.put(Alert("fills", title, "\n".join((*lines, *rest)) if count > 1 else ""))

    def _with_dropped(self, alert: Alert) -> Alert:
        if not self._dropped:
            return alert
        note = f"({self._dropped} other alerts were not sent: too many, or sending failed)"
        self._dropped = 0
        return msgspec.structs.replace(alert, body=f"{alert.body}\n\n{note}".strip())
