"""Reads secrets from AWS Secrets Manager; needs the extra `aws` (boto3).

A secret is a JSON object with the fields `key_id` and `private_key`, or plain text. `#FIELD` after
its name or ARN selects another field of the object. boto3 finds the credentials and region of AWS:
in the environment, in shared files, or from the role of the machine.
"""

from __future__ import annotations

import importlib
from typing import Any

import msgspec

from mmbot.errors import BadInput, Unavailable

# The limits of each attempt; kept short, as a halt also has to wait for it.
_CONNECT_SECONDS, _READ_SECONDS, _ATTEMPTS = 3, 5, 2
# Errors of AWS that the next attempt may not have.
_PASSING = frozenset(
    {
        "InternalFailure",
        "InternalServiceError",
        "RequestTimeout",
        "ServiceUnavailable",
        "Throttling",
        "ThrottlingException",
    }
)
_ADVICE = {
    "ResourceNotFoundException": "there is no such secret in this region",
    "AccessDeniedException": "this role may not read it: it needs secretsmanager:GetSecretValue",
    "DecryptionFailure": "this role may not decrypt it: it needs kms:Decrypt",
    "UnrecognizedClientException": "AWS does not know the credentials of this machine",
    "InvalidSignatureException": "AWS does not accept the credentials of this machine",
    "ExpiredTokenException": "the AWS credentials of this machine have expired",
}


class AwsSecrets:
    """The secrets of one region, each read once."""

    def __init__(self, region: str) -> None:
        """Read nothing yet; without `region` the machine's configured one is used."""
        self._region = region
        self._read: dict[str, str] = {}

    def read(self, key: str, place: str, field: str) -> str:
        """Return a secret, or one field of it.

        Args:
            key: The key of the config that names the secret.
            place: The secret's name or ARN, with `#FIELD` if that is not `field`.
            field: The wanted field of a JSON object.

        Raises:
            BadInput: It cannot be read until a person fixes something.
            Unavailable: AWS cannot be reached now.
        """
        name, _, named = place.partition("#")
        if name not in self._read:
            self._read[name] = self._fetch(key, name)
        text = self._read[name]
        try:
            tree = msgspec.json.decode(text.encode(), type=dict[str, Any])
        except msgspec.DecodeError:
            if named:
                raise BadInput(f"{key}: the secret {name} of AWS is not a JSON object") from None
            return text
        value = tree.get(named or field)
        if not isinstance(value, str) or not value:
            raise BadInput(f"{key}: the secret {name} of AWS has no text in `{named or field}`")
        return value

    def _fetch(self, key: str, name: str) -> str:
        try:
            boto3 = importlib.import_module("boto3")
            errors = importlib.import_module("botocore.exceptions")
            setting = importlib.import_module("botocore.config").Config
        except ModuleNotFoundError:
            raise BadInput(
                f"{key} is in AWS, which needs boto3; install mmbot with its extra 'aws'"
            ) from None
        what = f"{key}: the secret {name} of AWS cannot be read"
        try:
            client = boto3.Session().client(
                "secretsmanager",
                region_name=self._region or None,
                config=setting(
                    connect_timeout=_CONNECT_SECONDS,
                    read_timeout=_READ_SECONDS,
                    retries={"total_max_attempts": _ATTEMPTS},
                ),
            )
            answer = client.get_secret_value(SecretId=name)
        except errors.ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", "unknown"))
            kind = Unavailable if code in _PASSING else BadInput
            raise kind(f"{what}: {_ADVICE.get(code, code)}") from None
        except (errors.NoCredentialsError, errors.PartialCredentialsError):
            raise BadInput(f"{what}: this machine has no AWS credentials") from None
        except errors.NoRegionError:
            raise BadInput(f"{what}: set credentials.aws_region in the config") from None
        except (
            errors.ConnectionError,
            errors.CredentialRetrievalError,
            errors.HTTPClientError,
        ) as error:
            raise Unavailable(f"{what} now: {type(error).__name__}") from None
        except errors.BotoCoreError as error:
            raise BadInput(f"{what}: {type(error).__name__}") from None
        text = answer.get("SecretString")
        if not isinstance(text, str) or not text:
            raise BadInput(f"{what}: it is not text")
        return text
