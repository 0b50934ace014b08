from __future__ import annotations

from typing import Any

import msgspec
import pytest

from mmbot.trading.commands import Note, Place, ReadListing
from mmbot.trading.events import EventFeeChanged, FeeTypeRead, Filled, ListingRead, Woken
from mmbot.trading.fees import FREE_TERMS, LEAD_MS, ONE_TIME, FeeChange, FeeTerms, MakerFee
from mmbot.trading.stated_fee import OLDEST_COPY_MS
from tests.trading.builders import MIDDLE, NOW, Bench, book, fill, market, notes, only, order_placed

CHARGED = FeeTerms("quadratic_with_maker_fees", ONE_TIME)
DEARER = FeeTerms("quadratic_with_combo_maker_fees", ONE_TIME)
FLAT = FeeTerms("flat", ONE_TIME)
EVENT = "T-26NOV29"
HOUR = 3_600_000


def listing(bench: Bench, usual: FeeTerms, *changes: FeeChange, **own: Any) -> None:
    """Have the listing read with a fee of the series and its changes, and the event's own."""
    listed = msgspec.structs.replace(bench.listed, **own)
    bench.handle(ListingRead("", (listed,), (), usual, changes))


def fee_of(bench: Bench) -> MakerFee:
    return bench.engine.state.events[EVENT].fee


def test_a_fee_of_the_series_moves_every_quote_by_it_at_once() -> None:
    bench = Bench()
    placed = bench.rest()
    assert {side: place.price for side, place in placed.items()} == {"bid": 4_100, "ask": 5_900}
    bench = Bench()
    bench.start()
    listing(bench, CHARGED)
    shown = book(bid=4_450, ask=5_550)
    places = {place.side: place.price for place in only(Place, bench.handle(shown))}
    # Within the margin 45 cents may be spent, fee included: 44 and the fee of 0.44 fit.
    assert places == {"bid": 4_400, "ask": 5_600}


def test_a_fee_that_a_reading_of_the_series_alone_shows_holds_at_once() -> None:
    bench = Bench()
    bench.quote()
    assert only(ReadListing, bench.handle(FeeTypeRead(FREE_TERMS))) == []
    changed = bench.handle(FeeTypeRead(CHARGED))
    assert fee_of(bench) == CHARGED.fee
    assert "fee.changed" in notes(changed)
    assert only(ReadListing, bench.handle(Woken(), after=2_000))


def test_of_an_old_copy_and_a_new_one_the_dearer_holds() -> None:
    bench = Bench()
    bench.start()
    listing(bench, CHARGED)
    listing(bench, FREE_TERMS)
    assert fee_of(bench) == CHARGED.fee
    assert bench.wake is not None
    bench.handle(Woken(), after=OLDEST_COPY_MS)
    assert fee_of(bench).is_free


def test_an_event_s_own_fee_goes_before_the_series() -> None:
    bench = Bench()
    bench.start()
    listing(bench, CHARGED, fee=FeeTerms("quadratic"))
    bench.handle(Woken(), after=OLDEST_COPY_MS)
    assert fee_of(bench).is_free
    bench.handle(EventFeeChanged(EVENT, FeeTerms(None, 2 * ONE_TIME)))
    assert fee_of(bench) == MakerFee(CHARGED.kind or "", 2 * ONE_TIME)
    assert bench.handle(EventFeeChanged("T-26DEC06", FLAT)) == []
    assert bench.reason() != "fee_type_flat"


@pytest.mark.parametrize("own", [False, True])
def test_before_a_change_the_dearer_fee_holds_and_the_listing_is_read_after_it(own: bool) -> None:
    bench = Bench()
    bench.start()
    change = FeeChange(NOW + 2 * LEAD_MS, DEARER)
    listing(bench, CHARGED, *(() if own else (change,)), fee_changes=(change,) if own else ())
    bench.handle(Woken(), after=LEAD_MS - 1)
    assert fee_of(bench) == CHARGED.fee
    bench.handle(Woken(), after=1)
    assert fee_of(bench) == DEARER.fee
    assert not only(ReadListing, bench.handle(Woken(), after=LEAD_MS + OLDEST_COPY_MS - 1))
    assert only(ReadListing, bench.handle(Woken(), after=1))
    listing(bench, DEARER)
    assert fee_of(bench) == DEARER.fee


