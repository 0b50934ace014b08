from __future__ import annotations

import base64

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from mmbot.errors import BadInput
from mmbot.kalshi.auth import PrivateKey, Signer, read_private_key

PATH = "/trade-api/v2/portfolio/balance"
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
ED_KEY = ed25519.Ed25519PrivateKey.generate()


def pem(
    key: PrivateKey | ec.EllipticCurvePrivateKey,
    form: serialization.PrivateFormat = serialization.PrivateFormat.PKCS8,
    encryption: serialization.KeySerializationEncryption | None = None,
) -> bytes:
    encryption = encryption or serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, form, encryption)


def signature(headers: tuple[tuple[str, str], ...]) -> bytes:
    return base64.b64decode(dict(headers)["KALSHI-ACCESS-SIGNATURE"], validate=True)


def test_the_headers_name_the_key_and_the_time() -> None:
    signer = Signer("key-id", ED_KEY)
    assert signer.key_id == "key-id"
    headers = dict(signer.headers("GET", PATH, 1_795_874_400_123))
    assert headers["KALSHI-ACCESS-KEY"] == "key-id"
    assert headers["KALSHI-ACCESS-TIMESTAMP"] == "1795874400123"


def test_an_ed25519_signature_is_over_time_method_and_path() -> None:
    headers = Signer("key-id", ED_KEY).headers("POST", PATH, 17)
    ED_KEY.public_key().verify(signature(headers), b"17POST" + PATH.encode())
    with pytest.raises(InvalidSignature):
        ED_KEY.public_key().verify(signature(headers), b"17GET" + PATH.encode())


def test_an_rsa_signature_is_pss_with_a_salt_as_long_as_the_digest() -> None:
    headers = Signer("key-id", RSA_KEY).headers("DELETE", PATH, 17)
    pss = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=32)
    text = b"17DELETE" + PATH.encode()
    RSA_KEY.public_key().verify(signature(headers), text, pss, hashes.SHA256())


@pytest.mark.parametrize(
    ("written", "key"),
    [
        (pem(RSA_KEY, serialization.PrivateFormat.TraditionalOpenSSL), RSA_KEY),
        (pem(RSA_KEY), RSA_KEY),
        (pem(ED_KEY), ED_KEY),
    ],
)
def test_keys_load_in_each_form_that_the_exchange_issues(written: bytes, key: PrivateKey) -> None:
    read = read_private_key(written)
    raw = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    assert read.public_key().public_bytes(*raw) == key.public_key().public_bytes(*raw)


@pytest.mark.parametrize(
    ("written", "complaint"),
    [
        (b"secret stuff", "not an unencrypted PEM"),
        (pem(ED_KEY, encryption=serialization.BestAvailableEncryption(b"x")), "unencrypted"),
        (pem(ec.generate_private_key(ec.SECP256R1())), "neither RSA nor Ed25519"),
    ],
)
def test_an_unusable_key_is_refused_without_quoting_it(written: bytes, complaint: str) -> None:
    with pytest.raises(BadInput, match=complaint) as caught:
        read_private_key(written)
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_the_repr_of_a_signer_hides_the_key() -> None:
    assert repr(Signer("key-id", ED_KEY)) == "Signer(...)"


# Signatures made ahead


def test_without_requests_nothing_is_prepared_and_what_was_is_dropped() -> None:
    signer = Signer("key-id", ED_KEY)
    signer.prepare([("DELETE", "/orders/1")], 1_000)
    signer.prepare([], 1_001)
    assert signer._prepared == {}


def test_a_prepared_signature_is_used_once_and_right() -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    signer = Signer("id", key)
    signer.prepare([("DELETE", "/orders/1")], 1_000)
    first = dict(signer.headers("DELETE", "/orders/1", 2_500))
    second = dict(signer.headers("DELETE", "/orders/1", 2_500))
    assert first["KALSHI-ACCESS-TIMESTAMP"] == "1000"
    assert second["KALSHI-ACCESS-TIMESTAMP"] == "2500"
    for headers in (first, second):
        text = f"{headers['KALSHI-ACCESS-TIMESTAMP']}DELETE/orders/1".encode()
        key.public_key().verify(base64.b64decode(headers["KALSHI-ACCESS-SIGNATURE"]), text)


@pytest.mark.parametrize("now", [999, 4_001, 60_000], ids=["before", "stale", "much later"])
def test_a_prepared_signature_that_is_not_fresh_is_not_used(now: int) -> None:
    signer = Signer("id", ed25519.Ed25519PrivateKey.generate())
    signer.prepare([("DELETE", "/orders/1")], 1_000)
    assert dict(signer.headers("DELETE", "/orders/1", now))["KALSHI-ACCESS-TIMESTAMP"] == str(now)


def test_one_signature_is_made_at_a_time_and_of_what_is_wanted_no_more_none_is_kept() -> None:
    signer = Signer("id", ed25519.Ed25519PrivateKey.generate())
    wanted = [("DELETE", "/orders/1"), ("DELETE", "/orders/2")]
    for now in (1_000, 1_010, 1_020):
        signer.prepare(wanted, now)
    assert {path: at for (_, path), (at, _) in signer._prepared.items()} == {
        "/orders/1": 1_000,
        "/orders/2": 1_010,
    }
    signer.prepare(wanted, 3_001)
    assert signer._prepared["DELETE", "/orders/1"][0] == 3_001
    signer.prepare(wanted[1:], 3_005)
    assert list(signer._prepared) == wanted[1:]


def test_what_has_no_signature_yet_comes_before_what_has_an_old_one() -> None:
    signer = Signer("id", ed25519.Ed25519PrivateKey.generate())
    old = [("DELETE", "/orders/1"), ("DELETE", "/orders/2")]
    for now in (1_000, 1_010):
        signer.prepare(old, now)
    new = ("DELETE", "/orders/3")
    made = []
    for now in (3_100, 3_110, 3_120):
        signer.prepare([*old, new], now)
        made += [path for (_, path), (at, _) in signer._prepared.items() if at == now]
    assert made == ["/orders/3", "/orders/1", "/orders/2"]
