"""The key goes nowhere, and what it vouches for only to the host that was named."""

from __future__ import annotations

import datetime as dt
import http.server
import os
import pty
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import structlog
import typer
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from typer.core import TyperGroup

from mmbot import config
from mmbot.cli import app
from mmbot.cli.place import choose_venue
from mmbot.daemon import transport
from mmbot.daemon.endpoints import read_venue
from mmbot.errors import BadInput
from mmbot.kalshi.auth import Signer
from mmbot.kalshi.http import HttpRequest
from mmbot.observe import log

SECRET = "K3rxVq8sXw"
HEADERS = (("KALSHI-ACCESS-SIGNATURE", SECRET),)


# Hosts


@pytest.mark.parametrize("mode", ["paper", "demo", "live"])
def test_every_mode_talks_to_the_exchanges_own_hosts(mode: config.Mode) -> None:
    settings = config.parse(f'mode = "{mode}"\n', "test")
    venue = choose_venue(settings, None, live=mode == "live")
    assert venue.rest_url.startswith("https://external-api.")
    assert venue.ws_url.startswith("wss://external-api-ws.")
    for url in (venue.rest_url, venue.ws_url):
        assert url.split("/")[2].endswith((".kalshi.com", ".kalshi.co"))


@pytest.mark.parametrize("url", ["http://exchange.test", "http://127.0.0.1.test"])
def test_a_venue_in_the_clear_is_on_loopback_or_refused(tmp_path: Path, url: str) -> None:
    path = tmp_path / "venue.json"
    path.write_text(
        f'{{"rest_url": "{url}/trade-api/v2", "ws_url": "ws://127.0.0.1/trade-api/ws/v2", '
        '"counts_url": "http://127.0.0.1"}'
    )
    with pytest.raises(BadInput, match="neither encrypted nor on loopback"):
        read_venue(path)


@pytest.mark.parametrize("url", ["http://www.tsa.gov", "http://127.0.0.1.test", "http://a@b"])
def test_counts_come_encrypted_or_from_loopback(url: str) -> None:
    with pytest.raises(BadInput, match=r"counts\.url"):
        config.parse(f'[counts]\nurl = "{url}"\n', "test")


class _Host(http.server.ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Redirect)
        self.seen: list[dict[str, str]] = []
        self.location = ""

    def handle_error(self, *_: object) -> None:
        """Be silent about clients that turn away."""


class _Redirect(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        host: Any = self.server
        host.seen.append(dict(self.headers))
        self.send_response(302)
        self.send_header("Location", host.location)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def hosts() -> Iterator[tuple[_Host, _Host]]:
    """Serve a host that sends everybody on to another."""
    with _Host() as first, _Host() as other:
        for host in (first, other):
            threading.Thread(target=host.serve_forever, daemon=True).start()
        first.location = f"http://127.0.0.1:{other.server_port}/trade-api/ws/v2"
        yield first, other
        first.shutdown()
        other.shutdown()


async def test_no_redirect_takes_the_signature_to_another_host() -> None:
    with hosts() as (first, other):
        stream = f"ws://127.0.0.1:{first.server_port}/trade-api/ws/v2"
        first.location = first.location.replace("http", "ws")
        with pytest.raises(transport.StreamError):
            await transport.open_stream(stream, HEADERS)
        async with transport.RestClient(f"http://127.0.0.1:{first.server_port}", 5.0) as rest:
            answer = await rest.call(HttpRequest("GET", "/portfolio", headers=HEADERS))
        assert answer.status == 302
        assert len(first.seen) == 2
        assert other.seen == []


# TLS


@contextmanager
def self_signed(directory: Path) -> Iterator[int]:
    """Serve TLS under a certificate that nobody vouches for; yield the port."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name)
    builder = builder.public_key(key.public_key()).serial_number(1)
    builder = builder.not_valid_before(now).not_valid_after(now + dt.timedelta(days=1))
    names = x509.SubjectAlternativeName([x509.DNSName("localhost")])
    certificate = builder.add_extension(names, critical=False).sign(key, hashes.SHA256())
    path = directory / "certificate.pem"
    path.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    with _Host() as host:
        host.socket = context.wrap_socket(host.socket, server_side=True)
        threading.Thread(target=host.serve_forever, daemon=True).start()
        yield host.server_port
        assert host.seen == []
        host.shutdown()


async def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path: Path) -> None:
    with self_signed(tmp_path) as port:
        with pytest.raises(ssl.SSLCertVerificationError):
            await transport.open_stream(f"wss://localhost:{port}/trade-api/ws/v2", HEADERS)
        async with transport.RestClient(f"https://localhost:{port}", 5.0) as rest:
            assert await rest.try_call(HttpRequest("GET", "/portfolio", headers=HEADERS)) is None


# Words


@contextmanager
def log_read(*, tty: bool) -> Iterator[Callable[[], str]]:
    """Log to a terminal, or to a pipe; yield what reads it."""
    reader, writer = pty.openpty() if tty else os.pipe()
    written = log.configure("info", writer)

    def read() -> str:
        assert written.flush()
        return os.read(reader, 65_536).decode()

    try:
        yield read
    finally:
        structlog.reset_defaults()
        os.close(reader)
        os.close(writer)


@pytest.mark.parametrize("tty", [True, False])
def test_a_traceback_does_not_show_what_variables_hold(*, tty: bool) -> None:
    with log_read(tty=tty) as read:
        try:
            fail_with(HEADERS)
        except LookupError:
            structlog.get_logger().exception("bot.failed")
        written = read()
    assert "LookupError: gone" in written
    assert "fail_with" in written
    assert SECRET not in written


def fail_with(headers: object) -> None:
    raise LookupError("gone") if headers else AssertionError


def test_a_signer_does_not_show_its_key() -> None:
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes_raw().hex()
    shown = f"{Signer('id', key)!r} {Signer('id', key)}"
    assert shown == "Signer(...) Signer(...)"
    assert pem not in shown


def test_no_command_takes_a_secret_as_an_argument() -> None:
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    commands = group.commands.values()
    options = {option for c in commands for p in c.params for option in p.opts}
    suspicious = {
        option
        for option in options
        if any(word in option for word in ("key", "secret", "password", "token", "pem"))
    }
    # The simulated exchange makes a key of its own; these say of what kind and where to. An id is
    # no secret, and the private key is named by its file.
    ids_and_files = {"--key-id", "--private-key", "--key-path"}
    assert suspicious == {"--key-type", "--key-dir"} | ids_and_files


@pytest.mark.parametrize(
    "address",
    [
        "ftp://exchange.test/trade-api/v2",
        "https://x@127.0.0.1/trade-api/v2",
        "https://exchange.test/trade-api/v2?a=1",
        "https://exchange.test/trade-api/v2#a",
        "https://exchange.test:0/trade-api/v2",
        "https://exchange.test:65536/trade-api/v2",
        "https://exchange.test\\@127.0.0.1/trade-api/v2",
        "https://exchange.test/other/trade-api/v2",
        "wss://exchange.test/trade-api/v2",
        "https:///trade-api/v2",
        "https://exchange.test/trade-api/v2\n",
    ],
)
def test_what_is_more_or_less_than_an_address_is_refused(address: str) -> None:
    with pytest.raises(BadInput, match="is not a plain address"):
        config.refuse_address(address, "here", path="/trade-api/v2")
