"""A client without decisions: a cancel for every book change, with the daemon's libraries.

`python -m mmbot.bench.bare_loop VENUE_FILE TICKER`. Its round trips are the floor of the daemon's.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import aiohttp
import msgspec
import uvloop
from websockets.asyncio.client import connect

from mmbot.daemon.endpoints import Venue, read_venue
from mmbot.kalshi.auth import Signer, read_private_key
from mmbot.kalshi.http import BASE_PATH, STREAM_PATH
from mmbot.kalshi.readings import ORDERS


async def _run(venue: Venue, signer: Signer, ticker: str) -> None:
    path = f"{BASE_PATH}{ORDERS}/00000000-0000-0000-0000-000000000000"
    url = f"{venue.origin}{path}?market_ticker={ticker}&exchange_index=0&subaccount=0"
    params = {"channels": ["orderbook_delta"], "market_tickers": [ticker], "use_yes_price": True}
    subscribe = {"id": 1, "cmd": "subscribe", "params": params}
    headers = signer.headers("GET", STREAM_PATH, _now())
    async with (
        aiohttp.ClientSession() as session,
        connect(venue.ws_url, additional_headers=headers, compression=None, proxy=None) as stream,
    ):
        await stream.send(msgspec.json.encode(subscribe), text=True)
        print("ready", flush=True)
        async for frame in stream:
            if isinstance(frame, str) and "orderbook_delta" in frame[:30]:
                signed = signer.headers("DELETE", path, _now())
                async with session.delete(url, headers=signed) as response:
                    await response.read()


def _now() -> int:
    return time.time_ns() // 1_000_000


if __name__ == "__main__":
    traded = read_venue(Path(sys.argv[1]))
    key = read_private_key(Path(traded.private_key_path).read_bytes())
    uvloop.run(_run(traded, Signer(traded.key_id, key), sys.argv[2]))
