"""What a person is told of, and how it gets there: real mail, real HTTP, a real daemon."""

from __future__ import annotations

import asyncio
import datetime as dt
import signal
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from structlog.testing import capture_logs

from mmbot.config import AlertSettings
from mmbot.daemon import alerts
from mmbot.daemon.alert_addresses import MOST_ADDRESSES, find_addresses
from mmbot.daemon.alert_sender import Delivery, Letter, kind_of, scrubbed
from mmbot.daemon.alerts import LONG_START_SECONDS, Alerts, send_letter
from mmbot.daemon.metrics import Measured
from mmbot.daemon.outbox import RETRY_SECONDS
from mmbot.errors import BadInput
from mmbot.trading.events import BeliefFormed, StreamLost, StreamUp
from mmbot.trading.operator_events import Halted, Resumed
from mmbot.underlying.calendar import EASTERN, to_milliseconds
from tests.daemon.mail import hook_server, mail_server
from tests.daemon.processes import Mmbot, Start, session
from tests.daemon.test_metrics import fill_of_bid, report
from tests.daemon.test_web_server import free_port, until_served
from tests.trading.builders import Bench, belief, notes

SECRET = "secret-passw0rd"
EVERY_KIND = f"events = {list(AlertSettings().events)}".replace("'", '"')
ADDRESS = f"mailtos://me:{SECRET}@smtp.example.com?to=someone@example.com"


class Told:
    """A bot whose alerts go into a list; `now` is the time in seconds."""

    def __init__(self, directory: Path, **settings: Any) -> None:
        self.bench = Bench()
        self.now = 0.0
        self.fails = ""
        self.hangs = False
        self.letters: list[Letter] = []
        self.addresses: tuple[str, ...] = (ADDRESS,)
        self.unreadable = ""
        self.alerts = Alerts(
            AlertSettings(**settings), self._find, directory, self._send, lambda: self.now
        )
        self.alerts.watch(lambda: Measured(report(self.bench)))

    def _find(self, _settings: AlertSettings) -> tuple[str, ...]:
        if self.unreadable:
            raise BadInput(self.unreadable)
        return self.addresses

    async def _send(self, letter: Letter) -> tuple[Delivery, ...]:
        if self.hangs:
            await asyncio.Event().wait()
        if not self.fails:
            self.letters.append(letter)
        return (Delivery("mailtos", self.fails),)

    def handle(self, *events: Any) -> None:
        before = len(self.bench.all_commands)
        self.bench.handle(*events)
        self.hear(self.bench.all_commands[before:])

    def hear(self, commands: list[Any]) -> None:
        for command in commands:
            if notes([command]):
                self.alerts.heard(command.name, command.fields)

    async def titles(self) -> list[str]:
        """Look, send, and return the titles of what was sent since the last time."""
        self.alerts.look()
        await self.alerts._send_due()
        sent, self.letters = self.letters, []
        self.last = sent[-1] if sent else None
        return [letter.title for letter in sent]


@pytest.fixture
async def told(tmp_path: Path) -> Told:
    """A bot that has started and told so."""
    told = Told(tmp_path)
    told.hear(told.bench.start())
    assert await told.titles() == ["Started"]
    return told


async def test_a_start_is_told_once_and_says_what_is_quoted(told: Told) -> None:
    assert told.last is not None
    assert told.last.body.startswith("quotes nothing: ")
    assert await told.titles() == []


async def test_a_start_that_waits_for_long_is_told_once(tmp_path: Path) -> None:
    told = Told(tmp_path)
    told.alerts.waits_for("there is no exchange")
    told.now += LONG_START_SECONDS - 1
    assert await told.titles() == []
    told.now += 1
    assert await told.titles() == ["It has waited for 5 minutes and trades nothing yet"]
    assert told.last is not None
    assert told.last.body == "there is no exchange"
    told.alerts.waits_for("there is no exchange")
    told.now += LONG_START_SECONDS
    assert await told.titles() == []
    told.bench.start()
    assert await told.titles() == ["Started"]


async def test_a_halt_and_its_end_are_told(told: Told) -> None:
    told.handle(Halted(told.bench.now, "lunch"), Resumed())
    assert await told.titles() == ["Halted: lunch", "Resumed: quoting again"]


