// Own orders with what is left of their lives, and the lives of the latest that are over.

import { byId, empty, h, s, show, table } from "./dom.js";
import { count, duration, price, strike, timeOf, words } from "./format.js";

const HEAD = [
  ["market", ""],
  ["", ""],
  ["price", "right"],
  ["count", "right"],
  ["state", ""],
  ["age", "right wide"],
  ["expires in", "right"],
];
const LIFE_HEAD = [
  ["market", ""],
  ["", ""],
  ["price", "right"],
  ["count", "right wide"],
  ["placed", "right wide"],
  ["lived", "right"],
  ["filled", "right"],
  ["why it ended", ""],
];
const MOST_LIVES = 8;

export function showOrders({ status }) {
  const orders = status.events.flatMap((event) => event.markets).flatMap((each) => each.quotes);
  const shown = orders.map((order) => [order, Math.round((status.at - order.placed) / 1000)]);
  show(byId("orders"), shown, () =>
    orders.length
      ? table(
          HEAD,
          orders.map((each) => row(each, status.at)),
          "Own orders",
        )
      : empty(whyNone(status)),
  );
}

function row(order, now) {
  const left = Math.max(0, order.expires - now);
  const filled = Number(order.filled)
    ? h("span", { class: "size" }, ` ${count(order.filled)} filled`)
    : "";
  return [
    strike(order.market),
    sideOf(order.side),
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

// Lives: what the log's last lines tell of orders that are over.

export function showLives(lines) {
  const over = livesOf(lines).slice(-MOST_LIVES).reverse();
  show(byId("lives"), over, () =>
    over.length
      ? table(LIFE_HEAD, over.map(lifeRow), "Orders that are over")
      : empty("No order has come to its end while anybody could look."),
  );
}

function livesOf(lines) {
  const lives = new Map();
  for (const { fields } of lines) {
    const id = fields.client_order_id;
    if (!id || !fields.event.startsWith("order.")) continue;
    const at = Date.parse(fields.timestamp);
    const life = lives.get(id) ?? {};
    if (fields.event === "order.place") Object.assign(life, fields, { began: at, why: "" });
    if (fields.event === "order.cancel") life.why = words(fields.reason);
    if (fields.event === "order.refused") life.why = `refused: ${words(fields.refusal)}`;
    if (fields.event === "order.over") Object.assign(life, { ended: at, filled: fields.filled });
    lives.set(id, life);
  }
  return [...lives.values()].filter((life) => life.began && life.ended);
}

function lifeRow(life) {
  const filled = Number(life.filled);
  return [
    strike(life.market),
    sideOf(life.side),
    price(life.price),
    count(life.count),
    timeOf(life.began),
    duration(life.ended - life.began),
    filled ? h("b", {}, count(life.filled)) : "",
    life.why || (filled ? "filled" : "expired"),
  ];
}

const sideOf = (side) => h("span", { class: side }, side === "bid" ? "buys YES" : "sells YES");
