from __future__ import annotations

import pytest

from mmbot.faultlab import campaign
from mmbot.faultlab.campaign import Job
from mmbot.kalshi.unknown_words import VocabularyMonitor


def test_the_simulated_exchange_says_nothing_that_the_client_has_no_word_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    words: list[str] = []
    monkeypatch.setattr(VocabularyMonitor, "_count", lambda _drift, word: words.append(word))
    assert campaign.run(Job(3, ())).orders
    assert words == []
