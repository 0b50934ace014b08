// Own orders with what is left of their lives, and what became of the latest.

import { byId, empty, h, s, show, table } from "./dom.js";
import { count, duration, price, short, timeOf, words } from "./format.js";

const HEAD = [
  ["market", ""],
  ["", ""],
  ["price", "right"],
  ["count", "right"],
  ["state", ""],
  ["age", "right wide"],
  ["expires in", "right"],
];
const MOST_EVENTS = 14;

export function showOrders({ status }) {
  const orders = status.events.flatMap((event) => event.markets).flatMap((each) => each.quotes);
  const shown = orders.map((order) => [order, Math.round((status.at - order.placed) / 1000)]);
  show(byId("orders"), shown, () =>
    orders.length ? table(HEAD, orders.map((each) => row(each, status.at)), "Own orders") : empty(whyNone(status)),
  );
}

function row(order, now) {
  const left = Math.max(0, order.expires - now);
  const filled = Number(order.filled) ? h("span", { class: "size" }, ` ${count(order.filled)} filled`) : "";
  return [
    short(order.market),
    h("span", { class: order.side }, order.side === "bid" ? "buys YES" : "sells YES"),
    price(order.price),
    [count(order.count), filled],
    h("span", { class: `chip ${order.state}` }, words(order.state)),
    duration(Math.max(0, now - order.placed)),
    [duration(left), life(left)],
  ];
}

// Renewed in time, an order never comes to the end of this.
function life(left) {
  const width = Math.min(100, left / 600);
  return s(
    "svg",
    { class: "life", viewBox: "0 0 100 4", preserveAspectRatio: "none", "aria-hidden": "true" },
    s("rect", { class: "rail", width: 100, height: 4 }),
    s("rect", { class: width < 20 ? "short" : "rest", width, height: 4 }),
  );
}

function whyNone(status) {
  if (status.halt) return "No order is live: it is halted.";
  return `No order is live${status.gate ? `: ${status.gate.meaning}` : "."}`;
}

export function showOrderEvents(lines) {
  const events = lines
    .filter(({ fields }) => fields.event.startsWith("order.") || fields.event === "fill")
    .slice(-MOST_EVENTS)
    .reverse();
  show(byId("order-events"), events.map((each) => each.number), () =>
    events.length ? events.map(orderEvent) : h("li", { class: "empty" }, "Nothing happened to an order yet."),
  );
}

function orderEvent({ fields }) {
  const parts = [
    fields.market ? short(fields.market) : "",
    fields.side ?? "",
    fields.price ? `at ${price(fields.price)}` : "",
    fields.reason ? words(fields.reason) : "",
  ];
  return h(
    "li",
    { class: fields.level },
    h("time", {}, timeOf(Date.parse(fields.timestamp))),
    h("b", {}, fields.event.replace("order.", "")),
    h("span", {}, parts.filter(Boolean).join(" ")),
  );
}
