"""Fetches the market's past over real sockets: requests at the allowed rate, and retries.

The directory is complete after every market, so that the next run continues from there, whatever
ended this one.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter, deque
from collections.abc import Callable
from functools import partial
from typing import Protocol, TypeVar

import aiohttp
import msgspec

from mmbot.daemon import transport
from mmbot.daemon.account_client import wall_clock
from mmbot.daemon.counts_worker import page_answer
from mmbot.daemon.endpoints import Venue
from mmbot.daemon.steps import run_steps
from mmbot.errors import BadInput, Unavailable
from mmbot.history import counts_fetch, listing
from mmbot.history.doubts import Doubts
from mmbot.history.fetch_plan import held_of, take_listing, unfinished
from mmbot.history.market_fetch import MarketToFetch, fetch_market
from mmbot.history.pacing import MOST_ATTEMPTS, Pacer
from mmbot.history.rows import Period
from mmbot.history.steps import Refused, Steps, get
from mmbot.history.store import HistoryStore
from mmbot.kalshi.auth import Signer
from mmbot.kalshi.gateway import signed
from mmbot.kalshi.http import BASE_PATH, HttpAnswer, HttpRequest
from mmbot.kalshi.messages import Malformed, decode, error_body
from mmbot.kalshi.readings import Costs
from mmbot.underlying.calendar import Week, to_milliseconds
from mmbot.units import Milliseconds

_T = TypeVar("_T")

# Markets that are fetched concurrently; they share one request rate.
_AT_ONCE = 4
_ANSWER_SECONDS = 30.0
_DEFAULT_COST = 10.0
# If nothing was ever answered, more attempts are useless.
_FIRST_ATTEMPTS = 4


class Wanted(msgspec.Struct, frozen=True):
    """What to fetch."""

    series: str
    weeks: tuple[Week, ...]
    periods: tuple[Period, ...]
    counts: bool = True
    market: bool = True


class Fetched(msgspec.Struct):
    """The result of a fetch.

    Attributes:
        sightings: Counts that were not seen before.
        markets: Markets that were fetched.
        rows: New rows of these markets.
        requests: Requests that were sent.
        refusals: Requests that were answered with 429.
        doubts: What could not be used of the answers, each kind once, and in how many markets.
        failures: What could not be fetched, each as a sentence.
    """

    sightings: int = 0
    markets: int = 0
    rows: int = 0
    requests: int = 0
    refusals: int = 0
    doubts: Counter[str] = msgspec.field(default_factory=Counter)
    failures: list[str] = []


class Watcher(Protocol):
    """Shows the progress of a fetch."""

    def plan(self, what: str, steps: int) -> None:
        """Begin a part with this number of steps."""

    def step(self, what: str, rows: int) -> None:
        """Note a finished step, and how many rows it gave."""

    def pause(self, reason: str) -> None:
        """Note that a request has to be retried, and why."""


class HistoryClient:
    """Fetches into one directory from one exchange and one site."""

    def __init__(
        self,
        store: HistoryStore,
        venue: Venue,
        find_signer: Callable[[], Signer | None],
        watcher: Watcher,
        rng: random.Random,
    ) -> None:
        """Begin with nothing fetched; `find_signer` is called when a request needs a signature."""
        self.fetched = Fetched()
        self._store = store
        self._venue = venue
        self._find_signer = find_signer
        self._watcher = watcher
        self._pacer = Pacer(rng)
        self._page_pacer = Pacer(rng)
        self._cost = _DEFAULT_COST
        self._answers = 0
        self._signer: Signer | None = None

    async def run(self, wanted: Wanted) -> Fetched:
        """Fetch everything that is wanted and missing.

        Raises:
            BadInput: The exchange does not know the series, or the directory is unusable.
            Unavailable: The exchange cannot be reached, or keeps refusing.
        """
        if wanted.counts:
            await self._fetch_counts()
        if wanted.market:
            timeout = _ANSWER_SECONDS
            async with transport.RestClient(self._venue.origin, timeout) as rest:
                await self._fetch_market_data(rest, wanted)
        return self.fetched

    # Counts

    def _calendar_now(self) -> Milliseconds:
        return to_milliseconds(self._venue.clock.at(wall_clock()))

    async def _fetch_counts(self) -> None:
        years = counts_fetch.years_until(self._calendar_now())
        self._watcher.plan("counts", len(years))
        timeout = aiohttp.ClientTimeout(total=_ANSWER_SECONDS)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            for year in years:
                store = self._store
                steps = counts_fetch.fetch_page(
                    year, store.sightings(), store.pages(), self._calendar_now()
                )
                try:
                    page = await run_steps(steps, partial(self._page, session=session))
                except Unavailable as error:
                    self.fetched.failures.append(str(error))
                    return
                new = store.put_sightings(page.sightings, page.pages)
                self.fetched.sightings += new
                self.fetched.doubts.update(page.doubts)
                if page.failure:
                    self.fetched.failures.append(f"{self._venue.counts_url}{page.failure}")
                self._watcher.step("counts", new)

    async def _page(self, request: HttpRequest, session: aiohttp.ClientSession) -> HttpAnswer:
        reason = ""
        for attempt in range(1, _FIRST_ATTEMPTS + 1):
            answer: HttpAnswer | None = None
            try:
                answer = await page_answer(
                    self._venue.counts_url, request.path, request.headers, session
                )
                reason = f"it answers {answer.status}"
            except (OSError, TimeoutError, aiohttp.ClientError, ValueError, BadInput) as error:
                reason = str(error) or type(error).__name__
            self.fetched.requests += 1
            pause = self._page_pacer.repeat_after(answer, attempt, wall_clock())
            if pause is None and answer is not None:
                return answer
            if attempt < _FIRST_ATTEMPTS:
                self._watcher.pause(reason)
                await asyncio.sleep((pause or 0) / 1000)
        where = f"{self._venue.counts_url}{request.path}"
        raise Unavailable(f"{where} cannot be read: {reason}")

    # The exchange

    async def _fetch_market_data(self, rest: transport.RestClient, wanted: Wanted) -> None:
        store, series, clock = self._store, wanted.series, self._venue.clock
        weeks = unfinished(store, series, wanted.weeks, wanted.periods)
        doubts = Doubts()
        refusal = await self._fetch_fees(rest, series, doubts)
        if not weeks:
            return
        self._cost = await self._read_cost(rest)
        cutoff = await self._run(rest, listing.read_cutoff(doubts))
        self.fetched.doubts.update(doubts.told())
        at = clock.at(wall_clock())
        try:
            listed = await self._run(rest, listing.list_weeks(series, weeks, cutoff, clock, at))
        except Refused as error:
            raise BadInput(f"{self._venue.rest_url} refuses: {error}") from None
        if refusal and not listed.events and not store.events(series):
            raise BadInput(f"{self._venue.rest_url} knows no series {series}: {refusal}")
        self.fetched.doubts.update(listed.doubts)
        jobs = deque(take_listing(store, series, weeks, listed, wanted.periods))
        self._watcher.plan("markets", len(jobs))
        if not listed.is_whole:
            self.fetched.failures.append("the pages of the list of markets repeat")
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(_AT_ONCE, len(jobs))):
                    group.create_task(self._work(rest, jobs, cutoff, wanted.periods))
        except* (Unavailable, BadInput) as errors:
            # The same error stops all of them; it is reported once.
            raise errors.exceptions[0] from None

    async def _fetch_fees(self, rest: transport.RestClient, series: str, doubts: Doubts) -> str:
        """Fetch the series' fees; return why that is not possible, or ""."""
        steps = listing.read_fees(series, self._store.fees(series), wall_clock(), doubts)
        try:
            self._store.put_fees(series, await self._run(rest, steps))
        except Refused as error:
            # A series that is no longer offered may still have a past.
            doubts.add("the fees of the series cannot be read", str(error))
            return str(error)
        return ""

    async def _work(
        self,
        rest: transport.RestClient,
        jobs: deque[MarketToFetch],
        cutoff: listing.Cutoff,
        periods: tuple[Period, ...],
    ) -> None:
        while jobs:
            job = jobs.popleft()
            market, store = job.market, self._store
            held = held_of(store, market)
            steps = fetch_market(job, held, cutoff, periods, wall_clock())
            found = await self._run(rest, steps)
            entry = store.put_market(
                market.event_ticker, market.ticker, found.trades, found.candles, found.entry
            )
            self.fetched.markets += 1
            new = max(entry.rows - held.entry.rows, 0)
            self.fetched.rows += new
            self.fetched.doubts.update(doubt.partition(":")[0] for doubt in entry.doubts)
            self.fetched.failures += (f"{market.ticker}: {each}" for each in entry.missing)
            self._watcher.step("markets", new)

    async def _read_cost(self, rest: transport.RestClient) -> float:
        """Return the highest cost of the calls, by the exchange's list."""
        try:
            answer = await self._run(rest, get("/account/endpoint_costs"))
            costs = decode(answer.body, Costs)
        except (Refused, Malformed):
            return _DEFAULT_COST
        paths = ("/markets/trades", "/historical/trades", "/events", "/historical/markets")
        return max(costs.default_cost, *(costs.of("GET", path) for path in paths))

    async def _run(self, rest: transport.RestClient, steps: Steps[_T]) -> _T:
        return await run_steps(steps, partial(self._answer, rest))

    async def _answer(self, rest: transport.RestClient, request: HttpRequest) -> HttpAnswer:
        """Send a request until its answer is final.

        Public data are requested without a signature, which uses no rate limit of the account.
        """
        said = ""
        for attempt in range(1, MOST_ATTEMPTS + 1):
            await self._take_tokens()
            answer = await rest.try_call(self._addressed(request))
            self.fetched.requests += 1
            if answer is not None and answer.status in {401, 403} and self._signer is None:
                self._signer = self._find_signer()
                if self._signer is not None:
                    continue
            pause = self._pacer.repeat_after(answer, attempt, wall_clock())
            if pause is None and answer is not None:
                self._answers += 1
                return answer
            said = "nothing" if answer is None else str(answer.status)
            if answer is not None:
                error = error_body(answer.body)
                said = f"{answer.status} {error.code} {error.text}".rstrip()
                self.fetched.refusals += answer.status == 429
            if not self._answers and answer is None and attempt == _FIRST_ATTEMPTS:
                break
            self._watcher.pause(f"{self._venue.origin} answers {said}")
            await asyncio.sleep((pause or 0) / 1000)
        raise Unavailable(
            f"{self._venue.rest_url} answers {said} to GET {request.path}; what was fetched is "
            "kept, and the same command continues from there"
        )

    async def _take_tokens(self) -> None:
        wait = self._pacer.wait_ms(self._cost, wall_clock())
        while wait:
            await asyncio.sleep(wait / 1000)
            wait = self._pacer.wait_ms(self._cost, wall_clock())

    def _addressed(self, request: HttpRequest) -> HttpRequest:
        if self._signer is not None:
            return signed(request, self._signer, wall_clock())
        return msgspec.structs.replace(request, path=BASE_PATH + request.path)
