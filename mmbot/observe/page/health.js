// What the limits have left, how old everything is, how long the exchange takes.

import { byId, h, s, setText, show } from "./dom.js";
import { count, dollars, duration, moment, short } from "./format.js";

const LIMITS = {
  daily_loss_dollars: "loss of the day",
  event_loss_dollars: "loss of the week",
  orders: "orders",
  contracts_per_market: "position",
};
// From how many milliseconds on an age is worth a look.
const OLD = { stream: 15_000, page: 900_000, account: 900_000, listing: 900_000 };

export function showLimits({ status }) {
  const limits = status.limits.filter((each) => each.left !== null);
  show(byId("limits"), limits, () => limits.map(limit));
}

function limit(each) {
  const used = Math.min(1, Math.max(0, Number(each.used) / Number(each.most)));
  const written = each.unit === "dollars" ? dollars : count;
  const where = each.unit === "contracts" && Number(each.used) ? ` in ${short(each.scope)}` : "";
  return h(
    "div",
    { class: "limit" },
    h("span", { class: "name" }, `${LIMITS[each.limit] ?? each.limit}${where}`),
    h("span", { class: "of" }, `${written(each.left)} of ${written(each.most)}`),
    s(
      "svg",
      { viewBox: "0 0 100 4", preserveAspectRatio: "none", "aria-hidden": "true" },
      s("rect", { class: "rail", width: 100, height: 4 }),
      s("rect", { class: used > 0.8 ? "bad" : "rest", width: used * 100, height: 4 }),
    ),
  );
}

export function showHealth({ look, status, calendarOf }) {
  const { ages } = status;
  const answers = look.answers;
  const pairs = [
    age("stream", ages.stream_ms),
    ["own orders", duration(ages.orders_ms), ""],
    ["forecast", duration(ages.belief_ms), ""],
    age("page", ages.page_ms, "counts"),
    age("account", ages.account_ms),
    age("listing", ages.listing_ms),
    ["exchange answers", answers ? `${answers.median_ms.toFixed(1)} ms` : "none yet", ""],
    ["95 % within", answers ? `${answers.p95_ms.toFixed(1)} ms` : "–", ""],
    ["loop late", `${look.loop_late_ms.toFixed(1)} ms`, look.loop_late_ms > 100 ? "bad" : ""],
  ];
  show(byId("health"), pairs, () =>
    pairs.map(([name, value, style]) =>
      h("div", {}, h("dt", {}, name), h("dd", { class: style }, value)),
    ),
  );
  showFooter(look, status, calendarOf);
}

const age = (name, milliseconds, label = name) => [
  label,
  duration(milliseconds),
  milliseconds === null || milliseconds > OLD[name] ? "warn-text" : "",
];

function showFooter(look, status, calendarOf) {
  const parts = [
    `session ${status.session} since ${moment(calendarOf(status.since))}`,
    `process ${status.process}`,
    status.exchange,
    status.directory,
    look.viewers > 1 ? `${look.viewers} look` : "",
    status.log_dropped ? `${status.log_dropped} log lines dropped` : "",
  ];
  setText(byId("footer"), parts.filter(Boolean).join(" · "));
}
