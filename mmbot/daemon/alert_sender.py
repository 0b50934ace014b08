"""Sends one alert to every address through Apprise, in a separate process.

`python -m mmbot.daemon.alert_sender` reads one `Letter` as JSON from standard input, and prints one
`Delivery` for each address. Apprise takes a second to load and waits for servers; in its own
process that does not delay the daemon's loop. The addresses contain passwords and are never
arguments.
"""

from __future__ import annotations

import logging
import re
import signal
import sys
from collections.abc import Iterable
from urllib.parse import unquote

import msgspec

# The longest reason, in characters.
_LONGEST_REASON = 300
# A shorter part of an address would also match ordinary words.
_SHORTEST_SECRET = 3


class Letter(msgspec.Struct, frozen=True):
    """An alert, and the addresses in Apprise's format, which are secrets."""

    addresses: tuple[str, ...]
    title: str
    body: str


class Delivery(msgspec.Struct, frozen=True):
    """The result for one address: the address's kind, and why it was not sent, or ""."""

    kind: str
    failure: str = ""


def kind_of(address: str) -> str:
    """Return the kind of an address, such as `mailto`: the only part that is not secret."""
    kind, separator, _ = address.partition("://")
    return kind.lower() if separator and kind.isalnum() and len(kind) <= 20 else "no address"


def scrubbed(text: str, addresses: Iterable[str]) -> str:
    """Return text on one line, with every part of the addresses but their kinds removed."""
    for address in addresses:
        _, _, rest = address.partition("://")
        parts = {*re.split(r"[/:@?&=,+]", rest), *re.split(r"[/:@?&=,+]", unquote(rest))}
        for part in (address, rest, *sorted(parts, key=len, reverse=True)):
            if len(part) >= _SHORTEST_SECRET:
                text = text.replace(part, "***")
    return " ".join(text.split())[:_LONGEST_REASON]


class _Said(logging.Handler):
    """Collects Apprise's messages about a failure."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def deliver(letter: Letter) -> tuple[Delivery, ...]:
    """Send an alert to each address and wait for the servers."""
    import apprise  # noqa: PLC0415 (only where something is sent)

    logging.getLogger("apprise").propagate = False
    deliveries = []
    # Apprise sends nothing if the body is empty.
    body = letter.body or letter.title
    for address in letter.addresses:
        said = _Said()
        logging.getLogger("apprise").addHandler(said)
        sender = apprise.Apprise()
        failure = ""
        if not sender.add(address):
            failure = "Apprise does not support this address, or cannot parse it"
        elif not sender.notify(body=body, title=letter.title, body_format="text"):
            failure = scrubbed("; ".join(said.lines) or "no reason given", letter.addresses)
        logging.getLogger("apprise").removeHandler(said)
        deliveries.append(Delivery(kind_of(address), failure))
    return tuple(deliveries)


def main() -> None:
    """Send the letter on standard input."""
    # The daemon and its children block signals; this process may be ended by any of them.
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    letter = msgspec.json.decode(sys.stdin.buffer.read(), type=Letter)
    sys.stdout.buffer.write(msgspec.json.encode(deliver(letter)))


if __name__ == "__main__":
    main()
