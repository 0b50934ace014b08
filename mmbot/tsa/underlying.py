"""TSA's checkpoint passengers: the average of a week's daily counts."""

from __future__ import annotations

from typing import Final

from mmbot.tsa.pages import LEAST, MOST, USER_AGENT, day_of_another_page, page_path, parse_page
from mmbot.tsa.releases import assumed_release, early_days, release_date
from mmbot.tsa.simulated import SIMULATED
from mmbot.underlying.pages import Pages
from mmbot.underlying.underlying import Underlying

TSA: Final = Underlying(
    name="tsa",
    series="KXTSAW",
    unit="passengers",
    value_unit="passengers a day",
    least=LEAST,
    most=MOST,
    release_date=release_date,
    early_days=early_days,
    assumed_release=assumed_release,
    settles=lambda week: week.settles,
    outcome=lambda counts: sum(counts) / len(counts),
    pages=Pages(page_path, parse_page, day_of_another_page, USER_AGENT, by_year=True),
    simulated=SIMULATED,
)
