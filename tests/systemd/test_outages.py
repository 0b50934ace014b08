"""The shipped unit in trouble: what time heals is over within a minute, without a person.

Each test prints the seconds for the table of faults. `MMBOT_CUT_SECONDS` makes the network's
outage longer than it is in CI, and `MMBOT_LIFETIME_SECONDS=60` lets orders live as long as shipped.
"""

from __future__ import annotations

import asyncio
import os
import time

from tests.systemd.conftest import LIFETIME_SECONDS, Service

# After an outage that heals, however long it was.
QUOTES_BACK_SECONDS = 60.0
CUT_SECONDS = float(os.environ.get("MMBOT_CUT_SECONDS", "20"))
# Expiries are whole seconds.
LONGEST_LIFE_SECONDS = LIFETIME_SECONDS + 1.0


def tell(fault: str, off: float | None, back: float | None) -> None:
    seconds = ["-" if each is None else f"{each:.1f} s" for each in (off, back)]
    print(f"{fault}: no quote stands after {seconds[0]}, quotes again after {seconds[1]}")


async def assert_quotes_are_back(service: Service) -> float:
    back = await service.until_quotes()
    assert back <= QUOTES_BACK_SECONDS
    return back


async def test_the_orders_of_one_that_was_killed_are_off_before_the_next_one_quotes(
    service: Service,
) -> None:
    await service.start()
    await service.until_quotes()
    first = await service.shown("MainPID")
    await service.send("KILL")
    off = await service.until_no_quote()
    back = await assert_quotes_are_back(service)
    # The command that systemd runs after its end, before it starts the next, left none.
    assert "none of the bot's is left" in "\n".join(await service.journal())
    assert await service.shown("MainPID") != first
    assert await service.shown("NRestarts") == "1"
    tell("SIGKILL", off, off + back)
    await assert_a_suspended_one_is_stopped_as_any_other(service)


async def assert_a_suspended_one_is_stopped_as_any_other(service: Service) -> None:
    await service.send("STOP")
    # systemd wakes what it ends: SIGCONT comes with SIGTERM.
    await service.stop()
    assert await service.orders() == set()
    assert await service.shown("Result") == "success"


async def test_one_that_hangs_is_started_again_by_the_watchdog(service: Service) -> None:
    await service.start(until_ready=True)
    await service.until_quotes()
    await service.send("STOP")
    hung_at = time.monotonic()
    assert await service.longest_life() <= LONGEST_LIFE_SECONDS
    off = await service.until_no_quote()
    await service.until_shown("NRestarts", lambda restarts: restarts == "1")
    restarted = time.monotonic() - hung_at
    assert restarted >= off
    journal = "\n".join(await service.journal())
    assert "Fatal Python error: Aborted" in journal, "it leaves where it hung"
    assert "none of the bot's is left" in journal
    tell("SIGSTOP", off, restarted + await assert_quotes_are_back(service))


async def test_an_exchange_that_is_down_at_the_start_is_waited_for(service: Service) -> None:
    await service.to_exchange.down()
    await service.start()
    told = await service.until_logged("start.waits")
    assert "there is no exchange" in told["waits_for"]
    assert await service.shown("ActiveState") == "activating"
    assert (await service.shown("StatusText")).startswith("waits: ")
    await service.to_exchange.up()
    tell("exchange down at the start", None, await assert_quotes_are_back(service))
    assert await service.shown("NRestarts") == "0"


async def test_a_tsa_site_that_is_down_at_the_start_is_waited_for(service: Service) -> None:
    await service.site.down()
    await service.start()
    told = await service.until_logged("start.waits")
    assert service.site.through("http://site") in told["waits_for"]
    assert await service.orders() == set()
    await service.site.up()
    tell("tsa.gov down at the start", None, await assert_quotes_are_back(service))
    assert await service.shown("NRestarts") == "0"


async def test_an_exchange_that_goes_and_a_network_that_is_cut_are_quoted_over_again(
    service: Service,
) -> None:
    await service.start()
    await service.until_quotes()
    await service.to_exchange.down()
    off = await service.until_no_quote()
    await service.until_shown("StatusText", lambda line: line.startswith("quotes nothing: "))
    await service.to_exchange.up()
    tell("exchange down", off, await assert_quotes_are_back(service))
    cut_at = time.monotonic()
    service.to_exchange.cut()
    service.site.cut()
    off = await service.until_no_quote()
    await asyncio.sleep(cut_at + CUT_SECONDS - time.monotonic())
    assert await service.orders() == set()
    service.to_exchange.mend()
    service.site.mend()
    back = await assert_quotes_are_back(service)
    tell(f"network cut for {CUT_SECONDS:.0f} s", off, back)
    # Which is longer than the watchdog waits: quotes that expire are nothing to start again for.
    assert await service.shown("NRestarts") == "0"
