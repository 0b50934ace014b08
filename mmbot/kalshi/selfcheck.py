"""Checks whether the account, the exchange and this machine are fit to trade.

Each check returns a finding. A failure is a reason not to start; a wait, such as a pause, clears by
itself. The checks are written as a reading: they yield requests and are sent their answers. They
write nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, TypeAlias

import msgspec

from mmbot.config import Settings
from mmbot.kalshi import messages as wire
from mmbot.kalshi.account_readings import (
    RestingOrders,
    balances_of,
    fills_of,
    positions_in,
    positions_of,
    resting_orders,
)
from mmbot.kalshi.http import HttpRequest, date_of
from mmbot.kalshi.listing_readings import (
    ExchangeStatus,
    decided,
    held_event,
    listed_events,
    open_events,
    series_fees,
)
from mmbot.kalshi.readings import ReadingError, Steps, get, own_subaccount, rate_limits
from mmbot.trading.events import ClockCompared
from mmbot.trading.fees import LEAD_MS, NO_FEE, FeeTerms, MakerFee
from mmbot.trading.values import Fill, ListedEvent, OrderReport, Unreadable
from mmbot.underlying.calendar import from_milliseconds
from mmbot.units import (
    ONE_CENT,
    ONE_DOLLAR,
    Count,
    Milliseconds,
    Money,
    Price,
    format_money,
    format_price,
    total,
)

FindingState: TypeAlias = Literal["ok", "warn", "wait", "fail"]
# From an event's tickers in order of strike, its fills, its live orders and the maker fee: its
# least wealth over all outcomes.
WorstCaseOf: TypeAlias = Callable[
    [tuple[str, ...], Iterable[Fill], Iterable[OrderReport], MakerFee], Money
]
# From the recorded fills, the listed ones and the positions: how they disagree, or "".
ContradictionOf: TypeAlias = Callable[[Iterable[Fill], Sequence[Fill], Mapping[str, Count]], str]

# The `Date` header has whole seconds: the middle of its second is assumed.
_HALF_SECOND_MS = 500
# The most scheduled fee changes that are shown.
_MOST_CHANGES = 5

# The checks on which a check depends: if one of them could not be made, neither could it.
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
        known: Whether the check could be made: the exchange answered, with neither 429 nor a server
        error. If not, nothing may be traded before it has been made.
    """

    name: str
    state: FindingState
    detail: str
    known: bool = True


_Outcome: TypeAlias = tuple[FindingState, str]


