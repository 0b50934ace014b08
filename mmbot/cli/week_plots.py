"""Plots of the weeks that a bot traded; importing this needs matplotlib, the extra `plots`."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from mmbot.research.backtest import WeekResult
from mmbot.research.replayed_week import ReplayedWeek
from mmbot.research.week_path import MarketPoint, WeekPath
from mmbot.trading.commands import RecordFill
from mmbot.underlying.calendar import EASTERN, Week
from mmbot.units import MONEY_PER_DOLLAR, ONE_CONTRACT, ONE_DOLLAR, Milliseconds

# The most weeks, and markets of each, that are drawn, to keep a page readable.
MOST_WEEKS, MOST_MARKETS = 8, 8
_UNFILLED = 3
_MARKET, _FAIR, _BID, _ASK = "#9aa7b8", "#d97706", "#15803d", "#b91c1c"
_AROUND = 0.04
# The mid of a wider book is meaningless.
_NARROW = 0.2
_LEAST_SIZE, _SIZE_A_CONTRACT, _MOST_SIZE = 24, 1.5, 120


def week_pictures(results: Sequence[WeekResult]) -> list[Figure]:
    """Return a figure for each of the last weeks with a recorded path."""
    kept = [each.replayed for each in results if each.replayed and each.replayed.path]
    return [_draw_week(week, week.path) for week in kept[-MOST_WEEKS:] if week.path]


def _draw_week(week: ReplayedWeek, path: WeekPath) -> Figure:
    fills = Counter(each.fill.ticker for each in week.fills)
    busiest = {ticker for ticker, _ in fills.most_common(MOST_MARKETS)} or _most_quoted(path)
    shown = [market for market in week.markets if market.ticker in busiest]
    rows = 1 + len(shown)
    figure = Figure(figsize=(11, 1.9 + 2.1 * len(shown)), layout="constrained")
    panels = list(figure.subplots(rows, 1, sharex=True, squeeze=False)[:, 0])
    beyond = "" if len(fills) <= MOST_MARKETS else f", the {len(shown)} busiest of {len(fills)}"
    figure.suptitle(
        f"{week.event}: {len(week.fills)} fills in {len(fills)} markets{beyond}", fontsize="medium"
    )
    _draw_pnl(panels[0], week, path)
    for axes, market in zip(panels[1:], shown, strict=True):
        points = path.markets.get(market.ticker, ())
        _draw_market(axes, week, points, market.ticker)
        verb = "pays" if market.payout in (0, ONE_DOLLAR) else "worth"
        pays = f"{verb} {market.payout / ONE_DOLLAR:.2f}"
        name = market.ticker.rpartition("-")[2]
        axes.set_ylabel(f"{name}\n{pays}", rotation=0, ha="right", va="center")
    for axes in panels:
        _mark_days(axes, week, path)
    _label_days(panels, week, path)
    if shown:
        # A scatter without points would have no colour in the legend.
        sides = ((_BID, "^", "bought"), (_ASK, "v", "sold"))
        handles = [*panels[1].get_legend_handles_labels()[0]]
        handles += [
            Line2D([], [], color=color, marker=marker, linestyle="", label=label)
            for color, marker, label in sides
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return figure


def _most_quoted(path: WeekPath) -> set[str]:
    """Return the markets with the most changes of own quotes, for a week without fills."""
    quoted = Counter(
        {
            ticker: len({(point.own_bid, point.own_ask) for point in points})
            for ticker, points in path.markets.items()
        }
    )
    return {ticker for ticker, _ in quoted.most_common(_UNFILLED)}


def _draw_pnl(axes: Axes, week: ReplayedWeek, path: WeekPath) -> None:
    at = _times(week)
    paid = {market.ticker: market.payout for market in week.markets}
    final = sum(
        each.fill.cash + each.fill.signed_count * paid[each.fill.ticker] for each in week.fills
    )
    values = [(at(now), pnl) for now, pnl in path.pnl]
    ends = max((p.at for points in path.markets.values() for p in points[-1:]), default=0)
    if values:
        values.append((max(values[-1][0], at(ends)), final / MONEY_PER_DOLLAR))
    axes.step([x for x, _ in values], [y for _, y in values], where="post", color="#1f2937")
    axes.axhline(0, color="grey", linewidth=0.8)
    axes.set_ylabel("P&L\ndollars", rotation=0, ha="right", va="center")


def _draw_market(
    axes: Axes, week: ReplayedWeek, points: Sequence[MarketPoint], ticker: str
) -> None:
    at = _times(week)
    xs = [at(point.at) for point in points]

    def lines(value: Callable[[MarketPoint], float | None]) -> list[float]:
        found = [value(point) for point in points]
        return [float("nan") if each is None else each / ONE_DOLLAR for each in found]

    bids, asks = lines(lambda each: each.bid), lines(lambda each: each.ask)
    axes.fill_between(
        xs, bids, asks, step="post", color=_MARKET, alpha=0.4, linewidth=0.6, label="market"
    )
    fair = lines(lambda each: None if each.fair is None else each.fair * ONE_DOLLAR)
    axes.step(xs, fair, where="post", color=_FAIR, linewidth=1.2, label="fair value")
    own = lines(lambda each: each.own_bid), lines(lambda each: each.own_ask)
    axes.step(xs, own[0], where="post", color=_BID, linewidth=1, label="own bid")
    axes.step(xs, own[1], where="post", color=_ASK, linewidth=1, label="own ask")
    fills = [each for each in week.fills if each.fill.ticker == ticker]
    _draw_fills(axes, week, fills)
    middles = ((bid + ask) / 2 for bid, ask in zip(bids, asks, strict=True) if ask - bid < _NARROW)
    levels = [y for y in (*fair, *own[0], *own[1], *middles) if 0 < y < 1]
    levels += [each.fill.price / ONE_DOLLAR for each in fills]
    if levels:
        low, high = min(levels) - _AROUND, max(levels) + _AROUND
        axes.set_ylim(max(0, low), min(1, high))


def _draw_fills(axes: Axes, week: ReplayedWeek, fills: Sequence[RecordFill]) -> None:
    at = _times(week)
    marked = {
        (each.trade_id, each.order_id): (each.at, each.view.mid)
        for each in week.markouts
        if each.horizon == "1h" and each.view.mid is not None
    }
    for each in fills:
        later = marked.get(each.fill.key)
        if later is not None and later[1] is not None:
            price = each.fill.price / ONE_DOLLAR
            xs, ys = (at(each.fill.at), at(later[0])), (price, later[1])
            axes.plot(xs, ys, color="#1f2937", linewidth=0.8, alpha=0.7)
    for side, color, marker in (("bid", _BID, "^"), ("ask", _ASK, "v")):
        of_side = [each.fill for each in fills if each.fill.side == side]
        sizes = [
            min(_MOST_SIZE, _LEAST_SIZE + _SIZE_A_CONTRACT * fill.count / ONE_CONTRACT)
            for fill in of_side
        ]
        axes.scatter(
            [at(fill.at) for fill in of_side], [fill.price / ONE_DOLLAR for fill in of_side],
            s=sizes, color=color, marker=marker, edgecolors="white", linewidths=0.5, zorder=3,
        )  # fmt: skip


def _mark_days(axes: Axes, week: ReplayedWeek, path: WeekPath) -> None:
    at = _times(week)
    for now, _ in path.published:
        axes.axvline(at(now), color="#2563eb", linewidth=0.8, linestyle=":")


def _label_days(panels: Sequence[Axes], week: ReplayedWeek, path: WeekPath) -> None:
    at = _times(week)
    for now, known in path.published:
        panels[0].annotate(
            f"k={known}", (at(now), 1), xycoords=("data", "axes fraction"), color="#2563eb",
            fontsize="small", ha="left", va="bottom",
        )  # fmt: skip
    days = Week.from_event_ticker(week.event).days
    midnights = [dt.datetime.combine(day, dt.time(), EASTERN).timestamp() for day in days]
    panels[-1].set_xlim(midnights[0], midnights[-1] + dt.timedelta(days=1).total_seconds())
    panels[-1].set_xticks(midnights, [f"{day:%a %d %b}" for day in days], fontsize="small")


def _times(week: ReplayedWeek) -> Callable[[Milliseconds], float]:
    """Return the function from wall time to seconds of the calendar."""
    return lambda now: week.clock.at(now).timestamp()
