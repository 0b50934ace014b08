"""Access to the API: keys, signatures, scopes, and each member's rate limits."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Final, Protocol, TypeAlias

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from mmbot.exchange.order_types import RequestRefused
from mmbot.units import Milliseconds


class PlainPublicKey(Protocol):
    """A key that verifies the signature of a text directly, as Ed25519 does."""

    def verify(self, signature: bytes, data: bytes, /) -> None:
        """Raise `InvalidSignature` unless this is the text's signature."""


PublicKey: TypeAlias = RSAPublicKey | PlainPublicKey

KEY_HEADER: Final = "kalshi-access-key"
TIMESTAMP_HEADER: Final = "kalshi-access-timestamp"
SIGNATURE_HEADER: Final = "kalshi-access-signature"


class Tier(msgspec.Struct, frozen=True):
    """The limits of an API usage tier, in tokens and tokens a second."""

    read_rate: int
    read_capacity: int
    write_rate: int
    write_capacity: int
    balance_rate: int = 5


# Source: the exchange's published tiers.
TIERS: Final = {
    "basic": Tier(200, 600, 100, 100, 1),
    "advanced": Tier(300, 900, 300, 600, 1),
    "expert": Tier(600, 600, 600, 1200),
    "premier": Tier(1200, 1200, 1200, 2400),
    "paragon": Tier(2400, 2400, 2400, 4800),
    "prime": Tier(4800, 4800, 4800, 9600),
    "prestige": Tier(12000, 12000, 9600, 19200),
}


class Credential(msgspec.Struct, frozen=True):
    """An API key: whose it is, what it may do, and the subaccount it may be locked to."""

    key_id: str
    user_id: str
    public_key: PublicKey
    scopes: frozenset[str] = frozenset({"read", "write"})
    subaccount: int | None = None

    def may(self, scope: str) -> bool:
        """Return whether the key has a scope, or the broad one that includes it."""
        return scope in self.scopes or scope.split("::", maxsplit=1)[0] in self.scopes


class RateBucket:
    """A token bucket with continuous refill; rate in tokens a second."""

    def __init__(self, rate: float, capacity: float) -> None:
        self.rate = rate
        self.capacity = capacity
        self._level = capacity
        self._at: Milliseconds | None = None

    def take(self, tokens: float, now: Milliseconds) -> bool:
        """Take `tokens`; return whether the bucket had them."""
        if self._at is not None:
            elapsed = max(now - self._at, 0) / 1000
            self._level = min(self.capacity, self._level + elapsed * self.rate)
        self._at = now
        if tokens > self._level:
            return False
        self._level -= tokens
        return True


class RateBuckets:
    """One caller's token buckets by name."""

    def __init__(self, tier: Tier) -> None:
        self.tier = tier
        self._by_name = {
            "read": RateBucket(tier.read_rate, tier.read_capacity),
            "write": RateBucket(tier.write_rate, tier.write_capacity),
            "balance": RateBucket(tier.balance_rate, tier.balance_rate),
        }

    def take(self, name: str, tokens: float, now: Milliseconds) -> None:
        """Take a call's tokens, or refuse the call."""
        if not self._by_name[name].take(tokens, now):
            raise RequestRefused("too_many_requests", status=429)


class Gatekeeper:
    """Checks who signed a request."""

    def __init__(self, tolerance_ms: Milliseconds) -> None:
        self._credentials: dict[str, Credential] = {}
        self._tolerance_ms = tolerance_ms

    def add(self, credential: Credential) -> None:
        """Issue a key."""
        self._credentials[credential.key_id] = credential

    def revoke(self, key_id: str) -> None:
        """Withdraw a key."""
        del self._credentials[key_id]

    def keys_of(self, user_id: str) -> list[Credential]:
        """Return a member's keys."""
        return [c for c in self._credentials.values() if c.user_id == user_id]

    def authenticate(
        self, headers: Mapping[str, str], method: str, path: str, now: Milliseconds
    ) -> Credential:
        """Return the key that signed `timestamp + METHOD + path`, or refuse.

        `headers` has lower-case names. Source: the exchange's API documentation; RSA keys sign with
        PSS and a salt as long as the digest, Ed25519 keys sign the same bytes directly.
        """
        key_id = headers.get(KEY_HEADER)
        timestamp = headers.get(TIMESTAMP_HEADER, "")
        signature = headers.get(SIGNATURE_HEADER)
        if not key_id or not timestamp or not signature:
            raise RequestRefused("authentication_error", "MISSING_HEADERS")
        credential = self._credentials.get(key_id)
        if credential is None:
            raise RequestRefused("authentication_error", "NOT_FOUND")
        if not timestamp.isascii() or not timestamp.isdigit() or len(timestamp) > 15:
            raise RequestRefused("authentication_error", "INVALID_TIMESTAMP")
        if abs(int(timestamp) - now) > self._tolerance_ms:
            raise RequestRefused("header_timestamp_expired")
        message = f"{timestamp}{method}{path}".encode()
        if not _verifies(credential.public_key, signature, message):
            raise RequestRefused("authentication_error", "INCORRECT_API_KEY_SIGNATURE")
        return credential


def _verifies(key: PublicKey, signature: str, message: bytes) -> bool:
    try:
        raw = base64.b64decode(signature, validate=True)
        if isinstance(key, RSAPublicKey):
            digest = hashes.SHA256()
            key.verify(raw, message, PSS(MGF1(digest), PSS.DIGEST_LENGTH), digest)
        else:
            key.verify(raw, message)
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True