async def test_a_count_is_told_with_the_new_distribution_and_what_each_market_is_worth(
    told: Told,
) -> None:
    told.handle(BeliefFormed(belief((0.9, 0.6, 0.3), known=2)))
    (title,) = await told.titles()
    assert title == (
        "Count published; T-26NOV29: 2,700,000 passengers a day, give or take 80,000; "
        "0 of 7 days published"
    )
    assert told.last is not None
    rows = [line.split() for line in told.last.body.splitlines() if "2,600,000" in line]
    assert rows == [["2,600,000", "0.90", "0.90", "-", "-", "0.00", "no_book"]]


async def test_a_revised_belief_without_a_new_count_is_no_news(told: Told) -> None:
    told.handle(BeliefFormed(belief((0.9, 0.6, 0.3), known=1)))
    assert await told.titles() == []


async def test_fills_are_one_message(told: Told) -> None:
    told.bench = Bench()
    told.bench.rest()
    told.handle(fill_of_bid(told.bench))
    assert await told.titles() == []
    told.now += 60.0
    (title,) = await told.titles()
    assert title.startswith("bought 2.00 T-26NOV29-A2.7 at 0.4")
    assert title.endswith("worth 0.500; 2.00 held")


async def test_a_stream_that_is_down_for_long_is_told_and_so_is_its_return(told: Told) -> None:
    told.handle(StreamLost())
    assert await told.titles() == []
    told.now += 59.0
    assert await told.titles() == []
    told.now += 1.0
    assert await told.titles() == ["The exchange's stream has been down for 60 s"]
    told.now += 100.0
    assert await told.titles() == []
    told.handle(StreamUp())
    assert await told.titles() == ["The exchange's stream is back after 160 s"]


async def test_a_stream_that_is_soon_back_is_not_told(told: Told) -> None:
    told.handle(StreamLost())
    assert await told.titles() == []
    told.now += 30.0
    told.handle(StreamUp())
    assert await told.titles() == []


async def test_a_limit_that_is_hit_is_told_once(told: Told) -> None:
    (event,) = told.bench.engine.state.events.values()
    event.reduce_only = True
    (title,) = await told.titles()
    assert title.startswith("T-26NOV29 has reached its loss limit")
    assert await told.titles() == []


async def test_every_morning_the_week_is_told(told: Told) -> None:
    at = dt.datetime(2026, 11, 25, 8, 0, tzinfo=EASTERN)
    told.bench.now = to_milliseconds(at) - 1
    assert await told.titles() == []
    told.bench.now += 1
    assert await told.titles() == ["Wednesday, November 25: what the week is worth"]
    told.bench.now += 3_600_000
    assert await told.titles() == []
    told.bench.now = to_milliseconds(at + dt.timedelta(days=1))
    assert await told.titles() == ["Thursday, November 26: what the week is worth"]


async def test_what_cannot_be_sent_is_logged_once_and_sent_when_it_can_be(told: Told) -> None:
    told.fails = "Connection refused"
    with capture_logs() as log:
        for _ in range(2):
            told.handle(Halted(told.bench.now, "lunch"))
            told.now += RETRY_SECONDS
            assert await told.titles() == []
    assert log == [
        {
            "event": "alert.not_sent",
            "log_level": "warning",
            "address": "1: mailtos",
            "reason": "Connection refused",
        }
    ]
    assert told.alerts.problems == (
        "alerts do not reach address 1: mailtos (Connection refused); see `mmbot alerts test`",
    )
    told.fails = ""
    told.now += RETRY_SECONDS
    assert await told.titles() == ["Halted: lunch", "Halted: lunch"]
    assert not told.alerts.problems


async def test_the_end_is_told_last(told: Told) -> None:
    told.handle(Halted(told.bench.now, "lunch"))
    await told.alerts.close("Stopped: no order is left")
    titles = [letter.title for letter in told.letters]
    assert titles == ["Halted: lunch", "Stopped: no order is left"]


async def test_a_server_that_hangs_does_not_keep_the_end_waiting(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alerts, "CLOSE_SECONDS", 0.05)
    told.hangs = True
    await told.alerts.close("Stopped: no order is left")
    assert told.letters == []


