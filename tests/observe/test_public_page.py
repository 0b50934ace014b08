"""The page to publish: what was predicted and came of it, and nothing of the account."""

from __future__ import annotations

import html
import re

from mmbot.observe.public_page import public_page
from mmbot.research.performance import PerformanceReport, build_report
from tests.research.records import FILLS, FIRST, MARKOUTS, SAMPLES, SECOND, SETTLEMENTS


def report() -> PerformanceReport:
    weights = (0.2, 0.1, 0.25, 0.4, 0.55)
    return build_report(FILLS, MARKOUTS, SAMPLES, SETTLEMENTS, weights, frozenset({FIRST, SECOND}))


def shown(page: str) -> str:
    return html.unescape(re.sub(r"<style>.*?</style>|<[^>]+>", " ", page, flags=re.DOTALL))


def test_each_prediction_stands_beside_its_outcome() -> None:
    page = public_page(report(), SAMPLES, SETTLEMENTS)
    first = next(each for each in SAMPLES if each.view.belief and 0.01 <= each.view.belief <= 0.99)
    (row,) = re.findall(
        rf"<tr><td>{first.ticker.rpartition('-')[2]}</td><td>{first.days_published}</td>.*?</tr>",
        page.split(f"Predictions of {first.ticker.rpartition('-')[0]}")[1].split("</table>")[0],
    )
    assert f"<td>{first.view.belief:.3f}</td>" in row
    assert row.endswith(("<td>1</td></tr>", "<td>0</td></tr>"))


def test_p_and_l_is_there_by_week_in_dollars() -> None:
    text = shown(public_page(report(), SAMPLES, SETTLEMENTS))
    assert f"{FIRST}" in text
    assert f"{report().total.pnl / 1e6:+.2f}" in text


def test_nothing_of_the_account_is_on_it() -> None:
    text = shown(public_page(report(), SAMPLES, SETTLEMENTS))
    for record in FILLS:
        assert record.fill.order_id not in text.split()
    assert not re.search("fills|contracts|position|balance|order", text, re.IGNORECASE)


def test_without_a_settled_week_it_says_so() -> None:
    nothing = build_report((), (), (), (), (0.2, 0.1, 0.25, 0.4, 0.55), frozenset())
    assert "No week is settled yet" in public_page(nothing, (), ())
