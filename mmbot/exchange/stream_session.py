"""One WebSocket connection: its commands, its subscriptions, and its outgoing frames.

Sans I/O: the shell passes in the text that arrives and drains `outbox`. If the outbox is full, the
subscription is ended with code 25, as the consumer is too slow.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from mmbot.exchange.access import Credential
from mmbot.exchange.exchange_state import ExchangeState
from mmbot.exchange.render import Json, book_levels
from mmbot.exchange.tape import ticker_json
from mmbot.units import Milliseconds

CHANNELS: Final = (
    "orderbook_delta",
    "trade",
    "ticker",
    "fill",
    "user_orders",
    "market_positions",
    "order_group_updates",
    "market_lifecycle_v2",
)
# The channels whose data frames are numbered.
_SEQUENCED: Final = frozenset(
    {"orderbook_delta", "trade", "order_group_updates", "market_lifecycle_v2"}
)
_UNFILTERED: Final = frozenset({"order_group_updates", "market_lifecycle_v2"})

_ERRORS: Final = {
    1: "Unable to process message",
    2: "Params required",
    3: "Channels required",
    4: "Subscription IDs required",
    5: "Unknown command",
    7: "Unknown subscription ID",
    8: "Unknown channel name",
    9: "Authentication required",
    10: "Channel error",
    11: "Invalid parameter",
    12: "Exactly one subscription ID is required",
    13: "Unsupported action",
    14: "Market Ticker required",
    15: "Action required",
    25: "Subscription buffer overflow",
    26: "Subscription market limit exceeded",
    27: "Too many requests",
}


class CommandError(Exception):
    """A command fails: its error code, and the subscription it concerns."""

    def __init__(self, code: int, subscription: Subscription | None = None) -> None:
        super().__init__(_ERRORS[code])
        self.code = code
        self.subscription = subscription


class Subscription:
    """One channel of one session; `tickers` of `None` means every market."""

    def __init__(self, sid: int, channel: str, tickers: dict[str, None] | None) -> None:
        self.sid = sid
        self.channel = channel
        self.tickers = tickers
        self.seq = 0
        self.use_yes_price = False
        self.skip_ticker_ack = False

    @property
    def sequenced(self) -> bool:
        """Whether the channel's frames are numbered."""
        return self.channel in _SEQUENCED

    def wants(self, ticker: str) -> bool:
        """Return whether a market is part of the subscription."""
        return self.tickers is None or ticker in self.tickers

    def next_seq(self) -> int:
        """Number the next frame."""
        self.seq += 1
        return self.seq


class StreamCommand(msgspec.Struct, frozen=True):
    """A frame from the client."""

    id: int = 0
    cmd: str = ""
    params: dict[str, Any] | None = None


