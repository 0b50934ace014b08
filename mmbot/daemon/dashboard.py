"""The dashboard: a page on loopback that shows live what the daemon does, and can halt it.

Everyone who reaches it may look. Commands need the token, which is made at each opening, in a file
that only the daemon's user can read. Without viewers it costs nothing.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

import msgspec
import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from mmbot.config import DashboardSettings
from mmbot.daemon.control import Answerer
from mmbot.daemon.dashboard_events import DashboardEvents, DashboardParts
from mmbot.daemon.private_files import open_private
from mmbot.daemon.viewers import Viewers
from mmbot.daemon.web_guard import refuse_without
from mmbot.daemon_api import (
    DashboardReport,
    Halt,
    PauseMarket,
    Refused,
    Resume,
    UnpauseMarket,
)
from mmbot.status_report import StatusReport
from mmbot.texts import to_json

TOKEN_FILE = "dashboard-token"  # noqa: S105 (a file's name)
_INDEX = "index.html"
_TYPES = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
}

# The commands that the page may send.
_Command: TypeAlias = Halt | Resume | PauseMarket | UnpauseMarket
_COMMANDS: msgspec.json.Decoder[_Command] = msgspec.json.Decoder(_Command)


class Dashboard:
    """The dashboard page, from its opening to its close.

    Attributes:
        address: The address to listen on.
        port: The port to listen on; 0 takes a free port.
    """

    def __init__(
        self,
        settings: DashboardSettings,
        directory: Path,
        parts: DashboardParts | None,
        status: Callable[[], StatusReport],
        answer: Answerer,
        answer_ms: Collection[float],
    ) -> None:
        """Serve nothing yet.

        Args:
            settings: Whether it is served, and where.
            directory: The state directory.
            parts: What it is made of; `None` if there is no dashboard.
            status: Returns the status.
            answer: Executes commands.
            answer_ms: How long the exchange took for its latest answers.
        """
        self.address, self.port = settings.address, settings.port
        self._directory = directory
        self._parts = parts if settings.enabled else None
        self._status = status
        self._answer = answer
        self._answer_ms = answer_ms
        self._token = ""
        self._url = ""
        self._problem = "" if self._parts else _why_none(settings)
        self._log = structlog.get_logger()

    @property
    def is_wanted(self) -> bool:
        """Whether the settings want it served."""
        return self._parts is not None

    def report(self) -> DashboardReport:
        """Return where the page is, or why it is not."""
        token_file = str(self._directory / TOKEN_FILE) if self._token else ""
        return DashboardReport(self._url, token_file, self._problem)

    def add_to(self, app: web.Application) -> None:
        """Add the routes of the page, and the creation and removal of the token."""
        assert self._parts is not None  # noqa: S101 (it is wanted)
        events = DashboardEvents(self._directory, self._parts, self._status, self._answer_ms)
        viewers = Viewers(events.make, events.greeting)

        async def begin(_app: web.Application) -> None:
            self._make_token()

        async def end(_app: web.Application) -> None:
            viewers.close()
            with suppress(OSError):
                (self._directory / TOKEN_FILE).unlink(missing_ok=True)

        app.on_startup.append(begin)
        app.on_shutdown.append(end)
        app.router.add_post("/api/command", self._command)
        app.router.add_get("/api/events", viewers.stream)
        for path, content in self._parts.files().items():
            url = "/" if path == _INDEX else f"/{path}"
            app.router.add_get(url, _file(content, _TYPES.get(Path(path).suffix, "text/plain")))

    def served(self, url: str) -> None:
        """Log its address."""
        self._url = f"{url}/" if url else ""
        if url:
            self._problem = ""
            self._log.info("dashboard.served", url=self._url)

    def unavailable(self, reason: str) -> None:
        """Log why it is not served."""
        self._problem = reason
        self._log.warning("dashboard.unavailable", reason=reason)

    def _make_token(self) -> None:
        """Write a new token; if it cannot be written, the page is read-only."""
        token = secrets.token_urlsafe(32)
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
            with open(open_private(self._directory / TOKEN_FILE, flags), "w") as file:  # noqa: PTH123
                file.write(f"{token}\n")
        except OSError as error:
            self._log.warning("dashboard.no_token", reason=str(error))
        else:
            self._token = token

    async def _command(self, request: web.Request) -> web.Response:
        refuse_without(self._token, request)
        if request.content_type != "application/json":
            raise web.HTTPUnsupportedMediaType(text="Send JSON.")
        try:
            asked = _COMMANDS.decode(await request.read())
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise web.HTTPBadRequest(text=f"This is not a command: {error}") from None
        self._log.info("dashboard.command", command=asked.__struct_config__.tag)
        given = await self._answer(asked)
        return web.Response(
            body=to_json(given),
            content_type="application/json",
            status=409 if isinstance(given, Refused) else 200,
        )


def _why_none(settings: DashboardSettings) -> str:
    if not settings.enabled:
        return "the config says enabled = false in [dashboard]"
    return "a session that only records has no dashboard"


def _file(content: bytes, content_type: str) -> Handler:
    """Return the handler of a file of the page."""
    tag = hashlib.sha256(content).hexdigest()[:32]
    headers = {"ETag": f'"{tag}"', "Cache-Control": "no-cache"}

    async def handle(request: web.Request) -> web.Response:
        if any(each.value == tag for each in request.if_none_match or ()):
            return web.Response(status=304, headers=headers)
        return web.Response(
            body=content, content_type=content_type, charset="utf-8", headers=headers
        )

    return handle
