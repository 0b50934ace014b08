"""Where the key comes from, and that it goes nowhere else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mmbot import config
from mmbot.config import CredentialSettings
from mmbot.daemon.credentials import find_signer
from mmbot.daemon.endpoints import Venue
from mmbot.errors import BadInput

NOWHERE = Venue("http://127.0.0.1/trade-api/v2", "ws://127.0.0.1/trade-api/ws/v2", "http://x")
NONE = CredentialSettings()


def test_the_environment_names_key_and_file(key_file: Path) -> None:
    environment = {"MMBOT_KEY_ID": "id", "MMBOT_PRIVATE_KEY_PATH": str(key_file)}
    assert (
        dict(find_signer(NONE, NOWHERE, environment).headers("GET", "/", 1))["KALSHI-ACCESS-KEY"]
        == "id"
    )


def test_systemd_hands_both_over_in_a_directory(key_file: Path) -> None:
    (key_file.parent / "key_id").write_text("id\n")
    key_file.chmod(0o640)
    environment = {"CREDENTIALS_DIRECTORY": str(key_file.parent)}
    assert find_signer(NONE, NOWHERE, environment) is not None


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_file_that_others_can_read_is_refused(key_file: Path, mode: int) -> None:
    key_file.chmod(mode)
    settings = CredentialSettings(key_id="id", private_key_path=str(key_file))
    with pytest.raises(BadInput, match="chmod 600"):
        find_signer(settings, NOWHERE, {})


def test_without_a_key_it_says_how_to_give_one() -> None:
    with pytest.raises(BadInput, match="MMBOT_KEY_ID"):
        find_signer(NONE, NOWHERE, {})
    with pytest.raises(BadInput, match="MMBOT_PRIVATE_KEY_PATH"):
        find_signer(NONE, NOWHERE, {"MMBOT_KEY_ID": "id"})


def test_a_key_that_is_none_is_not_repeated(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    path.write_text("-----BEGIN PRIVATE KEY-----\nSECRET\n-----END PRIVATE KEY-----\n")
    path.chmod(0o600)
    with pytest.raises(BadInput) as refused:
        find_signer(CredentialSettings(key_id="id", private_key_path=str(path)), NOWHERE, {})
    assert "SECRET" not in str(refused.value)


@pytest.mark.parametrize("key_id", ["caf\udce9", "caf\u00e9", "a\nb", "\x00"])
def test_a_key_id_that_no_header_can_carry_is_refused(key_file: Path, key_id: str) -> None:
    environment = {"MMBOT_KEY_ID": key_id, "MMBOT_PRIVATE_KEY_PATH": str(key_file)}
    with pytest.raises(BadInput, match="plain characters"):
        find_signer(NONE, NOWHERE, environment)


def test_a_credential_that_is_no_text_is_refused(key_file: Path) -> None:
    (key_file.parent / "key_id").write_bytes(b"\xff\xfe")
    with pytest.raises(BadInput, match="plain characters"):
        find_signer(NONE, NOWHERE, {"CREDENTIALS_DIRECTORY": str(key_file.parent)})


# Where the table says that the key is


def key_id_of(credentials: CredentialSettings, environment: dict[str, str]) -> str:
    signer = find_signer(credentials, NOWHERE, environment)
    return dict(signer.headers("GET", "/", 1))["KALSHI-ACCESS-KEY"]


@pytest.mark.parametrize("kind", ["file", "env", "systemd"])
def test_each_part_of_the_key_is_read_where_the_table_says(key_file: Path, kind: str) -> None:
    (key_file.parent / "an_id").write_text("the-id\n")
    (key_file.parent / "an_id").chmod(0o600)
    environment = {
        "CREDENTIALS_DIRECTORY": str(key_file.parent),
        "AN_ID": "the-id",
        "A_KEY": key_file.read_text(),
        # What the table names counts alone.
        "MMBOT_KEY_ID": "another",
        "MMBOT_PRIVATE_KEY_PATH": "nowhere",
    }
    places = {
        "file": (f"file:{key_file.parent}/an_id", f"file:{key_file}"),
        "env": ("env:AN_ID", "env:A_KEY"),
        "systemd": ("systemd:an_id", "systemd:private_key"),
    }
    key_id, private_key = places[kind]
    credentials = CredentialSettings(key_id=key_id, private_key=private_key)
    assert key_id_of(credentials, environment) == "the-id"


def test_the_environment_may_hold_the_key_itself(key_file: Path) -> None:
    environment = {"MMBOT_KEY_ID": "id", "MMBOT_PRIVATE_KEY": key_file.read_text()}
    assert key_id_of(NONE, environment) == "id"


@pytest.mark.parametrize(
    ("private_key", "reason"),
    [
        ("file:/nowhere/key.pem", "cannot read the private key /nowhere/key.pem: No such file"),
        ("env:NONE_OF_MINE", "credentials.private_key is env:NONE_OF_MINE, and the environment"),
        ("systemd:key", "LoadCredential=key:PATH"),
    ],
)
def test_a_place_where_nothing_is_is_named(private_key: str, reason: str) -> None:
    credentials = CredentialSettings(key_id="id", private_key=private_key)
    with pytest.raises(BadInput, match=re.escape(reason)):
        find_signer(credentials, NOWHERE, {})


def test_a_credential_that_systemd_has_not_loaded_is_named(tmp_path: Path) -> None:
    credentials = CredentialSettings(key_id="systemd:id", private_key="systemd:key")
    with pytest.raises(BadInput, match="has no such credential"):
        find_signer(credentials, NOWHERE, {"CREDENTIALS_DIRECTORY": str(tmp_path)})


@pytest.mark.parametrize(
    "table",
    [
        'private_key = "SECRET"',
        'private_key = "-----BEGIN SECRET"',
        'private_key = "vault:SECRET"',
        'private_key = "env:"',
        'key_id = "vault:SECRET"',
        'private_key = "env:SECRET"\nprivate_key_path = "SECRET"',
        'private_key = """-----BEGIN\nSECRET\n"""',
    ],
)
def test_a_place_that_is_none_is_refused_and_not_repeated(table: str) -> None:
    with pytest.raises(BadInput) as refused:
        config.parse(f"[credentials]\n{table}\n", "some.toml")
    assert "SECRET" not in str(refused.value).replace('"aws:SECRET"', "")
