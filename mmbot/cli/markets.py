"""`mmbot markets`: this week's public prices beside the forecast."""

from __future__ import annotations

import asyncio
import os
import time
from functools import partial
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import msgspec
import typer

from mmbot import config
from mmbot.cli import banks, output
from mmbot.cli.daemon_options import AsJson
from mmbot.cli.options import load_counts
from mmbot.cli.output import print_json
from mmbot.cli.place import state_directory
from mmbot.cli.tables import write_csv
from mmbot.cli.times import parse_week
from mmbot.daemon.bank_file import bank_path
from mmbot.daemon.credentials import find_signer
from mmbot.daemon.endpoints import Venue, read_venue, real_venue
from mmbot.daemon.ledger_reader import read_counts
from mmbot.daemon.steps import run_steps
from mmbot.daemon.transport import RestClient
from mmbot.errors import BadInput, NotReady
from mmbot.forecast.belief import Belief
from mmbot.history.store import default_directory
from mmbot.kalshi.gateway import signed
from mmbot.kalshi.http import BASE_PATH, HttpAnswer, HttpRequest
from mmbot.kalshi.listing_readings import held_event, open_events
from mmbot.kalshi.messages import Malformed, RestEvent, error_body
from mmbot.kalshi.readings import ReadingError
from mmbot.observe.market_list import COLUMNS, MarketList, PublicMarket, list_markets, strike_of
from mmbot.observe.status_view import price
from mmbot.underlying.calendar import Week
from mmbot.underlying.counts import Counts
from mmbot.underlyings.registry import DEFAULT

_ANSWER_SECONDS = 15.0


_ConfigPath: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--config", help="The settings, for exchange and margin; those of paper unless given."
    ),
]
_VenuePath: TypeAlias = Annotated[
    Path | None, typer.Option("--venue", help="Query the exchange of this venue file.")
]
_Week: TypeAlias = Annotated[
    str,
    typer.Option(
        help="The Sunday that ends the week, or its event; the next to close unless given."
    ),
]
_Counts: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        help="Daily counts for the forecast: a file, a directory of `mmbot history`, or the "
        "word history. The user's history and the ledger's unless given."
    ),
]
_CsvPath: TypeAlias = Annotated[
    Path | None, typer.Option("--csv", help="Write the table to this file as CSV.")
]


def markets(
    *,
    config_path: _ConfigPath = None,
    venue_path: _VenuePath = None,
    week: _Week = "",
    counts: _Counts = None,
    as_json: AsJson = False,
    csv_path: _CsvPath = None,
) -> None:
    """Show a week's markets: prices, volume, the likelier side and its value.

    Needs no daemon, and no key unless the exchange requires one. The value is
    the forecast's alone; the last column is the highest bid for that side that
    the margin allows. Without counts both are missing.

    Example:
    mmbot markets --counts history --csv markets.csv
    """
    settings = config.Settings() if config_path is None else config.load(config_path)
    venue = real_venue(settings) if venue_path is None else read_venue(venue_path)
    target = parse_week(week) if week else None
    event = asyncio.run(_read(settings, venue, target))
    rows = [row for row in event.markets if isinstance(row, dict)]
    directory = state_directory(settings, os.environ, simulated=venue_path is not None)
    belief, told = _belief(settings, directory, counts, _week_of(event), rows)
    listed = MarketList(
        str(event.event_ticker),
        _week_of(event).sunday,
        told,
        tuple(list_markets(rows, belief, settings)),
    )
    if belief is not None:
        listed = msgspec.structs.replace(
            listed,
            days_published=belief.days_published,
            mean=round(belief.mean, 1),
            sd=round(belief.sd, 1),
            margin=settings.quoting.margin_at(belief.days_published),
        )
    if csv_path is not None:
        write_csv(csv_path, COLUMNS, [msgspec.structs.astuple(each) for each in listed.markets])
    if as_json:
        print_json(listed)
    else:
        _show(listed)


# The exchange


