"""Decides when the next request may be sent, and when an unanswered one is sent again.

The exchange's limit is a token bucket that refills continuously; an unsigned request draws on the
bucket of its IP address, of which a part is left to others there. The bucket's size is known only
with a key, so a refusal slows the fetch down, and answers speed it up again step by step.
"""

from __future__ import annotations

import random
from email.utils import parsedate_to_datetime

from mmbot.kalshi.http import HttpAnswer
from mmbot.underlying.calendar import to_milliseconds
from mmbot.units import Milliseconds

# Four fifths of what the exchange's lowest tier may read, in tokens a second and tokens.
USUAL_RATE = 160.0
USUAL_CAPACITY = 160.0
# The lowest rate, the factor on it after a refusal, and what an answer adds to it.
_LEAST_RATE = 40.0
_SLOWER, _FASTER = 0.8, 4.0
_FIRST_PAUSE_MS: Milliseconds = 500
_LONGEST_PAUSE_MS: Milliseconds = 30_000
# With pauses that double up to half a minute: about five minutes.
MOST_ATTEMPTS = 15


class Pacer:
    """One token bucket for all requests of a fetch."""

    def __init__(self, rng: random.Random, rate: float = USUAL_RATE) -> None:
        """Begin with a full bucket; `rng` draws the jitter of pauses."""
        self._rng = rng
        self._usual = self._rate = rate
        self._level = min(rate, USUAL_CAPACITY)
        self._at: Milliseconds | None = None
        self._paused_until: Milliseconds = 0

    def wait_ms(self, cost: float, now: Milliseconds) -> Milliseconds:
        """Take a request's tokens and return 0, or return how long to wait before asking again."""
        elapsed = max(now - self._at, 0) if self._at is not None else 0
        self._at = now
        # Whatever one request costs, a full bucket must hold it.
        capacity = max(min(self._usual, USUAL_CAPACITY), cost)
        self._level = min(capacity, self._level + elapsed * self._rate / 1000)
        if now < self._paused_until:
            return self._paused_until - now
        if self._level < cost:
            return max(round((cost - self._level) / self._rate * 1000), 1)
        self._level -= cost
        return 0

    def answered(self) -> None:
        """Note an answer that is no refusal."""
        self._rate = min(self._usual, self._rate + _FASTER)

    def repeat_after(
        self, answer: HttpAnswer | None, attempts: int, now: Milliseconds
    ) -> Milliseconds | None:
        """Return how long to wait before a request is sent again; `None` for an answer that counts.

        Args:
            answer: What came, if anything.
            attempts: How often it was sent.
            now: The time.
        """
        if answer is not None and answer.status != 429 and answer.status < 500:
            self.answered()
            return None
        doubled = _FIRST_PAUSE_MS << min(attempts - 1, 10)
        pause = round(min(doubled, _LONGEST_PAUSE_MS) * self._rng.uniform(0.75, 1.25))
        if answer is not None and answer.status == 429:
            pause = max(pause, _retry_after(answer, now))
            self._rate = max(_LEAST_RATE, self._rate * _SLOWER)
            # All requests share the bucket: the others would be refused as well.
            self._paused_until = max(self._paused_until, now + pause)
        return pause


def _retry_after(answer: HttpAnswer, now: Milliseconds) -> Milliseconds:
    """Return the header's value, within bounds; the exchange itself is known to send none."""
    text = dict(answer.headers).get("retry-after", "")
    if text.isascii() and text.isdigit() and len(text) < 6:
        wait = int(text) * 1000
    else:
        try:
            wait = to_milliseconds(parsedate_to_datetime(text)) - now
        except (ValueError, OverflowError):
            return 0
    return min(max(wait, 0), 4 * _LONGEST_PAUSE_MS)
