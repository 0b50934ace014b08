"""The key in AWS Secrets Manager, as moto plays it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import boto3
import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from moto import mock_aws

from mmbot.config import CredentialSettings
from mmbot.daemon.credentials import find_signer
from mmbot.daemon.endpoints import Venue
from mmbot.errors import BadInput, ExitCode, Unavailable
from mmbot.exchange.key_text import pem_of
from tests.daemon.processes import PATIENCE_SECONDS

NOWHERE = Venue("http://127.0.0.1/trade-api/v2", "ws://127.0.0.1/trade-api/ws/v2", "http://x")
REGION = "us-east-2"
PEM = pem_of(ed25519.Ed25519PrivateKey.generate()).decode()


@pytest.fixture(autouse=True)
def account(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have an account of AWS that is no one's, and no files of the user's."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)


@pytest.fixture
def secrets() -> Iterator[None]:
    """Keep some secrets in AWS."""
    with mock_aws():
        client = boto3.client("secretsmanager", region_name=REGION)
        both = json.dumps({"key_id": "the-id", "private_key": PEM, "other": "other-id"})
        client.create_secret(Name="kalshi", SecretString=both)
        client.create_secret(Name="pem", SecretString=PEM)
        client.create_secret(Name="bytes", SecretBinary=b"SECRET")
        client.create_secret(Name="wrong", SecretString=json.dumps({"key": "SECRET"}))
        yield


def key_id_of(key_id: str, private_key: str, region: str = REGION) -> str:
    settings = CredentialSettings(key_id=key_id, private_key=private_key, aws_region=region)
    return find_signer(settings, NOWHERE, {}).key_id


def refused(key_id: str, private_key: str, region: str = REGION) -> str:
    with pytest.raises((BadInput, Unavailable)) as caught:
        key_id_of(key_id, private_key, region)
    assert "SECRET" not in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.usefixtures("secrets")
@pytest.mark.parametrize(
    ("key_id", "private_key", "found"),
    [
        ("aws:kalshi", "aws:kalshi", "the-id"),
        ("aws:kalshi#other", "aws:kalshi", "other-id"),
        ("plain-id", "aws:pem", "plain-id"),
    ],
)
def test_both_parts_of_the_key_may_be_in_a_secret(
    key_id: str, private_key: str, found: str
) -> None:
    assert key_id_of(key_id, private_key) == found


@pytest.mark.usefixtures("secrets")
@pytest.mark.parametrize(
    ("private_key", "reason"),
    [
        ("aws:none", "there is no such secret in this region"),
        ("aws:bytes", "it is not text"),
        ("aws:wrong", "has no text in `private_key`"),
        ("aws:kalshi#none", "has no text in `none`"),
        ("aws:pem#field", "is not a JSON object"),
        ("aws:kalshi#key_id", "is not an unencrypted PEM"),
    ],
)
def test_a_secret_that_is_none_is_refused_in_one_sentence(private_key: str, reason: str) -> None:
    assert reason in refused("id", private_key)


@pytest.mark.usefixtures("secrets")
def test_without_a_region_it_says_which_key_to_set() -> None:
    assert "set credentials.aws_region" in refused("id", "aws:kalshi", "")


def test_without_credentials_of_aws_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert "has no AWS credentials" in refused("id", "aws:kalshi")


def test_what_cannot_be_reached_is_for_time_to_heal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(Unavailable, match="cannot be read now"):
        key_id_of("id", "aws:kalshi")


def test_without_boto3_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    assert "install mmbot with its extra 'aws'" in refused("id", "aws:kalshi")


def test_a_daemon_waits_for_aws_and_can_be_stopped_meanwhile(tmp_path: Path) -> None:
    config = tmp_path / "c.toml"
    config.write_text(
        '[credentials]\nkey_id = "aws:k"\nprivate_key = "aws:k"\naws_region = "us-east-2"\n'
    )
    environment = {**os.environ, "AWS_ENDPOINT_URL": "http://127.0.0.1:1"}
    command = [sys.executable, "-m", "mmbot", "run", "--config", str(config)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, env=environment) as process:
        assert process.stderr is not None
        line = orjson.loads(process.stderr.readline())
        assert line["event"] == "start.waits"
        assert "cannot be read now" in line["waits_for"]
        process.terminate()
        assert process.wait(PATIENCE_SECONDS) == ExitCode.NOT_KNOWN
