"""The start-up self-check over real sockets: the same for the daemon and for `mmbot check`."""

from __future__ import annotations

import asyncio
import time

import msgspec
from websockets.asyncio.client import ClientConnection

from mmbot.config import Settings
from mmbot.daemon import transport
from mmbot.daemon.endpoints import Venue
from mmbot.daemon.interceptor import Interceptor
from mmbot.errors import BadInput
from mmbot.kalshi.auth import Signer
from mmbot.kalshi.feed import Feed
from mmbot.kalshi.gateway import signed
from mmbot.kalshi.http import STREAM_PATH, HttpAnswer, HttpRequest
from mmbot.kalshi.messages import error_body
from mmbot.kalshi.order_cancellation import CancellationResult, Pause, cancel_own_orders
from mmbot.kalshi.selfcheck import Examination, Finding, failures
from mmbot.trading.events import BookReplaced, StreamUp
from mmbot.trading.portfolio import worst_case

# A fill may be on its way into the account's lists while they are read: what fails is read again.
_ATTEMPTS = 3
_PAUSE_SECONDS = 1.0
_STREAM_SECONDS = 10.0
# How long cancelling every own order may take before it ends without knowing.
CANCEL_SECONDS = 20.0


def wall_clock() -> int:
    """Return the time in milliseconds since the Unix epoch."""
    return time.time_ns() // 1_000_000


class AccountClient:
    """One key at one exchange, with whatever stands between."""

    def __init__(
        self,
        settings: Settings,
        venue: Venue,
        signer: Signer,
        rest: transport.RestClient,
        between: Interceptor,
    ) -> None:
        self._settings = settings
        self._venue = venue
        self._signer = signer
        self._rest = rest
        self._between = between

    async def refuse_bad_key(self) -> None:
        """Ask for something that only the right key may see.

        Raises:
            BadInput: There is no exchange at the address, or it refuses the key.
        """
        own = ("subaccount", str(self._settings.exchange.subaccount))
        request = HttpRequest("GET", "/portfolio/orders", (("limit", "1"), own))
        answer = await self._rest.try_call(signed(request, self._signer, wall_clock()))
        if answer is None:
            raise BadInput(
                f"there is no exchange at {self._venue.rest_url}; check the address and the network"
            )
        if answer.status in {401, 403}:
            error = error_body(answer.body)
            if error.code == "header_timestamp_expired":
                return  # the clock is wrong, not the key: the examination says by how much
            raise BadInput(
                f"{self._venue.rest_url} refuses the API key: {answer.status} {error.code} "
                f"{error.text}".rstrip()
            )

    async def examine(self, held: tuple[str, ...]) -> tuple[Examination, tuple[Finding, ...]]:
        """Check everything that REST can tell, again where a check failed."""
        for attempt in range(_ATTEMPTS):
            if attempt:
                await asyncio.sleep(_PAUSE_SECONDS)
            examination = Examination(
                self._settings, self._signer.key_id, held, wall_clock, worst_case
            )
            findings = await self._run(examination)
            if not failures(findings):
                break
        return examination, findings

    async def _run(self, examination: Examination) -> tuple[Finding, ...]:
        steps = examination.run()
        try:
            request = next(steps)
            while True:
                request = steps.send(await self.ask(request))
        except StopIteration as end:
            findings: tuple[Finding, ...] = end.value
            return findings

    async def ask(self, unsigned: HttpRequest) -> HttpAnswer | None:
        """Sign a request, send it, and return the answer, or `None` where none came."""
        request = signed(unsigned, self._signer, wall_clock())
        answer = self._between.answer(request, wall_clock())
        if answer is None:
            answer = await self._rest.try_call(request)
            self._between.learn(request, answer, wall_clock())
        return answer

    async def cancel_own_orders(self) -> CancellationResult:
        """Cancel every own order and have the exchange confirm that none is left.

        Raises:
            ReadingError: The exchange refuses to list the orders, and would again.
        """
        steps = cancel_own_orders(self._settings.exchange.subaccount)
        try:
            async with asyncio.timeout(CANCEL_SECONDS):
                step = next(steps)
                while True:
                    answer: HttpAnswer | None = None
                    if isinstance(step, Pause):
                        await asyncio.sleep(step.seconds)
                    else:
                        answer = await self.ask(step)
                    step = steps.send(answer)
        except StopIteration as end:
            result: CancellationResult = end.value
            return result
        except TimeoutError:
            reason = f"it took longer than {CANCEL_SECONDS:.0f} seconds"
            return CancellationResult(0, None, 0, reason)

    async def try_stream(self, tickers: tuple[str, ...]) -> Finding:
        """Open the stream and wait for a book, or for the subscriptions where there is none."""
        started = time.monotonic()
        headers = self._signer.headers("GET", STREAM_PATH, wall_clock())
        try:
            async with (
                asyncio.timeout(_STREAM_SECONDS),
                transport.open_stream(self._venue.ws_url, headers) as connection,
            ):
                what = await self._first_book(connection, tickers)
        except transport.StreamError as error:
            return Finding("stream", "fail", f"{type(error).__name__} {error}".strip()[:300])
        finally:
            self._between.disconnected()
        return Finding("stream", "ok", f"{what} after {time.monotonic() - started:.2f} s")

    async def _first_book(self, connection: ClientConnection, tickers: tuple[str, ...]) -> str:
        feed = Feed(self._settings.exchange.series)
        feed.watch(tickers, wall_clock())
        self._between.connected()
        step = feed.connected(wall_clock())
        while True:
            for frame in step.frames:
                for sent in self._between.outgoing(frame, wall_clock()):
                    await connection.send(sent, text=True)
            waiting = list(self._between.take()) or self._between.incoming(
                await connection.recv(), wall_clock()
            )
            frames: list[bytes] = []
            for data in waiting:
                step = feed.received(data, wall_clock())
                frames += step.frames
                for event in step.events:
                    if isinstance(event, BookReplaced):
                        return f"the book of {event.ticker} came"
                    if isinstance(event, StreamUp) and not tickers:
                        return "it was subscribed"
                if step.reconnect:
                    raise ConnectionError(str(step.notes[-1].fields.get("reason", "given up")))
            step = msgspec.structs.replace(step, frames=frames)
