from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmbot import config
from mmbot.errors import BadInput
from mmbot.underlyings.registry import known

SHIPPED = sorted((Path(__file__).parents[2] / "config").glob("*.toml"))


def refusal(text: str) -> str:
    with pytest.raises(BadInput) as caught:
        config.parse(text, "some.toml")
    return str(caught.value)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_the_shipped_files_are_accepted(path: Path) -> None:
    loaded = config.load(path)
    assert loaded.exchange.series == known(loaded).underlying.series


def test_an_empty_file_means_the_defaults() -> None:
    assert config.parse("", "some.toml") == config.Settings()


def test_values_are_read_from_their_keys() -> None:
    settings = config.parse(
        'mode = "live"\n[counts]\nearliest_release = 07:10:00\n[quoting]\nmargin = 0\n',
        "some.toml",
    )
    assert settings.mode == "live"
    assert settings.counts.earliest_release == dt.time(7, 10)
    assert settings.quoting.margin == 0.0


def test_settings_are_converted_to_the_units_of_the_exchange() -> None:
    settings = config.parse(
        "[quoting]\ncontracts = 3\nminimum_edge_cents = 1.5\nreprice_tolerance_cents = 0.5\n"
        "minimum_rest_seconds = 1.5\n[limits]\ncontracts_per_market = 7\n"
        "event_loss_dollars = 12.34\n[orders]\nlifetime_seconds = 30\n",
        "some.toml",
    )
    assert settings.quoting.size == 300
    assert settings.quoting.edge(0.01) == pytest.approx(0.015)
    assert settings.quoting.reprice_tolerance == 50
    assert settings.quoting.minimum_rest == 1500
    assert settings.limits.position == 700
    assert settings.limits.event_loss == 12_340_000
    assert settings.orders.lifetime == 30_000


def test_the_defaults_are_humble_towards_the_market_and_leave_longshots_alone() -> None:
    quoting = config.Settings().quoting
    assert [quoting.belief_weight_at(k) for k in (0, 1, 2, 3, 4)] == [0.2, 0.1, 0.25, 0.4, 0.55]
    assert quoting.belief_weight_at(6) == 0.55
    assert quoting.market_sharpness == 1.2
    assert quoting.yes_from == quoting.no_below == 0.5


def test_a_margin_is_one_number_or_one_for_each_number_of_published_days() -> None:
    listed = config.parse("[quoting]\nmargin = [0.3, 0.2, 0.1, 0.05, 0]", "some.toml").quoting
    assert [listed.margin_at(known) for known in range(7)] == [0.3, 0.2, 0.1, 0.05, 0, 0, 0]
    single = config.parse("[quoting]\nmargin = 0.1", "some.toml").quoting
    assert {single.margin_at(known) for known in range(7)} == {0.1}


@pytest.mark.parametrize(
    "text", ["margin = [0.1, 0.2]", "margin = [0.1, 0.1, 0.1, 0.1, 1.0]", "belief_weight = [1.1]"]
)
def test_a_list_by_published_days_has_five_shares(text: str) -> None:
    assert text.split(" ", 1)[0] in refusal(f"[quoting]\n{text}")


@given(st.floats(0.01, 1_000_000.0))
def test_every_loss_that_is_accepted_is_an_amount_of_money(dollars: float) -> None:
    settings = config.parse(f"[limits]\nevent_loss_dollars = {dollars!r}", "some.toml")
    assert abs(settings.limits.event_loss - dollars * 1e6) <= 0.5