async def test_a_process_that_begins_anew_is_held_to_what_was_sent_before(tmp_path: Path) -> None:
    first = Told(tmp_path, most_an_hour=1)
    first.bench.start()
    assert await first.titles() == ["Started"]
    second = Told(tmp_path, most_an_hour=1)
    second.bench.start()
    assert await second.titles() == []


# The addresses


def private(path: Path, text: str) -> str:
    path.touch(0o600)
    path.write_text(text)
    return str(path)


def test_the_file_comes_before_the_environment_and_that_before_the_credential(
    tmp_path: Path,
) -> None:
    private(tmp_path / "alert_urls", "c://1\n")
    environment = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    assert find_addresses(AlertSettings(), environment) == ("c://1",)
    environment["MMBOT_ALERT_URLS"] = "e://1 e://2"
    assert find_addresses(AlertSettings(), environment) == ("e://1", "e://2")
    named = private(tmp_path / "file", "# mine\n\n f://1 \n")
    assert find_addresses(AlertSettings(urls_file=named), environment) == ("f://1",)
    assert find_addresses(AlertSettings(), {}) == ()


def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text(ADDRESS)
    path.chmod(0o644)
    with pytest.raises(BadInput, match="chmod 600") as refused:
        find_addresses(AlertSettings(urls_file=str(path)), {})
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize("name", ["missing", "."])
def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadInput, match="cannot read the alerts' addresses"):
        find_addresses(AlertSettings(urls_file=str(tmp_path / name)), {})


def test_too_many_addresses_are_refused() -> None:
    many = " ".join(f"e://{number}" for number in range(MOST_ADDRESSES + 1))
    with pytest.raises(BadInput, match="is the most"):
        find_addresses(AlertSettings(), {"MMBOT_ALERT_URLS": many})


@pytest.mark.parametrize(
    "said",
    [
        f"could not log in as me with {SECRET}",
        f"{ADDRESS} is down",
        "no answer\nfrom smtp.example.com",
    ],
)
def test_no_part_of_an_address_is_in_a_reason(said: str) -> None:
    reason = scrubbed(said, (ADDRESS,))
    assert SECRET not in reason
    assert "smtp.example.com" not in reason
    assert "\n" not in reason


def test_a_password_that_is_escaped_in_its_address_is_found_as_well() -> None:
    assert "p@ss word" not in scrubbed("bad p@ss word", ("mailto://me:p%40ss%20word@example.com",))


@pytest.mark.parametrize(("address", "kind"), [(ADDRESS, "mailtos"), (SECRET, "no address")])
def test_of_an_address_only_its_kind_is_named(address: str, kind: str) -> None:
    assert kind_of(address) == kind


# Real servers


async def test_a_letter_reaches_mail_and_http_and_says_where_it_did_not() -> None:
    async with mail_server() as mailbox, hook_server() as hook:
        nowhere = f"json://someone:{SECRET}@127.0.0.1:{free_port()}/"
        addresses = (mailbox.address, nowhere, hook.address, f"unknown://{SECRET}")
        body = "     above   fair\n 2,600,000   0.90"
        delivered = await send_letter(Letter(addresses, "Wednesday: the week", body))
    assert [each.kind for each in delivered] == ["mailto", "json", "json", "unknown"]
    assert [bool(each.failure) for each in delivered] == [False, True, False, True]
    assert SECRET not in str(delivered)
    (mail,) = mailbox.mails
    assert mail["Subject"] == "Wednesday: the week"
    assert mail["To"] == "me@example.com"
    text = mail.get_body(("plain",))
    assert text is not None
    assert text.get_content().splitlines() == body.splitlines()
    assert hook.posted[0]["message"] == body


def changed(config: Path, lines: dict[str, str]) -> Path:
    text = config.read_text()
    for line, other in lines.items():
        assert text.count(line) == 1
        text = text.replace(line, other)
    config.write_text(text)
    return config


# Other settings


async def test_other_settings_are_in_force_at_once(told: Told) -> None:
    told.alerts.change(AlertSettings(events=("limit",)))
    told.handle(Halted(told.bench.now, "lunch"))
    assert await told.titles() == []
    told.alerts.change(AlertSettings(events=("halt",), most_an_hour=2))
    told.handle(Resumed(), Halted(told.bench.now, "tea"))
    assert await told.titles() == ["Resumed: quoting again"]


