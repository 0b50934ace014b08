"""The known vocabulary of the exchange: the keys of each message that is read, and the enums.

A message is named by its `type` on the stream, and by its list or call in REST. Deprecated keys are
included, so that they do not count as unknown. Keys with free text or of free form, such as
`custom_strike`, have no values here.

Every enum is open: a value that it lacks (other case, missing, null, other type) is never guessed,
but handled in the enum's safe way. Enums on whose words nothing depends are `UNREAD`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec


class Enum(msgspec.Struct, frozen=True):
    """The words of one enum.

    Attributes:
        words: The known words.
        unknown: How the bot handles any other, in a sentence.
    """

    words: frozenset[str]
    unknown: str


def _enum(words: str, unknown: str) -> Enum:
    return Enum(frozenset(words.split()), unknown)


UNREAD: Final = "Nothing depends on it."
_FEE_TYPES: Final = (
    "quadratic quadratic_with_maker_fees quadratic_with_combo_maker_fees flat "
    "margin_market_maker_program_fees"
)
_ORDER_STATUS: Final = _enum(
    "resting canceled executed unknown",
    "The order is in doubt: it is queried, and nothing is placed in its market until it is known.",
)
_BOOK_SIDE: Final = _enum(
    "bid ask",
    "The row cannot be read. A foreign one costs nothing; an own order is queried, or cancelled if "
    "it is not known; a fill in one of our markets has the account read, and shuts the market "
    "while the account's own list cannot be read either.",
)
_RESULT: Final = _enum(
    "yes no scalar",
    "The market is decided in a way that is not known: it is not quoted, and nothing is booked.",
)
_STRIKE_TYPE: Final = _enum(
    "greater greater_or_equal less less_or_equal between functional custom structured",
    "The market is not quoted: it may pay otherwise than above its strike.",
)

ENUMS: Final[Mapping[str, Enum]] = {
    "leg": _enum("yes no", UNREAD),
    "order status": _ORDER_STATUS,
    "book side": _BOOK_SIDE,
    "side of a level": _enum("yes no", "The market's book is dropped, and a snapshot requested."),
    "market status": _enum(
        "initialized inactive active closed determined disputed amended finalized",
        "The market takes no orders, and its result is not final.",
    ),
    "result": _RESULT,
    "market type": _enum("binary scalar", "The market is not quoted: it may pay a fraction."),
    "strike type": _STRIKE_TYPE,
    "fee type": _enum(
        _FEE_TYPES, "What makers pay is not known: nothing is quoted that it holds for."
    ),
    "lifecycle event": _enum(
        "created activated deactivated close_date_updated determined settled "
        "price_level_structure_updated metadata_updated",
        "The listing is read.",
    ),
    "group event": _enum(
        "created triggered reset deleted limit_updated",
        "The group takes no orders: if it is ours, nothing is quoted on its shard until it was "
        "reset.",
    ),
    "refusal code": _enum(
        "order_already_exists insufficient_balance trading_is_paused exchange_is_paused "
        "exchange_paused market_inactive market_not_found not_found amend_order_no_op "
        "too_many_requests header_timestamp_expired authentication_error permission_denied "
        "invalid_order invalid_parameters invalid_price post_only_cross exchange_unavailable "
        "internal_error deprecated_v1_order_endpoint method_not_allowed",
        "Unless the status of the answer settles it, the outcome of the write is unknown.",
    ),
    "reason of an update": _enum(
        "Decrease Amend MarginCancel SelfTradeCancel ExpiryCancel CloseCancel HaltCancel Trade "
        "PostOnlyCrossCancel ReduceOnlyCancel SettlementBoundsCancel",
        UNREAD,
    ),
    "self-trade prevention": _enum("taker_at_cross maker", UNREAD),
    "order type": _enum("limit market", UNREAD),
    "bounds of a settlement": _enum("default floor", UNREAD),
    "return of collateral": _enum("MECNET DIRECNET", UNREAD),
}
# Enums that are not strings, or are outside the tables of keys: how unknown words are handled.
FURTHER_ENUMS: Final[Mapping[str, str]] = {
    "message type": "The channel that it came on is doubted: its books are renewed, the account or "
    "the listing is read.",
    "stream error code": "The subscription that it is about counts as ended.",
    "activity of the exchange": "Unless it is true, the exchange, or its shard, is paused.",
    "auto-cancel of a group": "Unless it is true, the group is not used.",
    "scope of a key": "It allows nothing.",
}


class Shape(msgspec.Struct, frozen=True):
    """One kind of message: its keys, the enums of some of them, and the nested messages."""

    keys: frozenset[str]
    values: Mapping[str, Enum] = {}
    within: Mapping[str, str] = {}


def _shape(keys: str, within: Mapping[str, str] | None = None, /, **enums: str) -> Shape:
    """Return a shape from its keys and, for each key with an enum, the enum's name."""
    values = {key: ENUMS[name] for key, name in enums.items()}
    return Shape(frozenset(keys.split()), values, within or {})


