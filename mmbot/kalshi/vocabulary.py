"""The known vocabulary of the exchange: the keys of each message that is read, and its enums.

A message is named by its `type` on the stream, and by its list or call in REST. Deprecated keys
are included, so that they do not count as unknown. Keys of free text or free form, such as
`custom_strike`, have no values here.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec


class Shape(msgspec.Struct, frozen=True):
    """One kind of message: its keys, the values of some of them, and the messages within it."""

    keys: frozenset[str]
    values: Mapping[str, frozenset[str]] = {}
    within: Mapping[str, str] = {}


def _shape(keys: str, within: Mapping[str, str] | None = None, /, **values: str) -> Shape:
    return Shape(
        frozenset(keys.split()),
        {key: frozenset((*words.split(), "")) for key, words in values.items()},
        within or {},
    )


_SIDES = {"outcome_side": "yes no", "book_side": "bid ask"}
_FEE_TYPES = (
    "quadratic quadratic_with_maker_fees quadratic_with_combo_maker_fees flat "
    "margin_market_maker_program_fees"
)
_STRIKE_TYPES = "greater greater_or_equal less less_or_equal between functional custom structured"
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
        "subaccount"
    ),
    "fill": _shape(
        _FILL + "client_order_id ts_ms post_position_fp purchased_side subaccount", **_SIDES
    ),
    "user_order": _shape(
        _ORDER + "is_yes expiration_ts_ms created_ts_ms last_updated_ts_ms last_update_reason",
        status="resting canceled executed unknown",
        last_update_reason="Decrease Amend MarginCancel SelfTradeCancel ExpiryCancel CloseCancel "
        "HaltCancel Trade PostOnlyCrossCancel ReduceOnlyCancel SettlementBoundsCancel",
        self_trade_prevention_type="taker_at_cross maker",
        **_SIDES,
    ),
    "order_group_updates": _shape(
        "event_type order_group_id contracts_limit_fp ts_ms",
        event_type="created triggered reset deleted limit_updated",
    ),
    "market_lifecycle_v2": _shape(
        "event_type market_ticker exchange_index open_ts close_ts determination_ts settled_ts "
        "result settlement_value is_deactivated price_level_structure price_ranges strike_type "
        "floor_strike cap_strike additional_metadata",
        event_type="created activated deactivated close_date_updated determined settled "
        "price_level_structure_updated metadata_updated",
        result="yes no scalar",
        strike_type=_STRIKE_TYPES,
    ),
    "event_lifecycle": _shape(
        "event_ticker exchange_index title subtitle collateral_return_type series_ticker "
        "strike_date strike_period"
    ),
    "event_fee_update": _shape(
        "event_ticker fee_type_override fee_multiplier_override", fee_type_override=_FEE_TYPES
    ),
}

REST: dict[str, Shape] = {
    # The answers to readings.
    "answer": _shape(
        "cursor orders order fills market_positions event_positions events event markets series "
        "balance balance_dollars portfolio_value updated_ts balance_breakdown usage_tier read "
        "write grants default_cost endpoint_costs exchange_active trading_active "
        "intra_exchange_transfers_active exchange_estimated_resume_time exchange_index_statuses "
        "order_groups order_group_id subaccount exchange_index milestones",
        {
            "orders": "order",
            "order": "order",
            "fills": "fill",
            "market_positions": "position",
            "events": "event",
            "event": "event",
            "markets": "market",
            "series": "series",
            "exchange_index_statuses": "shard",
            "order_groups": "group",
        },
    ),
    "order": _shape(
        _ORDER + "action type no_price_dollars cancel_order_on_pause",
        status="resting canceled executed",
        self_trade_prevention_type="taker_at_cross maker",
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
        fee_type_override=_FEE_TYPES,
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
        market_type="binary scalar",
        status="initialized inactive active closed determined disputed amended finalized",
        result="yes no scalar",
        strike_type=_STRIKE_TYPES,
    ),
    "series": _shape(
        "ticker frequency title category categories tags settlement_sources contract_url "
        "contract_terms_url product_metadata fee_type fee_multiplier additional_prohibitions "
        "volume_fp last_updated_ts exchange_index",
        fee_type=_FEE_TYPES,
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
        code="order_already_exists insufficient_balance trading_is_paused exchange_is_paused "
        "exchange_paused market_inactive market_not_found not_found amend_order_no_op "
        "too_many_requests header_timestamp_expired authentication_error permission_denied "
        "invalid_order invalid_parameters exchange_unavailable internal_error",
    ),
}
