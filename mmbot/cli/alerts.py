"""`mmbot alerts`: tests of the addresses that alerts go to."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from mmbot.cli.options import DaemonConfig
from mmbot.cli.output import print_json
from mmbot.cli.whereabouts import locate
from mmbot.daemon.alert_addresses import CREDENTIAL, VARIABLE, find_addresses
from mmbot.daemon.alert_sender import Letter
from mmbot.daemon.alerts import send_letter
from mmbot.errors import BadInput, ExitCode

alerts = typer.Typer(
    no_args_is_help=True,
    help="""Alerts about what the daemon does, by mail or chat.

    The addresses are Apprise URLs, one on each line of the file that
    alerts.urls_file names, of the environment variable MMBOT_ALERT_URLS, or of
    the service's /etc/mmbot/alert_urls. They contain passwords and are never
    logged.

    \b
    mailtos://USER:PASSWORD@example.com?to=me@example.com
    ntfys://TOPIC
    tgram://BOT-TOKEN/CHAT-ID

    alerts.events selects the kinds: start, stop, halt, limit, feed, count,
    fills, settlement, morning.
    """,
)
alerts.callback()(lambda: None)


@alerts.command("test")
def send_test(
    config_path: DaemonConfig = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of lines.")] = False,
) -> None:
    """Send one alert to every address, and report the result.

    Exit codes: 0 all were sent, 2 no address is set, or one is invalid,
    3 one was not sent.
    """
    found = locate(config_path)
    addresses = find_addresses(found.settings.alerts, found.environment)
    if not addresses:
        raise BadInput(
            "no address for alerts is set; write one per line into the file that alerts.urls_file "
            f"names, into {VARIABLE}, or into the credential {CREDENTIAL}"
        )
    letter = Letter(addresses, "mmbot: a test", "It was sent by `mmbot alerts test`.")
    deliveries = asyncio.run(send_letter(letter))
    if as_json:
        print_json(deliveries)
    else:
        for number, each in enumerate(deliveries, 1):
            print(f"address {number} ({each.kind}): {each.failure or 'sent'}")
    failed = any(each.failure for each in deliveries)
    raise typer.Exit(ExitCode.NOT_READY if failed else ExitCode.CLEAN)
