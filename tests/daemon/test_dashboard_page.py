"""The dashboard in a browser: it shows what a daemon quotes, halts it, and has it resume."""

from __future__ import annotations

from pathlib import Path

from tests.daemon.browser import browsing
from tests.daemon.processes import Start, await_resting, daemon, read_until, terminate

PHONE, DESK = 390, 1280


def with_dashboard(config: str) -> str:
    """Have the daemon serve its dashboard on a free port."""
    path = Path(config)
    text = path.read_text().replace("enabled = false", "enabled = true")
    path.write_text(text.replace("port = 8780", "port = 0"))
    return config


def test_a_person_sees_the_quotes_halts_them_with_the_token_and_resumes(
    start_exchange: Start, quick_config: str, tmp_path: Path
) -> None:
    exchange = start_exchange("--seed", "3", "--speed", "1")
    state = tmp_path / "state"
    with (
        browsing(tmp_path / "browser") as page,
        daemon(with_dashboard(quick_config), exchange.venue_file, state) as process,
    ):
        url = read_until(process, "dashboard.served")[-1]["url"]
        read_until(process, "order.place")
        page.open(url, DESK)
        page.until("document.querySelectorAll('#ladder .own').length")
        assert "Quoting" in page.text("#state")
        assert page.ask("document.querySelectorAll('#distribution canvas').length") == 1

        page.click("#halt")
        page.type("#reason", "a storm")
        page.type("#token", "a guess")
        page.click("#dialog-do")
        page.until("document.querySelector('#dialog-error').innerText.includes('needs the token')")
        (token_file,) = state.rglob("dashboard-token")
        page.ask("document.querySelector('#token').value = ''")
        page.type("#token", token_file.read_text().strip())
        page.click("#dialog-do")
        page.until("!document.querySelector('#dialog').open")
        await_resting(exchange, some=False)
        page.until("document.querySelector('#state').innerText === 'Halted'")
        page.until("!document.querySelectorAll('#ladder .own').length")
        assert "a storm" in page.text("#notices")

        page.click("#resume")
        # The token is remembered while the tab is open.
        assert not page.ask("document.querySelector('#token-label').checkVisibility()")
        page.click("#dialog-do")
        page.until("document.querySelectorAll('#ladder .own').length")
        await_resting(exchange, some=True)

        background = "getComputedStyle(document.body).backgroundColor"
        light = page.ask(background)
        page.resize(PHONE, dark=True)
        assert page.ask(background) != light
        page.click("#theme")
        assert page.ask(background) == light
        page.until(f"document.documentElement.scrollWidth <= {PHONE}")
        page.until("document.querySelector('#distribution canvas').clientWidth <= 390")
        assert [each for each in page.complaints if "401" not in each] == []

        assert terminate(process) == 0
        page.until("document.querySelector('#notices').innerText.includes('No word from')")
