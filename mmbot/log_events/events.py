"""Every event of the log: its levels, its fields, what it means."""

from __future__ import annotations

import msgspec


class LogEvent(msgspec.Struct, frozen=True):
    """One event.

    Attributes:
        levels: The levels at which it is written.
        what: What has happened, in a sentence.
        fields: Its fields, in the order in which the documentation lists them.
        optional: Fields that are not always there.
    """

    levels: tuple[str, ...]
    what: str
    fields: tuple[str, ...]
    optional: tuple[str, ...]


def _event(levels: str, what: str, fields: str = "", optional: str = "") -> LogEvent:
    return LogEvent(tuple(levels.split()), what, tuple(fields.split()), tuple(optional.split()))


_ORDER = "event_ticker market client_order_id side price count"

EVENTS: dict[str, LogEvent] = {
    # The process
    "starting": _event("info", "a session begins", "mode exchange counts calendar margin sides"),
    "start.waits": _event("warning", "the start waits for what time heals", "waits_for"),
    "start.goes_on": _event("info", "what was waited for is there", "seconds"),
    "check": _event("info warning error", "one check of the start", "name state detail"),
    "check.unknown": _event("warning", "checks that cannot be made yet", "checks"),
    "heartbeat": _event(
        "info",
        "all is alive, at a glance",
        "calendar streaming reconciled halted stopping quoted markets live_orders gates "
        "feed_age_ms orders_age_ms belief_age_ms page_age_ms account_age_ms pnl_today_fair "
        "pnl_today_worst pnl_week_fair pnl_week_worst",
        "problems unknown_words unreadable log_dropped",
    ),
    "market.status": _event(
        "info",
        "what has changed in a market by the time of a heartbeat: its quotes, position, reason, or "
        "fair value by a cent",
        "event_ticker market strike fair mid reservation bid ask position reason",
    ),
    "latency": _event(
        "info",
        "how quick it was since the last such line, with every heartbeat; each figure but the "
        "first has n, p50, p99 and max, and is empty where nothing was measured",
        "frames order_us age_ms lag_ms risk_cent_seconds",
    ),
    "helper.died": _event("error", "a part has failed and is started again", "helper"),
    "helper.restarted": _event("info", "a part runs again", "helper"),
    "bot.failed": _event("error", "the bot has failed; everything is taken off"),
    "watchdog.not_fed": _event(
        "error", "quotes stand unattended, or the loop is late: systemd starts it again", "reason"
    ),
    "bystander.died": _event("error", "what tells others has failed, and begins again", "helper"),
    "given_up": _event("error", "parts fail too often; everything is taken off"),
    "session.failed": _event("error", "a session has ended in an error", optional="reason"),
    "config.reloaded": _event(
        "info",
        "the config was read again, and what can be is in force",
        "changed waits_for_restart",
    ),
    "config.refused": _event(
        "error", "the edited config cannot be used; nothing changes", "reason"
    ),
    "reload.ignored": _event("info", "SIGHUP came before there was anything to reload"),
    "stop.asked": _event("info", "a signal asks for the end", "signal"),
    "stopping": _event("info", "the quotes are taken off for good", "live_orders"),
    "sweep.clean": _event("info", "the exchange confirms that no order is left"),
    "sweep.unconfirmed": _event("error", "that was not confirmed in time", "seconds"),
    "swept": _event("info", "the last cancelling, without the bot", "found left others reason"),
    "stopped": _event("info", "the session has ended", "exit_code"),
    "daemon.second": _event("error", "a daemon that began later trades the account", "reason"),
    "clock.anchored": _event("warning", "the bot's time was set by the exchange's", "ahead_ms"),
    "clock.off": _event("warning", "a clock is too far off to quote", "against ahead_ms"),
    "clock.right": _event("info", "it is right again", "against ahead_ms"),
    "library.said": _event("warning error", "what a library had to say", "library detail"),
    "log.dropped": _event("warning", "lines that nobody read in time were dropped", "lines"),
    "capture.stopped": _event("warning", "inputs are recorded no more", "path reason"),
    "recording": _event("info", "a session that only records begins", "directory"),
    "recording.continues": _event("info", "it goes on in another capture", "session"),
    "ledger.behind": _event("warning", "commits are overdue; nothing is quoted"),
    "ledger.caught_up": _event("info", "all is committed again"),
    "ledger.not_kept": _event("error", "the last writes could not be committed"),
    # Prometheus, people, reports
    "metrics.served": _event("info", "Prometheus can read the metrics", "url"),
    "metrics.unavailable": _event(
        "warning", "their port cannot be had; tried again", "port reason"
    ),
    "alert.not_sent": _event("warning", "an address takes no alert", "address reason"),
    "alert.no_addresses": _event(
        "warning", "the file of the addresses cannot be read; those known are used", "reason"
    ),
    "alert.sent_again": _event("info", "it takes them again", "address"),
    "report.written": _event("info", "the report of a settled week is written", "path"),
    "report.not_written": _event("warning", "it is not", "event_ticker reason"),
    # The operator
    "halted": _event("warning", "the operator has halted quoting", "since reason live_orders"),
    "resumed": _event("info", "the operator has ended the halt"),
    "halt.not_kept": _event("error", "a halt could not be stored; a restart ends it", "reason"),
    "market.paused": _event("warning", "the operator has paused a market", "market"),
    "market.unpaused": _event("info", "the operator has ended its pause", "market"),
    "pause.not_kept": _event("error", "a pause could not be stored", "market reason"),
    "dashboard.served": _event("info", "the dashboard's page is there", "url"),
    "dashboard.unavailable": _event(
        "warning", "its address cannot be had; it is tried again", "reason"
    ),
    "dashboard.no_token": _event("warning", "its token cannot be written", "reason"),
    "dashboard.command": _event("info", "somebody with the token asks for a command", "command"),
    "dashboard.viewer_dropped": _event("info", "somebody reads it too slowly", "waiting"),
    "dashboard.failed": _event("error", "it could not be shown; its viewers come back"),
    "http.refused": _event(
        "debug", "a client of the web pages speaks no HTTP, or is one too many", "reason"
    ),
    # Counts and forecast
    "counts.read": _event("info", "the history is complete", "days last_day digest"),
    "counts.published": _event("info", "a day's count is out", "day count"),
    "counts.revised": _event("warning", "a count was changed", "day count first_published"),
    "counts.implausible": _event(
        "warning", "a count is held back until it shows again", "day count deviations"
    ),
    "counts.missing": _event("info", "the days that are not waited for", "days"),
    "counts.came_after_all": _event("warning", "one of these has come", "day count"),
    "counts.unreadable": _event("warning", "a page could not be read", "reason failures"),
    "counts.row_unreadable": _event("warning", "a row of a page makes no sense", "reason"),
    "counts.no_such_year": _event("warning", "there is no page of a year", "year"),
    "forecast.fitting": _event("info", "past weeks are being forecast", "weeks of"),
    "forecast.fitted": _event("info", "a forecaster is fitted", "method without seconds"),
    "forecast.not_kept": _event("warning", "past forecasts cannot be stored", "reason"),
    "forecast.uncalibrated": _event(
        "warning",
        "past outcomes lay outside their forecasts unusually often, or too rarely",
        "known weeks coverage80 usual",
    ),
    "belief.updated": _event(
        "info",
        "the forecast of a week that is traded on",
        "event_ticker known mean moved sd method members effective_weeks heaviest digest",
    ),
    "belief.impossible": _event("error", "no forecast can be made", "week reason"),
    "belief.left_out": _event(
        "warning",
        "more weeks are listed than have a belief: from this one on, those without are not quoted",
        "week most",
    ),
    "belief.exposure": _event(
        "info",
        "what stood on the wrong side of a new fair value until it was off",
        "event_ticker known orders cent_seconds seconds",
    ),
    # The exchange
    "exchange.open": _event("info", "the exchange trades", "reason"),
    "exchange.shut": _event("info", "it does not", "reason"),
    "exchange.unknown_word": _event("warning", "it said a word that mmbot does not know", "word"),
    "budget.read": _event("info", "the account's rate limits", "refill capacity"),
    "event.listed": _event("info", "an event is listed", "event_ticker markets"),
    "event.settled": _event("info", "all its markets are settled", "event_ticker pnl"),
    "market.changed": _event(
        "info", "a market's terms were changed", "market active closes regridded"
    ),
    "market.settled": _event(
        "info", "a market is settled", "event_ticker market value position payout"
    ),
    "settlement.amended": _event(
        "warning", "a settlement was amended", "market value payout before"
    ),
    "listing.unreadable": _event("warning", "what is listed cannot be read", "ticker reason"),
    "listing.not_read": _event("warning", "a reading of the listing failed", "reason"),
    "listing.read_again": _event("info", "after failed ones, one succeeded", "failed"),
    "stream.failed": _event("warning", "the connection failed", "reason"),
    "stream.lost": _event("warning", "it is gone, and every book with it", "live_orders"),
    "stream.late": _event("warning", "frames come late, or from the future", "age_ms"),
    "stream.in_time": _event("info", "they come in time again", "age_ms"),
    "stream.gap": _event("warning", "frames are missing", "channel frames"),
    "stream.error": _event("warning", "the stream answered with an error", "code reason channel"),
    "stream.given_up": _event("warning", "the connection is replaced", "reason"),
    "stream.resubscribing": _event("warning", "the books are subscribed anew", "markets reason"),
    "stream.silent": _event("warning", "what was confirmed does not show", "channel reason"),
    "stream.heard_again": _event("info", "the channel tells of orders again", "channel"),
    "book.distrusted": _event("warning", "a book may be wrong and is read anew", "market reason"),
    "books.distrusted": _event("warning", "so may all these", "markets reason"),
    # The account
    "account.reconciled": _event("info", "the account was read", "orders fills balance"),
    "account.not_read": _event("warning", "a reading of the account failed", "reason"),
    "account.read_again": _event("info", "after failed ones, one succeeded", "failed"),
    "account.unreadable": _event(
        "warning", "what the account lists of a market cannot be read", "market reason"
    ),
    "position.contradicts": _event(
        "warning", "portfolio, ledger and account disagree on a position", "market reason"
    ),
    "position.agrees": _event("info", "they agree again", "market before"),
    "fills.restored": _event("info", "fills of earlier sessions", "event_ticker fills"),
    "group.secured": _event("info", "there is an order group", "shard group"),
    "group.not_secured": _event("warning", "there is none", "shard reason"),
    "group.triggered": _event(
        "warning", "too much filled at once; all orders are off", "shard group cap pause_seconds"
    ),
    "group.reset": _event("info", "it takes orders again", "shard group"),
    "group.gone": _event("warning", "it was deleted", "shard"),
    # Quotes and orders
    "quotes.blocked": _event(
        "info",
        "why a market, or several, are not quoted",
        "event_ticker reason",
        "market markets tickers",
    ),
    "quotes.open": _event(
        "info", "every gate is open", "event_ticker reason", "market markets tickers"
    ),
    "order.place": _event("info", "an order is sent", f"{_ORDER} fair", "fee_each"),
    "order.resting": _event(
        "info", "the exchange has it, by its own id", "market client_order_id order_id"
    ),
    "order.adopted": _event(
        "info",
        "an order of an earlier session rests",
        "market client_order_id order_id side price count",
    ),
    "order.cancel": _event("info", "its cancel is sent", f"{_ORDER} reason danger_cents"),
    "order.decrease": _event("info", "its decrease is sent", f"{_ORDER} remaining"),
    "order.over": _event(
        "info", "it is over, and so much of it was filled", "market client_order_id order_id filled"
    ),
    "order.refused": _event(
        "info warning error", "a write was refused", "market client_order_id write refusal detail"
    ),
    "order.unknown": _event(
        "warning", "the outcome of a write is unknown", "market client_order_id write detail"
    ),
    "order.look_up_failed": _event(
        "warning", "the exchange could not be asked for it", "client_order_id detail"
    ),
    "order.look_up_answered": _event("info", "it answered again", "failed orders"),
    "order.revived": _event(
        "warning", "it is listed as resting although it was over", "market client_order_id"
    ),
    "order.stray": _event(
        "warning", "it rests in a market that is not known", "market client_order_id reason"
    ),
    "order.unreadable": _event(
        "warning", "what is said of it cannot be read", "market client_order_id reason"
    ),
    "order.abandoned": _event(
        "warning", "its market was decided first", "market client_order_id state owed"
    ),
    "fill": _event(
        "info",
        "an order was filled, in part or whole",
        "at event_ticker market trade_id order_id side price count fee position fair known",
    ),
    "fill.voided": _event(
        "warning",
        "a fill that the exchange does not stand by was taken out again",
        "event_ticker market trade_id order_id reason",
    ),
    "fee.changed": _event(
        "info warning",
        "makers pay something else in an event; as a warning, what that is is not known",
        "event_ticker terms terms_before",
    ),
    "fee.differs": _event(
        "warning",
        "a fill was charged something else than expected; of each event it is told once",
        "event_ticker market trade_id order_id price count fee expected_fee terms",
    ),
    "fill.unreadable": _event("warning", "a fill cannot be read", "market reason"),
}
