"""The bot's guards, and how to disable one: the fault laboratory must notice each missing one.

A guard is a name and the patches that disable it, applied only while a simulated week runs. A patch
names what it replaces, so a patch of something that was renamed raises `AttributeError`.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
from collections.abc import Callable, Iterator
from types import MappingProxyType
from typing import Any, Final

import msgspec

from mmbot.errors import BadInput
from mmbot.kalshi.account_messages import RestOrder, rest_order
from mmbot.kalshi.messages import Malformed, convert
from mmbot.trading.commands import StopConfirmed
from mmbot.trading.events import WriteRefused, WriteUnknown
from mmbot.trading.gates import Gate
from mmbot.trading.order import OrderState


class Patch(msgspec.Struct, frozen=True):
    """Replace `target` (`module:name` or `module:Class.name`) with `change(original)`."""

    target: str
    change: Callable[[Any], Any]


class Guard(msgspec.Struct, frozen=True):
    """A safety measure of the bot, and the patches that disable it.

    `breaks` names the invariants that cannot hold without it; a comparison does not check them.
    """

    name: str
    patches: tuple[Patch, ...]
    breaks: tuple[str, ...] = ()


def _nothing(_original: Any) -> Any:
    return lambda *_args, **_more: None


def _always(value: Any) -> Callable[[Any], Any]:
    return lambda _original: lambda *_args, **_more: value


class _EndedIfUnknown(dict[str, Any]):
    """Statuses in which every undefined one ends the order."""

    def get(self, key: str, _default: Any = None) -> Any:
        return super().get(key, "ended")


def _ended_if_unknown(original: Any) -> Any:
    return _EndedIfUnknown(original)


def _whatever_remains(original: Any) -> Any:
    return lambda stated, filled, _remaining: original(stated, filled, stated == "resting")


def _becomes(value: Any) -> Callable[[Any], Any]:
    return lambda _original: value


def _never_probing(original: Any) -> Any:
    return lambda series, _silence_ms, *more: original(series, 10**12, *more)


def _without_key(key: str) -> Callable[[Any], Any]:
    def change(original: Any) -> Any:
        def place(command: Any, subaccount: int) -> dict[str, object]:
            body: dict[str, object] = original(command, subaccount)
            return {name: value for name, value in body.items() if name != key}

        return place

    return change


def _never_shuts(*gates: Gate) -> Callable[[Any], Any]:
    """Keep these gates open."""

    def change(original: Any) -> Any:
        def gate(*args: Any) -> Any:
            shut = original(*args)
            return None if shut in gates else shut

        return gate

    return change


def _unknown_as_refused(original: Any) -> Any:
    def outcomes(commands: Any, answer: Any) -> list[Any]:
        return [
            WriteRefused(event.client_id, event.write, "other", event.detail)
            if isinstance(event, WriteUnknown)
            else event
            for event in original(commands, answer)
        ]

    return outcomes


def _book_again(original: Any) -> Any:
    def add(reports: Any, *report: Any) -> bool:
        original(reports, *report)
        return True

    return add


def _not_cancelling(original: Any) -> Any:
    def of(orders: Any, ticker: str) -> tuple[Any, ...]:
        return tuple(
            order for order in original(orders, ticker) if order.state is not OrderState.CANCELLING
        )

    return of


def _last_first(original: Any) -> Any:
    return lambda commands: reversed(list(original(commands)))


def _forget_without_waiting(_original: Any) -> Any:
    def end(orders: Any, order: Any) -> None:
        orders.forget(order)

    return end


def _whatever_it_is(_original: Any) -> Any:
    return lambda row: rest_order(convert(row, RestOrder))


def _all_or_nothing(original: Any) -> Any:
    def listed_events(*args: Any) -> Any:
        events, unreadable = original(*args)
        if unreadable:
            raise Malformed(unreadable[0].reason)
        return events, ()

    return listed_events


def _only_yes_or_no(original: Any) -> Any:
    return lambda result, _stated=None: original(result)


def _finish_at_once(_original: Any) -> Any:
    def confirm_stop(account: Any, _now: Any) -> None:
        account._buffer.add(StopConfirmed())  # noqa: SLF001

    return confirm_stop


def _all_rows_or_none(original: Any) -> Any:
    def parse(reader: Any, body: Any) -> Any:
        page = original(reader, body)
        if page.doubts:
            raise BadInput(page.doubts[0])
        return page

    return parse


def _value_as_key(_original: Any) -> Any:
    return property(lambda shown: (shown.day, shown.count))


def _whatever_was_understood(original: Any) -> Any:
    def read(reader: Any, request: Any, answer: Any, *args: Any) -> None:
        try:
            original(reader, request, answer, *args)
        finally:
            if answer is not None and answer.status == 200:
                reader._keep_validators(reader._pages.path(request.year), answer)  # noqa: SLF001

    return read


_GATEWAY, _WRITES = "mmbot.kalshi.gateway", "mmbot.kalshi.writes"
_COUNTS = "mmbot.bot.counts_reader"
_REQUOTING, _WORST = "mmbot.trading.requoting", "mmbot.trading.portfolio:WorstCase"
_TABLE: Final = (
    Guard("unknown_writes", (Patch(f"{_GATEWAY}:outcomes", _unknown_as_refused),)),
    Guard(
        "worst_case",
        (
            Patch(f"{_WORST}.room", lambda _: lambda _self, exposure, _floor: exposure.count),
            Patch(f"{_WORST}.breaks", _always(value=False)),
        ),
    ),
    Guard("sequence", (Patch("mmbot.kalshi.feed:Feed._handle_gap", _nothing),)),
    Guard(
        "release_gate",
        (
            Patch(
                f"{_REQUOTING}:belief_gate", _never_shuts(Gate.RELEASE_DUE, Gate.RELEASE_POSSIBLE)
            ),
        ),
        breaks=("stale_belief",),
    ),
    Guard(
        "reconciliation", (Patch(f"{_REQUOTING}:service_gate", _never_shuts(Gate.NOT_RECONCILED)),)
    ),
    Guard(
        "stream",
        (Patch(f"{_REQUOTING}:service_gate", _never_shuts(Gate.NO_STREAM, Gate.NOT_RECONCILED)),),
    ),
    Guard(
        "steady_clock",
        (Patch("mmbot.bot.steady_clock:SteadyClock.now", lambda _: lambda clock: clock._wall()),),  # noqa: SLF001
    ),
    Guard("clock", (Patch(f"{_REQUOTING}:service_gate", _never_shuts(Gate.CLOCK_OFF)),)),
    Guard(
        "ledger_behind", (Patch(f"{_REQUOTING}:service_gate", _never_shuts(Gate.LEDGER_BEHIND)),)
    ),
    Guard("stopping", (Patch(f"{_REQUOTING}:service_gate", _never_shuts(Gate.STOPPING)),)),
    Guard("halt", (Patch(f"{_REQUOTING}:service_gate", _never_shuts(Gate.HALTED)),)),
    Guard("probe", (Patch("mmbot.bot.bot:Feed", _never_probing),)),
    Guard("echoes", (Patch("mmbot.trading.echo_watch:EchoWatch.check", _always(value=False)),)),
    Guard(
        "three_books",
        (Patch("mmbot.trading.account:AccountReader._check_positions", _always(value=True)),),
    ),
    Guard(
        "unlisted_fills",
        (Patch("mmbot.trading.fill_reports:FillReports.unconfirmed", _becomes(())),),
    ),
    Guard("told_fills", (Patch("mmbot.trading.fill_booking:FillBooking.misfit", _always("")),)),
    Guard("corrections", (Patch("mmbot.trading.account:AccountReader._correct", _nothing),)),
    Guard("one_fill", (Patch("mmbot.trading.fill_reports:_same", _always(value=False)),)),
    Guard("expiry", (Patch(f"{_WRITES}:_place_body", _without_key("expiration_time")),)),
    Guard("post_only", (Patch(f"{_WRITES}:_place_body", _without_key("post_only")),)),
    Guard("pause_fence", (Patch(f"{_WRITES}:_place_body", _without_key("cancel_order_on_pause")),)),
    Guard("fills_once", (Patch("mmbot.trading.fill_reports:FillReports.add", _book_again),)),
    Guard("own_orders", (Patch("mmbot.trading.orders:OwnOrders.levels", _always(({}, {}))),)),
    Guard("one_order", (Patch("mmbot.trading.orders:OwnOrders.of", _not_cancelling),)),
    Guard("self_cross", (Patch(f"{_REQUOTING}:_crosses", _always(value=False)),)),
    Guard("cancels_first", (Patch(f"{_GATEWAY}:_batches", _last_first),)),
    Guard("group", (Patch(f"{_WRITES}:_place_body", _without_key("order_group_id")),)),
    Guard("budget", (Patch("mmbot.trading.budget:WriteBudget.spend", _always(value=True)),)),
    Guard("absence", (Patch("mmbot.trading.order_manager:_ABSENT_AFTER_MS", _becomes(0)),)),
    Guard("owed_fills", (Patch("mmbot.trading.orders:OwnOrders.end", _forget_without_waiting),)),
    Guard("order_status", (Patch("mmbot.kalshi.account_messages:_STATUSES", _ended_if_unknown),)),
    Guard("numbers", (Patch("mmbot.kalshi.account_messages:_status", _whatever_remains),)),
    Guard(
        "revival",
        (Patch("mmbot.trading.order_manager:OrderManager.revive", _always(value=False)),),
    ),
    Guard("whose", (Patch("mmbot.kalshi.account_readings:listed_order", _whatever_it_is),)),
    Guard(
        "unreadable_events",
        (Patch("mmbot.kalshi.listing_readings:listed_events", _all_or_nothing),),
    ),
    Guard("unreadable", (Patch(f"{_REQUOTING}:final_gate", _never_shuts(Gate.UNREADABLE)),)),
    Guard("fractions", (Patch("mmbot.kalshi.messages:settlement_value", _only_yes_or_no),)),
    Guard(
        "foreign_orders",
        (
            Patch("mmbot.kalshi.account_messages:CLIENT_ID_PREFIX", _becomes("")),
            Patch("mmbot.trading.order_manager:CLIENT_ID_PREFIX", _becomes("")),
        ),
    ),
    Guard("fees", (Patch("mmbot.trading.fee_watch:FeeWatch.update", _nothing),)),
    Guard("fee_kinds", (Patch(f"{_REQUOTING}:fee_gate", _always(value=None)),)),
    Guard("page_rows", (Patch(f"{_COUNTS}:CountsReader._parsed", _all_rows_or_none),)),
    Guard("page_year", (Patch(f"{_COUNTS}:CountsReader._doubt", _always("")),)),
    Guard("validators", (Patch(f"{_COUNTS}:CountsReader._read", _whatever_was_understood),)),
    Guard("sightings", (Patch("mmbot.bot.outputs:ShownCount.key", _value_as_key),)),
    Guard(
        "verified_stop",
        (Patch("mmbot.trading.account:AccountReader.confirm_stop", _finish_at_once),),
    ),
)

GUARDS: Final = MappingProxyType({guard.name: guard for guard in _TABLE})


@contextlib.contextmanager
def without(name: str) -> Iterator[None]:
    """Run with one guard disabled, or with all guards in place if `name` is empty.

    Raises:
        BadInput: There is no such guard.
    """
    if name and name not in GUARDS:
        raise BadInput(f"there is no guard {name!r}; known are {', '.join(GUARDS)}")
    with contextlib.ExitStack() as undo:
        for patch in GUARDS[name].patches if name else ():
            holder, attribute = _find(patch.target)
            original = getattr(holder, attribute)
            undo.callback(setattr, holder, attribute, original)
            setattr(holder, attribute, patch.change(original))
        yield


def _find(target: str) -> tuple[Any, str]:
    module, _, path = target.partition(":")
    *owners, attribute = path.split(".")
    return functools.reduce(getattr, owners, importlib.import_module(module)), attribute
