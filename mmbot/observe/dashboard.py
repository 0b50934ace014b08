"""The course of an event for the dashboard, made from its records in the ledger."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib import resources
from importlib.resources.abc import Traversable
from operator import itemgetter

from mmbot.dashboard_view import MOST_POINTS, EventCourse, PastForecast, PnlPoint
from mmbot.trading.commands import MarketSample, Markout, RecordFill, RecordSettlement
from mmbot.trading.portfolio import Portfolio
from mmbot.trading.values import Fill
from mmbot.units import ONE_DOLLAR, Milliseconds, Money, Price, format_money, value_of


def page_files() -> dict[str, bytes]:
    """Return the page's files by their path below `page/`."""
    return dict(_files(resources.files("mmbot.observe") / "page", ""))


def _files(directory: Traversable, prefix: str) -> Iterable[tuple[str, bytes]]:
    for each in directory.iterdir():
        if each.is_dir():
            yield from _files(each, f"{prefix}{each.name}/")
        else:
            yield f"{prefix}{each.name}", each.read_bytes()


def event_course(
    event: str,
    tickers: Sequence[str],
    fills: Sequence[RecordFill],
    markouts: Sequence[Markout],
    samples: Sequence[MarketSample],
    settlements: Sequence[RecordSettlement],
) -> EventCourse:
    """Return the course of an event, without its fills.

    Args:
        event: Its ticker.
        tickers: Its markets, in ascending order of strike.
        fills: All its fills.
        markouts: Their markouts.
        samples: The samples of its markets.
        settlements: Its settlements; a later one replaces an earlier one of the same market.
    """
    views = _views(fills, markouts, samples)
    pnl = _pnl(tickers, [each.fill for each in fills], views, settlements)
    return EventCourse(event, _thinned(pnl), _forecasts(samples))


# P&L

_View = tuple[Milliseconds, str, float]


def _views(
    fills: Iterable[RecordFill], markouts: Iterable[Markout], samples: Iterable[MarketSample]
) -> list[_View]:
    """Return every recorded fair value, with its time and market."""
    tickers = {each.fill.key: each.fill.ticker for each in fills}
    seen = [(each.fill.at, each.fill.ticker, each.view.fair) for each in fills]
    seen += [
        (each.at, tickers[each.trade_id, each.order_id], each.view.fair)
        for each in markouts
        if (each.trade_id, each.order_id) in tickers
    ]
    seen += [(each.at, each.ticker, each.view.fair) for each in samples]
    return [(at, ticker, fair) for at, ticker, fair in seen if fair is not None]


def _pnl(
    tickers: Sequence[str],
    fills: Sequence[Fill],
    views: Sequence[_View],
    settlements: Sequence[RecordSettlement],
) -> list[PnlPoint]:
    """Return a point for each instant with a record, from the first fill on."""
    if not fills:
        return []
    steps: list[tuple[Milliseconds, Fill | _View | RecordSettlement]] = [
        *((each.at, each) for each in fills),
        *((each[0], each) for each in views),
        *((each.at, each) for each in settlements),
    ]
    walk = _Walk(tuple(tickers))
    first = min(each.at for each in fills)
    points: dict[Milliseconds, PnlPoint] = {}
    for at, step in sorted(steps, key=itemgetter(0)):
        walk.take(step)
        if at >= first:
            points[at] = walk.point(at)
    return list(points.values())


class _Walk:
    """An event's positions and fair values, updated in the order of time."""

    def __init__(self, tickers: tuple[str, ...]) -> None:
        self._portfolio = Portfolio(tickers)
        self._fair: dict[str, float] = {}
        self._paid: dict[str, Price] = {}

    def take(self, step: Fill | _View | RecordSettlement) -> None:
        if isinstance(step, Fill):
            self._portfolio.book(step)
        elif isinstance(step, RecordSettlement):
            self._paid[step.ticker] = step.value
        else:
            _, ticker, self._fair[ticker] = step

    def point(self, at: Milliseconds) -> PnlPoint:
        values = [self._value(ticker) for ticker in self._portfolio.tickers]
        known = [value for value in values if value is not None]
        fair = Money(self._portfolio.cash + sum(known)) if len(known) == len(values) else None
        held = {t for t in self._portfolio.tickers if self._portfolio.position(t)}
        over = fair is not None and held <= self._paid.keys()
        worst = fair if over and fair is not None else min(self._portfolio.wealth())
        return PnlPoint(at, None if fair is None else format_money(fair), format_money(worst))

    def _value(self, ticker: str) -> Money | None:
        """Return the value of the position in a market; `None` if it is not known."""
        position = self._portfolio.position(ticker)
        if not position:
            return Money(0)
        if ticker in self._paid:
            return value_of(position, self._paid[ticker])
        fair = self._fair.get(ticker)
        return None if fair is None else Money(round(position * fair * ONE_DOLLAR))


def _thinned(points: Sequence[PnlPoint]) -> tuple[PnlPoint, ...]:
    """Return at most `MOST_POINTS` of the points, the last among them."""
    step = -(-len(points) // MOST_POINTS) or 1
    return tuple(points[len(points) - 1 :: -step][::-1]) if points else ()


# Forecasts


def _forecasts(samples: Iterable[MarketSample]) -> tuple[PastForecast, ...]:
    """Return the forecast at each number of published days, as first sampled."""
    above: dict[int, dict[str, float]] = {}
    began: dict[int, Milliseconds] = {}
    for sample in sorted(samples, key=lambda each: each.at):
        if sample.view.belief is not None:
            known = sample.days_published
            above.setdefault(known, {}).setdefault(sample.ticker, round(sample.view.belief, 4))
            began.setdefault(known, sample.at)
    return tuple(PastForecast(known, began[known], above[known]) for known in sorted(above))