_SIDES = {"outcome_side": "leg", "book_side": "book side"}
_ORDER = (
    "order_id user_id client_order_id ticker side outcome_side book_side status yes_price_dollars "
    "fill_count_fp remaining_count_fp initial_count_fp taker_fill_cost_dollars "
    "maker_fill_cost_dollars taker_fees_dollars maker_fees_dollars expiration_time created_time "
    "last_update_time self_trade_prevention_type order_group_id subaccount_number exchange_index "
)
_FILL = (
    "trade_id order_id market_ticker exchange_index is_taker side action outcome_side book_side "
    "yes_price_dollars count_fp fee_cost ts "
)
_ERROR = {"error": "refusal"}

STREAM: dict[str, Shape] = {
    # The envelope of every message on the stream.
    "frame": _shape("type id sid seq sending_ts_ms msg"),
    "subscribed": _shape("channel sid"),
    "ok": _shape("market_tickers market_ids"),
    "unsubscribed": _shape(""),
    "error": _shape("code msg market_ticker market_tickers"),
    "orderbook_snapshot": _shape("market_ticker market_id clock yes_dollars_fp no_dollars_fp"),
    "orderbook_delta": _shape(
        "market_ticker market_id clock price_dollars delta_fp side client_order_id ts ts_ms "
        "subaccount",
        side="side of a level",
    ),
    "fill": _shape(
        _FILL + "client_order_id ts_ms post_position_fp purchased_side subaccount", **_SIDES
    ),
    "user_order": _shape(
        _ORDER + "is_yes expiration_ts_ms created_ts_ms last_updated_ts_ms last_update_reason",
        status="order status",
        last_update_reason="reason of an update",
        self_trade_prevention_type="self-trade prevention",
        **_SIDES,
    ),
    "order_group_updates": _shape(
        "event_type order_group_id contracts_limit_fp ts_ms",
        event_type="group event",
    ),
    "market_lifecycle_v2": _shape(
        "event_type market_ticker exchange_index open_ts close_ts determination_ts settled_ts "
        "result settlement_value is_deactivated price_level_structure price_ranges strike_type "
        "floor_strike cap_strike additional_metadata",
        event_type="lifecycle event",
        result="result",
    ),
    "event_lifecycle": _shape(
        "event_ticker exchange_index title subtitle collateral_return_type series_ticker "
        "strike_date strike_period",
        collateral_return_type="return of collateral",
    ),
    "event_fee_update": _shape(
        "event_ticker fee_type_override fee_multiplier_override", fee_type_override="fee type"
    ),
}

