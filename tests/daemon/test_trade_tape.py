from __future__ import annotations

from typing import Any

import orjson
import pytest

from mmbot.daemon.trade_tape import TradeTape

TICKERS = ["KXTSAW-26NOV29-A2.70", "KXTSAW-26NOV29-A2.80"]
OWN = 1_000_000_000
NOW = 1


def sent(tape: TradeTape, number: int, cmd: str, **params: Any) -> list[dict[str, Any]]:
    frame = orjson.dumps({"id": number, "cmd": cmd, "params": params})
    return [orjson.loads(each) for each in tape.outgoing(frame, NOW)]


def confirmed(number: int, channel: str, sid: int) -> bytes:
    message = {"channel": channel, "sid": sid}
    return orjson.dumps({"type": "subscribed", "id": number, "msg": message})


@pytest.fixture
def tape() -> TradeTape:
    """A tape whose books are subscribed to, and their trades."""
    tape = TradeTape()
    tape.connected()
    sent(tape, 5, "subscribe", channels=["orderbook_delta"], market_tickers=TICKERS[:1])
    tape.incoming(confirmed(OWN + 1, "trade", 9), NOW)
    return tape


def test_trades_are_subscribed_to_with_the_books() -> None:
    _, asked = sent(
        TradeTape(), 5, "subscribe", channels=["orderbook_delta"], market_tickers=TICKERS
    )
    params = {"channels": ["trade"], "market_tickers": TICKERS}
    assert asked == {"id": OWN + 1, "cmd": "subscribe", "params": params}


def test_markets_that_are_added_are_added_for_trades_once(tape: TradeTape) -> None:
    more = {"sid": 2, "action": "add_markets", "market_tickers": TICKERS}
    _, asked = sent(tape, 6, "update_subscription", **more)
    assert asked["params"]["market_tickers"] == TICKERS[1:]
    assert len(sent(tape, 7, "update_subscription", **more)) == 1


def test_every_other_command_is_sent_alone(tape: TradeTape) -> None:
    assert len(sent(tape, 1, "subscribe", channels=["fill"])) == 1
    snapshot = {"sid": 2, "action": "get_snapshot", "market_tickers": TICKERS}
    assert len(sent(tape, 8, "update_subscription", **snapshot)) == 1


@pytest.mark.parametrize(
    "frame",
    [
        {"type": "trade", "sid": 9, "seq": 1, "msg": {}},
        {"type": "error", "id": OWN + 1, "msg": {"code": 5, "msg": "no such channel"}},
        {"type": "error", "sid": 9, "msg": {"code": 25, "msg": "overflow"}},
        {"type": "subscribed", "id": OWN + 2, "msg": []},
    ],
)
def test_nothing_of_the_trades_reaches_the_bot(tape: TradeTape, frame: dict[str, Any]) -> None:
    assert tape.incoming(orjson.dumps(frame), NOW) == []


def test_every_other_frame_reaches_it_as_it_came(tape: TradeTape) -> None:
    change = b'{"type":"orderbook_delta","sid":2,"seq":1,"msg":{}}'
    told = (confirmed(5, "orderbook_delta", 2), change, b"no frame", '{"type":"fill","sid":3}')
    for frame in told:
        (given,) = tape.incoming(frame, NOW)
        assert given is frame


def test_a_new_connection_has_no_trades(tape: TradeTape) -> None:
    tape.connected()
    frame = orjson.dumps({"type": "trade", "sid": 9, "seq": 1, "msg": {}})
    assert tape.incoming(frame, NOW) == [frame]
