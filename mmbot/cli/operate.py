"""`mmbot halt`, `resume`, `counts`, `explain`: the operator's requests to the daemon."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from mmbot import config
from mmbot.cli.daemon_options import AsJson, DaemonConfig, DaemonVenue
from mmbot.cli.output import print_answer
from mmbot.cli.place import Place, ask, expect, find
from mmbot.cli.run import interceptor_for
from mmbot.cli.times import parse_date
from mmbot.daemon import control_client, transport
from mmbot.daemon.account_client import AccountClient
from mmbot.daemon.account_lock import is_claimed
from mmbot.daemon.ledger import Ledger, LedgerTaken, has_ledger
from mmbot.daemon_api import (
    MAX_REASON_CHARACTERS,
    MAX_TICKER_CHARACTERS,
    CountDay,
    CountsReport,
    Explain,
    Explanation,
    Halt,
    HaltReport,
    ListCounts,
    MissCount,
    MissingReport,
    Request,
    Resume,
    ResumeReport,
)
from mmbot.errors import BadInput, ExitCode, NotReady
from mmbot.texts import encodable
from mmbot.trading.events import Halted
from mmbot.underlying.calendar import EASTERN, from_milliseconds

# A daemon that starts or ends holds the ledger for a moment without listening.
_ATTEMPTS, _PAUSE_SECONDS = 20, 0.25

# The exchange's lists lag by about a second.
_LOOKS, _LOOK_SECONDS = 2, 1.5

_AnswerT = TypeVar("_AnswerT")


def halt(
    config_path: DaemonConfig = None,
    reason: Annotated[
        str, typer.Option(help="Why; it is logged and stored, up to 200 characters of it.")
    ] = "",
    venue_path: DaemonVenue = None,
    as_json: AsJson = False,
) -> None:
    """Cancel every quote and place none until `mmbot resume`; the daemon keeps running.

    The daemon that trades the account obeys, whatever its state directory is, if it is on this
    machine. Where none is found, the next one that starts in the state directory starts halted,
    and the account is asked whether orders of the bot rest, as there may be a daemon elsewhere. The
    halt survives restarts.

    Exit codes: 0 no order is left, 2 something given cannot be used, 3 there is nothing to halt,
    4 not known whether an order is left, or a daemon that was not found.
    """
    # Nothing about its reason may keep a halt from being sent.
    reason = encodable(reason)[:MAX_REASON_CHARACTERS]
    place = find(config_path, venue_path)
    settings = place.settings
    try:
        report = ask_or_write(
            place, Halt(reason), HaltReport, lambda ledger: _store_halt(ledger, reason)
        )
    except control_client.NotRunning:
        if place.signer is None or _own_orders(settings, place) == 0:
            raise
        raise control_client.Unanswered(
            "no mmbot is at work here, and orders of the bot rest or may rest on the account: halt "
            "it on the machine and with the --config that it runs with, or cancel them with "
            "`mmbot cancel-all`"
        ) from None
    if not report.running:
        left = _own_orders(settings, place)
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
    what = "Quoting goes on" if report.running else "The next start quotes; no mmbot is at work now"
    print(f"{what}. It was halted since {_instant(report.since)}{_because(report.reason)}.")


counts = typer.Typer(help="The daily counts that the running daemon has.")


@counts.callback(invoke_without_command=True)
def list_counts(
    context: typer.Context,
    config_path: DaemonConfig = None,
    venue_path: DaemonVenue = None,
    as_json: AsJson = False,
) -> None:
    """List the counts of this week and the last: every value, when it was seen, what is due."""
    if context.invoked_subcommand is not None:
        if config_path or venue_path or as_json:
            raise BadInput(f"write the options after `{context.invoked_subcommand}`")
        return
    place = find(config_path, venue_path)
    report = expect(CountsReport, ask(place, ListCounts()))
    if as_json:
        print_answer(report)
    else:
        Console().print(_counts_table(report.days))


@counts.command("none")
def counts_none(
    day: Annotated[str, typer.Argument(metavar="DATE", help="The day, such as 2026-11-25.")],
    config_path: DaemonConfig = None,
    venue_path: DaemonVenue = None,
    as_json: AsJson = False,
) -> None:
    """Stop waiting for the count of a day, and quote without it.

    The day must be of a listed week, and its count due and not published. Should the count come
    all the same, it is used, and quoting waits until it is in the belief.
    """
    place = find(config_path, venue_path)
    report = expect(MissingReport, ask(place, MissCount(parse_date(day, "DATE"))))
    if as_json:
        print_answer(report)
    else:
        print(f"No count is waited for: {', '.join(map(str, report.days))}.")


def explain(
    ticker: Annotated[
        str,
        typer.Argument(
            metavar="MARKET",
            help="A market: KXTSAW-26NOV29-A2.70, or any part that only it has: A2.70",
        ),
    ],
    config_path: DaemonConfig = None,
    venue_path: DaemonVenue = None,
    as_json: AsJson = False,
) -> None:
    """Explain a market's quotes: counts, forecast, fair value, margin, tick, order."""
    place = find(config_path, venue_path)
    if len(ticker) > MAX_TICKER_CHARACTERS:
        raise BadInput(f"there is no market {ticker[:40]!r}...")
    report = expect(Explanation, ask(place, Explain(ticker)))
    if as_json:
        print_answer(report)
        return
    table = Table(title=report.ticker, box=None, show_header=False, title_justify="left")
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for step in report.steps:
        table.add_row(step.name, Text(step.text, style="red" if step.name == "gate" else ""))
    Console().print(table)


