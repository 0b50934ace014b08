"""`mmbot halt` and `resume`; with few imports, as nothing may delay a halt.

What is needed if no daemon answers is in `without_daemon`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import msgspec
import typer

from mmbot.cli.daemon_options import AsJson, DaemonConfig, DaemonVenue
from mmbot.cli.output import print_answer
from mmbot.cli.place import DaemonPlace, ask, expect, find
from mmbot.daemon import control_client
from mmbot.daemon_api import (
    MAX_REASON_CHARACTERS,
    Halt,
    HaltReport,
    Request,
    Resume,
    ResumeReport,
)
from mmbot.errors import ExitCode, NotReady
from mmbot.texts import encodable
from mmbot.underlying.calendar import from_milliseconds

if TYPE_CHECKING:
    from mmbot.daemon.ledger import Ledger

# A daemon that starts or ends holds the ledger for a moment without listening.
_ATTEMPTS, _PAUSE_SECONDS = 20, 0.25

_AnswerT = TypeVar("_AnswerT")


def halt(
    config_path: DaemonConfig = None,
    reason: Annotated[
        str, typer.Option(help="The reason; it is logged and stored, up to 200 characters.")
    ] = "",
    venue_path: DaemonVenue = None,
    as_json: AsJson = False,
) -> None:
    """Cancel every quote and place none until `mmbot resume`; the daemon keeps running.

    It reaches the daemon that trades the account on this machine, whatever its state directory is.
    If none is found, the next daemon that starts in the state directory starts halted, and the
    account is checked for resting orders of the bot, as there may be a daemon elsewhere. The halt
    survives restarts.

    Exit codes: 0 no order is left, 2 unusable input, 3 there is nothing to halt, 4 it is not known
    whether an order is left, or whether a daemon runs elsewhere.
    """
    # No reason, however odd, may keep a halt from being sent.
    reason = encodable(reason)[:MAX_REASON_CHARACTERS]
    # Neither may a mistake in a config that is being edited.
    place = find(config_path, venue_path, lenient=True)
    settings = place.settings
    try:
        report = ask_or_write(place, Halt(reason), HaltReport, partial(_store_halt, reason))
    except control_client.NotRunning:
        if place.signer is None or _own_orders(place) == 0:
            raise
        raise control_client.Unanswered(
            "no mmbot is running here, and orders of the bot rest or may rest on the account: "
            "halt it on its own machine with its own --config, or cancel the orders with `mmbot "
            "cancel-all`"
        ) from None
    if not report.running:
        left = _own_orders(place)
        report = msgspec.structs.replace(report, left=left or 0, account_read=left is not None)
    clean = report.left == 0 and report.account_read
    if as_json:
        print_answer(report)
    else:
        _print_halt(report, place.directory, settings.orders.lifetime_seconds)
    raise typer.Exit(0 if clean and not report.not_kept else ExitCode.NOT_KNOWN)


def resume(
    config_path: DaemonConfig = None, venue_path: DaemonVenue = None, as_json: AsJson = False
) -> None:
    """End a halt: quotes are placed again as soon as every gate is open."""
    place = find(config_path, venue_path)
    report = ask_or_write(place, Resume(), ResumeReport, _end_halt)
    if as_json:
        print_answer(report)
        return
    if report.since is None:
        print("It was not halted.")
        return
    what = "Quoting goes on" if report.running else "The next start quotes; no mmbot is running now"
    print(f"{what}. It was halted since {_instant(report.since)}{_because(report.reason)}.")


def ask_or_write(
    place: DaemonPlace, request: Request, kind: type[_AnswerT], write: Callable[[Ledger], _AnswerT]
) -> _AnswerT:
    """Send a request to the daemon; if none runs, write into its ledger instead.

    Raises:
        NotRunning: No daemon runs, and none ever has.
        NotReady: A process holds the ledger and does not listen.
    """
    for _ in range(_ATTEMPTS):
        try:
            return expect(kind, ask(place, request))
        except control_client.NotRunning as nobody:
            from mmbot.cli import without_daemon  # noqa: PLC0415 (slow, and seldom needed)

            written = without_daemon.write(place.directory, write, nobody)
        if written is not None:
            return written
        time.sleep(_PAUSE_SECONDS)
    raise NotReady(
        f"a process has the ledger in {place.directory} open and does not answer; try again"
    )


def _own_orders(place: DaemonPlace) -> int | None:
    """Return how many own orders rest on the account; `None` if that cannot be known."""
    from mmbot.cli import without_daemon  # noqa: PLC0415 (slow, and seldom needed)

    return without_daemon.own_orders(place)


def _store_halt(reason: str, ledger: Ledger) -> HaltReport:
    from mmbot.trading.operator_events import Halted  # noqa: PLC0415 (as above)

    halted = ledger.store_halt(Halted(time.time_ns() // 1_000_000, reason))
    return HaltReport(halted.since, halted.reason)


def _end_halt(ledger: Ledger) -> ResumeReport:
    halted = ledger.halt()
    ledger.end_halt(time.time_ns() // 1_000_000)
    return ResumeReport(None) if halted is None else ResumeReport(halted.since, halted.reason)


# Output


def _print_halt(report: HaltReport, directory: Path, lifetime_seconds: int) -> None:
    print(f"Halted since {_instant(report.since)}{_because(report.reason)}.")
    if report.not_kept:
        print(f"It was NOT stored ({report.not_kept}): a restart ends it.")
    if not report.running:
        print(f"No mmbot is running in {directory}: the next one starts halted.")
        if not report.account_read:
            print(
                "The account could not be checked for the bot's orders: give the key and try again."
            )
        elif report.left:
            print(
                f"{report.left} orders of the bot rest: a daemon elsewhere renews them (halt it "
                "there), or an earlier one left them and they expire within "
                f"{lifetime_seconds} s; `mmbot cancel-all` cancels them now."
            )
        return
    print(f"{report.live} orders were live; {report.left} are left after {report.seconds:.2f} s.")
    if report.left:
        print(f"They are still being cancelled, and expire within {lifetime_seconds} s.")
    if not report.account_read:
        print("The account has not been read, so there may be unknown orders.")


def _because(reason: str) -> str:
    return f" ({reason})" if reason else ""


def _instant(milliseconds: int) -> str:
    return f"{from_milliseconds(milliseconds):%Y-%m-%d %H:%M:%S %Z}"
