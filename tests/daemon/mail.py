"""Servers on loopback that take what an alert sends: one for mail, one for HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiohttp import web
from aiosmtpd.smtp import SMTP


class Mailbox:
    """What has come, and where to send it; the address has a password that nobody may see."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.port = 0

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        self.mails.append(message_from_bytes(envelope.content, policy=policy.default))
        return "250 Message accepted for delivery"

    @property
    def address(self) -> str:
        return (
            f"mailto://127.0.0.1:{self.port}?from=bot@example.com&to=me@example.com&mode=insecure"
        )


@asynccontextmanager
async def mail_server() -> AsyncIterator[Mailbox]:
    """Take mail until the end."""
    mailbox = Mailbox()
    server = await asyncio.get_running_loop().create_server(
        lambda: SMTP(mailbox, enable_SMTPUTF8=True), "127.0.0.1", 0
    )
    mailbox.port = server.sockets[0].getsockname()[1]
    try:
        yield mailbox
    finally:
        server.close()


class Hook:
    """The messages that were posted, and the address to post them to."""

    def __init__(self) -> None:
        self.posted: list[dict[str, Any]] = []
        self.news = asyncio.Event()
        self.port = 0

    @property
    def address(self) -> str:
        return f"json://127.0.0.1:{self.port}/hook-with-secret"

    async def until_posted(self, title: str) -> dict[str, Any]:
        """Wait for a message whose title begins so."""
        async with asyncio.timeout(60):
            while True:
                for message in self.posted:
                    if message["title"].startswith(title):
                        return message
                self.news.clear()
                await self.news.wait()


@asynccontextmanager
async def hook_server() -> AsyncIterator[Hook]:
    """Take messages until the end."""
    hook = Hook()

    async def take(request: web.Request) -> web.Response:
        hook.posted.append(await request.json())
        hook.news.set()
        return web.Response()

    app = web.Application()
    app.router.add_post("/hook-with-secret", take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    hook.port = runner.addresses[0][1]
    try:
        yield hook
    finally:
        await runner.cleanup()
