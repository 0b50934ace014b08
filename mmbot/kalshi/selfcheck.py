"""Check whether the account, the exchange and this machine are fit to trade.

Each check returns a finding. One that fails is a reason not to start; one that waits clears by
itself, such as a pause. An examination is written as a reading: it yields requests and is sent
their answers. It writes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal, TypeAlias

import msgspec

from mmbot.config import Settings
from mmbot.kalshi import messages as wire
from mmbot.kalshi.account_readings import (
    balances_of,
    contradiction_of,
    fills_of,
    positions_of,
    resting_orders,
)
from mmbot.kalshi.http import HttpRequest, date_of
from mmbot.kalshi.readings import (
    FREE_FOR_MAKERS,
    ExchangeStatus,
    ReadingError,
    SeriesAnswer,
    Steps,
    get,
    held_event,
    listed_event,
    open_events,
    own_subaccount,
    rate_limits,
)
from mmbot.trading.events import ClockCompared
from mmbot.trading.values import CLIENT_ID_PREFIX, Fill, ListedEvent, OrderReport
from mmbot.tsa.calendar import to_milliseconds
from mmbot.units import Milliseconds, Money, format_money, format_price, total

FindingState: TypeAlias = Literal["ok", "warn", "wait", "fail"]
# From an event's tickers in order of strike, its fills and its live orders: its least wealth over
# all outcomes.
WorstCaseOf: TypeAlias = Callable[[tuple[str, ...], Iterable[Fill], Iterable[OrderReport]], Money]

# The `Date` header has whole seconds: its instant is taken to be the middle of its second.
_HALF_SECOND_MS = 500
# Trading does not start this shortly before fees for makers come into force.
_FEE_NOTICE_MS = 7 * 24 * 3_600_000


# The checks that a check depends on: while one of them could not be made, neither could it.
_NEEDS: dict[str, tuple[str, ...]] = {
    "exchange": ("markets",),
    "fees": ("markets",),
    "positions": ("markets",),
    "balance": ("markets", "resting orders", "positions"),
}


class Finding(msgspec.Struct, frozen=True):
    """The result of one check.

    Attributes:
        name: The check.
        state: Whether trading may start, as far as this check is concerned.
        detail: What was found, in a sentence.
        known: Whether the check could be made: the exchange answered, and with neither 429 nor a
            server error. If not, nothing may be traded before it has been made.
    """

    name: str
    state: FindingState
    detail: str
    known: bool = True


_Outcome: TypeAlias = tuple[FindingState, str]


class SelfCheck:
    """One run of all checks.

    Attributes:
        held: Before the run, the recorded events; after it, those with a position as well. An open
            one is among them, as it may close before the listing is read again.
        listed: The open events, then the other held ones.
    """

    def __init__(
        self,
        settings: Settings,
        key_id: str,
        held: tuple[str, ...],
        clock: Callable[[], Milliseconds],
        worst_case: WorstCaseOf,
    ) -> None:
        """Prepare the checks; nothing is requested yet.

        Args:
            settings: What is to be traded, and the limits.
            key_id: The API key's id.
            held: Events that may hold positions, as far as is recorded.
            clock: This machine's time.
            worst_case: Computes an event's worst case.
        """
        self.held = held
        self.listed: tuple[ListedEvent, ...] = ()
        self._settings = settings
        self._key_id = key_id
        self._clock = clock
        self._worst_case = worst_case
        self._own = own_subaccount(settings.exchange.subaccount)
        self._status: ExchangeStatus | None = None
        self._events: list[wire.RestEvent] = []
        self._orders: tuple[OrderReport, ...] = ()
        self._fills: tuple[Fill, ...] = ()
        self._unknown: set[str] = set()

    def run(self) -> Steps[tuple[Finding, ...]]:
        """Run every check; return their findings."""
        checks: dict[str, Callable[[], Steps[_Outcome]]] = {
            "clock": self._check_clock,
            "api key": self._check_key,
            "rate limits": self._check_limits,
            "markets": self._check_markets,
            "exchange": self._check_exchange,
            "fees": self._check_fees,
            "resting orders": self._check_orders,
            "positions": self._check_positions,
            "balance": self._check_balance,
        }
        findings = []
        for name, check in checks.items():
            state, detail = yield from self._guarded(name, check())
            known = self._unknown.isdisjoint({name, *_NEEDS.get(name, ())})
            findings.append(Finding(name, state, detail, known))
        return tuple(findings)

    def _guarded(self, name: str, check: Steps[_Outcome]) -> Steps[_Outcome]:
        try:
            return (yield from check)
        except wire.Malformed as error:
            return "fail", f"cannot be read: {error}"
        except ReadingError as error:
            if not error.transient:
                return "fail", str(error)
            self._unknown.add(name)
            return "wait", str(error)

    # The machine and the key

    def _check_clock(self) -> Steps[_Outcome]:
        before = self._clock()
        request = HttpRequest("GET", "/exchange/status")
        answer = yield request
        after = self._clock()
        middle = (before + after) // 2
        if answer is not None and answer.status == 200:
            self._status = wire.decode(answer.body, ExchangeStatus)
        date = date_of(request, answer)
        if date is None:
            if self._status is None:
                self._unknown.add("clock")
            return "warn", "the exchange did not say what time it is"
        offset = middle - (date + _HALF_SECOND_MS)
        detail = f"{offset / 1000:+.1f} s from the exchange's, which has whole seconds only"
        if ClockCompared.with_date(date, before, after).off:
            return "fail", f"{detail}; let NTP set this machine's clock"
        return "ok", detail

    def _check_key(self) -> Steps[_Outcome]:
        keys = (yield from get("/api_keys", _Keys)).api_keys
        mine = next((key for key in keys if key.api_key_id == self._key_id), None)
        if mine is None:
            return "fail", "the exchange does not list it; create one with read and write::trade"
        scopes = set(mine.scopes)
        named = ", ".join(sorted(scopes))
        if "read" not in scopes:
            return "fail", f"its scopes are {named}; it needs read"
        if self._settings.mode != "paper" and not scopes & {"write", "write::trade"}:
            return "fail", f"its scopes are {named}; it needs write::trade"
        if scopes & {"write", "write::transfer"}:
            return "warn", f"its scopes are {named}: it may move money; write::trade is enough"
        return "ok", f"its scopes are {named}"

    def _check_limits(self) -> Steps[_Outcome]:
        limits = yield from rate_limits()
        return "ok", (
            f"{limits.refill:g} write tokens a second and {limits.capacity:g} at once; a place "
            f"costs {limits.place_cost:g}, a cancel {limits.cancel_cost:g}"
        )

    # The exchange

    def _check_markets(self) -> Steps[_Outcome]:
        series = self._settings.exchange.series
        self._events = yield from open_events(series, self._clock())
        self.listed = tuple(listed_event(event) for event in self._events if event.markets)
        if not self.listed:
            return "wait", f"no event of {series} is listed"
        markets = [market for event in self.listed for market in event.markets]
        ticks = sorted({band.step for market in markets for band in market.grid.bands})
        shards = sorted({market.shard for market in markets})
        return "ok", (
            f"{', '.join(event.ticker for event in self.listed)}: {len(markets)} markets, ticks of "
            f"{_joined(map(format_price, ticks))}, shard {_joined(map(str, shards))}"
        )

    def _check_exchange(self) -> Steps[_Outcome]:
        status = self._status or (yield from get("/exchange/status", ExchangeStatus))
        if not status.trades(self._events):
            return "wait", "paused, or the markets' shard is"
        return "ok", "open, and so is the markets' shard"

    def _check_fees(self) -> Steps[_Outcome]:
        series = self._settings.exchange.series
        answer = yield from get(f"/series/{series}", SeriesAnswer)
        kinds = [answer.series.fee_type, *(event.fee_type_override for event in self._events)]
        charged = sorted({kind for kind in kinds if kind and kind != FREE_FOR_MAKERS})
        if charged:
            return "fail", f"resting orders are charged or may be: {_joined(charged)}"
        query = (("series_ticker", series),)
        changes = yield from get("/series/fee_changes", _FeeChanges, query)
        until = self._clock() + _FEE_NOTICE_MS
        for change in changes.series_fee_change_arr:
            mine = change.series_ticker == series and change.fee_type != FREE_FOR_MAKERS
            if mine and to_milliseconds(change.scheduled_ts) <= until:
                at = change.scheduled_ts.isoformat(timespec="minutes")
                return "fail", f"{change.fee_type} is to come into force at {at}"
        return "ok", f"{answer.series.fee_type}: nothing for resting orders, and no change near"

    # The account

    def _check_orders(self) -> Steps[_Outcome]:
        self._orders = yield from resting_orders(self._own)
        ours = [o for o in self._orders if o.client_id.startswith(CLIENT_ID_PREFIX)]
        others = len(self._orders) - len(ours)
        return "ok", f"{len(ours)} of mmbot's to be adopted, {others} of others to be left alone"

    def _check_positions(self) -> Steps[_Outcome]:
        positions = yield from positions_of(self._own)
        series = f"{self._settings.exchange.series}-"
        mine = [ticker for ticker in positions if ticker.startswith(series)]
        known = {market.ticker for event in self.listed for market in event.markets}
        found = {ticker.rpartition("-")[0] for ticker in mine}
        self.held = tuple(sorted({*self.held, *found}))
        missing = yield from self._read_held()
        known = {market.ticker for event in self.listed for market in event.markets}
        for ticker in mine:
            if ticker not in known:
                return "fail", f"there is a position in {ticker}, which the exchange does not list"
        undecided = tuple(sorted(known - self._decided()))
        self._fills = yield from fills_of(tuple(sorted(known)), self._own)
        contradiction = contradiction_of(undecided, self._fills, positions)
        if contradiction:
            return "fail", contradiction
        detail = f"{len(mine)} markets held, {len(self._fills)} fills, and the two agree"
        if missing:
            return "warn", f"{detail}; the exchange does not know {_joined(missing)}"
        return "ok", detail

    def _read_held(self) -> Steps[list[str]]:
        """Read the held events that are not open; return those that the exchange does not know."""
        missing = []
        for ticker in self.held:
            if any(event.ticker == ticker for event in self.listed):
                continue
            event = yield from held_event(ticker)
            if event is None:
                missing.append(ticker)
                continue
            self._events.append(event)
            self.listed = (*self.listed, listed_event(event))
        return missing

    def _decided(self) -> set[str]:
        markets = (market for event in self._events for market in event.markets)
        return {m.ticker for m in markets if wire.settlement_value(m.result) is not None}

    def _check_balance(self) -> Steps[_Outcome]:
        markets = (market for event in self.listed for market in event.markets)
        shards = tuple(sorted({market.shard for market in markets})) or (0,)
        balances = yield from balances_of(shards, self._own)
        if balances is None:
            raise ReadingError("rate limited", transient=True)
        balance = total(balances.values())
        worst_cases = [self._event_worst_case(event) for event in self.listed]
        needed = Money(self._settings.limits.event_loss + min([0, *worst_cases]))
        where = f"{_dollars(balance)} on shard {_joined(map(str, shards))}"
        if balance < needed:
            return (
                "fail",
                f"{where}; an event may lose {_dollars(needed)} more: deposit or lower it",
            )
        return "ok", f"{where}, of which an event may lose {_dollars(max(Money(0), needed))} more"

    def _event_worst_case(self, event: ListedEvent) -> Money:
        """Return an event's worst case, with every own order filled where that loses money."""
        tickers = tuple(market.ticker for market in event.markets)
        fills = (fill for fill in self._fills if fill.ticker in tickers)
        orders = (
            order
            for order in self._orders
            if order.ticker in tickers and order.client_id.startswith(CLIENT_ID_PREFIX)
        )
        return self._worst_case(tickers, fills, orders)


def is_ready(findings: tuple[Finding, ...]) -> bool:
    """Return whether trading could start now."""
    return all(finding.state in {"ok", "warn"} for finding in findings)


def failures(findings: tuple[Finding, ...]) -> list[str]:
    """Return the failures that waiting does not clear, as sentences."""
    return [f"{f.name}: {f.detail}" for f in findings if f.state == "fail" and f.known]


def unknown(findings: tuple[Finding, ...]) -> dict[str, str]:
    """Return the checks that could not be made, each with the reason."""
    return {f.name: f.detail for f in findings if not f.known}


def _joined(items: Iterable[str]) -> str:
    return ", ".join(items)


def _dollars(money: Money) -> str:
    return f"${format_money(money)[:-4]}"


class _Key(msgspec.Struct, frozen=True):
    api_key_id: str
    scopes: tuple[str, ...] = ()


class _Keys(msgspec.Struct, frozen=True):
    api_keys: tuple[_Key, ...]


class _FeeChange(msgspec.Struct, frozen=True):
    series_ticker: str
    fee_type: str
    scheduled_ts: wire.Instant


class _FeeChanges(msgspec.Struct, frozen=True):
    series_fee_change_arr: tuple[_FeeChange, ...] = ()
