from __future__ import annotations

import pytest

from mmbot.faultlab import campaign
from mmbot.faultlab.campaign import Job
from mmbot.kalshi.unknown_words import VocabularyMonitor


def test_the_client_knows_every_word_of_the_simulated_exchange(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    words: list[str] = []
    monkeypatch.setattr(VocabularyMonitor, "_count", lambda _drift, word: words.append(word))
    assert campaign.run(Job(3, ())).orders
    assert words == []
