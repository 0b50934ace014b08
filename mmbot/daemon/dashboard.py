"""The dashboard: a page on loopback that shows what the daemon does, live, and can halt it.

Everyone who reaches it may look; what changes anything needs the token that is made at each start,
in a file of the state directory for its owner alone. An address that cannot be had costs the page,
never the quotes: it is tried again every while. With nobody looking it costs nothing.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
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
from mmbot.daemon.web_guard import (
    LOGGER,
    BoundedServer,
    refuse_others,
    refuse_without,
    secure,
)
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
_RETRY_SECONDS = 30.0
_CLOSE_SECONDS = 1.0
_IDLE_SECONDS = 30.0
_BACKLOG = 16
_MOST_COMMAND_BYTES = 4096
_INDEX = "index.html"
_TYPES = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
}

# What the page may ask for beside looking.
_Command: TypeAlias = Halt | Resume | PauseMarket | UnpauseMarket
_COMMANDS: msgspec.json.Decoder[_Command] = msgspec.json.Decoder(_Command)


class Dashboard:
    """The page of one session."""

    def __init__(
        self, settings: DashboardSettings, directory: Path, parts: DashboardParts | None
    ) -> None:
        """Serve nothing yet; `directory` is the state directory, without `parts` there is none."""
        self._settings = settings
        self._directory = directory
        self._parts = parts if settings.enabled else None
        self._token = ""
        self._url = ""
        self._problem = "" if self._parts else _why_none(settings)
        self._log = structlog.get_logger()

    def report(self) -> DashboardReport:
        """Return where the page is, or why it is not."""
        token_file = str(self._directory / TOKEN_FILE) if self._token else ""
        return DashboardReport(self._url, token_file, self._problem)

    @asynccontextmanager
    async def serving(
        self,
        status: Callable[[], StatusReport],
        answer: Answerer,
        answer_ms: Collection[float],
    ) -> AsyncIterator[None]:
        """Serve for as long as the context lasts.

        Args:
            status: Returns everything at a glance.
            answer: Obeys commands.
            answer_ms: How long the exchange took for its latest answers.
        """
        if self._parts is None:
            yield
            return
        self._make_token()
        events = DashboardEvents(self._directory, self._parts, status, answer_ms)
        viewers = Viewers(events.make, events.greeting)
        app = _application(self._settings.names, self._token, self._parts.files(), answer, viewers)
        runner = web.AppRunner(
            app,
            access_log=None,
            logger=LOGGER,
            keepalive_timeout=_IDLE_SECONDS,
            shutdown_timeout=_CLOSE_SECONDS,
        )
        await runner.setup()
        listening = asyncio.create_task(self._listen(runner))
        try:
            yield
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
            viewers.close()
            await runner.cleanup()
            with suppress(OSError):
                (self._directory / TOKEN_FILE).unlink(missing_ok=True)

    def _make_token(self) -> None:
        """Write a new token; a disk that takes none leaves a page that can only be looked at."""
        token = secrets.token_urlsafe(32)
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
            with open(open_private(self._directory / TOKEN_FILE, flags), "w") as file:  # noqa: PTH123
                file.write(f"{token}\n")
        except OSError as error:
            self._log.warning("dashboard.no_token", reason=str(error))
        else:
            self._token = token

    async def _listen(self, runner: web.AppRunner) -> None:
        server, loop = runner.server, asyncio.get_running_loop()
        assert server is not None  # noqa: S101 (it was set up)
        address, port = self._settings.address, self._settings.port
        while True:
            try:
                listener = await loop.create_server(
                    BoundedServer(server), address, port, backlog=_BACKLOG
                )
                break
            except OSError as error:
                if not self._problem:
                    self._problem = f"cannot listen on {address}:{port}: {error.strerror or error}"
                    self._log.warning("dashboard.unavailable", reason=self._problem)
            await asyncio.sleep(_RETRY_SECONDS)
        try:
            host, port = listener.sockets[0].getsockname()[:2]
            self._url = f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"
            self._problem = ""
            self._log.info("dashboard.served", url=self._url)
            await asyncio.Event().wait()
        finally:
            self._url = ""
            listener.close()


def _why_none(settings: DashboardSettings) -> str:
    if not settings.enabled:
        return "the config says enabled = false in [dashboard]"
    return "a session that only records has no dashboard"


def _application(
    names: Sequence[str],
    token: str,
    files: Mapping[str, bytes],
    answer: Answerer,
    viewers: Viewers,
) -> web.Application:
    app = web.Application(middlewares=[refuse_others(names)], client_max_size=_MOST_COMMAND_BYTES)
    app.on_response_prepare.append(secure)
    log = structlog.get_logger()

    async def command(request: web.Request) -> web.Response:
        refuse_without(token, request)
        if request.content_type != "application/json":
            raise web.HTTPUnsupportedMediaType(text="Send JSON.")
        try:
            asked = _COMMANDS.decode(await request.read())
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise web.HTTPBadRequest(text=f"That is no command: {error}") from None
        log.info("dashboard.command", command=asked.__struct_config__.tag)
        given = await answer(asked)
        return web.Response(
            body=to_json(given),
            content_type="application/json",
            status=409 if isinstance(given, Refused) else 200,
        )

    app.router.add_post("/api/command", command)
    app.router.add_get("/api/events", viewers.stream)
    for path, content in files.items():
        url = "/" if path == _INDEX else f"/{path}"
        app.router.add_get(url, _file(content, _TYPES.get(Path(path).suffix, "text/plain")))
    return app


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
