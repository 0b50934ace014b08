"""The figures of `mmbot bench` beside their goals, as rows of a table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

# The measured quantity, the figure, its goal, and whether the goal is met.
Row: TypeAlias = tuple[str, str, str, str]


def goals(found: dict[str, Any]) -> Iterator[Row]:
    """Yield a row for each figure that was measured."""
    if "decode_floor_us" in found:
        yield from _path(found)
    if "socket_us" in found:
        yield from _trips(found["socket_us"])
    if "flood" in found:
        yield from _floods(found)
    if "cold_start_s" in found:
        yield _row("cold start to the first quote, s", found["cold_start_s"], 3.0)
    if "log_line_us" in found:
        line = found["log_line_us"]
        yield (
            f"a line of the log, us (rendered alone {line['floor']:.2f})",
            _shown(line["line"]),
            "",
            "",
        )


def _path(found: dict[str, Any]) -> Iterator[Row]:
    floor, top = found["decode_floor_us"], found["raw_to_top_us"]
    order, signed = found["raw_to_order_us"], found["raw_to_signed_order_us"]
    yield "floor: typed decode of a frame, us", _shown(floor), "", ""
    yield "frame to best bid and ask, us", _shown(top), "", ""
    yield _row("  times the floor", top / floor, 3.5)
    for name, spent in found["peers"].items():
        goal = 0.75 if name == "nautilus_trader" else None
        yield _row(f"  times {name} ({spent:.2f} us)", top / spent, goal)
    yield "quiet frame through the bot, recorded, us", _shown(found["quiet_frame_us"]), "", ""
    yield _row("  times the floor", found["quiet_frame_us"] / floor, 15)
    yield "frame to order, unsigned, p50 us", _shown(order["p50"]), "", ""
    yield _row("  times the floor", order["p50"] / floor, 60)
    yield _row("  p99, times p50", order["p99"] / order["p50"], 4)
    yield "frame to order, signed, p50 us", _shown(signed["p50"]), "", ""


def _trips(socket: dict[str, float]) -> Iterator[Row]:
    yield "socket to socket, p50 us", _shown(socket["p50"]), "", ""
    yield _row("  times the bare loop, Ed25519", socket["p50"] / socket["floor_p50"], 1.3)
    yield _row("  times the bare loop, RSA-2048", socket["p50"] / socket["rsa_floor_p50"], 0.5)


def _floods(found: dict[str, Any]) -> Iterator[Row]:
    floods = found["flood"]
    for markets, flood in floods.items():
        rate, least = flood["frames_per_s"], 40_000
        first = markets == "21"
        name = f"flood at {int(markets):,} markets, frames a second"
        met = _met(rate >= least) if first else ""
        yield name, f"{rate:,.0f}", f"{least:,}" if first else "", met
        yield "  CPU of a frame, us", _shown(flood["us_per_frame"]), "", ""
        yield _row("  lag of the loop, p99 ms", flood["lag_p99_ms"], 5 if first else None)
    if {"21", "2100"} <= floods.keys():
        ratio = floods["2100"]["us_per_frame"] / floods["21"]["us_per_frame"]
        yield _row("a frame at 2,100 markets, times one at 21", ratio, 1.3)
    for markets, most in (("21", 120), ("2100", 300)):
        if markets in found["rss_mib"]:
            yield _row(f"memory at {int(markets):,} markets, MiB", found["rss_mib"][markets], most)
    if "rss_growth" in found:
        yield _row("memory after 10 million frames, times before", found["rss_growth"], 1.02)


def _row(name: str, figure: float, most: float | None) -> Row:
    if most is None:
        return name, _shown(figure), "", ""
    return name, _shown(figure), f"{most:g}", _met(figure <= most)


def _met(met: bool) -> str:
    return "yes" if met else "no"


def _shown(figure: float) -> str:
    return f"{figure:,.2f}" if figure < 100 else f"{figure:,.0f}"
