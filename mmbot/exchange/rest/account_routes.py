"""A member's API access: rate limits, tiers, keys."""

from __future__ import annotations

import msgspec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from mmbot.exchange.access import TIERS, Credential, PublicKey
from mmbot.exchange.key_text import pem_of
from mmbot.exchange.order_types import RequestRefused
from mmbot.exchange.rest.rest_call import Reply, RestCall

_SCOPES = frozenset(
    {
        "read",
        "write",
        "read::portfolio_balance",
        "read::block_trade_accept",
        "write::trade",
        "write::transfer",
        "write::fcm_risk",
        "write::block_trade_accept",
    }
)


def limits(call: RestCall) -> Reply:
    """Return the caller's rate limits."""
    name = call.exchange.tiers[call.user_id]
    tier = TIERS[name]
    grants = [{"exchange_instance": "event_contract", "level": name, "source": "manual"}]
    return Reply(
        200,
        {
            "usage_tier": name,
            "read": {"refill_rate": tier.read_rate, "bucket_capacity": tier.read_capacity},
            "write": {"refill_rate": tier.write_rate, "bucket_capacity": tier.write_capacity},
            "grants": grants if name != "basic" else [],
        },
    )


def upgrade(call: RestCall) -> Reply:
    """Raise a basic member that has used the API to the advanced tier."""
    history = call.exchange.history
    if not any(o.account.user_id == call.user_id for _, o in history.orders.values()):
        raise RequestRefused("permission_denied", "no order was placed through the API yet")
    if call.exchange.tiers[call.user_id] == "basic":
        call.exchange.set_tier(call.user_id, "advanced")
    return Reply(201, None)


class NewKey(msgspec.Struct, frozen=True):
    """The body that registers a public key."""

    name: str
    public_key: str
    scopes: frozenset[str] = frozenset({"read", "write"})
    subaccount: int | None = None


def list_keys(call: RestCall) -> Reply:
    """List the caller's keys."""
    keys = [
        {
            "api_key_id": key.key_id,
            "name": "simulated",
            "scopes": sorted(key.scopes),
            "subaccount": key.subaccount,
        }
        for key in call.exchange.gatekeeper.keys_of(call.user_id)
    ]
    return Reply(200, {"api_keys": keys})


class GeneratedKey(msgspec.Struct, frozen=True):
    """The body that requests a key pair from the exchange."""

    name: str
    key_type: str = "rsa"
    scopes: frozenset[str] = frozenset({"read", "write"})
    subaccount: int | None = None


def generate_key(call: RestCall) -> Reply:
    """Make an Ed25519 key pair; its private half is returned only here."""
    body = call.decode(GeneratedKey)
    _check_scopes(body.scopes)
    if body.key_type != "ed25519":
        raise RequestRefused("invalid_parameters", "this exchange generates ed25519 keys only")
    private_key = Ed25519PrivateKey.from_private_bytes(call.exchange.engine.new_secret())
    key_id = _register(call, private_key.public_key(), body.scopes, body.subaccount)
    pem = pem_of(private_key).decode()
    return Reply(201, {"api_key_id": key_id, "key_type": "ed25519", "private_key": pem})


def _check_scopes(scopes: frozenset[str]) -> None:
    if scopes - _SCOPES or ("write" in scopes and "read" not in scopes):
        raise RequestRefused("invalid_parameters", "scopes")


def _register(
    call: RestCall, public_key: PublicKey, scopes: frozenset[str], subaccount: int | None
) -> str:
    key_id = call.exchange.engine.new_id()
    call.exchange.gatekeeper.add(Credential(key_id, call.user_id, public_key, scopes, subaccount))
    return key_id


def create_key(call: RestCall) -> Reply:
    """Register a public key."""
    body = call.decode(NewKey)
    _check_scopes(body.scopes)
    try:
        public_key = serialization.load_pem_public_key(body.public_key.encode())
    except ValueError:
        raise RequestRefused("invalid_parameters", "public_key is not a PEM") from None
    if not isinstance(public_key, RSAPublicKey | Ed25519PublicKey):
        raise RequestRefused("invalid_parameters", "public_key must be RSA or Ed25519")
    key_id = _register(call, public_key, body.scopes, body.subaccount)
    return Reply(201, {"api_key_id": key_id})


def delete_key(call: RestCall) -> Reply:
    """Withdraw one of the caller's keys."""
    keys = {k.key_id for k in call.exchange.gatekeeper.keys_of(call.user_id)}
    if call.path["api_key"] not in keys:
        raise RequestRefused("not_found", "api key not found")
    call.exchange.gatekeeper.revoke(call.path["api_key"])
    return Reply(204, None)


def incentives(_call: RestCall) -> Reply:
    """List the incentive programmes: none."""
    return Reply(200, {"incentive_programs": [], "next_cursor": ""})
