"""`mmbot exchange`: a simulated exchange on loopback, for trying the bot without money."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import signal
import sys
import tempfile
from pathlib import Path
from typing import Annotated, TypeAlias

import orjson
import typer
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key

from mmbot.cli.options import FeesOfSeries, load_counts, read_fees
from mmbot.cli.times import parse_time, parse_week
from mmbot.errors import BadInput, reason
from mmbot.exchange.access import TIERS
from mmbot.exchange.assembly import (
    PublishedCounts,
    SimulatedExchange,
    assemble,
    real_counts,
    synthetic_counts,
    weeks_until,
)
from mmbot.exchange.crowd import Crowd, Pace
from mmbot.exchange.exchange_state import SimulatedExchangeSettings
from mmbot.exchange.key_text import pem_of
from mmbot.exchange.server import Server, now_ms
from mmbot.underlying.calendar import EASTERN, CalendarClock, Week, to_milliseconds
from mmbot.underlying.underlying import Underlying
from mmbot.underlyings.registry import DEFAULT, UNDERLYINGS
from mmbot.units import Money, parse_money

_KEY_FILE = "exchange-key.pem"
# At real speed, a crowd with the pace of the real market would seem not to trade at all.
_LEAST_ACTIONS_PER_WALL_HOUR = Pace(takers=720.0, refreshes=3600.0)


_Port: TypeAlias = Annotated[
    int, typer.Option(min=0, max=65535, help="Port on loopback; 0 takes a free one.")
]
_At: TypeAlias = Annotated[
    str,
    typer.Option(help="Calendar time of the start: now, or 2026-04-14T12:00 (New York)."),
]
_Counts: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        help="Daily counts to release: the word history, a directory of `mmbot history`, or a "
        "CSV file as in docs/commands.md."
    ),
]
_Underlying: TypeAlias = Annotated[
    str, typer.Option(help=f"The underlying: {', '.join(UNDERLYINGS)}.")
]
_KeyDir: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        help="Directory of the private key, created if needed; an existing key is used again. "
        "Temporary unless given."
    ),
]
_PastWeeks: TypeAlias = Annotated[
    int, typer.Option(min=0, max=200, help="Earlier weeks to trade and settle first.")
]
_LiveDays: TypeAlias = Annotated[
    float,
    typer.Option(min=0.0, help="Days after which trades and markets move to the historical tier."),
]


def exchange(
    *,
    port: _Port = 0,
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 1,
    at: _At = "",
    speed: Annotated[float, typer.Option(help="Calendar seconds per second of real time.")] = 1.0,
    week: Annotated[str, typer.Option(help="Sunday that ends the traded week.")] = "",
    counts: _Counts = None,
    underlying: _Underlying = DEFAULT,
    tier: Annotated[str, typer.Option(help=f"API tier: {', '.join(TIERS)}.")] = "advanced",
    balance: Annotated[str, typer.Option(help="The account's balance in dollars.")] = "10000",
    key_type: Annotated[str, typer.Option(help="ed25519 or rsa.")] = "ed25519",
    key_dir: _KeyDir = None,
    fees: FeesOfSeries = "",
    quiet_crowd: Annotated[bool, typer.Option(help="Simulate no other traders.")] = False,
    past_weeks: _PastWeeks = 0,
    live_days: _LiveDays = 90.0,
) -> None:
    """Run a simulated exchange until SIGTERM; print its addresses as one line of JSON.

    With --past-weeks it first simulates those weeks, each in about a second.
    """
    start, traded = _start(at, week)
    _one_of(key_type, ("ed25519", "rsa"), "--key-type")
    kept = None if key_dir is None else _kept_key(key_dir, key_type)
    key = kept or _new_key(key_type)
    about = UNDERLYINGS[_one_of(underlying, tuple(UNDERLYINGS), "--underlying")].underlying
    published = _published(counts, traded, past_weeks, seed, about)
    settings = _settings(about, tier, fees, live_days)
    cash = _dollars(balance)
    # Started last: generating a key takes long enough for a fast calendar to be hours ahead.
    clock = _begun(start, traded, past_weeks, _checked_speed(speed))
    site = assemble(
        settings=settings,
        clock=clock,
        week=traded,
        published=published,
        public_key=key.public_key(),
        balance=cash,
        seed=seed,
        pace=None if quiet_crowd else (Pace() if past_weeks else _pace(speed)),
        past_weeks=past_weeks,
    )
    if past_weeks:
        _play_the_past(site, speed)
    print(f"mmbot exchange: simulated, with {published.label}", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="mmbot-exchange-") as private:
        directory = key_dir or Path(private)
        key_path = directory / _KEY_FILE if kept else _write_key(key, directory)
        asyncio.run(_serve(site, port, clock, key_path.resolve()))


def _settings(
    about: Underlying, tier: str, fees: str, live_days: float
) -> SimulatedExchangeSettings:
    return SimulatedExchangeSettings(
        underlying=about,
        series=about.series,
        strikes=about.simulated.strikes,
        tier=_one_of(tier, tuple(TIERS), "--tier"),
        fees=read_fees(fees),
        live_for=dt.timedelta(days=live_days),
        candles=True,
    )


def _published(
    counts: Path | None, traded: Week, past_weeks: int, seed: int, about: Underlying
) -> PublishedCounts:
    """Return the counts to release: those of a file or directory, else synthetic ones."""
    if counts is None:
        return synthetic_counts(traded, seed, about)
    if about.name != DEFAULT:
        raise BadInput(
            f"--counts has counts of {DEFAULT}; leave it out: those of {about.name} are synthetic"
        )
    return real_counts(load_counts(counts), traded, str(counts), past_weeks)


def _begun(start: dt.datetime, traded: Week, past_weeks: int, speed: float) -> CalendarClock:
    """Return the calendar that starts before the first past week and reaches `start` now."""
    clock = CalendarClock(now_ms(), to_milliseconds(start), speed)
    if not past_weeks:
        return clock
    first = weeks_until(traded, past_weeks)[0].opens - dt.timedelta(hours=1)
    return CalendarClock(clock.wall_time(first), to_milliseconds(first), speed)


def _play_the_past(site: SimulatedExchange, speed: float) -> None:
    """Simulate the past at the pace of a real market, then continue at that of `speed`."""
    site.venue.advance(now_ms())
    crowd = site.venue.participants
    if isinstance(crowd, Crowd):
        crowd.pace = _pace(speed)


async def _serve(site: SimulatedExchange, port: int, clock: CalendarClock, key_path: Path) -> None:
    server = Server(site)
    try:
        await server.start(port)
    except OSError as error:
        raise BadInput(f"cannot listen on port {port} ({reason(error)}); choose another") from None
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    line = {
        "rest_url": server.rest_url,
        "ws_url": server.ws_url,
        "key_id": site.key_id,
        "private_key_path": str(key_path),
        "events": list(site.venue.exchange.events),
        "counts_url": server.counts_url,
        "ledger_url": server.ledger_url,
        "clock": {"wall": clock.wall, "calendar": clock.calendar, "speed": clock.speed},
    }
    print(orjson.dumps(line).decode(), flush=True)
    try:
        await server.run_until(stopped)
    finally:
        await server.stop()


def _start(at: str, week: str) -> tuple[dt.datetime, Week]:
    """Return the calendar's start and the week: from the options, or Tuesday noon of this week."""
    today = dt.datetime.now(EASTERN).date()
    start = parse_time(at, "--at") if at else None
    if week:
        traded = parse_week(week)
        return start or traded.opens - dt.timedelta(minutes=1), traded
    traded = Week.of(start.astimezone(EASTERN).date() if start else today)
    return start or dt.datetime.combine(traded.days[1], dt.time(12), EASTERN), traded


