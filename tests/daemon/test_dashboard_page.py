"""The dashboard in a browser, of a daemon that trades on the simulated exchange."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.conftest import PROCESS_SECONDS, exchanges, quick_settings
from tests.daemon.browser import Page, browsing
from tests.daemon.processes import await_resting, daemon, read_until, terminate
from tests.preloaded import PRELOADED

PHONE, DESK = 390, 1280
OWN = "document.querySelectorAll('#ladder .own').length"
BACKGROUND = "getComputedStyle(document.body).backgroundColor"


class Shown:
    """A page, the exchange behind it, and how a command finds the daemon."""

    def __init__(self, page: Page, exchange: Any, config: Path, state: Path) -> None:
        self.page = page
        self.exchange = exchange
        self._where = ("--config", str(config), "--venue", str(exchange.venue_file))
        self._environment = {**os.environ, "STATE_DIRECTORY": str(state)}

    def mmbot(self, *arguments: str) -> dict[str, Any]:
        """Run a command of the daemon's machine; return its JSON."""
        done = subprocess.run(
            [PRELOADED, "-m", "mmbot", *arguments, *self._where, "--json"],
            capture_output=True,
            timeout=PROCESS_SECONDS,
            check=True,
            env=self._environment,
        )
        answer: dict[str, Any] = orjson.loads(done.stdout)
        return answer

    def confirm(self, token: str | None = None) -> None:
        """Answer the page's question with yes."""
        if token is not None:
            self.page.ask("document.querySelector('#token').value = ''")
            self.page.type("#token", token)
        self.page.click("#dialog-do")

    def until_done(self) -> None:
        self.page.until("!document.querySelector('#dialog').open")


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    """A page of a daemon that quotes; it says so when the daemon has ended."""
    directory = tmp_path_factory.mktemp("dashboard")
    config, state = directory / "quick.toml", directory / "state"
    settings = quick_settings().replace("enabled = false", "enabled = true")
    config.write_text(settings.replace("port = 8780", "port = 0"))
    with browsing(directory / "browser") as page, exchanges(directory) as start:
        exchange = start("--seed", "3", "--speed", "1")
        with daemon(str(config), exchange.venue_file, state) as process:
            url = read_until(process, "dashboard.served")[-1]["url"]
            read_until(process, "order.place")
            page.open(url, DESK)
            page.until(OWN)
            yield Shown(page, exchange, config, state)
            assert terminate(process) == 0
            page.until("document.querySelector('#notices').innerText.includes('No connection to')")


@pytest.fixture
def page(shown: Shown) -> Iterator[Page]:
    """The page, in which nobody has typed a token; it breaks no rule of its own policy."""
    shown.page.resize(DESK)
    shown.page.ask("sessionStorage.clear()")
    yield shown.page
    assert [each for each in shown.page.complaints if "401" not in each] == []


@pytest.fixture
def token(shown: Shown) -> str:
    """The token, found as an operator does."""
    return Path(shown.mmbot("dashboard")["token_file"]).read_text().strip()


def test_it_shows_quotes_and_draws_the_forecast(page: Page) -> None:
    page.until("document.querySelector('#state').innerText.startsWith('Quoting')")
    assert page.ask("document.querySelectorAll('#distribution canvas').length") == 1
    assert page.ask("document.querySelectorAll('#days .published').length") == 1
    page.until("document.querySelectorAll('#orders tbody tr').length")


def test_a_halt_by_its_button_takes_the_quotes_off_until_resume(
    shown: Shown, page: Page, token: str
) -> None:
    page.click("#halt")
    page.type("#reason", "a storm")
    shown.confirm(token)
    shown.until_done()
    await_resting(shown.exchange, some=False)
    page.until("document.querySelector('#state').innerText === 'Halted'")
    page.until(f"{OWN} === 0")
    assert "a storm" in page.text("#notices")
    page.click("#resume")
    # The token is remembered while the tab is open.
    assert not page.ask("document.querySelector('#token-label').checkVisibility()")
    shown.confirm()
    page.until(OWN)
    await_resting(shown.exchange, some=True)


def test_a_wrong_token_halts_nothing_and_is_asked_for_again(shown: Shown, page: Page) -> None:
    page.click("#halt")
    shown.confirm("a guess")
    page.until("document.querySelector('#dialog-error').innerText.includes('needs the token')")
    page.click("#dialog-cancel")
    page.click("#halt")
    assert page.ask("document.querySelector('#token-label').checkVisibility()")
    page.click("#dialog-cancel")
    assert shown.mmbot("status")["halt"] is None


def test_a_market_is_paused_and_quoted_again_from_its_row(
    shown: Shown, page: Page, token: str
) -> None:
    page.until("document.querySelector('#ladder .market .own')")
    page.click("#ladder .market:has(.own)")
    page.click("#ladder .detail .stop")
    shown.confirm(token)
    shown.until_done()
    page.until("document.querySelector('#ladder .paused')")
    (paused,) = shown.mmbot("status")["paused"]
    assert paused in page.text("#notices")
    page.click("#ladder .detail .go")
    shown.confirm()
    page.until("!document.querySelector('#ladder .paused')")
    assert shown.mmbot("status")["paused"] == []
    page.click("#ladder .market:has(+ .detail)")


def test_what_has_the_focus_keeps_it_when_new_figures_come(page: Page) -> None:
    page.until(OWN)
    page.ask("document.querySelector('#ladder .market').dataset.old = 'yes'")
    page.ask("document.querySelector('#ladder .row-button').focus()")
    page.until("!document.querySelector('#ladder [data-old]')")
    assert page.ask("document.activeElement.matches('#ladder .row-button')")


def test_it_fits_a_phone(page: Page) -> None:
    page.resize(PHONE)
    page.until(f"document.documentElement.scrollWidth <= {PHONE}")
    page.until(f"document.querySelector('#distribution canvas').clientWidth < {PHONE}")


def test_it_is_dark_where_the_system_is_and_light_by_its_switch(page: Page) -> None:
    light = page.ask(BACKGROUND)
    page.resize(DESK, dark=True)
    assert page.ask(BACKGROUND) != light
    page.click("#theme")
    assert page.ask(BACKGROUND) == light
    for _ in range(2):
        page.click("#theme")