@pytest.mark.parametrize(
    ("text", "key", "advice"),
    [
        ("[quoting]\nmargni = 0.1", "quoting.margni", "did you mean `margin`?"),
        ("quotin.margin = 0.1", "quotin", "did you mean `quoting`?"),
        ("zzz = 1", "zzz", "known are mode, exchange"),
        ("[limits]\nzzz = 1", "limits.zzz", "known are contracts_per_market"),
    ],
)
def test_a_key_that_does_not_exist_is_refused_with_the_nearest(
    text: str, key: str, advice: str
) -> None:
    line = text.count("\n") + 1
    assert refusal(text).startswith(f"some.toml:{line}: there is no key `{key}`")
    assert advice in refusal(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[quoting]\nmargin = 1.0", "quoting.margin: expected a number < 1.0; write for example"),
        ("[quoting]\nmargin = nan", "quoting.margin: expected a number >= 0.0"),
        (
            '[quoting]\nmargin = "a"',
            "quoting.margin: expected a number or a list, got a text; write",
        ),
        (
            "[quoting]\nmargin = true",
            "quoting.margin: expected a number or a list, got true or false",
        ),
        ("[quoting]\ncontracts = 1.5", "quoting.contracts: expected a whole number, got a number"),
        ("[quoting]\nminimum_edge_cents = 0", "quoting.minimum_edge_cents: expected a number >="),
        ("[quoting]\nminimum_fair = 0.5", "quoting.minimum_fair: expected a number < 0.5"),
        ("[exchange]\nsubaccount = 64", "exchange.subaccount: expected a whole number <= 63"),
        ('[exchange]\nseries = "kx"', 'write for example series = "KXTSAW"'),
        ('[counts]\nurl = "tsa.gov"', "write https://HOST[:PORT]"),
        ('[counts]\nearliest_release = "7"', "write for example earliest_release = 06:55:00"),
        ("[counts]\nearliest_release = 2020-01-01", "expected a time, got a date"),
        ("[limits]\nevent_loss_dollars = inf", "limits.event_loss_dollars: expected a number <="),
        ("[limits]\nevent_loss_dollars = 1e-9", "limits.event_loss_dollars: expected a number >="),
        ("[orders]\nlifetime_seconds = 4", "orders.lifetime_seconds: expected a whole number >= 5"),
        ("[state]\ndirectory = 3", "state.directory: expected a text, got a whole number"),
        ('mode = "real"', 'mode: write one of "paper", "demo", "live"'),
        ("mode = 3", 'mode: write one of "paper", "demo", "live"'),
        (
            "[quoting]\nmarket_sharpness = 0.4",
            "expected a number >= 0.5; write for example market_sharpness = 1.2",
        ),
        ("[quoting]\nmarket_sharpness = 2.1", "quoting.market_sharpness: expected a number <= 2.0"),
        (
            "[quoting]\nlongshot_edge_cents = [10, 0, 0, 0, 0]",
            "write for example longshot_edge_cents = [5.0, 5.0, 5.0, 2.5, 0.0]",
        ),
        (
            "[quoting]\nlongshot_edge_cents = [5, 5]",
            "quoting.longshot_edge_cents: expected a list of length >= 5",
        ),
        ('[quoting]\nsides = "none"', 'quoting.sides: write one of "likelier", "both"'),
        ("[log]\nlevel = [1]", 'log.level: write one of "debug", "info", "warning", "error"'),
        ("quoting = 3", "`quoting` is a table; write [quoting] and below it its keys"),
    ],
)
def test_an_invalid_value_is_refused_with_its_key_and_what_to_write(
    text: str, expected: str
) -> None:
    assert refusal(text).startswith(f"some.toml:{text.count(chr(10)) + 1}: ")
    assert expected in refusal(text)


def test_a_quote_larger_than_the_largest_position_is_a_contradiction() -> None:
    text = "[quoting]\ncontracts = 11\n[limits]\ncontracts_per_market = 10"
    assert refusal(text) == (
        "some.toml:4: quoting.contracts (11) is above limits.contracts_per_market (10); lower one "
        "or raise the other"
    )


def test_the_latest_release_must_be_after_the_earliest() -> None:
    text = "[counts]\nlatest_release = 06:55:00"
    assert "counts.latest_release (06:55:00) must be after" in refusal(text)


def test_a_fill_cap_that_one_fill_would_reach_is_a_contradiction() -> None:
    text = "[quoting]\ncontracts = 10\n[limits]\ncontracts_per_15_seconds = 10"
    assert "limits.contracts_per_15_seconds (10) must be above quoting.contracts (10)" in refusal(
        text
    )


