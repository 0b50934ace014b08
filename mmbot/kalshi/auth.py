"""Signs requests as the exchange requires.

The signed text is the time in milliseconds, the method, and the path without its query. RSA keys
sign it with PSS (SHA-256, salt as long as the digest), Ed25519 keys directly.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from itertools import chain
from typing import Final, Protocol, TypeAlias

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa

from mmbot.errors import BadInput
from mmbot.units import Milliseconds

# The exchange accepts signatures that are seconds old. One made in advance is used up to the first
# of these ages, and replaced from the second on.
_FRESH_MS: Final[Milliseconds] = 3_000
_RENEWED_MS: Final[Milliseconds] = 2_000

Headers: TypeAlias = tuple[tuple[str, str], ...]
PrivateKey: TypeAlias = rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


class PlainKey(Protocol):
    """A key that signs a text directly, as Ed25519 does."""

    def sign(self, data: bytes, /) -> bytes:
        """Return the signature."""


_PSS = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=padding.PSS.DIGEST_LENGTH)


def read_private_key(pem: bytes) -> PrivateKey:
    """Load an RSA or Ed25519 key; raise `BadInput`, whose text never contains part of `pem`."""
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise BadInput(
            "the private key is not an unencrypted PEM; download it again from the exchange"
        ) from None
    if not isinstance(key, rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey):
        raise BadInput("the private key is neither RSA nor Ed25519; create one of these")
    return key


class Signer:
    """Signs requests with one API key."""

    def __init__(self, key_id: str, key: rsa.RSAPrivateKey | PlainKey) -> None:
        self._key_id = key_id
        self._key = key
        # Headers signed ahead, by method and path, with the time they are signed for; oldest first.
        self._prepared: dict[tuple[str, str], tuple[Milliseconds, Headers]] = {}

    @property
    def key_id(self) -> str:
        """The key's id, which is not secret."""
        return self._key_id

    def __repr__(self) -> str:
        return "Signer(...)"

    def headers(self, method: str, path: str, now: Milliseconds) -> Headers:
        """Return the three headers that authenticate a request sent at `now`.

        Those that were prepared a moment ago save the time of signing.
        """
        prepared = self._prepared.pop((method, path), None)
        if prepared is not None and 0 <= now - prepared[0] <= _FRESH_MS:
            return prepared[1]
        return self._made(method, path, now)

    def prepare(self, requests: Iterable[tuple[str, str]], now: Milliseconds) -> None:
        """Sign one of some requests ahead, given by method and path.

        It is the first that is not signed yet; once all are, the one that was signed first, when
        that is due. Each signature is used once. Those of other requests are dropped.
        """
        wanted = dict.fromkeys(requests)
        self._prepared = {each: made for each, made in self._prepared.items() if each in wanted}
        unsigned = (each for each in wanted if each not in self._prepared)
        first = next(chain(unsigned, self._prepared), None)
        if first is None:
            return
        made = self._prepared.get(first)
        if made is None or not 0 <= now - made[0] <= _RENEWED_MS:
            self._prepared.pop(first, None)
            self._prepared[first] = now, self._made(*first, now)

    def _made(self, method: str, path: str, now: Milliseconds) -> Headers:
        signature = base64.b64encode(self._sign(method, path, now)).decode()
        return (
            ("KALSHI-ACCESS-KEY", self._key_id),
            ("KALSHI-ACCESS-TIMESTAMP", str(now)),
            ("KALSHI-ACCESS-SIGNATURE", signature),
        )

    def _sign(self, method: str, path: str, now: Milliseconds) -> bytes:
        text = f"{now}{method}{path}".encode()
        if isinstance(self._key, rsa.RSAPrivateKey):
            return self._key.sign(text, _PSS, hashes.SHA256())
        return self._key.sign(text)
