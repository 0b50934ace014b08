"""A private key as the text in which the exchange issues it."""

from __future__ import annotations

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey


def pem_of(key: Ed25519PrivateKey | RSAPrivateKey) -> bytes:
    """Return a key in PEM, without a password."""
    layout = (
        serialization.PrivateFormat.PKCS8
        if isinstance(key, Ed25519PrivateKey)
        else serialization.PrivateFormat.TraditionalOpenSSL
    )
    return key.private_bytes(serialization.Encoding.PEM, layout, serialization.NoEncryption())