async def test_another_address_is_used_once_the_file_has_it(told: Told) -> None:
    told.alerts.change(AlertSettings(urls_file="somewhere"))
    told.addresses = ("json://another",)
    await told.alerts.read_addresses()
    told.handle(Halted(told.bench.now, "lunch"))
    await told.titles()
    assert told.last is not None
    assert told.last.addresses == ("json://another",)


async def test_a_file_of_addresses_that_cannot_be_read_leaves_the_known_ones_and_is_told_once(
    told: Told,
) -> None:
    told.alerts.change(AlertSettings(urls_file="somewhere"))
    told.unreadable = "cannot read the alerts' addresses"
    with capture_logs() as log:
        for _ in range(2):
            await told.alerts.read_addresses()
    assert [line["event"] for line in log] == ["alert.no_addresses"]
    assert told.alerts.problems == ("cannot read the alerts' addresses",)
    told.handle(Halted(told.bench.now, "lunch"))
    assert await told.titles() == ["Halted: lunch"]
    told.unreadable = ""
    await told.alerts.read_addresses()
    assert not told.alerts.problems


async def test_whoever_is_told_from_now_on_is_not_told_what_was(tmp_path: Path) -> None:
    told = Told(tmp_path)
    told.addresses = ()
    told.alerts = Alerts(AlertSettings(), told._find, tmp_path, told._send, lambda: told.now)
    told.alerts.watch(lambda: Measured(report(told.bench)))
    told.hear(told.bench.start())
    told.handle(Halted(told.bench.now, "lunch"))
    told.addresses = (ADDRESS,)
    told.alerts.change(AlertSettings(urls_file="somewhere"))
    await told.alerts.read_addresses()
    assert await told.titles() == []
    told.handle(Resumed())
    assert await told.titles() == ["Resumed: quoting again"]


async def test_the_daemon_tells_of_what_the_edited_config_has_and_is_measured_meanwhile(
    start_exchange: Start, quick_config: str, tmp_path: Path
) -> None:
    exchange = start_exchange("--seed", "3", "--speed", "1")
    port = free_port()
    async with hook_server() as hook:
        addresses = private(tmp_path / "addresses", hook.address)
        told = {
            "\nport = 0\n": f"\nport = {port}\n",
            'urls_file = ""': f'urls_file = "{addresses}"',
            EVERY_KIND: 'events = ["start"]',
        }
        config = changed(Path(quick_config), told)
        state = tmp_path / "state"
        async with session(config, exchange.venue_file, state) as daemon:
            started = await hook.until_posted("Started")
            await daemon.until("order.place")
            async with aiohttp.ClientSession() as client:
                url = f"http://127.0.0.1:{port}/metrics"
                await until_served(client, url)
                async with client.get(url) as answer:
                    page = await answer.text()
            changed(config, {'events = ["start"]': 'events = ["stop"]'})
            await daemon.until("config.reloaded")
            daemon.process.send_signal(signal.SIGTERM)
            assert await daemon.ended() == 0
        stopped = await hook.until_posted("Stopped")
    assert "mmbot_streaming 1.0" in page
    assert 'mmbot_loop_late_seconds_bucket{le="+Inf"} ' in page
    assert "mmbot_orders_placed_total 0.0" not in page
    assert started["message"].startswith("quotes ")
    assert stopped["title"] == "Stopped: no order is left"
    written = str(daemon.log).encode() + b"".join(
        path.read_bytes() for path in state.rglob("*") if path.is_file()
    )
    assert b"hook-with-secret" not in written


async def test_alerts_test_says_what_became_of_each_address(
    tmp_path: Path, mmbot: Mmbot, quick_config: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    none = mmbot("alerts", "test", "--config", quick_config)
    assert none.returncode == 2
    assert "no address for alerts is set; write one per line into" in none.stderr
    closed = f"json://me:{SECRET}@127.0.0.1:{free_port()}"
    monkeypatch.setenv("MMBOT_ALERT_URLS", closed)
    failed = mmbot("alerts", "test", "--config", quick_config)
    assert failed.returncode == 3
    assert failed.stdout.startswith("address 1 (json): ")
    assert SECRET not in failed.stdout + failed.stderr