def test_a_cheaper_fee_holds_once_it_is_stated() -> None:
    bench = Bench()
    bench.start()
    listing(bench, CHARGED, FeeChange(NOW + 1_000, FREE_TERMS))
    bench.handle(Woken(), after=1_000 + OLDEST_COPY_MS)
    assert fee_of(bench) == CHARGED.fee
    listing(bench, FREE_TERMS)
    bench.handle(Woken(), after=OLDEST_COPY_MS)
    assert fee_of(bench).is_free


def test_a_fee_of_no_known_kind_takes_the_quotes_off_until_the_listing_has_none() -> None:
    bench = Bench()
    bench.rest()
    assert bench.cancelled_sides(bench.handle(FeeTypeRead(FLAT))) == {"bid", "ask"}
    assert bench.reason() == "fee_type_flat"
    assert fee_of(bench).is_free
    assert only(ReadListing, bench.handle(Woken(), after=2_000))
    listing(bench, FLAT)
    assert only(ReadListing, bench.handle(Woken(), after=2_000))
    listing(bench, CHARGED)
    bench.handle(Woken(), after=OLDEST_COPY_MS)
    assert bench.reason() != "fee_type_flat"
    assert fee_of(bench) == CHARGED.fee


def test_a_change_to_a_kind_that_is_not_known_shuts_from_a_minute_before_it() -> None:
    bench = Bench()
    bench.rest()
    listing(bench, FREE_TERMS, FeeChange(NOW + HOUR, FLAT))
    bench.handle(Woken(), after=HOUR - LEAD_MS - 1)
    assert bench.reason() != "fee_type_flat"
    bench.handle(Woken(), after=1)
    assert bench.reason() == "fee_type_flat"


def test_an_event_that_gets_more_markets_keeps_its_fee() -> None:
    bench = Bench()
    bench.listed = msgspec.structs.replace(bench.listed, markets=(market(MIDDLE),))
    bench.start()
    listing(bench, CHARGED)
    bench.listed = msgspec.structs.replace(bench.listed, markets=Bench().listed.markets)
    listing(bench, CHARGED)
    assert fee_of(bench) == CHARGED.fee


def test_a_place_tells_its_fee_where_there_is_one() -> None:
    bench = Bench()
    bench.start()
    listing(bench, CHARGED)
    told = [note for note in only(Note, bench.handle(book())) if note.name == "order.place"]
    assert {note.fields["fee_each"] for note in told} == {"0.0043"}
    free = Bench()
    free.start()
    told = [note for note in only(Note, free.handle(book())) if note.name == "order.place"]
    assert not any("fee_each" in note.fields for note in told)


def filled(bench: Bench, trade: str, fee: int, ago: int = 0, order: str = "o-bid") -> set[str]:
    told = Filled(fill(trade, order, 100, 4_100, fee=fee, at=bench.now - ago))
    return notes(bench.handle(told))


def test_a_fill_that_is_charged_something_else_is_told_once() -> None:
    bench = Bench()
    bench.start()
    listing(bench, CHARGED)
    bench.handle(Woken(), after=OLDEST_COPY_MS)
    places = {place.side: place for place in only(Place, bench.handle(book()))}
    for side, place in places.items():
        bench.handle(order_placed(place.client_id, f"o-{side}"))
    # 0.0175 x 0.41 x 0.59 is 0.00423: rounded to $0.0043, and what was rounded before comes off.
    assert "fee.differs" not in filled(bench, "t-1", 4_300)
    assert "fee.differs" not in filled(bench, "t-2", 4_200)
    assert "fee.differs" not in filled(bench, "t-3", 0, ago=HOUR)
    assert "fee.differs" not in filled(bench, "t-4", 0, order="by-hand")
    assert "fee.differs" in filled(bench, "t-5", 0)
    assert "fee.differs" not in filled(bench, "t-6", 0)


def test_a_fill_is_not_judged_while_the_fee_is_not_known() -> None:
    bench = Bench()
    bench.rest()
    bench.handle(FeeTypeRead(FLAT))
    assert "fee.differs" not in filled(bench, "t-1", 70_000)