class SelfCheck:
    """One run of all checks.

    Attributes:
        held: The recorded events; after the run, also those with a position. An open event is
        included, as it may close before the listing is read again.
        listed: The open events, followed by the other held ones.
    """

    def __init__(
        self,
        settings: Settings,
        key_id: str,
        held: tuple[str, ...],
        clock: Callable[[], Milliseconds],
        worst_case: WorstCaseOf,
        contradiction_of: ContradictionOf,
        recorded: tuple[Fill, ...] = (),
    ) -> None:
        """Prepare the checks; nothing is requested yet.

        Args:
            settings: What is to be traded, and the limits.
            key_id: The API key's id.
            held: The recorded events that may hold positions.
            clock: This machine's time.
            worst_case: Computes an event's worst case.
            contradiction_of: Compares recorded and listed fills with the positions.
            recorded: The recorded fills of the held events.
        """
        self.held = held
        self.listed: tuple[ListedEvent, ...] = ()
        self._settings = settings
        self._key_id = key_id
        self._clock = clock
        self._worst_case = worst_case
        self._contradiction_of = contradiction_of
        self._recorded = recorded
        self._own = own_subaccount(settings.exchange.subaccount)
        self._status: ExchangeStatus | None = None
        self._events: list[wire.RestEvent] = []
        self._orders = RestingOrders((), (), 0)
        self._fills: tuple[Fill, ...] = ()
        # The highest fee of any event of the series.
        self._fee = NO_FEE
        self._unknown: set[str] = set()

    def run(self) -> Steps[tuple[Finding, ...]]:
        """Run every check; return the findings."""
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
            return "warn", "the exchange's answer has no time"
        offset = middle - (date + _HALF_SECOND_MS)
        detail = f"{offset / 1000:+.1f} s from the exchange's, which has whole seconds only"
        if ClockCompared.with_date(date, before, after).off:
            return "fail", f"{detail}; let NTP set this machine's clock"
        return "ok", detail

    def _check_key(self) -> Steps[_Outcome]:
        rows = (yield from get("/api_keys", _Keys)).api_keys
        listed = (row for row in rows if isinstance(row, dict))
        mine = next((row for row in listed if row.get("api_key_id") == self._key_id), None)
        if mine is None:
            return "fail", "the exchange does not list it; create one with read and write::trade"
        scopes = set(wire.convert(mine, _Key).scopes)
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
        self.listed, unreadable = listed_events(self._events, series)
        if not self.listed:
            if unreadable:
                return "wait", _named(unreadable)
            return "wait", f"no event of {series} is listed"
        markets = [market for event in self.listed for market in event.markets]
        ticks = sorted({band.step for market in markets for band in market.grid.bands})
        shards = sorted({market.shard for market in markets})
        detail = (
            f"{', '.join(event.ticker for event in self.listed)}: {len(markets)} markets, ticks of "
            f"{_joined(map(format_price, ticks))}, shard {_joined(map(str, shards))}"
        )
        if unreadable:
            return "warn", f"{detail}; not quoted, as it cannot be read: {_named(unreadable)}"
        return "ok", detail

    def _check_exchange(self) -> Steps[_Outcome]:
        status = self._status or (yield from get("/exchange/status", ExchangeStatus))
        if not status.trades(self._events):
            return "wait", "paused, or the markets' shard is"
        return "ok", "open, and so is the markets' shard"

    def _check_fees(self) -> Steps[_Outcome]:
        now = self._clock()
        fees = yield from series_fees(self._settings.exchange.series)
        events = [fees.of(event, now) for event in self.listed]
        changes = [*fees.changes, *(change for event in events for change in event.fee_changes)]
        in_force = {fees.usual, *(event.fee.over(fees.usual) for event in events)}
        # A change this near may already apply by the exchange's clock.
        in_force |= {c.terms.over(fees.usual) for c in changes if c.at <= now + LEAD_MS}
        if unknown := sorted({terms.text for terms in in_force if terms.fee is None}):
            return "fail", f"the fee of resting orders is not known: fee_type {_joined(unknown)}"
        known = {terms.fee for terms in in_force if terms.fee}
        self._fee = max(known, key=lambda fee: fee.coefficient)
        detail = "; ".join(sorted({_charge(fee) for fee in known}))
        to_come = sorted((c for c in changes if c.at > now + LEAD_MS), key=lambda c: c.at)
        if fees.unread:
            return "warn", f"{detail}; {fees.unread}"
        if not to_come:
            return "ok", f"{detail}; no change is scheduled"
        told = [_scheduled(change.at, change.terms.over(fees.usual)) for change in to_come]
        understood = all(change.terms.over(fees.usual).fee for change in to_come)
        return ("ok" if understood else "warn"), "; ".join((detail, *told[:_MOST_CHANGES]))

    # The account

    def _check_orders(self) -> Steps[_Outcome]:
        self._orders = yield from resting_orders(self._own)
        ours, unreadable = len(self._orders.reports), len(self._orders.unreadable)
        detail = (
            f"{ours} of mmbot's to be adopted, {self._orders.others} of others to be left alone"
        )
        if unreadable:
            return "warn", f"{detail}; {unreadable} of mmbot's cannot be read and will be cancelled"
        return "ok", detail

    def _check_positions(self) -> Steps[_Outcome]:
        series = self._settings.exchange.series
        positions, unread_positions = yield from positions_of(series, self._own)
        found = {ticker.rpartition("-")[0] for ticker in positions}
        self.held = tuple(sorted({*self.held, *found}))
        missing, unread_markets = yield from self._read_held()
        known = {market.ticker for event in self.listed for market in event.markets}
        unknown = {each.ticker for each in unread_markets}
        for ticker in positions:
            if not {ticker, ticker.rpartition("-")[0]} & (known | unknown):
                return "fail", f"there is a position in {ticker}, which the exchange does not list"
        self._fills, unread = yield from fills_of(series, tuple(sorted(known)), self._own)
        dark = tuple(each for each in unread_markets if each.ticker in {*positions, *found})
        unreadable = (*unread_positions, *unread, *dark)
        sure = known - decided(self._events) - {each.ticker for each in unreadable}
        contradiction = self._contradiction_of(
            [fill for fill in self._recorded if fill.ticker in sure],
            [fill for fill in self._fills if fill.ticker in sure],
            positions_in(sorted(sure), positions),
        )
        if contradiction:
            return "fail", f"{contradiction}; compare with the exchange's own page of the account"
        detail = f"{len(positions)} markets held, {len(self._fills)} fills, and the two agree"
        if missing:
            detail = f"{detail}; the exchange does not know {_joined(missing)}"
        if unreadable:
            detail = f"{detail}; cannot be read: {_named(unreadable)}"
        return ("warn" if missing or unreadable else "ok"), detail

    def _read_held(self) -> Steps[tuple[list[str], tuple[Unreadable, ...]]]:
        """Read the held events that are not open.

        Return those that the exchange does not know, and what cannot be read of all events.
        """
        missing = []
        listed = {wire.word(event.event_ticker) for event in self._events}
        for ticker in self.held:
            if ticker in listed:
                continue
            event = yield from held_event(ticker)
            if event is None:
                missing.append(ticker)
                continue
            self._events.append(event)
        self.listed, unreadable = listed_events(self._events, self._settings.exchange.series)
        return missing, unreadable

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
        """Return an event's worst case, with own orders filled where that loses money."""
        tickers = tuple(market.ticker for market in event.markets)
        fills = (fill for fill in self._fills if fill.ticker in tickers)
        orders = (order for order in self._orders.reports if order.ticker in tickers)
        return self._worst_case(tickers, fills, orders, self._fee)


