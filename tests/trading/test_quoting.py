from __future__ import annotations

from fractions import Fraction

import msgspec
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from mmbot.config import Settings
from mmbot.trading import quoting
from mmbot.trading.book import Top
from mmbot.trading.fair import Pooled
from mmbot.trading.gates import Gate
from mmbot.trading.pricing import QuoteLimits, price_event
from mmbot.trading.quoting import Quote, Quotes, danger
from mmbot.units import CENT_GRID, ONE_DOLLAR, Count, Price, PriceBand, PriceGrid
from tests.trading.builders import settings, top

RICH = [1e9, 1e9]


def wanted_quotes(
    fair: float, best: Top, position: int, grid: PriceGrid, chosen: Settings
) -> Quotes:
    """The quotes of an event of one strike, for somebody so rich that positions weigh nothing."""
    (each,) = price_event(Pooled((fair,), (False,)), RICH, 1, chosen.quoting)
    bounds = quoting.quote_bounds(each, Count(position), grid, chosen)
    return quoting.wanted_quotes(bounds, best)


def reducing_quotes(
    given_limits: QuoteLimits, position: int, best: Top | None = None, *, reduce_only: bool = False
) -> Quotes:
    """The quotes with a lowest bid of ten cents."""
    bounds = quoting.quote_bounds(
        given_limits, Count(position), CENT_GRID, FLOOR, reduce_only=reduce_only
    )
    return quoting.wanted_quotes(bounds, best or NOTHING)


def band(start: int, end: int, step: int) -> PriceBand:
    return PriceBand(Price(start), Price(end), Price(step))


TAPERED = PriceGrid((band(0, 1000, 10), band(1000, 9000, 100), band(9000, ONE_DOLLAR, 10)))
grids = st.sampled_from([CENT_GRID, TAPERED, PriceGrid((band(0, ONE_DOLLAR, 1),))])
fairs = st.one_of(st.floats(0.03, 0.97), st.integers(3, 97).map(lambda cents: cents / 100))
maybe_price = st.none() | st.integers(1, 9999).map(Price)
tops = st.builds(Top, maybe_price, maybe_price).filter(
    lambda best: best.bid is None or best.ask is None or best.bid < best.ask
)
NOTHING = top(None, None)


@st.composite
def any_settings(draw: st.DrawFn) -> Settings:
    return settings(
        quoting={
            "margin": draw(st.sampled_from([0.0, 0.01, 0.06, 0.25, 0.3, 0.9])),
            "sides": draw(st.sampled_from(["both", "likelier"])),
            "minimum_edge_cents": draw(st.sampled_from([0.01, 0.5, 1.0, 3.0])),
        }
    )


@given(fairs, tops, st.integers(-20_000, 20_000), grids, any_settings())
def test_a_quote_keeps_every_promise(
    fair: float, best: Top, position: int, grid: PriceGrid, chosen: Settings
) -> None:
    quotes = wanted_quotes(fair, best, position, grid, chosen)
    margin, edge = Fraction(str(chosen.quoting.margin)), chosen.quoting.minimum_edge_cents * 100
    largest = chosen.limits.position
    value, slack = Fraction(fair) * ONE_DOLLAR, Fraction(1, 10**5)
    if quotes.bid:
        bid = quotes.bid.price
        assert grid.accepts(bid)
        assert bid <= value * (1 - margin) + slack
        assert bid <= value - Fraction(edge) + slack
        assert best.ask is None or bid < best.ask
        assert best.bid is None or bid <= (grid.ceil(Price(best.bid + 1)) or bid)
        assert 0 < quotes.bid.count <= min(chosen.quoting.size, largest - position)
        assert quotes.bid.allows(bid)
        assert bid <= quotes.bid.limit
    if quotes.ask:
        ask = quotes.ask.price
        no_price = ONE_DOLLAR - ask
        assert grid.accepts(ask)
        assert no_price <= (ONE_DOLLAR - value) * (1 - margin) + slack
        assert no_price <= ONE_DOLLAR - value - Fraction(edge) + slack
        assert best.bid is None or ask > best.bid
        assert best.ask is None or ask >= (grid.floor(Price(best.ask - 1)) or ask)
        assert 0 < quotes.ask.count <= min(chosen.quoting.size, largest + position)
        assert quotes.ask.allows(ask)
    if quotes.bid and quotes.ask:
        assert quotes.bid.price < quotes.ask.price
        assert chosen.quoting.sides == "both"
    assert bool(quotes.gate) == (quotes.bid is None and quotes.ask is None)


near = st.floats(-0.02, 0.02) | st.floats(-0.0002, 0.0002)


