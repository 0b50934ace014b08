"""The addresses that mmbot speaks to, and those that it refuses."""

from __future__ import annotations

import re
from typing import Literal

from mmbot.config.schema import Mode
from mmbot.errors import BadInput

_PRODUCTION = (
    "https://external-api.kalshi.com/trade-api/v2",
    "wss://external-api-ws.kalshi.com/trade-api/ws/v2",
)
_DEMO = (
    "https://external-api.demo.kalshi.co/trade-api/v2",
    "wss://external-api-ws.demo.kalshi.co/trade-api/ws/v2",
)

# REST and stream address of each mode; paper reads the real market.
HOSTS: dict[Mode, tuple[str, str]] = {"paper": _PRODUCTION, "demo": _DEMO, "live": _PRODUCTION}

# Nothing else fits: no user, query, fragment, blank, nor a path that would need an escape.
_ADDRESS = re.compile(
    r"(?P<scheme>[a-z]+)://(?P<host>[A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\])(:(?P<port>\d{1,5}))?"
    r"(?P<path>(/[A-Za-z0-9._~-]+)*)\Z",
    re.ASCII,
)
_LOOPBACK = frozenset({"127.0.0.1", "[::1]", "localhost"})


def refuse_address(
    url: str, source: str, *, kind: Literal["http", "ws"] = "http", path: str = ""
) -> None:
    """Refuse an address unless it is encrypted or on loopback, and a scheme, host, port and path.

    Raises:
        BadInput: It is not; `source` names its place.
    """
    match = _ADDRESS.match(url)
    is_plain = match is not None and match["scheme"] == kind and match["host"] in _LOOPBACK
    fits = match is not None and (match["scheme"] == f"{kind}s" or is_plain)
    is_port = match is not None and 0 < int(match["port"] or 1) < 65536
    if match is None or not (fits and is_port and match["path"] == path):
        raise BadInput(
            f"{source}: {url!r:.200} is neither encrypted nor on loopback, or is not a plain "
            f"address; write {kind}s://HOST[:PORT]{path}, or {kind}://127.0.0.1:PORT{path}"
        )
