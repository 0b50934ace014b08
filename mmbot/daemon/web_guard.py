"""Access control of the daemon's web pages: host names, origins, the token.

A page of another site can make a browser send requests here, and its owner can point a name of
theirs to this machine. Therefore a request must be for an IP address, localhost or a configured
name; one that a browser sends for another site is refused; and a command needs a token in a header,
which no other site's page can know or add.
"""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Collection

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

TOKEN_HEADER = "X-Mmbot-Token"  # noqa: S105 (its name)
# Links from other sites may open this page; it shows nothing before its script has requested it.
_PAGE = "/"

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}


async def secure(_request: web.Request, response: web.StreamResponse) -> None:
    """Give every answer the security headers."""
    response.headers.update(_HEADERS)
    response.headers.setdefault("Cache-Control", "no-store")
    response.headers.pop("Server", None)


def refuse_others(names: Collection[str]) -> Middleware:
    """Return a middleware that refuses requests from other sites or for other names."""
    known = {"localhost", *(name.lower() for name in names)}

    @web.middleware
    async def refuse(request: web.Request, handler: Handler) -> web.StreamResponse:
        host = request.headers.get("Host", "")
        if not _is_known(_name_of(host), known):
            raise web.HTTPMisdirectedRequest(
                text="This host name is not allowed; add it to `names` in the config's [dashboard]."
            )
        if not _is_same_site(request, host):
            raise web.HTTPForbidden(text="This request comes from another site's page.")
        return await handler(request)

    return refuse


def _name_of(host: str) -> str:
    """Return a host without its port and brackets."""
    if host.startswith("["):
        return host[1:].rpartition("]")[0]
    return host.partition(":")[0].lower()


def _is_known(name: str, known: Collection[str]) -> bool:
    if name in known:
        return True
    # An IP address is not looked up, so nobody can redirect it.
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _is_same_site(request: web.Request, host: str) -> bool:
    """Return whether, by what the browser says, a request is not from another site."""
    origin = request.headers.get("Origin")
    if origin is not None and origin not in {f"http://{host}", f"https://{host}"}:
        return False
    if request.method == "GET" and request.path == _PAGE:
        return True
    return request.headers.get("Sec-Fetch-Site", "none") in {"same-origin", "none"}


def refuse_without(token: str, request: web.Request) -> None:
    """Refuse a request without the token; if there is no token, refuse every request.

    Raises:
        web.HTTPUnauthorized: It has no token, or a wrong one.
    """
    given = request.headers.get(TOKEN_HEADER, "")
    if not token or not secrets.compare_digest(given.encode(), token.encode()):
        raise web.HTTPUnauthorized(text="This needs the token; `mmbot dashboard` says where it is.")