class StreamSession:
    """One authenticated connection."""

    def __init__(self, exchange: ExchangeState, credential: Credential, last_sid: int = 0) -> None:
        """Start without subscriptions; they are numbered from `last_sid` + 1."""
        self._exchange = exchange
        self.credential = credential
        self.outbox: deque[bytes] = deque()
        self.closed = False
        self.subscriptions: dict[int, Subscription] = {}
        self._last_sid = last_sid
        self._second = 0
        self._commands_in_second = 0
        self._now = 0

    # Commands

    def receive(self, text: str | bytes, now: Milliseconds) -> None:
        """Execute one command and queue its replies."""
        self._now = now
        try:
            command = msgspec.json.decode(text, type=StreamCommand)
        except msgspec.MsgspecError:
            self._error(CommandError(1), 0)
            return
        try:
            self._count_command()
            self._execute(command)
        except CommandError as error:
            self._error(error, command.id)

    def _count_command(self) -> None:
        second = self._now // 1000
        if second != self._second:
            self._second, self._commands_in_second = second, 0
        self._commands_in_second += 1
        if self._commands_in_second > self._exchange.settings.commands_per_second:
            raise CommandError(27)

    def _execute(self, command: StreamCommand) -> None:
        match command.cmd:
            case "list_subscriptions":
                self._list_subscriptions(command.id)
            case "subscribe":
                self._subscribe(command.id, _params(command))
            case "unsubscribe":
                self._unsubscribe(command.id, _params(command))
            case "update_subscription":
                self._update(command.id, _params(command))
            case _:
                raise CommandError(5)

    def _list_subscriptions(self, command_id: int) -> None:
        subscribed = [{"channel": s.channel, "sid": s.sid} for s in self.subscriptions.values()]
        self._send({"id": command_id, "type": "ok", "msg": subscribed})

    def _subscribe(self, command_id: int, params: Json) -> None:
        channels = params.get("channels")
        if not channels or not isinstance(channels, list):
            raise CommandError(3)
        if any(channel not in CHANNELS for channel in channels):
            raise CommandError(8)
        tickers = self._tickers(params)
        if "orderbook_delta" in channels and not tickers:
            raise CommandError(14)
        if len(tickers) > self._exchange.settings.markets_per_subscription:
            raise CommandError(26)
        for channel in dict.fromkeys(channels):
            self._open(command_id, channel, tickers, params)

    def _open(self, command_id: int, channel: str, tickers: list[str], params: Json) -> None:
        self._last_sid += 1
        filtered = bool(tickers) and channel not in _UNFILTERED
        subscription = Subscription(
            self._last_sid, channel, dict.fromkeys(tickers) if filtered else None
        )
        subscription.use_yes_price = _flag(params, "use_yes_price")
        subscription.skip_ticker_ack = _flag(params, "skip_ticker_ack")
        self.subscriptions[subscription.sid] = subscription
        self._send(
            {
                "id": command_id,
                "type": "subscribed",
                "msg": {"channel": channel, "sid": subscription.sid},
            }
        )
        self._send_initial(subscription, tickers, initial=_flag(params, "send_initial_snapshot"))

    def _send_initial(
        self, subscription: Subscription, tickers: Iterable[str], *, initial: bool
    ) -> None:
        """Send the snapshots that a subscription starts with: books always, tickers on request."""
        if subscription.channel == "orderbook_delta":
            for ticker in tickers:
                self._snapshot(subscription, ticker)
        elif subscription.channel == "ticker" and initial:
            for ticker in tickers:
                market = self._exchange.engine.markets.get(ticker)
                if market is not None:
                    self.publish(subscription, "ticker", ticker_json(market, self._now))

    def _unsubscribe(self, command_id: int, params: Json) -> None:
        sids = params.get("sids")
        if not sids or not isinstance(sids, list):
            raise CommandError(4)
        if any(sid not in self.subscriptions for sid in sids):
            raise CommandError(7)
        for sid in dict.fromkeys(sids):
            subscription = self.subscriptions.pop(sid)
            self._send(
                {
                    "id": command_id,
                    "sid": sid,
                    "seq": subscription.next_seq(),
                    "type": "unsubscribed",
                }
            )

    def _update(self, command_id: int, params: Json) -> None:
        subscription = self._one_subscription(params)
        action = params.get("action")
        if not action:
            raise CommandError(15, subscription)
        if action not in ("add_markets", "delete_markets", "get_snapshot"):
            raise CommandError(13, subscription)
        if subscription.channel in _UNFILTERED or (
            action == "get_snapshot" and subscription.channel != "orderbook_delta"
        ):
            raise CommandError(13, subscription)
        tickers = self._tickers(params)
        if not tickers:
            raise CommandError(14, subscription)
        if action == "get_snapshot":
            for ticker in tickers:
                self._snapshot(subscription, ticker, command_id)
        elif action == "add_markets":
            self._add(command_id, subscription, tickers, params)
        else:
            for ticker in tickers:
                (subscription.tickers or {}).pop(ticker, None)
            self._acknowledge(command_id, subscription)

    def _add(
        self, command_id: int, subscription: Subscription, tickers: list[str], params: Json
    ) -> None:
        added: list[str] = []
        if subscription.tickers is not None:  # a subscription to every market has them already
            added = [t for t in dict.fromkeys(tickers) if t not in subscription.tickers]
            most = self._exchange.settings.markets_per_subscription
            if len(subscription.tickers) + len(added) > most:
                raise CommandError(26, subscription)
            subscription.tickers.update(dict.fromkeys(added))
        self._acknowledge(command_id, subscription)
        self._send_initial(subscription, added, initial=_flag(params, "send_initial_snapshot"))

    def _acknowledge(self, command_id: int, subscription: Subscription) -> None:
        frame: Json = {"id": command_id, "sid": subscription.sid, "type": "ok"}
        if subscription.sequenced:
            frame["seq"] = subscription.next_seq()
        if not subscription.skip_ticker_ack:
            frame["msg"] = {"market_tickers": list(subscription.tickers or {})}
        self._send(frame)

    def _one_subscription(self, params: Json) -> Subscription:
        sids = params.get("sids", [])
        if not isinstance(sids, list):
            raise CommandError(11)
        named = sids + ([params["sid"]] if "sid" in params else [])
        if len(named) != 1:
            raise CommandError(12)
        subscription = self.subscriptions.get(named[0]) if isinstance(named[0], int) else None
        if subscription is None:
            raise CommandError(7)
        return subscription

    def _tickers(self, params: Json) -> list[str]:
        one, many = params.get("market_ticker"), params.get("market_tickers")
        ids = params.get("market_ids") or ([params["market_id"]] if "market_id" in params else [])
        if sum(1 for given in (one, many, ids) if given) > 1:
            raise CommandError(11)
        if ids:
            by_id = {m.terms.market_id: t for t, m in self._exchange.engine.markets.items()}
            return [by_id[i] for i in ids if i in by_id]
        tickers = [one] if one else (many or [])
        if not isinstance(tickers, list) or not all(isinstance(t, str) for t in tickers):
            raise CommandError(11)
        return tickers

    # Frames

    def _snapshot(
        self, subscription: Subscription, ticker: str, command_id: int | None = None
    ) -> None:
        market = self._exchange.engine.markets.get(ticker)
        if market is None:
            return
        sides = book_levels(market, no_as_yes=subscription.use_yes_price)
        message = {
            "market_ticker": ticker,
            "market_id": market.terms.market_id,
            "clock": market.clock,
            **{f"{name}_dollars_fp": levels for name, levels in sides.items() if levels},
        }
        frame: Json = {
            "type": "orderbook_snapshot",
            "sid": subscription.sid,
            "seq": subscription.next_seq(),
            "msg": message,
        }
        if command_id is not None:
            frame["id"] = command_id
        self._send(frame)

    def publish(self, subscription: Subscription, kind: str, message: Json) -> None:
        """Queue a data frame, or end the subscription if the outbox is full."""
        if len(self.outbox) >= self._exchange.settings.outbox_frames:
            self.end(subscription, 25)
            return
        frame: Json = {"type": kind, "sid": subscription.sid}
        if subscription.sequenced:
            frame["seq"] = subscription.next_seq()
        frame["msg"] = message
        self._send(frame)

    def set_time(self, now: Milliseconds) -> None:
        """Set the sending time of the next frames."""
        self._now = now

    def end(self, subscription: Subscription, code: int) -> None:
        """End a subscription with a terminal error."""
        self.subscriptions.pop(subscription.sid, None)
        self._error(CommandError(code, subscription), None)

    def _error(self, error: CommandError, command_id: int | None) -> None:
        frame: Json = {
            "type": "error",
            "msg": {"code": error.code, "msg": _ERRORS[error.code]},
        }
        if command_id is not None:
            frame["id"] = command_id
        if error.subscription is not None:
            frame["sid"] = error.subscription.sid
            if error.subscription.sequenced:
                frame["seq"] = error.subscription.next_seq()
        self._send(frame)

    def _send(self, frame: Json) -> None:
        frame["sending_ts_ms"] = self._now
        self.outbox.append(msgspec.json.encode(frame))


def _params(command: StreamCommand) -> Json:
    if command.params is None:
        raise CommandError(2)
    return command.params


def _flag(params: Json, name: str) -> bool:
    value = params.get(name, False)
    if not isinstance(value, bool):
        raise CommandError(11)
    return value
