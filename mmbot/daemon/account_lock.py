"""The lock that allows one daemon per account on this machine, and the address to reach it at.

A daemon binds an abstract Unix address made of its account: API key, exchange and subaccount. The
kernel gives the address to one process at a time, frees it when that process ends, and shows it to
all users and mount namespaces. The daemon also answers requests there, so that it is found whatever
its state directory is. Limits: it covers one network namespace, so neither another machine nor a
container with its own network; and whoever knows the key's id could bind it first, which prevents a
start but deceives nobody, as each end checks the identity of the other.
"""

from __future__ import annotations

import errno
import hashlib
import socket

from mmbot.config import Settings
from mmbot.daemon.endpoints import Venue
from mmbot.errors import NotReady

_PREFIX = "\0mmbot-"
_DIGITS = 32


class AccountTaken(NotReady):
    """Another daemon trades the account."""


def address_of(settings: Settings, venue: Venue, key_id: str, *, only_records: bool = False) -> str:
    """Return the address of the daemon that trades an account.

    Paper trading does not touch the account, so a paper daemon may run beside another, and one that
    only records beside both.
    """
    kind = "record" if only_records else "paper" if settings.mode == "paper" else "real"
    account = "\n".join((key_id, venue.rest_url, str(settings.exchange.subaccount), kind))
    return _PREFIX + hashlib.sha256(account.encode()).hexdigest()[:_DIGITS]


def claim(address: str) -> socket.socket:
    """Return a socket bound to the address, which is this process's until it is closed.

    Raises:
        AccountTaken: Another process has it.
    """
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        bound.bind(address)
    except OSError as error:
        bound.close()
        if error.errno != errno.EADDRINUSE:
            raise
        raise AccountTaken(
            "another mmbot on this machine trades this account; stop that one first"
        ) from None
    return bound


def is_claimed(address: str) -> bool:
    """Return whether a process holds the address, listening or not."""
    try:
        claim(address).close()
    except AccountTaken:
        return True
    return False