def test_an_order_that_could_run_out_while_it_is_renewed_is_a_contradiction() -> None:
    text = "[orders]\nlifetime_seconds = 9\nanswer_timeout_seconds = 5.0"
    assert "orders.lifetime_seconds (9) must be at least twice" in refusal(text)


def test_text_of_another_form_is_refused_without_a_word_of_regular_expressions() -> None:
    told = refusal('[exchange]\nseries = "tsa"')
    assert (
        'exchange.series: it is not written as such a value is; write for example series = "KX'
        in told
    )


def test_a_dashboard_at_what_is_no_address_is_refused() -> None:
    assert "dashboard.address: this is not an IP address" in refusal(
        '[dashboard]\naddress = "1.2.3"'
    )


def test_a_file_that_is_not_toml_is_refused_with_the_place() -> None:
    assert refusal("# a remark\nmode = ").startswith("some.toml:2: mode: there is no value")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "absent.toml"
    with pytest.raises(BadInput, match=r"cannot read the config file .*absent\.toml"):
        config.load(path)


def test_a_file_that_is_not_text_is_named(tmp_path: Path) -> None:
    path = tmp_path / "bytes.toml"
    path.write_bytes(b"\xff\xfea\x00")
    with pytest.raises(BadInput, match=r"bytes\.toml:1: the file is UTF-16"):
        config.load(path)


def test_the_keys_that_differ_are_named() -> None:
    other = config.parse(
        'mode = "demo"\n[quoting]\nmargin = [0.1, 0.1, 0.1, 0.1, 0.2]\n', "some.toml"
    )
    assert config.differences(config.Settings(), other) == ("mode", "quoting.margin")
    assert config.differences(other, other) == ()


# Where a daemon is


PLACE = 'mode = "live"\n[state]\ndirectory = "here"\n'


@pytest.mark.parametrize(
    "mistake",
    [
        "[quoting]\nmargin = 0,1\n",
        "[quoting]\nmargni = 0.1\n",
        "[quoting]\nmargin = 7\n[alerts]\nevents = 3\n",
        '[log]\nlevel = "info\n',
        "[limits]\norders = 1\norders = 2\n",
        "[quoting] # remark\ncontracts = 10_000\n",
        "[log]\n[quoting]\nmargin = 0.1\n[log]\n",
    ],
)
def test_a_mistake_beside_it_does_not_hide_where_the_daemon_is(
    tmp_path: Path, mistake: str
) -> None:
    path = tmp_path / "c.toml"
    path.write_text(PLACE + mistake)
    loaded, mistakes = config.load_place(path)
    assert (loaded.settings.mode, loaded.settings.state.directory) == ("live", "here")
    assert mistakes is not None
    assert str(mistakes) == refusal(PLACE + mistake).replace("some.toml", str(path))


@pytest.mark.parametrize(
    "text",
    [
        'mode = live\n[state]\ndirectory = "here"\n',
        'mode = "live"\n[state]\ndirectory = here\n',
        'mode = "live"\n[state]\ndirectroy = "here"\n',
        'mode = "live"\n[state\ndirectory = "here"\n',
        'mode = "live"\n[stat]\ndirectory = "here"\n',
        'mode = "live"\n[quoting\nmargin = 0.1\n',
        '\ufeffmode = "live"\n',
        'mod = "live"\n[quoting]\nmargin = 0,1\n',
    ],
)
def test_a_mistake_that_may_be_about_where_the_daemon_is_is_refused(
    tmp_path: Path, text: str
) -> None:
    path = tmp_path / "c.toml"
    path.write_text(text)
    with pytest.raises(config.BadConfig):
        config.load_place(path)


def test_a_file_without_a_mistake_says_where_the_daemon_is(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text(PLACE)
    loaded, mistakes = config.load_place(path)
    assert (loaded.settings, mistakes) == (config.load(path), None)
