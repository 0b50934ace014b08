"""Every event of the log: its levels, its fields and its meaning."""

from __future__ import annotations

import msgspec


class LogEvent(msgspec.Struct, frozen=True):
    """One event.

    Attributes:
        levels: The levels at which it is written.
        what: What has happened, as a clause.
        fields: Its fields, in the order in which the documentation lists them.
        optional: Fields that are not always present.
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
    "start.waits": _event(
        "warning", "the start waits for a problem that passes by itself", "waits_for"
    ),
    "start.goes_on": _event("info", "the start continues after a wait", "seconds"),
    "check": _event("info warning error", "one start-up check and its result", "name state detail"),
    "check.unknown": _event("warning", "some start-up checks cannot be made yet", "checks"),
    "heartbeat": _event(
        "info",
        "the state of the daemon at a glance",
        "calendar streaming reconciled halted stopping quoted markets live_orders gates "
        "feed_age_ms orders_age_ms belief_age_ms page_age_ms account_age_ms pnl_today_fair "
        "pnl_today_worst pnl_week_fair pnl_week_worst",
        "problems unknown_words unreadable log_dropped",
    ),
    "market.status": _event(
        "info",
        "a market has changed since the last heartbeat: its quotes, its position, the reason why "
        "it is not quoted, or its fair value by a cent or more",
        "event_ticker market strike fair mid reservation bid ask position reason",
    ),
    "latency": _event(
        "info",
        "latency since the previous such line, with every heartbeat; each figure but `frames` has "
        "n, p50, p99 and max, and is empty if nothing was measured",
        "frames order_us age_ms lag_ms risk_cent_seconds",
    ),
    "helper.died": _event("error", "a part of the daemon has failed and is restarted", "helper"),
    "helper.restarted": _event("info", "a failed part runs again", "helper"),
    "bot.failed": _event("error", "the bot has failed; every order is cancelled"),
    "watchdog.not_fed": _event(
        "error",
        "a quote is unattended, or the event loop is late; systemd restarts the process if this "
        "lasts",
        "reason",
    ),
    "bystander.died": _event(
        "error",
        "a part that reports to others (alerts, metrics, watchdog) has failed and is restarted",
        "helper",
    ),
    "given_up": _event("error", "parts fail too often; the session ends, every order is cancelled"),
    "session.failed": _event("error", "a session has ended with an error", optional="reason"),
    "config.reloaded": _event(
        "info",
        "the config was read again, and the keys that can change at runtime are in force",
        "changed waits_for_restart",
    ),
    "config.refused": _event("error", "the edited config is invalid; nothing changes", "reason"),
    "reload.ignored": _event("info", "SIGHUP came before there was a session to reload"),
    "stop.asked": _event("info", "a signal asks the daemon to stop", "signal"),
    "stopping": _event("info", "the bot stops quoting and cancels its orders", "live_orders"),
    "sweep.clean": _event("info", "the exchange confirms that no order is left"),
    "sweep.unconfirmed": _event(
        "error", "the exchange did not confirm in time that no order is left", "seconds"
    ),
    "swept": _event(
        "info",
        "the final cancelling of all own orders, after the bot has ended, is done",
        "found left others reason",
    ),
    "stopped": _event("info", "the session has ended", "exit_code"),
    "daemon.second": _event(
        "error", "a daemon that started later trades the same account", "reason"
    ),
    "clock.anchored": _event("warning", "the bot's time was set from the exchange's", "ahead_ms"),
    "clock.off": _event("warning", "a clock is too far off to quote", "against ahead_ms"),
    "clock.right": _event("info", "the clock is right again", "against ahead_ms"),
    "library.said": _event(
        "warning error", "a warning or an error from a library", "library detail"
    ),
    "log.dropped": _event(
        "warning", "log lines were dropped because nobody read them in time", "lines"
    ),
    "capture.stopped": _event(
        "warning", "the capture has ended; inputs are no longer recorded", "path reason"
    ),
    "recording": _event("info", "a session that only records begins", "directory"),
    "recording.continues": _event("info", "the recording continues in another capture", "session"),
    "ledger.behind": _event("warning", "commits of the ledger are overdue; nothing is quoted"),
    "ledger.caught_up": _event("info", "the ledger has caught up with its commits"),
    "ledger.not_kept": _event("error", "the last writes of the ledger could not be committed"),
    # Prometheus, people, reports
    "metrics.served": _event("info", "Prometheus can read the metrics", "url"),
    "metrics.unavailable": _event(
        "warning", "the port of the metrics cannot be opened; this is retried", "port reason"
    ),
    "alert.not_sent": _event(
        "warning", "an alert could not be delivered to an address", "address reason"
    ),
    "alert.no_addresses": _event(
        "warning",
        "the file of the alerts' addresses cannot be read; those read before are used",
        "reason",
    ),
    "alert.sent_again": _event("info", "alerts are delivered to an address again", "address"),
    "report.written": _event("info", "the report of a settled week is written", "path"),
    "report.not_written": _event(
        "warning", "the report of a settled week could not be written", "event_ticker reason"
    ),
    # The operator
    "halted": _event("warning", "the operator has halted quoting", "since reason live_orders"),
    "resumed": _event("info", "the operator has ended the halt"),
    "halt.not_kept": _event(
        "error", "a halt could not be stored; it holds only until a restart", "reason"
    ),
    "market.paused": _event("warning", "the operator has paused a market", "market"),
    "market.unpaused": _event("info", "the operator has ended the pause of a market", "market"),
    "pause.not_kept": _event("error", "a pause, or its end, could not be stored", "market reason"),
    "dashboard.served": _event("info", "the dashboard is being served", "url"),
    "dashboard.unavailable": _event(
        "warning", "the address of the dashboard cannot be opened; this is retried", "reason"
    ),
    "dashboard.no_token": _event(
        "warning",
        "the token file of the dashboard cannot be written; the page is read-only",
        "reason",
    ),
    "dashboard.command": _event(
        "info", "a viewer of the dashboard with the token sent a command", "command"
    ),
    "dashboard.viewer_dropped": _event(
        "info", "a viewer of the dashboard read too slowly and was disconnected", "waiting"
    ),
    "dashboard.failed": _event(
        "error", "the dashboard's data could not be prepared; its viewers reconnect"
    ),
    "http.refused": _event(
        "debug",
        "a client of the web pages does not speak HTTP, or exceeds the limit of connections",
        "reason",
    ),
    # Counts and forecast
    "counts.read": _event("info", "the history of counts has been read", "days last_day digest"),
    "counts.published": _event("info", "a day's count is published", "day count"),
    "counts.revised": _event("warning", "a count was changed", "day count first_published"),
    "counts.implausible": _event(
        "warning",
        "an implausible count is ignored until the page shows it again",
        "day count deviations",
    ),
    "counts.missing": _event("info", "counts of these days are no longer waited for", "days"),
    "counts.came_after_all": _event(
        "warning", "a count that was no longer waited for was published", "day count"
    ),
    "counts.unreadable": _event("warning", "a page of counts could not be read", "reason failures"),
    "counts.row_unreadable": _event(
        "warning", "a row of a page of counts could not be read", "reason"
    ),
    "counts.no_such_year": _event("warning", "the site has no page of a year", "year"),
    "forecast.fitting": _event(
        "info", "past weeks are being forecast, to learn the errors", "weeks of"
    ),
    "forecast.fitted": _event("info", "a forecaster is fitted", "method without seconds"),
    "forecast.not_kept": _event(
        "warning", "past forecasts cannot be stored; the next start makes them again", "reason"
    ),
    "forecast.uncalibrated": _event(
        "warning",
        "the 80 % intervals contained too few or too many of the recent outcomes",
        "known weeks coverage80 usual",
    ),
    "belief.updated": _event(
        "info",
        "a traded week has a new forecast",
        "event_ticker known mean moved sd method members effective_weeks heaviest digest",
    ),
    "belief.impossible": _event("error", "a week cannot be forecast", "week reason"),
    "belief.left_out": _event(
        "warning",
        "more weeks are listed than are forecast: this week and later ones are not quoted",
        "week most",
    ),
    "belief.exposure": _event(
        "info",
        "the own orders on the wrong side of a new fair value, and how long until they were off",
        "event_ticker known orders cent_seconds seconds",
    ),
    # The exchange
    "exchange.open": _event("info", "the exchange is open for trading", "reason"),
    "exchange.shut": _event("info", "the exchange is closed", "reason"),
    "exchange.unknown_word": _event(
        "warning", "the exchange sent a value that mmbot does not know", "word"
    ),
    "budget.read": _event("info", "the account's rate limits", "refill capacity"),
    "event.listed": _event("info", "an event is listed", "event_ticker markets"),
    "event.settled": _event("info", "all markets of an event are settled", "event_ticker pnl"),
    "market.changed": _event(
        "info", "a market's terms were changed", "market active closes regridded"
    ),
    "market.settled": _event(
        "info", "a market is settled", "event_ticker market value position payout"
    ),
    "settlement.amended": _event(
        "warning", "a settlement was amended", "market value payout before"
    ),
    "listing.unreadable": _event(
        "warning", "a listed event or market cannot be read", "ticker reason"
    ),
    "listing.not_read": _event("warning", "reading the listing failed", "reason"),
    "listing.read_again": _event("info", "the listing could be read again", "failed"),
    "stream.failed": _event("warning", "a connection of the stream failed", "reason"),
    "stream.lost": _event("warning", "the stream is lost, and every book with it", "live_orders"),
    "stream.late": _event("warning", "frames arrive late, or with a time in the future", "age_ms"),
    "stream.in_time": _event("info", "frames arrive in time again", "age_ms"),
    "stream.gap": _event(
        "warning", "the sequence numbers of a channel show a gap", "channel frames"
    ),
    "stream.error": _event("warning", "the stream answered with an error", "code reason channel"),
    "stream.given_up": _event("warning", "the stream is given up and reconnected", "reason"),
    "stream.resubscribing": _event(
        "warning", "the books of some markets are subscribed to again", "markets reason"
    ),
    "stream.silent": _event(
        "warning",
        "a confirmed write or a listed fill was not reported on the stream",
        "channel reason",
    ),
    "stream.heard_again": _event("info", "the channel reports own orders again", "channel"),
    "book.distrusted": _event(
        "warning", "a book may be wrong; a new snapshot is requested", "market reason"
    ),
    "books.distrusted": _event(
        "warning", "several books may be wrong; new snapshots are requested", "markets reason"
    ),
    # The account
    "account.reconciled": _event(
        "info", "the account was read and compared with the bot's state", "orders fills balance"
    ),
    "account.not_read": _event("warning", "reading the account failed", "reason"),
    "account.read_again": _event("info", "the account could be read again", "failed"),
    "account.unreadable": _event(
        "warning",
        "an order, fill or position that the account lists in a market cannot be read",
        "market reason",
    ),
    "position.contradicts": _event(
        "warning", "portfolio, ledger and account disagree on a position", "market reason"
    ),
    "position.agrees": _event(
        "info", "portfolio, ledger and account agree on a position again", "market before"
    ),
    "fills.restored": _event(
        "info", "fills of earlier sessions were restored from the ledger", "event_ticker fills"
    ),
    "group.secured": _event("info", "a shard's order group is in place", "shard group"),
    "group.not_secured": _event(
        "warning", "a shard has no order group; nothing is placed there", "shard reason"
    ),
    "group.triggered": _event(
        "warning",
        "too much was filled at once; the order group has cancelled all its orders",
        "shard group cap pause_seconds",
    ),
    "group.reset": _event("info", "the order group takes orders again", "shard group"),
    "group.gone": _event("warning", "the order group was deleted", "shard"),
    # Quotes and orders
    "quotes.blocked": _event(
        "info",
        "one or more markets are not quoted, and why",
        "event_ticker reason",
        "market markets tickers",
    ),
    "quotes.open": _event(
        "info",
        "every gate of one or more markets is open",
        "event_ticker reason",
        "market markets tickers",
    ),
    "order.place": _event("info", "an order is sent", f"{_ORDER} fair", "fee_each"),
    "order.resting": _event(
        "info",
        "the exchange has accepted the order and given it an id",
        "market client_order_id order_id",
    ),
    "order.adopted": _event(
        "info",
        "an order of an earlier session rests",
        "market client_order_id order_id side price count",
    ),
    "order.cancel": _event("info", "a cancel of an order is sent", f"{_ORDER} reason danger_cents"),
    "order.decrease": _event(
        "info", "a decrease of an order's size is sent", f"{_ORDER} remaining"
    ),
    "order.over": _event(
        "info",
        "an order is finished; `filled` is how much of it was filled",
        "market client_order_id order_id filled",
    ),
    "order.refused": _event(
        "info warning error",
        "the exchange refused a write",
        "market client_order_id write refusal detail",
    ),
    "order.unknown": _event(
        "warning", "the outcome of a write is unknown", "market client_order_id write detail"
    ),
    "order.look_up_failed": _event(
        "warning", "the status of an order could not be queried", "client_order_id detail"
    ),
    "order.look_up_answered": _event(
        "info", "queries of orders' status are answered again", "failed orders"
    ),
    "order.revived": _event(
        "warning",
        "an order that was believed finished is listed as resting",
        "market client_order_id",
    ),
    "order.stray": _event(
        "warning",
        "an own order rests in a market that is not known",
        "market client_order_id reason",
    ),
    "order.unreadable": _event(
        "warning", "a report of an order cannot be read", "market client_order_id reason"
    ),
    "order.abandoned": _event(
        "warning",
        "a market was decided before the outcome of an order in it was known",
        "market client_order_id state owed",
    ),
    "fill": _event(
        "info",
        "an order was filled, in part or whole",
        "at event_ticker market trade_id order_id side price count fee position fair known",
    ),
    "fill.voided": _event(
        "warning",
        "a fill that the exchange does not confirm was taken back",
        "event_ticker market trade_id order_id reason",
    ),
    "fee.changed": _event(
        "info warning",
        "the maker fee of an event has changed; a warning if it is now unknown",
        "event_ticker terms terms_before",
    ),
    "fee.differs": _event(
        "warning",
        "a fill was charged another fee than expected; reported once an event",
        "event_ticker market trade_id order_id price count fee expected_fee terms",
    ),
    "fill.unreadable": _event("warning", "a fill cannot be read", "market reason"),
    "fills.distrusted": _event(
        "warning",
        "the account confirms too few of the fills on the stream; nothing is quoted until it is "
        "read again",
        "reason",
    ),
}
