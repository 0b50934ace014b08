from __future__ import annotations

import pytest
from cryptography.exceptions import InvalidSignature

from mmbot.faultlab.scenario import build, weeks
from mmbot.faultlab.shared_key import SharedKey
from mmbot.kalshi.auth import Signer
from mmbot.kalshi.http import BASE_PATH, HttpRequest


def test_a_text_is_verified_by_the_key_that_signed_it() -> None:
    SharedKey(b"one").verify(SharedKey(b"one").sign(b"text"), b"text")


@pytest.mark.parametrize(("secret", "text"), [(b"one", b"other text"), (b"two", b"text")])
def test_no_signature_of_another_text_or_key_is_verified(secret: bytes, text: bytes) -> None:
    with pytest.raises(InvalidSignature):
        SharedKey(secret).verify(SharedKey(b"one").sign(b"text"), text)


def test_the_simulated_exchange_verifies_every_signature_of_a_week() -> None:
    scenario = build("1", weeks(1), "eventful")
    now, path = scenario.clock.wall, BASE_PATH + "/portfolio/balance"
    forger = Signer(scenario.signer.key_id, SharedKey(b"another seed"))
    answered = [
        scenario.venue.handle(HttpRequest("GET", path, (), signer.headers("GET", path, now)), now)
        for signer in (scenario.signer, forger)
    ]
    assert [answer.status for answer in answered] == [200, 401]
