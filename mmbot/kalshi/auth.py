"""Sign requests as the exchange requires.

The signed text is the time in milliseconds, the method and the path without its query. An RSA key
signs it with PSS (SHA-256, salt as long as the digest), an Ed25519 key directly.
"""

from __future__ import annotations

import base64
from typing import TypeAlias

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa

from mmbot.errors import BadInput
from mmbot.units import Milliseconds

PrivateKey: TypeAlias = rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey

_PSS = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=padding.PSS.DIGEST_LENGTH)


def read_private_key(pem: bytes) -> PrivateKey:
    """Load an RSA or Ed25519 key; raise `BadInput`, whose text never contains any of `pem`."""
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

    def __init__(self, key_id: str, key: PrivateKey) -> None:
        self._key_id = key_id
        self._key = key

    @property
    def key_id(self) -> str:
        """The key's id, which is not secret."""
        return self._key_id

    def __repr__(self) -> str:
        return "Signer(...)"

    def headers(self, method: str, path: str, now: Milliseconds) -> tuple[tuple[str, str], ...]:
        """Return the three headers that authenticate a request sent at `now`."""
        text = f"{now}{method}{path}".encode()
        if isinstance(self._key, ed25519.Ed25519PrivateKey):
            signature = self._key.sign(text)
        else:
            signature = self._key.sign(text, _PSS, hashes.SHA256())
        return (
            ("KALSHI-ACCESS-KEY", self._key_id),
            ("KALSHI-ACCESS-TIMESTAMP", str(now)),
            ("KALSHI-ACCESS-SIGNATURE", base64.b64encode(signature).decode()),
        )
