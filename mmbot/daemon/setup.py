"""The setup of one process of the daemon, as one value."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from mmbot.config import Settings
from mmbot.daemon.bystanders import Bystanders
from mmbot.daemon.endpoints import Venue
from mmbot.daemon.interceptor import Interceptor
from mmbot.daemon.operations import Observer
from mmbot.daemon.reloading import ConfigFile
from mmbot.kalshi.auth import Signer
from mmbot.trading.values import Fill


class Setup(msgspec.Struct, frozen=True):
    """What a process is started with.

    Attributes:
        settings: What to trade and how, until an edited config is in force.
        venue: Where to trade.
        signer: Signs requests.
        state: The directory of the ledger, the capture and the operator's socket.
        interceptor_for: Returns the layer between the bot and the exchange, from the settings and
        the fills so far.
        observer: Shows the bot's state to people.
        bystanders: Follow what happens.
        only_records: Whether the market is only recorded and nothing is quoted, not even on paper:
        the bot is halted, and a session ends once its capture has used its share of the disk or
        has stopped.
        config_file: The config file, which may change while it trades.
    """

    settings: Settings
    venue: Venue
    signer: Signer
    state: Path
    interceptor_for: Callable[[Settings, Iterable[Fill]], Interceptor]
    observer: Observer
    bystanders: Bystanders
    only_records: bool = False
    config_file: ConfigFile | None = None
