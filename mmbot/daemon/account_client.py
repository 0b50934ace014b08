"""Signed requests to one account without the bot: the self-check, and cancelling every order."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import assert_never

import msgspec
import structlog
from websockets.asyncio.client import ClientConnection

from mmbot.bot.steady_clock import SteadyClock
from mmbot.config import Settings
from mmbot.daemon import transport
from mmbot.daemon.endpoints import Venue
from mmbot.daemon.interceptor import Interceptor
from mmbot.daemon.patience import (
    Reminder,
    is_clock_refused,
    of_exchange,
    passing_findings,
    pauses,
)
from mmbot.daemon.steps import run_steps
from mmbot.errors import BadInput, Unavailable
from mmbot.kalshi.auth import Signer
from mmbot.kalshi.feed import Feed
from mmbot.kalshi.gateway import signed
from mmbot.kalshi.http import STREAM_PATH, HttpAnswer, HttpRequest, is_passing
from mmbot.kalshi.messages import Malformed, error_body
from mmbot.kalshi.order_cancellation import (
    CancellationResult,
    Pause,
    cancel_own_orders,
    list_own_orders,
)
from mmbot.kalshi.readings import ReadingError
from mmbot.kalshi.selfcheck import Finding, SelfCheck, failures, unknown
from mmbot.trading.events import BookReplaced, StreamUp
from mmbot.trading.portfolio import worst_case
from mmbot.trading.position_check import contradiction_at_start
from mmbot.trading.values import Fill
from mmbot.units import Milliseconds

# A fill may not be in all of the account's lists yet while they are read, so a check fails only
# after this many failed attempts.
CHECK_ATTEMPTS = 3
_STREAM_SECONDS = 10.0
# How long cancelling every own order may take; after that its result counts as unknown.
CANCEL_SECONDS = 20.0


def _machine_time() -> Milliseconds:
    return time.time_ns() // 1_000_000


def _elapsed() -> Milliseconds:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000


# The one clock of the process, used by everything that waits and by every signature.
CLOCK = SteadyClock(_machine_time, _elapsed)


def wall_clock() -> Milliseconds:
    """Return the time since the Unix epoch; it does not move when the machine's clock is set."""
    return CLOCK.now()


