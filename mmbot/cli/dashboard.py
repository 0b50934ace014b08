"""`mmbot dashboard`: the address of the running daemon's page, and its token."""

from __future__ import annotations

import msgspec

from mmbot.cli.daemon_options import AsJson, DaemonConfig, DaemonVenue
from mmbot.cli.place import ask, expect, find
from mmbot.daemon_api import DashboardReport, FindDashboard
from mmbot.errors import NotReady
from mmbot.texts import to_json


def dashboard(
    config_path: DaemonConfig = None, venue_path: DaemonVenue = None, as_json: AsJson = False
) -> None:
    """Print the address of the daemon's dashboard, and the file of its token for commands.

    The page shows quotes, positions, P&L, the forecast, fills and the log,
    live, to whoever can reach it: by default only from this machine. From
    another one, such as a phone, use a tunnel:

    ssh -L 8780:127.0.0.1:8780 HOST

    Exit codes: 0 it is served, 2 unusable input, 3 it is not served, or no
    daemon is running, 4 the daemon gave no answer.
    """
    place = find(config_path, venue_path)
    report = expect(DashboardReport, ask(place, FindDashboard()))
    if as_json:
        tree = msgspec.to_builtins(report)
        del tree["type"]
        print(to_json(tree).decode())
    elif report.url:
        print(report.url)
        if report.token_file:
            print(f"To halt from there: the token in {report.token_file}")
        else:
            print("It is read-only, because its token could not be written; see the log.")
    if not report.url:
        raise NotReady(f"there is no dashboard: {report.problem or 'it is not listening yet'}")
