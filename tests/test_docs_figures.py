"""The figures of README and docs/: those that the code decides are the code's, all others are made
by a command that is named beside them, or say when they were measured once."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import orjson
import pytest

from mmbot.bot.driver import COMMIT_OVERDUE_MS
from mmbot.config import DashboardSettings, OrderSettings, QuotingSettings
from mmbot.daemon import alerts, capture, outbox, transport, viewers, web_server, week_ends
from mmbot.daemon.process import STOP_SECONDS
from mmbot.daemon.supervision import _MOST_RESTARTS, _WITHIN_SECONDS
from mmbot.daemon.watchdog import START_EXTENSION_SECONDS
from mmbot.dashboard_view import MOST_LINES
from mmbot.forecast.calibration import RECENT_WEEKS
from mmbot.history import market_fetch, pacing
from mmbot.research.replayed_week import FillRules
from mmbot.trading import event_state, fees, listings
from mmbot.underlying import calendar
from mmbot.units import MONEY_PER_DOLLAR, ONE_CENT, ONE_DOLLAR, Price
from tests.test_docs import PAGES, ROOT

NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
ORDINALS = {4: "fourth"}


def words(number: float) -> str:
    """Write a small number as a page does."""
    assert number == int(number)
    return NUMBERS[int(number)]


def spoken(seconds: float) -> str:
    """Write a duration as a page does."""
    usual = {30: "half a minute", 60: "a minute", 1800: "half an hour"}
    if seconds in usual:
        return usual[int(seconds)]
    return f"{words(seconds / 60)} minutes" if seconds >= 60 else f"{seconds:g} seconds"


def page_bytes(*names: str) -> int:
    directory = ROOT / "mmbot/observe/page"
    files = [path for name in names for path in directory.glob(name) if path.is_file()]
    assert files
    return sum(path.stat().st_size for path in files)


def in_script(name: str, file: str) -> int:
    """Return a constant of one of the dashboard's scripts."""
    text = (ROOT / "mmbot/observe/page" / file).read_text(encoding="utf-8")
    found = re.search(rf"^const {name} = (\d+);", text, re.MULTILINE)
    assert found is not None
    return int(found[1])


def in_unit(key: str) -> str:
    text = (ROOT / "mmbot/daemon/mmbot.service").read_text(encoding="utf-8")
    (value,) = re.findall(rf"^{key}=(.*)$", text, re.MULTILINE)
    return str(value)