class AccountClient:
    """Signed requests of one API key to one exchange, through an interceptor."""

    def __init__(
        self,
        settings: Settings,
        venue: Venue,
        signer: Signer,
        rest: transport.RestClient,
        interceptor: Interceptor,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Use `rest` for every request; `sleep` waits for a number of seconds."""
        self._settings = settings
        self._venue = venue
        self._signer = signer
        self._rest = rest
        self._interceptor = interceptor
        self._sleep = sleep
        self._clock_refused = False
        self._log = structlog.get_logger()

    async def refuse_bad_key(self) -> None:
        """Send a request that needs a valid key.

        Raises:
            BadInput: The exchange refuses the key.
            Unavailable: The exchange cannot be reached, or has not decided about the key.
        """
        own = ("subaccount", str(self._settings.exchange.subaccount))
        request = HttpRequest("GET", "/portfolio/orders", (("limit", "1"), own))
        answer = of_exchange(await self._rest.try_call(signed(request, self._signer, wall_clock())))
        where = self._venue.rest_url
        if answer is None:
            raise Unavailable(f"there is no exchange at {where}; check the address and the network")
        error = error_body(answer.body)
        said = f"{answer.status} {error.code} {error.text}".rstrip()
        if is_passing(answer.status):
            raise Unavailable(f"{where} answers {said}")
        # If the clock is wrong and not the key, the self-check says by how much.
        if answer.status in {401, 403} and not is_clock_refused(answer):
            raise BadInput(f"{where} refuses the API key: {said}")

    async def examine(
        self,
        held: tuple[str, ...],
        recorded: tuple[Fill, ...] = (),
        *,
        most_attempts: int | None = None,
    ) -> tuple[SelfCheck, tuple[Finding, ...]]:
        """Make every check that needs only REST; repeat them all while one is unknown or fails.

        Args:
            held: The events with positions, according to the ledger.
            recorded: Their fills, according to the ledger.
            most_attempts: Attempts before unknown checks are returned as such; `None` repeats
                them, with a warning in the log now and then, until every check is known.

        Returns:
            The last examination and its findings.
        """
        attempts = failed = 0
        pause, reminder = pauses(), Reminder()
        while True:
            # Nothing waits on this clock yet, and the machine's clock may have been set since.
            CLOCK.anchor()
            examination = SelfCheck(
                self._settings,
                self._signer.key_id,
                held,
                wall_clock,
                worst_case,
                contradiction_at_start,
                recorded,
            )
            findings = await self._run(examination)
            attempts += 1
            waiting_for, has_failed = unknown(findings), bool(failures(findings))
            failed += has_failed
            is_settled = not waiting_for and not has_failed
            if is_settled or failed == CHECK_ATTEMPTS or attempts == most_attempts:
                return examination, findings
            # Only other unknown checks are news, as the figures in their details always change.
            if waiting_for and most_attempts is None and reminder.is_due(waiting_for.keys()):
                self._log.warning("check.unknown", checks=waiting_for)
            await self._sleep(next(pause))

    async def _run(self, examination: SelfCheck) -> tuple[Finding, ...]:
        self._clock_refused = False
        findings = await run_steps(examination.run(), self.call)
        return passing_findings(findings, clock_refused=self._clock_refused)

    async def call(self, unsigned: HttpRequest) -> HttpAnswer | None:
        """Sign a request, send it, and return the answer, or `None` if none came."""
        request = signed(unsigned, self._signer, wall_clock())
        answer = self._interceptor.answer(request, wall_clock())
        if answer is None:
            answer = of_exchange(await self._rest.try_call(request))
            self._clock_refused |= is_clock_refused(answer)
            self._interceptor.observe_answer(request, answer, wall_clock())
        return answer

    async def cancel_own_orders(
        self, session: str = "", *, most_unanswered: int | None = None
    ) -> CancellationResult:
        """Cancel every own order and have the exchange confirm that none is left.

        Args:
            session: Only the orders of this session, if given.
            most_unanswered: Give up after this many requests in a row without an answer, if given.

        Raises:
            ReadingError: The exchange refuses to list the orders, not just for the moment.
        """
        steps = cancel_own_orders(self._settings.exchange.subaccount, session)
        unanswered = 0
        try:
            async with asyncio.timeout(CANCEL_SECONDS):
                step = next(steps)
                while True:
                    answer: HttpAnswer | None = None
                    match step:
                        case Pause():
                            await self._sleep(step.seconds)
                        case HttpRequest():
                            answer = await self.call(step)
                            unanswered = unanswered + 1 if answer is None else 0
                            if unanswered == most_unanswered:
                                return CancellationResult(0, None, 0, "no answer")
                        case _:
                            assert_never(step)
                    step = steps.send(answer)
        except StopIteration as end:
            result: CancellationResult = end.value
            return result
        except TimeoutError:
            reason = f"it took longer than {CANCEL_SECONDS:.0f} seconds"
            return CancellationResult(0, None, 0, reason)

    async def own_orders(self) -> frozenset[str] | None:
        """Return the client ids of the resting own orders; `None` if they cannot be read."""
        try:
            return await run_steps(list_own_orders(self._settings.exchange.subaccount), self.call)
        except (ReadingError, Malformed):
            return None

    async def try_stream(self, tickers: tuple[str, ...]) -> Finding:
        """Open the stream and wait for one order book, or for the subscriptions if no tickers."""
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
            self._interceptor.disconnected()
        return Finding("stream", "ok", f"{what} after {time.monotonic() - started:.2f} s")

    async def _first_book(self, connection: ClientConnection, tickers: tuple[str, ...]) -> str:
        feed = Feed(self._settings.exchange.series)
        feed.watch(tickers, wall_clock())
        self._interceptor.connected()
        step = feed.connected(wall_clock())
        while True:
            for frame in step.frames:
                for outgoing in self._interceptor.outgoing(frame, wall_clock()):
                    await connection.send(outgoing, text=True)
            incoming = list(self._interceptor.take()) or self._interceptor.incoming(
                await connection.recv(), wall_clock()
            )
            frames: list[bytes] = []
            for data in incoming:
                step = feed.received(data, wall_clock())
                frames += step.frames
                for event in step.events:
                    if isinstance(event, BookReplaced):
                        return f"the book of {event.ticker} arrived"
                    if isinstance(event, StreamUp) and not tickers:
                        return "it was subscribed"
                if step.reconnect:
                    raise ConnectionError(str(step.notes[-1].fields.get("reason", "given up")))
            step = msgspec.structs.replace(step, frames=frames)