# Reaching the daemon


def _own_orders(settings: config.Settings, place: Place) -> int | None:
    """Return how many own orders rest on the account; `None` if that cannot be known."""
    signer = place.signer
    if settings.mode == "paper":
        return 0  # they are inside a daemon, and end with it
    if signer is None or (place.account is not None and is_claimed(place.account)):
        return None

    async def count() -> int | None:
        timeout_seconds = settings.orders.answer_timeout_seconds
        async with transport.RestClient(place.venue.origin, timeout_seconds) as rest:
            inside = interceptor_for(settings, ())
            account = AccountClient(settings, place.venue, signer, rest, inside)
            looks = []
            for number in range(_LOOKS):
                await asyncio.sleep(_LOOK_SECONDS if number else 0.0)
                looks.append(await account.own_orders())
        known = [len(look) for look in looks if look is not None]
        return max(known) if len(known) == _LOOKS else None

    return asyncio.run(count())


def ask_or_write(
    place: Place, request: Request, kind: type[_AnswerT], write: Callable[[Ledger], _AnswerT]
) -> _AnswerT:
    """Ask the daemon; if none runs, write into its ledger instead.

    A ledger is never created: where there is none, no daemon has ever run with these settings.

    Raises:
        NotRunning: No daemon runs, and none ever has.
        NotReady: A process holds the ledger and does not listen.
    """
    directory = place.directory
    for _ in range(_ATTEMPTS):
        try:
            return expect(kind, ask(place, request))
        except control_client.NotRunning:
            if not has_ledger(directory):
                raise
        try:
            ledger = Ledger(directory)
        except LedgerTaken:
            time.sleep(_PAUSE_SECONDS)
            continue
        try:
            return write(ledger)
        finally:
            ledger.close()
    raise NotReady(f"a process holds the ledger in {directory} and does not listen; try again")


def _store_halt(ledger: Ledger, reason: str) -> HaltReport:
    requested = Halted(time.time_ns() // 1_000_000, reason)
    ledger.add_halt(requested)
    in_force = ledger.halt() or requested
    return HaltReport(in_force.since, in_force.reason)


def _end_halt(ledger: Ledger) -> ResumeReport:
    halted = ledger.halt()
    ledger.end_halt(time.time_ns() // 1_000_000)
    return ResumeReport(None) if halted is None else ResumeReport(halted.since, halted.reason)


# Output


def _print_halt(report: HaltReport, directory: Path, lifetime_seconds: int) -> None:
    print(f"Halted since {_instant(report.since)}{_because(report.reason)}.")
    if report.not_kept:
        print(f"It was NOT written down ({report.not_kept}): a restart ends it.")
    if not report.running:
        print(f"No mmbot is at work in {directory}: the next one starts halted.")
        if not report.account_read:
            print("The account could not be asked for orders of the bot: give the key, and again.")
        elif report.left:
            print(
                f"{report.left} orders of the bot rest: a daemon elsewhere keeps them (halt it "
                f"there), or an earlier one left them, and they expire within "
                f"{lifetime_seconds} s; `mmbot cancel-all` cancels them now."
            )
        return
    print(f"{report.live} orders were live; {report.left} are left after {report.seconds:.2f} s.")
    if report.left:
        print(f"They are still being cancelled, and expire within {lifetime_seconds} s.")
    if not report.account_read:
        print("The account has not been read, so there may be orders that are not known.")


def _because(reason: str) -> str:
    return f" ({reason})" if reason else ""


def _instant(milliseconds: int) -> str:
    return f"{from_milliseconds(milliseconds):%Y-%m-%d %H:%M:%S %Z}"


_STATE_TEXTS = {"published": "", "due": "due now", "expected": "", "none": "not waited for"}


def _counts_table(days: tuple[CountDay, ...]) -> Table:
    table = Table("day", "count", "seen", "", title="New York time")
    table.columns[1].justify = "right"
    for row in days:
        day = f"{row.day:%a %Y-%m-%d}"
        release = f"from {row.release.astimezone(EASTERN):%a %H:%M}"
        if not row.vintages:
            state = _STATE_TEXTS[row.state]
            table.add_row(day, "", "", f"{state}, {release}" if state else f"expected {release}")
        for number, vintage in enumerate(row.vintages):
            seen = f"{vintage.seen.astimezone(EASTERN):%a %Y-%m-%d %H:%M}"
            remark = "archived" if vintage.archived else "revised" if number else ""
            table.add_row("" if number else day, f"{vintage.count:,}", seen, remark)
    return table
