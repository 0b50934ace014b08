from __future__ import annotations

from mmbot.faultlab.scenario import Scenario, WindowedCrowd, build, weeks


def crowd_of(scenario: Scenario) -> WindowedCrowd:
    assert isinstance(scenario.venue.participants, WindowedCrowd)
    return scenario.venue.participants


def test_the_crowd_acts_within_the_windows_only() -> None:
    scenario = build("1", weeks(1), "eventful")
    crowd, (first, second, *_) = crowd_of(scenario), scenario.windows
    assert crowd.next_at() == first.start
    crowd.act(first.end)
    assert crowd.next_at() == second.start
    crowd.act(scenario.windows[-1].end)
    assert crowd.next_at() is None


def test_a_paused_crowd_does_not_act_until_the_next_window() -> None:
    scenario = build("1", weeks(1), "eventful")
    crowd = crowd_of(scenario)
    crowd.paused = True
    assert crowd.next_at() is None
    crowd.enter(scenario.windows[1])
    assert crowd.next_at() == scenario.windows[1].start


def test_a_seed_is_one_scenario_and_another_seed_another() -> None:
    first, again, other = (build(seed, weeks(1), "eventful") for seed in ("1", "1", "2"))
    assert first.counts == again.counts
    assert first.releases == again.releases
    assert first.settings == again.settings
    assert first.counts != other.counts
    assert first.releases != other.releases


def test_the_counts_before_the_weeks_are_the_same_for_every_seed() -> None:
    one, other = (build(seed, weeks(1), "eventful") for seed in ("1", "2"))
    assert one.history is other.history
    first_played = one.weeks[0].monday
    assert one.history.last_day is not None
    assert one.history.last_day < first_played