@given(st.tuples(fairs, fairs, fairs), near, near, near, grids, any_settings(), st.booleans())
def test_bounds_that_hold_for_other_limits_are_those_that_these_would_have(
    values: tuple[float, float, float],
    fair: float,
    yes: float,
    no: float,
    grid: PriceGrid,
    chosen: Settings,
    reduce_only: bool,
) -> None:
    def bounds_of(given_limits: QuoteLimits) -> quoting.QuoteBounds:
        return quoting.quote_bounds(given_limits, Count(300), grid, chosen, reduce_only=reduce_only)

    first = QuoteLimits(values[0], 0.5, values[1], values[2], Count(1_000), Count(1_000))
    other = QuoteLimits(
        values[0] + fair, 0.5, values[1] + yes, values[2] + no, Count(1_000), Count(1_000)
    )
    before, after = bounds_of(first), bounds_of(other)
    assume(before.hold_for(other, Count(300), grid, chosen, reduce_only=reduce_only))
    for best in (NOTHING, top(4_000, 6_000), top(None, 300), top(9_800, None)):
        assert quoting.wanted_quotes(before, best) == quoting.wanted_quotes(after, best)


def test_bounds_do_not_hold_for_other_sizes() -> None:
    first = QuoteLimits(0.6, 0.6, 0.553, 0.347, Count(1_000), Count(0))
    bounds = quoting.quote_bounds(first, Count(0), CENT_GRID, settings())
    alike = msgspec.structs.replace(first, fair=0.601, yes_value=0.5599)
    assert held(bounds, alike)
    assert not held(bounds, msgspec.structs.replace(first, yes_count=Count(2_000)))
    assert not held(bounds, msgspec.structs.replace(first, yes_value=0.56))
    assert not held(bounds, msgspec.structs.replace(first, fair=0.99))


def held(bounds: quoting.QuoteBounds, limits: QuoteLimits) -> bool:
    return bounds.hold_for(limits, Count(0), CENT_GRID, bounds.settings, reduce_only=False)


@example(0.1, settings(quoting={"margin": 0.9, "sides": "both", "minimum_edge_cents": 0.01}))
@given(fairs, any_settings())
def test_yes_and_no_are_mirror_images(fair: float, chosen: Settings) -> None:
    assume(fair != 0.5)
    quotes = wanted_quotes(fair, NOTHING, 0, CENT_GRID, chosen)
    mirror = wanted_quotes(1 - fair, NOTHING, 0, CENT_GRID, chosen)
    if mirror.ask is None:
        assert quotes.bid is None
    else:
        assert quotes.bid is not None
        # 1 - fair is itself rounded, by far less than a price unit.
        assert abs(quotes.bid.price - (ONE_DOLLAR - mirror.ask.price)) in {0, 100}
        assert quotes.bid.count == mirror.ask.count


@pytest.mark.parametrize(("fair", "side"), [(0.62, "bid"), (0.38, "ask"), (0.5, "bid")])
def test_the_table_rule_bids_its_share_of_fair_value_for_the_likelier_side(
    fair: float, side: str
) -> None:
    one_sided = settings(quoting={"margin": 0.25, "sides": "likelier"})
    quotes = wanted_quotes(fair, NOTHING, 0, CENT_GRID, one_sided)
    expected = int(max(Fraction(str(fair)), 1 - Fraction(str(fair))) * 75) * 100
    if side == "bid":
        assert quotes.ask is None
        assert quotes.bid is not None
        assert quotes.bid.price == expected
    else:
        assert quotes.bid is None
        assert quotes.ask is not None
        assert ONE_DOLLAR - quotes.ask.price == expected


def bid_of(quotes: Quotes) -> Quote:
    assert quotes.bid is not None
    return quotes.bid


def ask_of(quotes: Quotes) -> Quote:
    assert quotes.ask is not None
    return quotes.ask


EXACT = settings(quoting={"margin": 0.0, "minimum_edge_cents": 0.01})


@pytest.mark.parametrize("cents", range(4, 97))
def test_a_value_on_the_grid_loses_no_tick_to_truncation(cents: int) -> None:
    # One price unit below fair value is asked for, so the cent itself is out of reach and the
    # next one is not.
    quotes = wanted_quotes((cents + 0.01) / 100, NOTHING, 0, CENT_GRID, EXACT)
    assert bid_of(quotes).price == cents * 100
    assert ask_of(quotes).price == (cents + 1) * 100


def test_twenty_nine_cents_stay_twenty_nine_cents() -> None:
    assert int(0.58 * 0.5 * 100) == 28
    half = settings(quoting={"margin": 0.5})
    assert bid_of(wanted_quotes(0.58, NOTHING, 0, CENT_GRID, half)).price == 2900


def test_a_quote_betters_the_best_other_by_one_tick_and_no_more() -> None:
    quotes = wanted_quotes(0.5, top(3000, 7000), 0, CENT_GRID, settings())
    assert (bid_of(quotes).price, ask_of(quotes).price) == (3100, 6900)
    assert (bid_of(quotes).limit, ask_of(quotes).limit) == (4500, 5500)


