"""The second statistic: its page, its forecaster, and a week of it traded at the exchange."""

from __future__ import annotations

import datetime as dt
import re
import tomllib
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mmbot import config
from mmbot.errors import BadInput
from mmbot.exchange.assembly import SimulatedExchange, assemble, synthetic_counts
from mmbot.exchange.exchange_state import SimulatedExchangeSettings
from mmbot.faultlab.replay_check import ReplayCheck
from mmbot.faultlab.scenario import FIRST_WEEK
from mmbot.faultlab.world import World, WorldResult
from mmbot.kalshi.http import BASE_PATH, HttpRequest
from mmbot.trading.values import CLIENT_ID_PREFIX
from mmbot.underlying.calendar import EASTERN, CalendarClock, Week, to_milliseconds
from mmbot.underlying.counts import Counts
from mmbot.underlyings.ferries import FERRIES, WEEKDAYS
from mmbot.units import Money

CONFIG = Path(__file__).parents[2] / "config" / "ferries.toml"
WEEK = FIRST_WEEK
EXPECTED = (4_800, 4_600, 4_700, 5_000, 6_200, 6_900, 6_100)
STRIKES = (36_000, 38_300, 40_000)


def counted(weeks: int, upset: float = 1.0, days: int = 0) -> Counts:
    """Whole weeks before the week, in turn a little high and low, and days of it."""
    counts = Counts()
    first = WEEK.monday - dt.timedelta(weeks=weeks)
    for number in range(7 * weeks + days):
        day = first + dt.timedelta(days=number)
        factor = upset if day in WEEK.days else 1 + (0.03, -0.03)[number // 7 % 2]
        count = round(EXPECTED[day.weekday()] * factor)
        counts, _ = counts.observe(day, count, FERRIES.assumed_release(day))
    return counts


def page(*rows: object) -> bytes:
    return msgspec.json.encode({"title": "Vehicles", "days": rows})


# A week of it


class Played:
    """A week of the ferries, traded by the config that comes with them."""

    def __init__(self) -> None:
        tables = tomllib.loads(CONFIG.read_text(encoding="utf-8"))
        tables.pop("mode")
        self.sessions = ReplayCheck()
        self.world = World("1", (WEEK,), (), tables=tables, begin=self.sessions.begin)
        self.result: WorldResult = self.world.run()


@pytest.fixture(scope="module")
def played() -> Played:
    return Played()


def test_a_week_is_traded_and_no_invariant_is_broken(played: Played) -> None:
    assert (played.result.invariant, played.result.what) == ("", "")
    own = [
        fill
        for fill in played.world.auditor.fills.values()
        if fill.client_order_id.startswith(CLIENT_ID_PREFIX)
    ]
    assert own
    assert {fill.ticker.partition("-")[0] for fill in own} == {"KXFERRYW"}


def test_the_week_settles_on_the_total_of_its_days(played: Played) -> None:
    total = sum(played.world.scenario.counts[day] for day in WEEK.days)
    markets = played.world.venue.exchange.engine.markets.values()
    results = {market.terms.floor_strike: market.result for market in markets}
    assert results == {k: "yes" if total > k else "no" for k in results}
    assert set(results.values()) == {"yes", "no"}
    assert {record.ticker for record in played.world.ledger.settlements.values()} >= {
        fill.ticker for fill in played.world.ledger.fills.values()
    }


def test_every_count_was_read_from_the_page_before_the_settlement(played: Played) -> None:
    read = played.world.ledger.known_counts(Counts())
    assert {day: read.latest(day) for day in WEEK.days} == {
        day: played.world.scenario.counts[day] for day in WEEK.days
    }
    assert read.vintages[WEEK.sunday][0].seen < FERRIES.settles(WEEK)


def test_its_sessions_replay_with_identical_outputs(played: Played) -> None:
    assert played.sessions.replay() == ""
    assert played.sessions.replayed > 0


def test_its_config_is_whole() -> None:
    settings = config.load(CONFIG)
    assert (settings.underlying.name, settings.exchange.series) == (FERRIES.name, FERRIES.series)


def exchange() -> SimulatedExchange:
    """An exchange about the ferries on the Wednesday of the week, without a crowd."""
    at = to_milliseconds(dt.datetime.combine(WEEK.days[2], dt.time(12), EASTERN))
    key = Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key()
    return assemble(
        settings=SimulatedExchangeSettings(
            underlying=FERRIES, series=FERRIES.series, strikes=FERRIES.simulated.strikes
        ),
        clock=CalendarClock(at, at),
        week=WEEK,
        published=synthetic_counts(WEEK, 1, FERRIES),
        public_key=key,
        balance=Money(0),
        seed=1,
    )


def test_the_exchange_lists_it_under_its_own_words() -> None:
    site = exchange()
    now = site.venue.exchange.clock.wall
    told = b"".join(
        site.venue.handle(HttpRequest("GET", BASE_PATH + path), now).body
        for path in (f"/series/{FERRIES.series}", "/events", "/markets")
    ).decode()
    assert "Above 38,000" in told
    assert "If the total count of the week is above 38,000" in told
    assert "KXFERRYW-26OCT18-T38000" in told
    assert not re.search(r"TSA|average|million|passenger", told)


def test_the_exchange_serves_its_one_page() -> None:
    site = exchange()
    path, now = FERRIES.pages.path(None), site.venue.exchange.clock.wall
    headers = (("User-Agent", FERRIES.pages.user_agent),)
    answer = site.website.answer(HttpRequest("GET", path, headers=headers), now)
    assert ("content-type", "application/json") in answer.headers
    # Of all years, up to Monday's: Tuesday's comes in the afternoon.
    days = [day for day, _ in FERRIES.pages.parse(answer.body)]
    assert days[0].year < WEEK.sunday.year
    assert days[-1] == WEEK.monday
    other = HttpRequest("GET", f"{path}/2025", headers=headers)
    assert (site.website.answer(other, now).status, site.website.serves(path)) == (404, True)


# The page


def test_a_page_is_read_oldest_day_first() -> None:
    days = [(dt.date(2026, 10, 12) + dt.timedelta(days=i), 5_000 + i) for i in range(3)]
    body = FERRIES.simulated.page(None, days, "made up")
    assert FERRIES.pages.parse(body) == FERRIES.pages.parse(
        page(*({"day": day, "vehicles": count} for day, count in reversed(days)))
    )
    assert FERRIES.pages.parse(body).counts == tuple(days)


GOOD = {"day": "2026-10-12", "vehicles": 5_000}


@pytest.mark.parametrize(
    "row",
    [
        {"day": "2026-10-13"},
        {"day": "2026-10-32", "vehicles": 5_000},
        {"day": "2026-10-13", "vehicles": 99},
        {"day": "2026-10-13", "vehicles": 100_000},
        [],
    ],
)
def test_a_row_that_cannot_be_read_costs_only_itself(row: object) -> None:
    read = FERRIES.pages.parse(page(GOOD, row))
    assert read.counts == ((dt.date(2026, 10, 12), 5_000),)
    (doubt,) = read.doubts
    assert doubt.endswith("is not a day with its vehicles")


def test_a_day_that_differs_from_itself_has_no_count() -> None:
    read = FERRIES.pages.parse(page(GOOD, {**GOOD, "vehicles": 5_001}))
    assert (read.counts, read.doubts) == ((), ("2026-10-12 has 5,000 and 5,001",))


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"title": "x"}', b'{"days": 3}', b"\xff{}"])
def test_another_page_is_refused(body: bytes) -> None:
    with pytest.raises(BadInput, match="ferries' page cannot be read"):
        FERRIES.pages.parse(body)