def is_ready(findings: tuple[Finding, ...]) -> bool:
    """Return whether trading could start now."""
    return all(finding.state in {"ok", "warn"} for finding in findings)


def failures(findings: tuple[Finding, ...]) -> list[str]:
    """Return the failures that waiting does not clear, as sentences."""
    return [f"{f.name}: {f.detail}" for f in findings if f.state == "fail" and f.known]


def unknown(findings: tuple[Finding, ...]) -> dict[str, str]:
    """Return the checks that could not be made, each with the reason."""
    return {f.name: f.detail for f in findings if not f.known}


def _charge(fee: MakerFee) -> str:
    if fee.is_free:
        return f"{fee.text}: nothing for resting orders"
    dearest = fee.each(Price(ONE_DOLLAR // 2)) / ONE_CENT
    return f"{fee.text}: resting orders pay up to {dearest:.2f} cents a contract"


def _scheduled(at: Milliseconds, terms: FeeTerms) -> str:
    day = from_milliseconds(at).isoformat(timespec="minutes")
    what = _charge(terms.fee) if terms.fee else f"{terms.text}, under which nothing is quoted"
    return f"from {day} {what}"


def _joined(items: Iterable[str]) -> str:
    return ", ".join(items)


def _named(unreadable: Iterable[Unreadable]) -> str:
    """Return what cannot be read, each event or market once."""
    reasons = {each.ticker: each.reason for each in unreadable}
    return "; ".join(f"{ticker or 'an event'}: {why}" for ticker, why in reasons.items())


def _dollars(money: Money) -> str:
    return f"${format_money(money)[:-4]}"


class _Key(msgspec.Struct, frozen=True):
    scopes: tuple[str, ...] = ()


class _Keys(msgspec.Struct, frozen=True):
    api_keys: tuple[Any, ...]