def _checked_speed(speed: float) -> float:
    if not 0 < speed <= 1_000_000:
        raise BadInput(f"--speed must be above 0 and at most 1000000, not {speed}")
    return speed


def _one_of(value: str, allowed: tuple[str, ...], option: str) -> str:
    if value not in allowed:
        raise BadInput(f"{option} {value!r} is not one of {', '.join(allowed)}")
    return value


def _dollars(text: str) -> Money:
    try:
        money = parse_money(text)
    except ValueError:
        raise BadInput(f"--balance {text!r} is not an amount of dollars such as 10000") from None
    if money < 0:
        raise BadInput("--balance must not be negative")
    return money


def _pace(speed: float) -> Pace:
    usual, least = Pace(), _LEAST_ACTIONS_PER_WALL_HOUR
    return Pace(
        max(usual.takers, least.takers / speed), max(usual.refreshes, least.refreshes / speed)
    )


def _new_key(key_type: str) -> Ed25519PrivateKey | RSAPrivateKey:
    if key_type == "ed25519":
        return Ed25519PrivateKey.generate()
    return generate_private_key(public_exponent=65537, key_size=2048)


def _write_key(key: Ed25519PrivateKey | RSAPrivateKey, directory: Path) -> Path:
    """Write the key, readable by its owner only, in the format that the exchange issues."""
    path = directory / _KEY_FILE
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(pem_of(key))
    except OSError as error:
        raise BadInput(f"--key-dir {directory} cannot hold the key: {error.strerror}") from None
    return path


def _kept_key(directory: Path, key_type: str) -> Ed25519PrivateKey | RSAPrivateKey | None:
    """Return the key that an earlier exchange wrote there; `None` if there is none.

    Raises:
        BadInput: The file is not a key, or a key of another type than wanted.
    """
    path = directory / _KEY_FILE
    try:
        pem = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise BadInput(f"--key-dir: {path} cannot be read: {error.strerror}") from None
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    kind = Ed25519PrivateKey if key_type == "ed25519" else RSAPrivateKey
    if not isinstance(key, kind):
        raise BadInput(
            f"--key-dir: {path} is not a key of type {key_type}; delete it, or name another "
            "directory"
        )
    return key
