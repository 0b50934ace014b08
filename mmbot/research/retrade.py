"""A recording traded again: the recorded market, for a bot with other settings, on paper.

The exchange's frames, the pages and the process's own events come at the recorded times. The
recorded account is not used: a new paper exchange answers the new bot, and fills its orders by the
recorded trades. Real orders of the recorded account are removed from the books. A request that the
recorded paper bot also sent takes effect when that one did, so the same settings give exactly the
fills that happened; any other takes effect a moment later, and reads of the market are answered as
the exchange last answered the same request. With other settings, orders live until their market
closes, and the stream's data are verified by reading them again only once an hour, because what
either guards against cannot happen here.

Calendar, exchange and counts are those of the recording. The forecast is the recorded one, unless
the settings ask for another, which is then fitted. Like all paper trading it does not move the
market, and trades while the stream was down fill nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from mmbot.bot.inputs import (
    CallAnswered,
)
from mmbot.config import Settings
from mmbot.errors import BadInput
from mmbot.recording import records
from mmbot.recording.outside import (
    PaperBegan,
    TapeBegan,
)
from mmbot.recording.records import FrameRecord, Record, SessionRecord
from mmbot.recording.replay import beginning
from mmbot.research.again import Fit, RetradeLedger, SessionSummary
from mmbot.research.traded_again import TradedSession
from mmbot.research.unguarded import UNGUARDED_INTERVALS, unguarded
from mmbot.research.week_path import PathKeeper
from mmbot.trading.commands import RecordFill
from mmbot.trading.values import USUAL_INTERVALS


def retrade(
    recorded: Iterable[Record],
    settings: Settings | None,
    ledger: RetradeLedger,
    fit: Fit,
    *,
    is_first: bool,
    path: PathKeeper | None = None,
) -> SessionSummary:
    """Trade one recorded session again.

    Args:
        recorded: Its records, in order.
        settings: The new bot's; `None` for those on record.
        ledger: What the new bot has kept in earlier sessions, and keeps in this one.
        fit: Fits a forecaster where the settings ask for another than the recorded one.
        is_first: Whether there is no earlier session: then the new bot begins with what the one on
            record held.
        path: Keeps what the new bot sees and quotes, if that is wanted.

    Raises:
        BadInput: The recording does not hold the market.
    """
    rest = iter(recorded)
    session = _begun(rest, settings, ledger, fit, is_first=is_first)
    for cause, caused in _steps(rest):
        session.step(cause, caused)
        if path is not None:
            path.look(session.state, cause.now)
    session.finish()
    return session.summary


def _begun(
    rest: Iterator[Record],
    settings: Settings | None,
    ledger: RetradeLedger,
    fit: Fit,
    *,
    is_first: bool,
) -> TradedSession:
    """Return a new bot's session before the first thing that happens in the one on record."""
    begun = beginning(rest)
    began = next(rest, None)
    if began is None or not isinstance(began.what, PaperBegan | TapeBegan):
        raise BadInput(_WHY_NOT)
    # What a real account held is left with it.
    real_orders = isinstance(began.what, TapeBegan)
    takes_over = is_first and not real_orders
    paper = _paper(began.what, begun.settings, settings)
    if takes_over:
        for fill in paper.fills:
            ledger.write(RecordFill(fill, days_published=0, confirmed=True))
    else:
        paper = msgspec.structs.replace(paper, fills=tuple(ledger.unsettled_fills()))
    used = _settings(begun.settings, settings)
    is_same = used == _settings(begun.settings, None)
    session = TradedSession(
        begun,
        paper,
        used if is_same else unguarded(used),
        ledger,
        None if used.forecast == begun.settings.forecast else fit,
        is_first=takes_over,
        real_orders=real_orders,
        follows=settings is None,
        intervals=USUAL_INTERVALS if is_same else UNGUARDED_INTERVALS,
    )
    session.summary.first = began.now
    session.summary.held = len(paper.fills) if takes_over else 0
    return session


def _paper(
    began: PaperBegan | TapeBegan, recorded: Settings, edited: Settings | None
) -> PaperBegan:
    """Return the beginning of the new bot's paper exchange."""
    if isinstance(began, TapeBegan):
        exchange, balance = recorded.exchange, (edited or recorded).paper.balance
        return PaperBegan(exchange.series, exchange.subaccount, balance, (), _SEED)
    if edited is None:
        return began
    return msgspec.structs.replace(began, balance=edited.paper.balance)


_WHY_NOT = (
    "it was made by a version whose captures do not have the market's trades: record again with "
    "this version of mmbot"
)
# Of ids, where the recorded bot had no paper exchange.
_SEED = 1


def _steps(recorded: Iterator[Record]) -> Iterator[tuple[Record, list[Record]]]:
    """Yield whatever happened by itself, with the records of the inputs that it caused."""
    cause: Record | None = None
    caused: list[Record] = []
    for record in recorded:
        if isinstance(record.what, SessionRecord):
            raise BadInput("a second session begins in it")
        if cause is not None and isinstance(record.what, FrameRecord | CallAnswered):
            caused.append(record)
            continue
        if cause is not None:
            yield cause, caused
        cause, caused = record, []
    if cause is not None:
        yield cause, caused


def _settings(recorded: Settings, edited: Settings | None) -> Settings:
    """Return the new bot's settings: the edited ones, but for what the recording decides."""
    recorded = msgspec.structs.replace(recorded, mode="paper")
    if edited is None:
        return recorded
    return msgspec.structs.replace(
        records.decisive(edited),
        mode=recorded.mode,
        exchange=recorded.exchange,
        counts=recorded.counts,
    )