def fee_row(kind: str, unit: str) -> str:
    """Return the rate of a kind of fee, and the most that it can be, as the page has them."""
    fee = fees.MakerFee(kind)
    rate = fee.coefficient / fees.ONE_TIME / 10_000
    most = fee.each(Price(ONE_DOLLAR // 2)) / ONE_CENT
    return f"| `{kind}` | {rate:g}: at most {most:.2f} {unit} |"


orders, quoting, dashboard = OrderSettings(), QuotingSettings(), DashboardSettings()
LIFETIME = spoken(orders.lifetime_seconds)
TRIED_SECONDS = outbox.MOST_ATTEMPTS * outbox.RETRY_SECONDS
SPOKEN_SHARES = {0.1: "a tenth"}

# What a page says, word for word, with the figures that the code has.
SAID: dict[str, tuple[str, ...]] = {
    "README.md": (f"dead by themselves within {LIFETIME} if the process dies",),
    "docs/commands.md": (f"http://127.0.0.1:{dashboard.port}/",),
    "docs/dashboard.md": (
        f"at http://127.0.0.1:{dashboard.port}/",
        f"tries again every {spoken(web_server._RETRY_SECONDS).replace(' a ', ' ')}",
        f"for its last {transport._MOST_MEASURED} answers",
        f"its last {MOST_LINES} lines",
        f"hears nothing for {words(in_script('SILENT_MS', 'stream.js') / 1000)} seconds",
        f"At most {viewers.MOST_VIEWERS} viewers and {web_server.MOST_CONNECTIONS} connections",
        f"is ended after {spoken(web_server.IDLE_SECONDS)}",
        f"(MIT, {page_bytes('vendor/uplot/*.js') / 1000:.0f} kB)",
        f"the whole page is {page_bytes('*', 'vendor/uplot/*') / 1e6:.1f} MB",
    ),
    "docs/faults.md": (
        f"within {STOP_SECONDS:.0f} seconds whatever hangs",
        f"The {ORDINALS[_MOST_RESTARTS + 1]} death in {spoken(_WITHIN_SECONDS)}",
        f"For {spoken(event_state._NEWS_MS / 1000)} after a count",
        f"takes more than {spoken(COMMIT_OVERDUE_MS / 1000)} for a commit",
        f"tries again every {web_server._RETRY_SECONDS:.0f} s",
        f"{in_unit('WatchdogSec')} s as shipped",
        f"as shipped they live {orders.lifetime_seconds} s",
    ),
    "docs/fees.md": (
        fee_row("quadratic_with_maker_fees", "cents a contract, at 50 cents"),
        f"rounded up to ${fees.FEE_STEP / MONEY_PER_DOLLAR:.4f}",
        fee_row("quadratic_with_combo_maker_fees", "cents"),
        f"is not from 0 to {fees.MOST_MULTIPLIER // fees.ONE_TIME},",
        f"may hold from {spoken(fees.LEAD_MS / 1000)} before its time",
        f"may hold for {spoken(listings._OLDEST_COPY_MS / 1000)} more",
    ),
    "docs/forecast.md": (
        f"is {SPOKEN_SHARES[quoting.belief_weight[1]]} on Tuesday",
        f"grows to {quoting.belief_weight[4]:.2f} on Friday".replace("0.", "."),
        f"(`quoting.market_sharpness`) is {quoting.market_sharpness:g},",
        f"coverage of the last {RECENT_WEEKS} weeks",
        f"show for the last {RECENT_WEEKS} weeks how often",
    ),
    "docs/config.md": (f"{quoting.margin:g} is the middle of the range",),
    "docs/history.md": (
        f"at most {pacing.USUAL_RATE / 10:.0f} requests a second",
        f"{words(market_fetch.MOST_FETCHES)} times at the most while the exchange",
        f"is known for {FillRules().holds_ms // 60_000} minutes",
        f"`--delay-ms` ({FillRules().delay_ms})",
    ),
    "docs/runbook.md": (f"orders are gone within {LIFETIME}",),
    "docs/service.md": (
        f"(`WatchdogSec={in_unit('WatchdogSec')}`)",
        f"is given up after {spoken(START_EXTENSION_SECONDS)}",
        f"once if that takes {spoken(alerts.LONG_START_SECONDS)}",
        f"At most {outbox.MOST_OF_A_KIND} of a kind",
        f"{outbox.MOST_WAITING} may wait",
        f"is tried {words(outbox.MOST_ATTEMPTS)} times in {spoken(TRIED_SECONDS)}",
        f"the latest {week_ends.MOST_REPORTS}",
        f"{capture.RESERVE_BYTES // 2**20} MB of the disk are left free",
    ),
    "docs/underlyings.md": (
        f"opens on Monday at {calendar._OPENING:%H:%M}",
        f"closes on Sunday at {calendar._CLOSING:%H:%M}",
    ),
}

NIGHTLY = ROOT / ".ci/nightly"
# A number with a unit, or with decimals, is a figure; what stands in `code` is a value to type.
FIGURE = re.compile(
    r"(?<![\w.])[+-]?[\d,.]*\d\s?"
    r"(?:seconds?|minutes?|hours?|ms|us|s|MB|MiB|kB|bytes|cents?|dollars?|%|fills|requests)\b"
    r"|(?<![\w.])[+-]?\d*\.\d+"
)
COMMAND = re.compile(r"(?:mmbot|python -m|pytest|systemd-analyze|\.ci/\w+|tests/[\w/]+\.py)[^`]*")
MEASURED_ONCE = re.compile(r"[Mm]easured once[^.]*20\d\d|found once, in 20\d\d")
SECTION = re.compile(r"^(?=#+ )", re.MULTILINE)
# These are written from the code, or their numbers are formats and bounds.
NO_MEASUREMENTS = {"ARCHITECTURE.md", "CHANGELOG.md", "history.md", "log.md", "metrics.md"}


def squeezed(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("page", sorted(SAID))
def test_what_the_code_decides_is_said_as_it_is(page: str) -> None:
    text = squeezed((ROOT / page).read_text(encoding="utf-8"))
    assert [each for each in SAID[page] if each not in text] == []


def figures_without_a_command(page: str, text: str) -> list[tuple[str, list[str]]]:
    """Return the sections with figures that neither the code decides nor a command makes."""
    found = []
    for section in SECTION.split(text):
        named = [each for each in re.findall(r"`([^`\n]+)`", section) if COMMAND.match(each)]
        if named or "```sh" in section or MEASURED_ONCE.search(squeezed(section)):
            continue
        left = squeezed(re.sub(r"`[^`]*`", "", section))
        for each in SAID.get(page, ()):
            left = left.replace(squeezed(re.sub(r"`[^`]*`", "", each)), "")
        if figures := FIGURE.findall(left):
            found.append((section.splitlines()[0], figures))
    return found


@pytest.mark.parametrize(
    "page", [page for page in PAGES if page.name not in NO_MEASUREMENTS], ids=lambda page: page.name
)
def test_every_other_figure_names_the_command_that_makes_it(page: Path) -> None:
    name = str(page.relative_to(ROOT))
    assert figures_without_a_command(name, page.read_text(encoding="utf-8")) == []


def test_a_figure_without_a_command_is_found() -> None:
    text = "# It\n\nA frame takes 12 us.\n\n## Other\n\n`mmbot bench` says .3 ms.\n"
    assert figures_without_a_command("README.md", text) == [("# It", ["12 us"])]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_scripts_and_tests_that_make_figures_are_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    named = re.findall(r"`(?:python -m )?((?:tests/|tests\.|\.ci/)[\w./]+)", text)
    files = [name if "/" in name else name.replace(".", "/") + ".py" for name in named]
    assert [file for file in files if not (ROOT / file).exists()] == []


def scores() -> dict[str, Any]:
    """Return what `mmbot evaluate --json docs/forecast.json` wrote."""
    found: dict[str, Any] = orjson.loads((ROOT / "docs/forecast.json").read_bytes())
    return found


def cells(page: str, heading: str) -> list[list[str]]:
    """Return the rows of the first table below a heading."""
    _, _, below = (ROOT / page).read_text(encoding="utf-8").partition(f"\n## {heading}\n")
    table = re.search(r"^(?:\|.*\n)+", below.split("\n## ")[0], re.MULTILINE)
    assert table is not None
    rows = table[0].splitlines()
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows[2:]]


def thousands(passengers: float, sign: str = "") -> str:
    return f"{passengers / 1000:{sign}.1f}"


def test_the_forecast_scored_what_the_page_says() -> None:
    found = scores()
    pool, than = found["methods"]["pool"], found["differences"]
    expected = []
    for k in "01234":
        mean, low, high = (thousands(than["combined"][k][n], "+") for n in ("mean", "low", "high"))
        coverage = f"{pool[k]['coverage80']:.2f}".lstrip("0")
        to_seed = thousands(than["seed"][k]["mean"], "+")
        crps = thousands(pool[k]["crps"])
        expected.append([k, crps, coverage, f"{mean} ({low} to {high})", to_seed])
    assert cells("docs/forecast.md", "What it scored") == expected
    page = squeezed((ROOT / "docs/forecast.md").read_text(encoding="utf-8"))
    assert f"first prints of {pool['0']['weeks']} weeks" in page


def test_each_method_alone_scored_what_the_page_says() -> None:
    methods = scores()["methods"]
    rows = cells("docs/forecast.md", "A pool of methods")
    assert {name.strip("`") for name, _, _ in rows} == methods.keys() - {"pool"}
    for name, _, scored in rows:
        alone = methods[name.strip("`")]
        assert scored == f"{thousands(alone['0']['crps'])}, {thousands(alone['4']['crps'])}"


def test_each_line_of_the_last_night_is_of_a_step_with_its_commit_and_date() -> None:
    code = NIGHTLY.read_text(encoding="utf-8")
    steps = re.findall(r"^def (\w+)\(_?quick: bool\)", code, re.MULTILINE)
    lines = (ROOT / "docs/nightly.md").read_text(encoding="utf-8").splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if "|" in line]
    assert len(steps) > 5
    for step, result, passed, seconds, commit, date in rows[2:]:
        assert step in steps
        assert result
        assert passed in {"yes", "**no**"}
        assert re.fullmatch(r"[\d,]+", seconds)
        assert re.fullmatch(r"[0-9a-f]{12}", commit)
        assert re.fullmatch(r"20\d\d-\d\d-\d\d", date)