def test_a_tick_is_the_markets_own() -> None:
    quotes = wanted_quotes(0.5, top(500, 9500), 0, TAPERED, settings())
    assert (bid_of(quotes).price, ask_of(quotes).price) == (510, 9490)


def test_a_quote_does_not_follow_the_best_other_beyond_its_margin() -> None:
    quotes = wanted_quotes(0.5, top(4800, 5200), 0, CENT_GRID, settings())
    assert (bid_of(quotes).price, ask_of(quotes).price) == (4500, 5500)


def test_a_quote_never_crosses() -> None:
    quotes = wanted_quotes(0.5, top(None, 3000), 0, CENT_GRID, settings())
    assert bid_of(quotes).price == 2900
    quotes = wanted_quotes(0.5, top(7000, None), 0, CENT_GRID, settings())
    assert ask_of(quotes).price == 7100


def test_no_price_below_the_lowest_ask_means_no_bid() -> None:
    quotes = wanted_quotes(0.5, top(None, 100), 0, CENT_GRID, settings())
    assert quotes.bid is None
    quotes = wanted_quotes(0.5, top(9900, None), 0, CENT_GRID, settings())
    assert quotes.ask is None


def test_the_position_bounds_the_size() -> None:
    quotes = wanted_quotes(0.5, NOTHING, 9500, CENT_GRID, settings())
    assert (bid_of(quotes).count, ask_of(quotes).count) == (500, 1000)
    full = wanted_quotes(0.5, NOTHING, 10_000, CENT_GRID, settings())
    assert full.bid is None
    short = wanted_quotes(0.5, NOTHING, -10_000, CENT_GRID, settings())
    assert short.ask is None


def test_a_full_position_on_the_only_side_is_a_reason() -> None:
    one_sided = settings(quoting={"sides": "likelier"})
    assert wanted_quotes(0.6, NOTHING, 10_000, CENT_GRID, one_sided) == Quotes(
        gate=Gate.NO_PRICE_OR_ROOM
    )


@pytest.mark.parametrize("fair", [0.0, 0.0299, 0.9701, 1.0])
def test_an_extreme_fair_value_is_not_quoted(fair: float) -> None:
    assert wanted_quotes(fair, NOTHING, 0, CENT_GRID, settings()) == Quotes(gate=Gate.FAIR_EXTREME)


def test_danger_is_the_distance_on_the_wrong_side_of_fair_value() -> None:
    assert danger("bid", Price(5200), 0.5) == pytest.approx(200)
    assert danger("ask", Price(4800), 0.5) == pytest.approx(200)
    assert danger("bid", Price(4000), 0.5) < 0


# What only reduces


def limits(fair: float, yes: int = 1000, no: int = 1000) -> QuoteLimits:
    return QuoteLimits(fair, fair, fair * 0.9, (1 - fair) * 0.9, Count(yes), Count(no))


FLOOR = settings(quoting={"lowest_bid_cents": 10.0, "contracts": 10})


def test_yes_is_not_bid_for_below_the_lowest_bid() -> None:
    quotes = reducing_quotes(limits(0.11), 0)
    assert quotes.bid is None
    assert ask_of(quotes).count == 1000


def test_a_bid_that_reduces_may_be_below_the_lowest_bid_and_is_no_larger_than_the_position() -> (
    None
):
    bid = bid_of(reducing_quotes(limits(0.11), -300))
    assert (bid.price, bid.count, bid.most) == (900, 300, 300)


@pytest.mark.parametrize(("fair", "position"), [(0.02, 700), (0.98, -700)])
def test_a_position_is_reduced_at_extreme_fair_values_too(fair: float, position: int) -> None:
    quotes = reducing_quotes(limits(fair), position)
    reducing, adding = (quotes.ask, quotes.bid) if position > 0 else (quotes.bid, quotes.ask)
    assert adding is None
    assert reducing is not None
    assert reducing.count == 700


def test_a_day_on_which_nothing_is_opened_still_reduces() -> None:
    quotes = reducing_quotes(limits(0.5, 0, 0), 700)
    assert ask_of(quotes).count == 700
    assert bid_of(quotes).count == 0


def test_reduce_only_quotes_against_the_position_alone_and_never_crosses() -> None:
    best = top(5600, 5700)
    quotes = reducing_quotes(limits(0.5), 700, best, reduce_only=True)
    assert quotes.bid is None
    assert (ask_of(quotes).price, ask_of(quotes).count) == (5700, 700)
    flat = reducing_quotes(limits(0.5), 0, best, reduce_only=True)
    assert flat == Quotes(gate=Gate.REDUCE_ONLY)