REST: dict[str, Shape] = {
    # The answers to readings.
    "answer": _shape(
        "cursor orders order fills market_positions event_positions events event markets series "
        "balance balance_dollars portfolio_value updated_ts balance_breakdown usage_tier read "
        "write grants default_cost endpoint_costs exchange_active trading_active "
        "intra_exchange_transfers_active exchange_estimated_resume_time exchange_index_statuses "
        "order_groups order_group_id subaccount exchange_index milestones series_fee_change_arr "
        "event_fee_changes",
        {
            "orders": "order",
            "order": "order",
            "fills": "fill",
            "market_positions": "position",
            "events": "event",
            "event": "event",
            "markets": "market",
            "series": "series",
            "series_fee_change_arr": "change of a series' fee",
            "event_fee_changes": "change of an event's fee",
            "exchange_index_statuses": "shard",
            "order_groups": "group",
        },
    ),
    "order": _shape(
        _ORDER + "action type no_price_dollars cancel_order_on_pause",
        status="order status",
        type="order type",
        self_trade_prevention_type="self-trade prevention",
        **_SIDES,
    ),
    "fill": _shape(
        _FILL + "fill_id ticker no_price_dollars created_time subaccount_number", **_SIDES
    ),
    "position": _shape(
        "ticker exchange_index position_fp market_exposure_dollars total_traded_dollars "
        "realized_pnl_dollars fees_paid_dollars last_updated_ts"
    ),
    "event": _shape(
        "event_ticker series_ticker title sub_title mutually_exclusive collateral_return_type "
        "category strike_date strike_period markets product_metadata settlement_sources "
        "fee_type_override fee_multiplier_override exchange_index last_updated_ts",
        {"markets": "market"},
        collateral_return_type="return of collateral",
        fee_type_override="fee type",
    ),
    "market": _shape(
        "ticker event_ticker market_type status result title subtitle yes_sub_title no_sub_title "
        "rules_primary rules_secondary created_time updated_time open_time close_time "
        "latest_expiration_time expected_expiration_time expiration_time occurrence_datetime "
        "settlement_ts settlement_timer_seconds can_close_early early_close_condition "
        "fee_waiver_expiration_time strike_type floor_strike cap_strike functional_strike "
        "custom_strike yes_bid_dollars yes_bid_size_fp yes_ask_dollars yes_ask_size_fp "
        "no_bid_dollars no_ask_dollars last_price_dollars previous_yes_bid_dollars "
        "previous_yes_ask_dollars previous_price_dollars volume_fp volume_24h_fp "
        "open_interest_fp notional_value_dollars settlement_value_dollars settlement_bounds_type "
        "settlement_floor_dollars price_level_structure price_ranges expiration_value "
        "exchange_index is_provisional mve_collection_ticker mve_selected_legs "
        "primary_participant_key",
        market_type="market type",
        status="market status",
        result="result",
        strike_type="strike type",
        settlement_bounds_type="bounds of a settlement",
    ),
    "series": _shape(
        "ticker frequency title category categories tags settlement_sources contract_url "
        "contract_terms_url product_metadata fee_type fee_multiplier additional_prohibitions "
        "volume_fp last_updated_ts exchange_index",
        fee_type="fee type",
    ),
    "change of a series' fee": _shape(
        "id series_ticker fee_type fee_multiplier scheduled_ts", fee_type="fee type"
    ),
    "change of an event's fee": _shape(
        "id event_ticker series_ticker fee_type_override fee_multiplier_override scheduled_ts",
        fee_type_override="fee type",
    ),
    "shard": _shape(
        "exchange_index description exchange_active trading_active intra_exchange_transfers_active"
    ),
    "group": _shape("id contracts_limit_fp is_auto_cancel_enabled exchange_index"),
    "place": _shape(
        "order_id client_order_id fill_count remaining_count average_fill_price average_fee_paid "
        "ts_ms error",
        _ERROR,
    ),
    "cancel": _shape("order_id client_order_id reduced_by ts_ms error", _ERROR),
    "batch of place": _shape("orders", {"orders": "place"}),
    "batch of cancel": _shape("orders", {"orders": "cancel"}),
    "renew": _shape(
        "order_id client_order_id remaining_count fill_count average_fill_price average_fee_paid "
        "ts_ms"
    ),
    "decrease": _shape("order_id client_order_id remaining_count ts_ms"),
    "refusal": _shape(
        "code message details",
        code="refusal code",
    ),
}
