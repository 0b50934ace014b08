"""Reads the pages of counts and fits forecasters for the bot, one request at a time."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import assert_never

import aiohttp
import structlog
from yarl import URL

from mmbot.bot.inputs import ForecastFitted, PageFetched
from mmbot.bot.outputs import FetchPage, FitForecast
from mmbot.daemon import garbage
from mmbot.daemon.bank_file import bank_path, load_memory, store_memory
from mmbot.daemon.transport import read_body
from mmbot.daemon.tree_process import TreeProcess
from mmbot.errors import BadInput
from mmbot.forecast.fitting import Fit, Forecasters, Memory
from mmbot.kalshi.http import HttpAnswer
from mmbot.underlying.pages import MOST_BYTES

_TIMEOUT = aiohttp.ClientTimeout(total=20)
# The headers of a page that the bot reads and sends back unchanged.
_HEADERS = ("ETag", "Last-Modified")
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MOST_REDIRECTS = 3
# Longer headers and reasons are cut.
_MOST_CHARACTERS = 300
# A fit of this many weeks is slow enough to log its progress.
_WORTH_REPORTING = 50
_TREES = "boosted.trees"

Done = Callable[[PageFetched | ForecastFitted], None]


class CountsWorker:
    """Serves requests in order; if one fails unexpectedly, the next `run` serves it again."""

    def __init__(self, url: str, directory: Path, forecasters: Forecasters, done: Done) -> None:
        """Begin without a request.

        Args:
            url: The root of the site.
            directory: Where hindcasts are cached for the next fit.
            forecasters: The forecasters of the underlying.
            done: Called with each result, on the event loop.
        """
        self._url = url
        self._directory = directory
        self._forecasters = forecasters
        self._done = done
        self._requests: deque[FetchPage | FitForecast] = deque()
        self._requested = asyncio.Event()
        self._given_up = threading.Event()
        self._log = structlog.get_logger()

    def submit(self, request: FetchPage | FitForecast) -> None:
        """Queue a request; it replaces earlier ones of its kind that have not begun."""
        waiting = [r for r in list(self._requests)[1:] if type(r) is not type(request)]
        self._requests = deque([*list(self._requests)[:1], *waiting, request])
        self._requested.set()

    def give_up(self) -> None:
        """Cancel a fit that runs in its thread."""
        self._given_up.set()

    async def run(self) -> None:
        """Serve requests until cancelled."""
        async with aiohttp.ClientSession(timeout=_TIMEOUT) as session:
            while True:
                while self._requests:
                    result = await self._serve(self._requests[0], session)
                    self._requests.popleft()
                    self._done(result)
                self._requested.clear()
                await self._requested.wait()

    async def _serve(
        self, request: FetchPage | FitForecast, session: aiohttp.ClientSession
    ) -> PageFetched | ForecastFitted:
        match request:
            case FetchPage():
                return await self._fetch(request, session)
            case FitForecast():
                return await self._fit(request)
            case _:
                assert_never(request)

    # Pages

    async def _fetch(self, page: FetchPage, session: aiohttp.ClientSession) -> PageFetched:
        try:
            answer = await page_answer(self._url, page.path, page.headers, session)
            return PageFetched(page.id, answer)
        except (OSError, TimeoutError, aiohttp.ClientError, ValueError, BadInput) as error:
            reason = str(error) or type(error).__name__
            plain = reason.encode("ascii", "backslashreplace").decode()
            return PageFetched(page.id, None, plain[:_MOST_CHARACTERS])

    # Forecasts

    async def _fit(self, fit: FitForecast) -> ForecastFitted:
        started = time.monotonic()
        fitted = await asyncio.to_thread(self._fit_in_thread, fit)
        self._log.info(
            "forecast.fitted",
            method=fitted.method,
            without=list(fitted.without),
            seconds=round(time.monotonic() - started, 3),
        )
        self._watch_calibration(fitted)
        return ForecastFitted(fitted.predictor, fit.week)

    def _watch_calibration(self, fitted: Fit) -> None:
        for k, found in fitted.calibration.items():
            if not found.within:
                low, high = found.band
                self._log.warning(
                    "forecast.uncalibrated",
                    known=k,
                    weeks=found.weeks,
                    coverage80=round(found.coverage80, 2),
                    usual=f"{low:.2f} to {high:.2f}",
                )

    def _fit_in_thread(self, fit: FitForecast) -> Fit:
        path = bank_path(self._directory, fit.method)
        with TreeProcess(self._directory / _TREES):
            fitted = self._forecasters.fit(
                fit.counts,
                fit.method,
                load_memory(path, self._forecasters.recall),
                self._report,
                error_correction=fit.error_correction,
            )
        if fitted.method == fit.method and fitted.memory is not None:
            self._keep(path, fitted.memory)
        garbage.give_back()
        return fitted

    def _keep(self, path: Path, memory: Memory) -> None:
        try:
            store_memory(path, memory)
        except BadInput as error:
            # The cache only saves the next session some seconds.
            self._log.warning("forecast.not_kept", reason=str(error))

    def _report(self, done: int, of: int) -> None:
        if self._given_up.is_set():
            raise asyncio.CancelledError
        if of >= _WORTH_REPORTING and done % (of // 10) == 0:
            self._log.info("forecast.fitting", weeks=done, of=of)


async def page_answer(
    site: str, path: str, headers: tuple[tuple[str, str], ...], session: aiohttp.ClientSession
) -> HttpAnswer:
    """Request a page, following redirects on its site; only an answer with status 200 has a body.

    Raises:
        BadInput: It redirects to another site.
        OSError, TimeoutError, aiohttp.ClientError, ValueError: No answer came.
    """
    url = URL(site + path)
    for _ in range(1 + _MOST_REDIRECTS):
        async with session.get(url, headers=dict(headers), allow_redirects=False) as response:
            if response.status not in _REDIRECTS:
                body = await read_body(response, MOST_BYTES) if response.status == 200 else b""
                return HttpAnswer(response.status, body, _plain_headers(response))
            url = redirected(url, response.headers.get("Location", ""))
    raise BadInput(f"it redirects more than {_MOST_REDIRECTS} times")


def redirected(url: URL, location: str) -> URL:
    """Return the target of a redirect, which must be on the same site.

    Raises:
        BadInput: It is on another scheme, host or port, or not an address.
    """
    try:
        # Programs disagree on how to read a backslash or a character outside ASCII.
        if location and location.isascii() and location.isprintable() and "\\" not in location:
            told = URL(location)
            target = url.join(told)
            whole = bool(told.host) or not told.scheme
            alone = target.user is None and target.password is None
            if whole and alone and target.origin() == url.origin():
                return target
    except ValueError:
        pass
    shown = ascii(location[: _MOST_CHARACTERS // 3])
    raise BadInput(f"it redirects to {shown}, which is not an address on {url.origin()}")


def _plain_headers(response: aiohttp.ClientResponse) -> tuple[tuple[str, str], ...]:
    """Return the headers that the bot reads, without values that a request cannot send back."""
    headers = ((name, response.headers.get(name, "")) for name in _HEADERS)
    return tuple(
        (name, value)
        for name, value in headers
        if value and len(value) <= _MOST_CHARACTERS and value.isascii() and value.isprintable()
    )