def test_a_day_cannot_be_shown_before_it_is_over() -> None:
    seen = dt.datetime(2026, 10, 13, 15, tzinfo=EASTERN)
    doubt = FERRIES.pages.doubt
    assert "before it is over" in doubt(Counts(), seen.date(), 5_000, None, seen, restarted=True)
    assert not doubt(Counts(), dt.date(2026, 10, 12), 5_000, None, seen, restarted=True)


# The rhythm


def test_each_day_is_due_on_the_afternoon_of_the_next() -> None:
    at = dt.datetime.combine(WEEK.sunday, dt.time(15), EASTERN)
    assert FERRIES.days_due(WEEK, at, dt.time(14, 30)) == WEEK.days[:6]
    assert FERRIES.early_releases(WEEK, dt.time(14, 30), dt.time(18)) == ()


# The forecaster


def test_what_is_published_counts_and_the_rest_is_expected() -> None:
    counts = counted(6, days=3)
    belief = WEEKDAYS.fit(counts, "pool", None).predictor.belief(counts, WEEK, STRIKES)
    assert belief.days_published == 3
    assert belief.mean == pytest.approx(sum(EXPECTED), rel=0.01)
    assert belief.above[0] > 0.95
    assert belief.above[-1] < 0.05


def test_a_week_that_begins_high_is_expected_to_go_on_high() -> None:
    usual, high = counted(6, days=3), counted(6, upset=1.05, days=3)
    predictor = WEEKDAYS.fit(usual, "pool", None).predictor
    rests = [
        predictor.belief(counts, WEEK, STRIKES).mean
        - sum(counts.latest(day) for day in WEEK.days[:3])
        for counts in (usual, high)
    ]
    assert rests[1] / rests[0] == pytest.approx(1.05 ** (3 / 4), rel=0.002)


def test_a_week_that_is_published_is_certain() -> None:
    counts = counted(6, days=7)
    belief = WEEKDAYS.fit(counts, "pool", None).predictor.belief(counts, WEEK, STRIKES)
    assert (belief.sd, belief.above) == (0.0, (1.0, 0.0, 0.0))


def test_a_count_is_judged_by_its_weekday() -> None:
    counts = counted(6)
    predictor = WEEKDAYS.fit(counts, "pool", None).predictor
    monday, saturday = WEEK.monday, WEEK.days[5]
    assert abs(predictor.deviations(counts, saturday, EXPECTED[5])) < 1
    assert predictor.deviations(counts, monday, EXPECTED[5]) > 6
    with pytest.raises(BadInput, match="nothing to judge"):
        predictor.deviations(Counts(), monday, 5_000)


@pytest.mark.parametrize("weeks", [0, 2])
def test_too_few_weeks_are_refused(weeks: int) -> None:
    with pytest.raises(BadInput, match="whole weeks are too few"):
        WEEKDAYS.fit(counted(weeks), "pool", None)


def test_only_its_own_method_is_known() -> None:
    with pytest.raises(BadInput, match="not a forecast method"):
        WEEKDAYS.fit(counted(6), "boosted", None)
    with pytest.raises(BadInput, match="keeps nothing"):
        WEEKDAYS.recall(b"hindcasts")


def test_the_week_before_is_the_last_that_is_looked_at() -> None:
    fits = [WEEKDAYS.fit(counted(6, days=days), "pool", None) for days in (0, 5)]
    assert fits[0] == fits[1]
    assert Week.of(WEEK.monday) == WEEK
