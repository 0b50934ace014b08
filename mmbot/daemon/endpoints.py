"""The addresses of an exchange and of the counts, and their common calendar."""

from __future__ import annotations

from pathlib import Path

import msgspec

from mmbot.config import HOSTS, Settings, refuse_address
from mmbot.errors import BadInput
from mmbot.kalshi.http import BASE_PATH, STREAM_PATH
from mmbot.underlying.calendar import CalendarClock


class Venue(msgspec.Struct, frozen=True):
    """An exchange to trade at; a simulated one names its own `key_id` and `private_key_path`."""

    rest_url: str
    ws_url: str
    counts_url: str
    clock: CalendarClock = CalendarClock()
    key_id: str = ""
    private_key_path: str = ""

    @property
    def origin(self) -> str:
        """The scheme and host of the REST address."""
        return self.rest_url.removesuffix(BASE_PATH)


def real_venue(settings: Settings) -> Venue:
    """Return the real exchange of the configured mode."""
    rest_url, ws_url = HOSTS[settings.mode]
    return Venue(rest_url, ws_url, settings.counts.url)


def read_venue(path: Path) -> Venue:
    """Read a venue file: the line that a simulated exchange printed.

    Raises:
        BadInput: It is not such a line, or an address is neither encrypted nor on loopback.
    """
    try:
        venue = msgspec.json.decode(path.read_bytes(), type=Venue)
    except OSError as error:
        raise BadInput(f"cannot read the venue file {path}: {error.strerror}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadInput(
            f"{path} is not what `mmbot exchange` prints ({error}); save its first line there"
        ) from None
    refuse_address(venue.rest_url, f"{path}: rest_url", path=BASE_PATH)
    refuse_address(venue.ws_url, f"{path}: ws_url", kind="ws", path=STREAM_PATH)
    refuse_address(venue.counts_url, f"{path}: counts_url")
    return venue