async def _read(settings: config.Settings, venue: Venue, week: Week | None) -> RestEvent:
    """Return the event of a week, or of the first that has not closed.

    Raises:
        NotReady: The exchange does not answer, or refuses.
        BadInput: It has no such event.
    """
    series = settings.exchange.series
    try:
        async with RestClient(venue.origin, _ANSWER_SECONDS) as rest:
            answer = partial(_call, rest=rest, settings=settings, venue=venue)
            if week is not None:
                ticker = week.event_ticker(series)
                found = await run_steps(held_event(ticker), answer)
                if found is None:
                    raise BadInput(f"the exchange knows no event {ticker}")
                return found
            now = time.time_ns() // 1_000_000
            listed = await run_steps(open_events(series, now), answer)
    except (ReadingError, Malformed) as error:
        raise NotReady(f"{venue.rest_url} cannot be read: {error}") from None
    if not listed:
        raise NotReady(f"no event of {series} is open; name a --week to see another")
    return min(listed, key=_week_of)


async def _call(
    request: HttpRequest, rest: RestClient, settings: config.Settings, venue: Venue
) -> HttpAnswer | None:
    """Send a request; if the exchange wants it signed, sign it and send it again."""
    public = msgspec.structs.replace(request, path=BASE_PATH + request.path)
    answer = await rest.try_call(public)
    if answer is None or answer.status != 401:
        return answer
    try:
        signer = find_signer(settings.credentials, venue, os.environ)
    except BadInput as error:
        said = error_body(answer.body).text
        raise NotReady(f"the exchange wants a key ({said}), and {error}") from None
    return await rest.try_call(signed(request, signer, time.time_ns() // 1_000_000))


def _week_of(event: RestEvent) -> Week:
    try:
        return Week.from_event_ticker(str(event.event_ticker))
    except ValueError as error:
        raise NotReady(f"the exchange lists {event.event_ticker!r}: {error}") from None


# The forecast


def _belief(
    settings: config.Settings,
    directory: Path,
    path: Path | None,
    week: Week,
    rows: list[dict[str, Any]],
) -> tuple[Belief | None, str]:
    """Return a week's belief and the source of its counts, or why there is none."""
    if settings.underlying.name != DEFAULT:
        return None, f"No forecast: this command has counts of {DEFAULT} only."
    counts, source = _counts(directory, path)
    strikes = tuple(sorted({strike for row in rows if (strike := strike_of(row)) is not None}))
    if not len(counts):
        return None, (
            "No counts, so no forecast: `mmbot history fetch --no-market` gets them, or name a "
            "file with --counts."
        )
    method = settings.forecast.method
    held = bank_path(directory, method).exists()
    kept = directory if held else banks.default_directory()
    try:
        forecaster = banks.fit(counts, method, kept)
        belief = forecaster.belief(counts, week, strikes)
    except BadInput as error:
        return None, f"No forecast: {error}."
    return belief, f"Forecast from {source}, up to {counts.last_day}."


def _counts(directory: Path, path: Path | None) -> tuple[Counts, str]:
    if path is not None:
        return load_counts(path), f"the counts of {path}"
    sources = []
    try:
        counts = load_counts(default_directory())
        sources.append(f"the counts of {default_directory()}")
    except BadInput:
        counts = Counts()
    seen = read_counts(directory, counts)
    if seen is not counts:
        sources.append(f"those of the ledger in {directory}")
    return seen, " and ".join(sources)


# Output


def _show(listed: MarketList) -> None:
    console = output.console()
    console.print(f"{listed.event}  week to {listed.week:%a %Y-%m-%d}", style="bold")
    if listed.mean is not None and listed.sd is not None:
        console.print(
            f"forecast {listed.mean:,.0f} give or take {listed.sd:,.0f}, "
            f"{listed.days_published} of 7 published; margin {listed.margin:.0%}",
            highlight=False,
        )
    table = output.figures(
        ("", "above", "yes", "", "no", "", "spread", "volume", "likelier", "bid to")
    )
    for market in listed.markets:
        table.add_row(*_row(market))
    output.print_whole(console, table)
    console.print(listed.counts_from, style="dim", highlight=False)


def _row(market: PublicMarket) -> tuple[str, ...]:
    def shown(dollars: str | None) -> str:
        return "-" if dollars is None else price(dollars)

    worth = "-" if market.value is None else f"{market.side} {market.value:.3f}"
    return (
        market.market.rpartition("-")[2],
        "-" if market.strike is None else f"{market.strike:,}",
        shown(market.yes_bid),
        shown(market.yes_ask),
        shown(market.no_bid),
        shown(market.no_ask),
        shown(market.spread),
        f"{float(market.volume or 0):,.0f}",
        market.result or worth,
        shown(market.margin_price),
    )
